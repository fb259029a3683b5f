// SPDX-License-Identifier: Apache-2.0
// Requests on open files of live trees.
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/log.h"
#include "fs/attributes.h"
#include "fs/errno_map.h"
#include "fs/handle_cast.h"
#include "fs/live_branch.h"
#include "fs/mount.h"
#include "fs/slowly.h"

namespace holdfast::fs {

namespace {

/// Room that a flush may need: what is cut of the data that a file still holds in memory.
constexpr std::uint64_t kFlushRoomBytes = 256U << 10;

bool wants_to_write(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

void prepare_info(fuse_file_info& info, bool writeback) {
  info.keep_cache = 1;  // what the kernel holds of a live file is right: nobody else writes it
  if (writeback) {
    info.flags &= ~O_APPEND;  // the kernel itself puts appended data at the end, and several handles feed one stream of pages
  } else if (wants_to_write(info.flags)) {
    info.direct_io = 1;
  }
}

/// For what was written to a file that is still open when the mount ends: disk work alone, so this is plenty.
constexpr std::chrono::seconds kLeftOpenPatience{30};

}  // namespace

void LiveBranch::open(Request request, NodeId id, fuse_file_info info) {
  const bool kill_suidgid = KernelChannel::current().kill_suidgid;
  run_slowly(mount_, std::move(request), [this, id, info, kill_suidgid](Request asked) mutable {
    const Target at = target(id);
    const CallContext context = asked.context();
    const std::string what = subject(id, "opening a file in");
    const bool writable = wants_to_write(info.flags);
    if ((info.flags & O_TRUNC) != 0) {
      SetAttributes empty;
      empty.size_bytes = 0;
      empty.clear_suid = kill_suidgid && mount_.channel.has_killpriv();
      if (mount_.channel.has_killpriv()) drop_capability(at, context);
      const auto cut = at.database.tree.set_attributes(at.ino, empty, context);
      if (!cut) {
        asked.fail(cut.error(), what);
        return;
      }
    }
    auto file = at.database.tree.open_file(at.ino, writable, context);
    if (!file) {
      asked.fail(file.error(), what);
      return;
    }
    prepare_info(info, mount_.collects_writes);
    answer_opened(std::move(asked), info, std::make_shared<LiveHandle>(at.database, *std::move(file), writable));
  });
}

void LiveBranch::create(Request request, NodeId parent, const std::string& name, NewNode node, fuse_file_info info) {
  run_slowly(mount_, std::move(request), [this, parent, name, node, info](Request asked) mutable {
    const Target at = target(parent);
    const CallContext context = asked.context();
    const std::string what = subject(parent, "creating a file in");
    const Status inherited = inherit_group(at, node, context);
    const auto made = inherited ? at.database.tree.make_node(at.ino, name, node, context)
                                : Result<LiveAttributes>(inherited.error());
    if (!made) {
      asked.fail(made.error(), what);
      return;
    }
    const auto entry = entry_of(at.database, *made);
    auto file = entry ? at.database.tree.open_file(made->ino, wants_to_write(info.flags), context)
                      : Result<std::shared_ptr<LiveFile>>(entry.error());
    if (!file) {
      at.database.tree.forget(made->ino, 1);
      asked.fail(file.error(), what);
      return;
    }
    prepare_info(info, mount_.collects_writes);
    info.fh = mount_.handles.keep(std::make_shared<LiveHandle>(at.database, *std::move(file), wants_to_write(info.flags)));
    if (!asked.created(*entry, info)) {
      mount_.handles.release(info.fh);
      at.database.tree.forget(made->ino, 1);
    }
  });
}

void LiveBranch::read(Request request, const std::shared_ptr<LiveHandle>& handle, std::size_t size, std::uint64_t offset) {
  run_slowly(mount_, std::move(request), [handle, size, offset](Request asked) {
    Bytes buffer(size);
    const auto got = data_result(handle->file->read(offset, buffer, asked.context()));
    if (got) {
      (void)asked.bytes(ByteView(buffer).first(*got));
    } else {
      asked.fail(got.error(), "reading /live/" + handle->database.name + " inode " + std::to_string(handle->file->ino()) +
                                  " at " + std::to_string(offset));
    }
  });
}

// What the kernel leaves to us under FUSE_HANDLE_KILLPRIV_V2: a write takes capabilities away, and suid and sgid where the kernel says so.
Status LiveBranch::before_write(LiveHandle& handle, bool kill_suidgid, const CallContext& context) {
  if (!mount_.channel.has_killpriv()) return ok_status();
  const Target at{handle.database, handle.file->ino()};
  const std::uint64_t changes = at.database.capability_changes.load();
  if (handle.capability_cleared.exchange(changes) != changes) drop_capability(at, context);
  if (!kill_suidgid) return ok_status();
  SetAttributes clear;
  clear.clear_suid = true;
  HOLDFAST_TRY(at.database.tree.set_attributes(at.ino, clear, context));
  fuse_lowlevel_notify_inval_inode(mount_.session, node_of(at.database, at.ino), -1, 0);  // attributes alone
  return ok_status();
}

void LiveBranch::write_now(Request request, LiveHandle& handle, const LentBytes& data, std::uint64_t offset, bool kill_suidgid) {
  const CallContext context = request.context();
  Status status = before_write(handle, kill_suidgid, context);
  handle.wrote = true;
  if (status) status = data_result(handle.file->write(offset, data, context));
  if (status) {
    request.written(data.size());
  } else {
    request.fail(status.error(), "writing /live/" + handle.database.name + " inode " + std::to_string(handle.file->ino()) +
                                     " at " + std::to_string(offset));
  }
}

void LiveBranch::write(Request request, const std::shared_ptr<LiveHandle>& handle, const LentBytes& data, std::uint64_t offset) {
  const bool kill_suidgid = KernelChannel::current().kill_suidgid;
  if (mount_.lot->admits(data.size())) {
    if (const SlowGate::Place place(mount_.gate); place) {
      write_now(std::move(request), *handle, data, offset, kill_suidgid);
      return;
    }
  }
  // It has to wait, and with it what of `data` lies in the thread's buffer.
  auto held = std::make_shared<Request>(std::move(request));
  const SharedBytes kept = data.keep(data.view());
  const std::stop_token stop = held->context().stop;
  mount_.lot->park(kept.size(), stop, [this, held, kept, handle, offset, kill_suidgid](const Status& relief) {
    if (relief) {
      run_guarded(std::move(*held),
                  [&](Request asked) { write_now(std::move(asked), *handle, kept.lend(), offset, kill_suidgid); });
    } else {
      held->fail(relief.error(), "writing /live/" + handle->database.name);
    }
  });
}

void LiveBranch::with_room(Request request, const std::shared_ptr<LiveHandle>& handle, std::function<void(Request)> work) {
  if (!handle->wrote || mount_.lot->admits(kFlushRoomBytes)) {
    run_slowly(mount_, std::move(request), std::move(work));
    return;
  }
  auto held = std::make_shared<Request>(std::move(request));
  const std::stop_token stop = held->context().stop;
  mount_.lot->park(0, stop, [held, handle, work = std::move(work)](const Status& relief) {
    if (relief) {
      run_guarded(std::move(*held), work);
    } else {
      held->fail(relief.error(), "flushing /live/" + handle->database.name);
    }
  });
}

void LiveBranch::flush(Request request, const std::shared_ptr<LiveHandle>& handle) {
  if (!handle->writable) {
    request.done();
    return;
  }
  with_room(std::move(request), handle, [handle](Request asked) {
    handle->wrote = false;
    const CallContext context = asked.context();
    const Status flushed = data_result(handle->file->flush(context));
    if (!flushed) handle->wrote = true;
    asked.finish(flushed, "closing a file of /live/" + handle->database.name);
  });
}

void LiveBranch::sync(Request request, const std::shared_ptr<LiveHandle>& handle) {
  with_room(std::move(request), handle, [handle](Request asked) {
    handle->wrote = false;
    const CallContext context = asked.context();
    const Status synced = data_result(handle->file->sync(context));
    if (!synced) handle->wrote = true;
    asked.finish(synced, "syncing a file of /live/" + handle->database.name);
  });
}

void LiveBranch::release(Request request, const std::shared_ptr<LiveHandle>& handle) {
  if (!handle->wrote) {
    request.done();
    return;
  }
  // Pages of a shared mapping are written after the last close; nobody waits for them, but they are flushed all the same.
  flush(std::move(request), handle);
}

void LiveBranch::keep_what_was_written(const std::shared_ptr<LiveHandle>& handle) {
  if (!handle->wrote) return;
  const Status flushed = handle->file->flush(with_timeout(CallContext::unbounded(), mount_.clock, kLeftOpenPatience));
  if (!flushed) log_error("a file of /live/" + handle->database.name + " was open at the end of the mount, and the last of what was written is lost: " + flushed.error().message());
}

void LiveBranch::allocate(Request request, const std::shared_ptr<LiveHandle>& handle, int mode, ByteRange range) {
  const bool keep_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  const int kind = mode & ~FALLOC_FL_KEEP_SIZE;
  if ((kind != 0 && kind != FALLOC_FL_PUNCH_HOLE && kind != FALLOC_FL_ZERO_RANGE) ||
      (kind == FALLOC_FL_PUNCH_HOLE && !keep_size)) {
    request.fail(EOPNOTSUPP);
    return;
  }
  const bool kill_suidgid = KernelChannel::current().kill_suidgid;
  run_slowly(mount_, std::move(request), [this, handle, kind, keep_size, range, kill_suidgid](Request asked) {
    const CallContext context = asked.context();
    Status status = before_write(*handle, kill_suidgid, context);
    handle->wrote = true;
    LiveFile& file = *handle->file;
    if (status) {
      status = kind == FALLOC_FL_PUNCH_HOLE   ? file.punch_hole(range.offset, range.size, context)
               : kind == FALLOC_FL_ZERO_RANGE ? file.zero_range(range.offset, range.size, keep_size, context)
                                              : file.allocate(range.offset, range.size, keep_size, context);
    }
    asked.finish(status, "allocating in /live/" + handle->database.name);
  });
}

void LiveBranch::seek(Request request, NodeId id, const std::shared_ptr<LiveHandle>& handle, std::uint64_t offset, int whence) {
  run_slowly(mount_, std::move(request), [this, id, handle, offset, whence](Request asked) {
    // The kernel asks without writing its dirty pages (of mapped files, or under writeback) first, and would be told of holes where its pages hold
    // data. Invalidating makes it write them, in other threads of ours; no lock that those need is held by the caller of lseek.
    fuse_lowlevel_notify_inval_inode(mount_.session, id, 0, 0);
    const CallContext context = asked.context();
    const auto found = whence == SEEK_DATA ? handle->file->seek_data(offset, context)
                       : whence == SEEK_HOLE ? handle->file->seek_hole(offset, context)
                                             : Result<std::uint64_t>(Error(ErrorCode::kInvalidArgument, "lseek"));
    if (found) {
      asked.position(static_cast<std::int64_t>(*found));
    } else {
      asked.fail(found.error(), "seeking in /live/" + handle->database.name);
    }
  });
}

}  // namespace holdfast::fs
