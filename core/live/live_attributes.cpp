// SPDX-License-Identifier: Apache-2.0
#include "core/live/live_error.h"
#include "core/live/live_operation.h"

#include "core/base/log.h"

namespace holdfast {
namespace {

constexpr std::uint32_t kPermissionMask = 07777;
constexpr std::uint32_t kSetUid = 04000;
constexpr std::uint32_t kSetGid = 02000;
constexpr std::uint32_t kGroupExecute = 010;
constexpr std::size_t kXattrsMaxBytes = 65'536;     // names and values of one inode: keeps an entry within a tree node
constexpr std::size_t kXattrNameMaxBytes = 255;     // Linux XATTR_NAME_MAX

std::uint64_t allocated_of(const Inode& inode) {
  const auto* extents = std::get_if<ExtentContent>(&inode.content);
  if (extents == nullptr) return inode.size_bytes;
  std::uint64_t holes = 0;
  for (const Extent& extent : extents->extents) holes += extent.chunk ? 0 : extent.size_bytes;
  return inode.size_bytes - std::min(holes, inode.size_bytes);
}

std::size_t xattrs_size(const std::map<std::string, std::string>& xattrs) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : xattrs) bytes += name.size() + value.size();
  return bytes;
}

void apply_changes(Inode& inode, const SetAttributes& changes, WallNanos now) {
  if (changes.mode) inode.mode = (inode.mode & ~kPermissionMask) | (*changes.mode & kPermissionMask);
  inode.uid = changes.uid.value_or(inode.uid);
  inode.gid = changes.gid.value_or(inode.gid);
  inode.atime = changes.atime.value_or(inode.atime);
  inode.mtime = changes.mtime.value_or(inode.mtime);
  inode.ctime = changes.ctime.value_or(now);
  if (changes.clear_suid && !inode.is_directory()) {
    inode.mode &= ~kSetUid;
    if ((inode.mode & kGroupExecute) != 0) inode.mode &= ~kSetGid;
  }
}

Error no_attribute(const std::string& name) { return name_error(NameRefusal::kNoAttribute, "no extended attribute " + name); }

/// A handle. What it wrote is published when the last one that could write goes.
class LiveFileHandle final : public LiveFile {
 public:
  LiveFileHandle(LiveTreeImpl& tree, std::shared_ptr<OpenFile> file, bool for_writing)
      : tree_(tree), file_(std::move(file)), for_writing_(for_writing) {
    if (for_writing_) tree_.writer_opened(*file_);
  }
  ~LiveFileHandle() override {
    if (for_writing_) {
      const bool is_published = publish();
      tree_.writer_closed(*file_);
      // A truncation that came in between found a writer, and left it to that one to publish.
      if (is_published && !file_->has_writer() && file_->has_unpublished()) publish();
    }
    const std::uint64_t inode_number = file_->ino();
    file_.reset();
    tree_.close_inode(inode_number);
  }
  LiveFileHandle(const LiveFileHandle&) = delete;
  LiveFileHandle& operator=(const LiveFileHandle&) = delete;

  Result<std::size_t> read(std::uint64_t offset, MutableByteView out, const CallContext& context) override {
    return file_->read(offset, out, context);
  }
  Status write(std::uint64_t offset, const LentBytes& data, const CallContext& context) override {
    const Result<std::uint64_t> at = file_->write(offset, data, context);
    return at ? ok_status() : Status(at.error());
  }
  Result<std::uint64_t> append(ByteView data, const CallContext& context) override { return file_->write(std::nullopt, data, context); }
  Status flush(const CallContext& context) override { return file_->publish(false, context); }
  Status sync(const CallContext& context) override {
    HOLDFAST_TRY(file_->publish(true, context));
    return tree_.sync();
  }
  Status punch_hole(std::uint64_t offset, std::uint64_t size, const CallContext& context) override {
    return file_->punch(offset, size, true, context);
  }
  Status zero_range(std::uint64_t offset, std::uint64_t size, bool keep_size, const CallContext& context) override {
    return file_->punch(offset, size, keep_size, context);
  }
  Status allocate(std::uint64_t offset, std::uint64_t size, bool keep_size, const CallContext& context) override {
    std::uint64_t end = 0;
    if (__builtin_add_overflow(offset, size, &end)) return name_error(NameRefusal::kFileTooBig, "a range beyond 2^64");
    return keep_size ? ok_status() : file_->allocate(end, context);
  }
  Result<std::uint64_t> seek_data(std::uint64_t offset, const CallContext& context) override { return file_->seek(offset, true, context); }
  Result<std::uint64_t> seek_hole(std::uint64_t offset, const CallContext& context) override { return file_->seek(offset, false, context); }
  std::uint64_t ino() const noexcept override { return file_->ino(); }

