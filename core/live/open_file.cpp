// SPDX-License-Identifier: Apache-2.0
#include "core/live/open_file.h"

#include "core/live/live_error.h"
#include "core/live/live_tree_impl.h"

namespace holdfast {
namespace {

// Offsets of files are signed 64-bit numbers in POSIX; a margin keeps every sum of ours within them.
constexpr std::uint64_t kSizeMaxBytes = 1ULL << 62U;

Status check_range(std::uint64_t offset, std::uint64_t size) {
  if (offset > kSizeMaxBytes || size > kSizeMaxBytes - offset) {
    return name_error(NameRefusal::kFileTooBig, "a file can't be larger than 2^62 bytes");
  }
  return ok_status();
}

}  // namespace

OpenFile::OpenFile(LiveTreeImpl& tree, std::uint64_t ino) : tree_(tree), ino_(ino), content_(tree.content_parts()) {}

Status OpenFile::load(const CallContext& context) {
  if (content_.is_loaded()) return ok_status();
  HOLDFAST_ASSIGN(const LiveInodePtr value, tree_.value_of(ino_));
  return content_.load(*value, context);
}

void OpenFile::note_change() {
  {
    const std::lock_guard lock(attributes_mutex_);
    times_.mtime = times_.ctime = tree_.now();
    unpublished_ = true;
  }
  tree_.note_change();
}

template <typename Change>
Status OpenFile::change(const CallContext& context, Change apply) {
  const std::lock_guard writer(writer_mutex_);
  HOLDFAST_TRY(load(context));
  Status status = apply();
  note_change();  // a change that failed may have been made in part
  return status;
}

Result<std::size_t> OpenFile::read(std::uint64_t offset, MutableByteView out, const CallContext& context) {
  if (!content_.is_loaded()) {
    HOLDFAST_ASSIGN(const LiveInodePtr value, tree_.value_of(ino_));
    if (!value->tail) return ContentReader(tree_.content_parts().source).read(value->inode, offset, out, context);
    const std::lock_guard writer(writer_mutex_);
    HOLDFAST_TRY(load(context));
  }
  return content_.read(offset, out, context);
}

Result<std::uint64_t> OpenFile::write(std::optional<std::uint64_t> offset, const LentBytes& data, const CallContext& context) {
  std::uint64_t at = 0;
  const Status status = change(context, [&]() -> Status {
    at = offset ? *offset : content_.size_bytes();
    HOLDFAST_TRY(check_range(at, data.size()));
    return content_.write(at, data, context);
  });
  if (!status) return status.error();
  return at;
}

Status OpenFile::truncate(std::uint64_t size_bytes, const CallContext& context) {
  HOLDFAST_TRY(check_range(size_bytes, 0));
  const std::lock_guard writer(writer_mutex_);
  // Emptying needs nothing of the old content.
  if (size_bytes != 0) HOLDFAST_TRY(load(context));
  Status status = content_.truncate(size_bytes, context);
  note_change();
  return status;
}

Status OpenFile::punch(std::uint64_t offset, std::uint64_t size, bool keep_size, const CallContext& context) {
  HOLDFAST_TRY(check_range(offset, size));
  return change(context, [&]() -> Status {
    HOLDFAST_TRY(content_.punch(offset, size, context));
    if (keep_size || offset + size <= content_.size_bytes()) return ok_status();
    return content_.truncate(offset + size, context);
  });
}

Status OpenFile::allocate(std::uint64_t end, const CallContext& context) {
  HOLDFAST_TRY(check_range(end, 0));
  return change(context, [&]() -> Status {
    return end > content_.size_bytes() ? content_.truncate(end, context) : ok_status();
  });
}

Result<std::uint64_t> OpenFile::seek(std::uint64_t offset, bool to_data, const CallContext& context) {
  {
    const std::lock_guard writer(writer_mutex_);
    HOLDFAST_TRY(load(context));
  }
  const Error beyond(ErrorCode::kOutOfRange, "seeking beyond the end of the file");
  if (offset >= content_.size_bytes()) return beyond;
  if (!to_data) return content_.next_hole(offset);
  const auto found = content_.next_data(offset);
  if (!found) return beyond;
  return *found;
}

Status OpenFile::publish(bool keep_tail, const CallContext& context) {
  const std::lock_guard writer(writer_mutex_);
  if (!unpublished_ && (keep_tail || !loose_)) return ok_status();
  HOLDFAST_ASSIGN(const LiveInodePtr before, tree_.value_of(ino_));
  if (before->inode.nlink == 0) return ok_status();  // without a name it lives only as long as it is open
  HOLDFAST_ASSIGN(ContentUpdate update, content_.finish(keep_tail, context));
  loose_ = update.tail != nullptr;
  if (const auto* extents = std::get_if<ExtentContent>(&update.content); extents != nullptr && extents->extents.size() > kExtentContentMaxCount) {
    if (keep_tail) {
      loose_ = true;
    } else {
      HOLDFAST_ASSIGN(update.content, build_content(extents->extents, tree_.content_parts().pipeline, tree_.content_parts().domain));
      update.base_serial = 0;
    }
  }
  HOLDFAST_ASSIGN(const std::uint64_t serial, tree_.publish(*this, update));
  unpublished_ = false;
  content_.note_published(serial, update);
  return ok_status();
}

void OpenFile::overlay(LiveAttributes& attributes) const {
  if (!unpublished_) return;
  const std::lock_guard lock(attributes_mutex_);
  attributes.mtime = times_.mtime.value_or(attributes.mtime);
  attributes.ctime = times_.ctime.value_or(attributes.ctime);
  attributes.size_bytes = content_.size_bytes();
  attributes.allocated_bytes = content_.allocated_bytes();
}

OpenFile::Times OpenFile::take_times() {
  const std::lock_guard lock(attributes_mutex_);
  return std::exchange(times_, {});
}

}  // namespace holdfast
