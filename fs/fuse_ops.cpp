// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_ops.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>

#include "fs/handle_cast.h"
#include "fs/mount.h"
#include "fs/request_buffer.h"
#include "fs/slowly.h"
#include "fs/view_requests.h"

namespace holdfast::fs {

namespace {

Mount& mount_of(fuse_req_t request) noexcept { return *static_cast<Mount*>(fuse_req_userdata(request)); }

/// The one trampoline: nothing leaves it but an answer. A request that was dropped on the way answers EIO by itself.
template <typename Body>
void guarded(fuse_req_t raw, Body body) noexcept {
  Mount& mount = mount_of(raw);
  run_guarded(Request(mount.services, raw), [&](Request request) { body(mount, std::move(request)); });
}

ViewRequests::NodePtr view(Mount& mount, NodeId id) {
  return std::static_pointer_cast<ViewNode>(mount.table.find(id));
}

/// Calls one of two bodies by the branch that `id` belongs to.
template <typename Live, typename View>
void by_branch(fuse_req_t raw, NodeId id, Live live, View view_body) noexcept {
  guarded(raw, [&](Mount& mount, Request request) {
    if (LiveBranch::owns(id)) {
      live(mount.live, std::move(request));
      return;
    }
    const auto node = view(mount, id);
    if (!node) {
      request.fail(ESTALE);
    } else {
      view_body(mount, std::move(request), node);
    }
  });
}

/// For changes of names, which no view allows (except as told).
template <typename Live>
void change(fuse_req_t raw, NodeId parent, Live live) noexcept {
  by_branch(raw, parent, live,
            [](Mount&, Request request, const auto& node) { request.fail(node->change_errno()); });
}

NewNode new_node(const Request& request, mode_t mode) {
  NewNode node;
  node.mode = mode;
  node.uid = request.caller().uid;
  node.gid = request.caller().gid;
  return node;
}

// Names.

void op_lookup(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  by_branch(raw, parent, [&](LiveBranch& live, Request request) { live.look_up(std::move(request), parent, name); },
            [&](Mount& mount, Request request, const auto& node) {
              ViewRequests::look_up(mount, std::move(request), node, name);
            });
}

void forget(Mount& mount, fuse_ino_t id, std::uint64_t count) {
  if (LiveBranch::owns(id)) {
    mount.live.forget(id, count);
  } else {
    mount.table.release(id, count);
  }
}

void op_forget(fuse_req_t raw, fuse_ino_t id, std::uint64_t count) {
  guarded(raw, [&](Mount& mount, Request request) {
    forget(mount, id, count);
    request.none();
  });
}

void op_forget_multi(fuse_req_t raw, std::size_t count, fuse_forget_data* forgets) {
  guarded(raw, [&](Mount& mount, Request request) {
    for (std::size_t i = 0; i < count; ++i) forget(mount, forgets[i].ino, forgets[i].nlookup);
    request.none();
  });
}

void op_mknod(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  change(raw, parent, [&](LiveBranch& live, Request request) {
    NewNode node = new_node(request, mode);
    node.rdev = device;
    live.make_node(std::move(request), parent, name, std::move(node));
  });
}

void op_mkdir(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode) {
  by_branch(raw, parent,
            [&](LiveBranch& live, Request request) {
              NewNode node = new_node(request, S_IFDIR | (mode & 07777U));
              live.make_node(std::move(request), parent, name, std::move(node));
            },
            [&](Mount& mount, Request request, const auto& node) {
              node->make_directory(mount, std::move(request), name);
            });
}

void op_symlink(fuse_req_t raw, const char* target, fuse_ino_t parent, const char* name) {
  change(raw, parent, [&](LiveBranch& live, Request request) {
    NewNode node = new_node(request, S_IFLNK | 0777);
    node.symlink_target = target;
    live.make_node(std::move(request), parent, name, std::move(node));
  });
}

void op_unlink(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  change(raw, parent, [&](LiveBranch& live, Request request) { live.unlink(std::move(request), parent, name); });
}

void op_rmdir(fuse_req_t raw, fuse_ino_t parent, const char* name) {
  by_branch(raw, parent,
            [&](LiveBranch& live, Request request) { live.remove_directory(std::move(request), parent, name); },
            [&](Mount& mount, Request request, const auto& node) {
              node->remove_directory(mount, std::move(request), name);
            });
}

void op_rename(fuse_req_t raw, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
               unsigned flags) {
  change(raw, parent, [&](LiveBranch& live, Request request) {
    if (!LiveBranch::owns(new_parent)) {
      request.fail(new_parent == kLiveId ? EPERM : EROFS);
      return;
    }
    live.rename(std::move(request), parent, name, new_parent, new_name, flags);
  });
}

void op_link(fuse_req_t raw, fuse_ino_t id, fuse_ino_t new_parent, const char* new_name) {
  change(raw, new_parent, [&](LiveBranch& live, Request request) {
    if (!LiveBranch::owns(id)) {
      request.fail(EXDEV);
      return;
    }
    live.link(std::move(request), id, new_parent, new_name);
  });
}

// Inodes.

void op_getattr(fuse_req_t raw, fuse_ino_t id, fuse_file_info*) {
  by_branch(raw, id, [&](LiveBranch& live, Request request) { live.attributes(std::move(request), id); },
            [](Mount& mount, Request request, const auto& node) {
              ViewRequests::attributes(mount, std::move(request), node);
            });
}

void op_setattr(fuse_req_t raw, fuse_ino_t id, struct stat* wanted, int valid, fuse_file_info*) {
  by_branch(raw, id,
            [&](LiveBranch& live, Request request) { live.set_attributes(std::move(request), id, *wanted, valid); },
            [](Mount&, Request request, const auto&) { request.fail(EROFS); });
}

void op_readlink(fuse_req_t raw, fuse_ino_t id) {
  by_branch(raw, id, [&](LiveBranch& live, Request request) { live.read_link(std::move(request), id); },
            [](Mount& mount, Request request, const auto& node) {
              ViewRequests::read_link(mount, std::move(request), node);
            });
}

void op_getxattr(fuse_req_t raw, fuse_ino_t id, const char* name, std::size_t size) {
  by_branch(raw, id, [&](LiveBranch& live, Request request) { live.get_xattr(std::move(request), id, name, size); },
            [&](Mount& mount, Request request, const auto& node) {
              ViewRequests::get_xattr(mount, std::move(request), node, name, size);
            });
}

void op_listxattr(fuse_req_t raw, fuse_ino_t id, std::size_t size) {
  by_branch(raw, id, [&](LiveBranch& live, Request request) { live.list_xattrs(std::move(request), id, size); },
            [&](Mount& mount, Request request, const auto& node) {
              ViewRequests::list_xattrs(mount, std::move(request), node, size);
            });
}

void op_setxattr(fuse_req_t raw, fuse_ino_t id, const char* name, const char* value, std::size_t size, int flags) {
  by_branch(raw, id,
            [&](LiveBranch& live, Request request) {
              live.set_xattr(std::move(request), id, name, std::string(value, size), flags);
            },
            [](Mount&, Request request, const auto&) { request.fail(EROFS); });
}

void op_removexattr(fuse_req_t raw, fuse_ino_t id, const char* name) {
  by_branch(raw, id, [&](LiveBranch& live, Request request) { live.remove_xattr(std::move(request), id, name); },
            [](Mount&, Request request, const auto&) { request.fail(EROFS); });
}

void op_statfs(fuse_req_t raw, fuse_ino_t) {
  guarded(raw, [](Mount& mount, Request request) { request.statistics(mount.space.statistics(mount)); });
}

// Directories.

void op_opendir(fuse_req_t raw, fuse_ino_t id, fuse_file_info* info) {
  by_branch(raw, id, [&](LiveBranch& live, Request request) { live.open_directory(std::move(request), id, *info); },
            [&](Mount& mount, Request request, const auto& node) {
              ViewRequests::open_directory(mount, std::move(request), node, *info);
            });
}

void read_directory(fuse_req_t raw, std::size_t size, off_t offset, const fuse_file_info* info, bool plus) {
  guarded(raw, [&](Mount& mount, Request request) {
    run_slowly(mount, std::move(request), [handle = handle_as<DirHandle>(*info), size, offset, plus](Request asked) {
      handle->stream.read(std::move(asked), size, static_cast<std::uint64_t>(offset), plus, "listing a directory");
    });
  });
}
void op_readdir(fuse_req_t raw, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
  read_directory(raw, size, offset, info, false);
}
void op_readdirplus(fuse_req_t raw, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
  read_directory(raw, size, offset, info, true);
}

void op_releasedir(fuse_req_t raw, fuse_ino_t, fuse_file_info* info) {
  guarded(raw, [&](Mount& mount, Request request) {
    mount.handles.release(info->fh);
    request.done();
  });
}

void op_fsyncdir(fuse_req_t raw, fuse_ino_t id, int, fuse_file_info*) {
  by_branch(raw, id, [&](LiveBranch& live, Request request) { live.sync_directory(std::move(request), id); },
            [](Mount&, Request request, const auto&) { request.done(); });
}

// Files.

void op_create(fuse_req_t raw, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
  change(raw, parent, [&](LiveBranch& live, Request request) {
    NewNode node = new_node(request, S_IFREG | (mode & 07777U));
    live.create(std::move(request), parent, name, std::move(node), *info);
  });
}

void op_open(fuse_req_t raw, fuse_ino_t id, fuse_file_info* info) {
  by_branch(raw, id, [&](LiveBranch& live, Request request) { live.open(std::move(request), id, *info); },
            [&](Mount& mount, Request request, const auto& node) {
              ViewRequests::open(mount, std::move(request), node, *info);
            });
}

void op_read(fuse_req_t raw, fuse_ino_t id, std::size_t size, off_t offset, fuse_file_info* info) {
  guarded(raw, [&](Mount& mount, Request request) {
    const auto at = static_cast<std::uint64_t>(offset);
    if (LiveBranch::owns(id)) {
      mount.live.read(std::move(request), handle_as<LiveHandle>(*info), size, at);
      return;
    }
    run_slowly(mount, std::move(request), [handle = handle_as<ReadableHandle>(*info), size, at](Request asked) {
      handle->read(std::move(asked), size, at);
    });
  });
}

/// Requests that only an open live file can get, since nothing else opens for writing.
template <typename Live>
void on_live_file(fuse_req_t raw, fuse_ino_t id, const fuse_file_info* info, Live live) noexcept {
  guarded(raw, [&](Mount& mount, Request request) {
    if (LiveBranch::owns(id)) {
      live(mount.live, std::move(request), handle_as<LiveHandle>(*info));
    } else {
      request.fail(EBADF);
    }
  });
}

/// Of smaller writes the parts that are kept are copied: keeping them would keep a buffer of 1 MiB each.
constexpr std::size_t kLentMinBytes = 512 * 1024;

void op_write(fuse_req_t raw, fuse_ino_t id, const char* data, std::size_t size, off_t offset, fuse_file_info* info) {
  on_live_file(raw, id, info, [&](LiveBranch& live, Request request, const auto& handle) {
    const bool is_worth_keeping = size >= kLentMinBytes;
    live.write(std::move(request), handle, {as_bytes({data, size}), is_worth_keeping ? request_buffer() : nullptr}, static_cast<std::uint64_t>(offset));
  });
}

void op_fallocate(fuse_req_t raw, fuse_ino_t id, int mode, off_t offset, off_t length, fuse_file_info* info) {
  on_live_file(raw, id, info, [&](LiveBranch& live, Request request, const auto& handle) {
    live.allocate(std::move(request), handle, mode, {static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length)});
  });
}

/// flush, fsync and release do nothing on files that can't be written.
template <typename Live>
void on_open_file(fuse_req_t raw, fuse_ino_t id, const fuse_file_info* info, Live live) noexcept {
  guarded(raw, [&](Mount& mount, Request request) {
    if (LiveBranch::owns(id)) {
      live(mount.live, std::move(request), handle_as<LiveHandle>(*info));
    } else {
      request.done();
    }
  });
}

void op_flush(fuse_req_t raw, fuse_ino_t id, fuse_file_info* info) {
  on_open_file(raw, id, info,
               [](LiveBranch& live, Request request, const auto& handle) { live.flush(std::move(request), handle); });
}

void op_fsync(fuse_req_t raw, fuse_ino_t id, int, fuse_file_info* info) {
  on_open_file(raw, id, info,
               [](LiveBranch& live, Request request, const auto& handle) { live.sync(std::move(request), handle); });
}

void op_release(fuse_req_t raw, fuse_ino_t id, fuse_file_info* info) {
  guarded(raw, [&](Mount& mount, Request request) {
    const auto handle = mount.handles.release(info->fh);
    if (LiveBranch::owns(id)) {
      mount.live.release(std::move(request), std::static_pointer_cast<LiveHandle>(handle));
    } else {
      request.done();
    }
  });
}

void op_lseek(fuse_req_t raw, fuse_ino_t id, off_t offset, int whence, fuse_file_info* info) {
  guarded(raw, [&](Mount& mount, Request request) {
    const auto at = static_cast<std::uint64_t>(offset);
    if (LiveBranch::owns(id)) {
      mount.live.seek(std::move(request), id, handle_as<LiveHandle>(*info), at, whence);
      return;
    }
    run_slowly(mount, std::move(request), [handle = handle_as<ReadableHandle>(*info), at, whence](Request asked) {
      handle->seek(std::move(asked), at, whence);
    });
  });
}

void op_init(void* user_data, fuse_conn_info* connection) {
  static_cast<Mount*>(user_data)->negotiate(*connection);
}

fuse_lowlevel_ops make_operations() noexcept {
  fuse_lowlevel_ops ops{};
  ops.init = op_init;
  ops.lookup = op_lookup;
  ops.forget = op_forget;
  ops.forget_multi = op_forget_multi;
  ops.getattr = op_getattr;
  ops.setattr = op_setattr;
  ops.readlink = op_readlink;
  ops.mknod = op_mknod;
  ops.mkdir = op_mkdir;
  ops.unlink = op_unlink;
  ops.rmdir = op_rmdir;
  ops.symlink = op_symlink;
  ops.rename = op_rename;
  ops.link = op_link;
  ops.open = op_open;
  ops.read = op_read;
  ops.write = op_write;
  ops.flush = op_flush;
  ops.release = op_release;
  ops.fsync = op_fsync;
  ops.opendir = op_opendir;
  ops.readdir = op_readdir;
  ops.readdirplus = op_readdirplus;
  ops.releasedir = op_releasedir;
  ops.fsyncdir = op_fsyncdir;
  ops.statfs = op_statfs;
  ops.setxattr = op_setxattr;
  ops.getxattr = op_getxattr;
  ops.listxattr = op_listxattr;
  ops.removexattr = op_removexattr;
  ops.create = op_create;
  ops.fallocate = op_fallocate;
  ops.lseek = op_lseek;
  return ops;
}

}  // namespace

const fuse_lowlevel_ops& fuse_operations() noexcept {
  static const fuse_lowlevel_ops operations = make_operations();
  return operations;
}

}  // namespace holdfast::fs