 private:
  bool publish() {
    const Status status = file_->publish(false, CallContext::unbounded());
    if (!status) log_error("closing a file of a live tree: " + status.error().message());
    return status.has_value();
  }

  LiveTreeImpl& tree_;
  std::shared_ptr<OpenFile> file_;
  const bool for_writing_;
};

}  // namespace

LiveAttributes shown_attributes(const Inode& inode) {
  return {inode.ino, inode.mode, inode.uid, inode.gid, inode.nlink, inode.size_bytes, allocated_of(inode), inode.rdev, inode.atime, inode.mtime, inode.ctime};
}

LiveAttributes LiveTreeImpl::attributes_of_node(const LiveState::Node& node) const {
  LiveAttributes attributes = shown_attributes(node.inode());
  if (const std::shared_ptr<OpenFile> file = node.file.lock()) file->overlay(attributes);
  return attributes;
}

Result<LiveAttributes> LiveTreeImpl::attributes(std::uint64_t ino, const CallContext&) {
  const std::lock_guard lock(mutex_);
  HOLDFAST_ASSIGN(const LiveState::Node* const node, pinned_node(ino));
  return attributes_of_node(*node);
}

Status LiveTreeImpl::change_inode(std::uint64_t ino, const std::function<Status(LiveInode&)>& change, const CallContext& context) {
  HOLDFAST_TRY(make_room(context));
  const std::lock_guard lock(mutex_);
  HOLDFAST_ASSIGN(const LiveState::Node* const node, pinned_node(ino));
  LiveInode value = *node->value;
  HOLDFAST_TRY(change(value));
  LiveBatch batch;
  state_.put(batch, std::move(value));
  log(batch);
  return ok_status();
}

/// mutex_ held.
std::shared_ptr<OpenFile> LiveTreeImpl::open_shared(LiveState::Node& node) {
  std::shared_ptr<OpenFile> file = node.file.lock();
  if (file == nullptr) {
    file = std::make_shared<OpenFile>(*this, node.inode().ino);
    node.file = file;
  }
  ++node.pins;
  return file;
}

void LiveTreeImpl::close_inode(std::uint64_t ino) {
  const std::lock_guard lock(mutex_);
  state_.unpin(ino, 1);
}

Result<std::shared_ptr<LiveFile>> LiveTreeImpl::open_file(std::uint64_t ino, bool for_writing, const CallContext&) {
  std::shared_ptr<OpenFile> file;
  {
    const std::lock_guard lock(mutex_);
    HOLDFAST_ASSIGN(LiveState::Node* const node, pinned_node(ino));
    if (node->inode().is_directory()) return name_error(NameRefusal::kIsDirectory, "a directory can't be opened as a file");
    if (!node->inode().is_regular()) return Error(ErrorCode::kInvalidArgument, "only regular files have bytes");
    file = open_shared(*node);
  }
  return std::shared_ptr<LiveFile>(std::make_shared<LiveFileHandle>(*this, std::move(file), for_writing));
}

Result<LiveAttributes> LiveTreeImpl::set_attributes(std::uint64_t ino, const SetAttributes& changes, const CallContext& context) {
  if (changes.size_bytes) {
    HOLDFAST_ASSIGN(const std::shared_ptr<LiveFile> handle, open_file(ino, false, context));
    std::shared_ptr<OpenFile> file;
    {
      const std::lock_guard lock(mutex_);
      HOLDFAST_ASSIGN(const LiveState::Node* const node, pinned_node(ino));
      file = node->file.lock();
    }
    HOLDFAST_TRY(file->truncate(*changes.size_bytes, context));
    if (!file->has_writer()) HOLDFAST_TRY(file->publish(false, context));
  }
  const bool has_more = changes.mode || changes.uid || changes.gid || changes.atime || changes.mtime || changes.ctime || changes.clear_suid;
  if (has_more || !changes.size_bytes) {
    HOLDFAST_TRY(change_inode(ino, [&](LiveInode& value) {
      if (const auto file = state_.find(ino)->file.lock()) {
        // Times of unpublished writes are older than what is set now.
        const OpenFile::Times times = file->take_times();
        value.inode.mtime = times.mtime.value_or(value.inode.mtime);
      }
      apply_changes(value.inode, changes, now());
      return ok_status();
    }, context));
  }
  return attributes(ino, context);
}

Result<std::string> LiveTreeImpl::read_link(std::uint64_t ino, const CallContext&) {
  const std::lock_guard lock(mutex_);
  HOLDFAST_ASSIGN(const LiveState::Node* const node, pinned_node(ino));
  const auto* target = std::get_if<InlineContent>(&node->inode().content);
  if (!node->inode().is_symlink() || target == nullptr) return Error(ErrorCode::kInvalidArgument, "not a symbolic link");
  return std::string(as_text(target->bytes));
}

Result<std::string> LiveTreeImpl::get_xattr(std::uint64_t ino, const std::string& name, const CallContext&) {
  const std::lock_guard lock(mutex_);
  HOLDFAST_ASSIGN(const LiveState::Node* const node, pinned_node(ino));
  const auto found = node->inode().xattrs.find(name);
  if (found == node->inode().xattrs.end()) return no_attribute(name);
  return found->second;
}

Result<std::vector<std::string>> LiveTreeImpl::list_xattrs(std::uint64_t ino, const CallContext&) {
  const std::lock_guard lock(mutex_);
  HOLDFAST_ASSIGN(const LiveState::Node* const node, pinned_node(ino));
  std::vector<std::string> names;
  for (const auto& [name, value] : node->inode().xattrs) names.push_back(name);
  return names;
}

Status LiveTreeImpl::set_xattr(std::uint64_t ino, const std::string& name, std::string value, XattrMode mode, const CallContext& context) {
  if (name.empty() || name.size() > kXattrNameMaxBytes || name.find('\0') != std::string::npos) {
    return Error(ErrorCode::kOutOfRange, "a name that no extended attribute can have");
  }
  return change_inode(ino, [&](LiveInode& changed) -> Status {
    auto& xattrs = changed.inode.xattrs;
    const bool is_there = xattrs.contains(name);
    if (mode == XattrMode::kCreate && is_there) return Error(ErrorCode::kAlreadyExists, "the extended attribute is there: " + name);
    if (mode == XattrMode::kReplace && !is_there) return no_attribute(name);
    xattrs[name] = std::move(value);
    if (xattrs_size(xattrs) > kXattrsMaxBytes) {
      return name_error(NameRefusal::kAttributeSize, "more than 64 KiB of extended attributes on one inode");
    }
    changed.inode.ctime = now();
    return ok_status();
  }, context);
}

Status LiveTreeImpl::remove_xattr(std::uint64_t ino, const std::string& name, const CallContext& context) {
  return change_inode(ino, [&](LiveInode& changed) -> Status {
    if (changed.inode.xattrs.erase(name) == 0) return no_attribute(name);
    changed.inode.ctime = now();
    return ok_status();
  }, context);
}

Result<Inode> LiveTreeImpl::inode(std::uint64_t ino, const CallContext&) {
  const std::lock_guard lock(mutex_);
  HOLDFAST_ASSIGN(const LiveState::Node* const node, pinned_node(ino));
  return node->inode();
}

Result<LiveTree::FileVersion> LiveTreeImpl::file_version(std::uint64_t ino) {
  const std::lock_guard lock(mutex_);
  HOLDFAST_ASSIGN(const LiveState::Node* const node, pinned_node(ino));
  FileVersion version;
  version.parent = node->parent;
  version.name = node->name;
  version.content_serial = node->value->content_serial;
  if (const std::shared_ptr<OpenFile> file = node->file.lock()) {
    version.is_open_for_writing = file->has_writer();
    version.has_unpublished = file->has_unpublished();
  }
  return version;
}

}  // namespace holdfast
