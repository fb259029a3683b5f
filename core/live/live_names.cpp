// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/live/live_error.h"
#include "core/live/live_operation.h"
#include "core/tree/codec.h"

namespace holdfast {
namespace {

constexpr std::uint32_t kTypeMask = 0170000;
constexpr std::uint32_t kTypeDirectory = 0040000;
constexpr std::uint32_t kTypeSymlink = 0120000;
constexpr std::size_t kSymlinkMaxBytes = 4095;          // Linux PATH_MAX less the final zero
constexpr std::uint64_t kLinksMax = (1ULL << 31U) - 1;  // what st_nlink of every ABI holds

Error absent(std::string_view name) { return Error(ErrorCode::kNotFound, "no such name: " + std::string(name)); }

}  // namespace

Result<LiveState::Node*> LiveTreeImpl::pinned_node(std::uint64_t ino) {
  LiveState::Node* const node = state_.find(ino);
  if (node == nullptr) return Error(ErrorCode::kNotFound, "inode " + std::to_string(ino) + " is not held");
  return node;
}

Result<LiveState::Node*> LiveTreeImpl::directory_node(std::uint64_t ino) {
  HOLDFAST_ASSIGN(LiveState::Node* const node, pinned_node(ino));
  if (!node->inode().is_directory()) return name_error(NameRefusal::kNotDirectory, "not a directory");
  return node;
}

/// The directory's times (and count of subdirectories) after a change to its names.
void LiveTreeImpl::touch_directory(LiveBatch& batch, std::uint64_t ino, WallNanos now, int subdirectories) {
  LiveInode value = *state_.find(ino)->value;
  value.inode.mtime = value.inode.ctime = now;
  // A base need not have counted its subdirectories (backups of trees once stored 1), and no name left is what 0 means.
  value.inode.nlink = static_cast<std::uint64_t>(std::max<std::int64_t>(2, static_cast<std::int64_t>(value.inode.nlink) + subdirectories));
  state_.put(batch, std::move(value));
}

/// One name of the inode went; the name itself is the caller's.
void LiveTreeImpl::remove_name_of(LiveBatch& batch, std::uint64_t ino, WallNanos now) {
  LiveInode value = *state_.find(ino)->value;
  value.inode.ctime = now;
  const bool was_last = value.inode.is_directory() || value.inode.nlink <= 1;
  if (was_last) {
    state_.drop(batch, std::move(value));
  } else {
    --value.inode.nlink;
    state_.put(batch, std::move(value));
  }
}

Result<LiveAttributes> LiveTreeImpl::lookup(std::uint64_t parent, std::string_view name, const CallContext& context) {
  Operation operation(*this, context);
  HOLDFAST_TRY(directory_node(parent));
  if (name.size() > 255) return name_error(NameRefusal::kNameTooLong, "a name of more than 255 bytes");
  HOLDFAST_ASSIGN(const std::optional<std::uint64_t> ino, operation.find(parent, name));
  if (!ino) return absent(name);
  state_.pin(*ino, 1);
  ++pins_;
  return attributes_of_node(*state_.find(*ino));
}

std::vector<LiveTree::HeldName> LiveTreeImpl::held_names(std::size_t count_max) const {
  std::vector<HeldName> names;
  const std::lock_guard lock(mutex_);
  for (const auto& [ino, node] : state_.nodes()) {
    if (names.size() == count_max) break;
    if (state_.is_held_only(node)) names.push_back({node.parent, node.name});
  }
  return names;
}

void LiveTreeImpl::forget(std::uint64_t ino, std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  pins_ -= std::min(pins_, count);
  state_.unpin(ino, count);
}

Result<LiveAttributes> LiveTreeImpl::make_node(std::uint64_t parent, std::string_view name, const NewNode& wanted, const CallContext& context) {
  HOLDFAST_TRY(check_new_name(name));
  const std::uint32_t type = wanted.mode & kTypeMask;
  if (type == kTypeSymlink && (wanted.symlink_target.empty() || wanted.symlink_target.find('\0') != std::string::npos)) {
    return Error(ErrorCode::kNotFound, "a symbolic link needs a target");
  }
  if (wanted.symlink_target.size() > kSymlinkMaxBytes) return name_error(NameRefusal::kNameTooLong, "a symbolic link's target is too long");
  HOLDFAST_TRY(make_room(context));
  Operation operation(*this, context);
  HOLDFAST_TRY(directory_node(parent));
  HOLDFAST_ASSIGN(const std::optional<std::uint64_t> there, operation.find(parent, name));
  if (there) return Error(ErrorCode::kAlreadyExists, "the name is taken: " + std::string(name));
  HOLDFAST_ASSIGN(const LiveState::Node* const directory, directory_node(parent));
  if (directory->is_orphan()) return absent(name);

  const WallNanos time = now();
  LiveInode value;
  value.inode.ino = state_.take_ino();
  value.inode.mode = wanted.mode;
  value.inode.uid = wanted.uid;
  value.inode.gid = wanted.gid;
  value.inode.rdev = wanted.rdev;
  value.inode.mtime = value.inode.ctime = value.inode.atime = time;
  value.inode.nlink = type == kTypeDirectory ? 2 : 1;
  if (type == kTypeSymlink) {
    const ByteView target = as_bytes(wanted.symlink_target);
    value.inode.content = InlineContent{Bytes(target.begin(), target.end())};
    value.inode.size_bytes = target.size();
  }
  if (const auto fault = inode_fault(value.inode); !fault.empty()) return Error(ErrorCode::kInvalidArgument, std::string(fault));
  const std::uint64_t ino = value.inode.ino;
  LiveBatch batch;
  touch_directory(batch, parent, time, type == kTypeDirectory ? 1 : 0);
  state_.insert(value, 0, {});
  state_.put(batch, std::move(value));
  state_.set_name(batch, parent, name, ino);
  log(batch);
  state_.pin(ino, 1);
  ++pins_;
  return attributes_of_node(*state_.find(ino));
}

Result<LiveAttributes> LiveTreeImpl::link(std::uint64_t ino, std::uint64_t parent, std::string_view name, const CallContext& context) {
  HOLDFAST_TRY(check_new_name(name));
  HOLDFAST_TRY(make_room(context));
  Operation operation(*this, context);
  HOLDFAST_TRY(directory_node(parent));
  HOLDFAST_ASSIGN(const std::optional<std::uint64_t> there, operation.find(parent, name));
  if (there) return Error(ErrorCode::kAlreadyExists, "the name is taken: " + std::string(name));
  HOLDFAST_ASSIGN(const LiveState::Node* const directory, directory_node(parent));
  HOLDFAST_ASSIGN(const LiveState::Node* const node, pinned_node(ino));
  if (node->inode().is_directory()) return name_error(NameRefusal::kNotPermitted, "a directory can't have several names");
  if (directory->is_orphan() || node->is_orphan()) return absent(name);
  if (node->inode().nlink >= kLinksMax) return name_error(NameRefusal::kTooManyLinks, "too many links");

  const WallNanos time = now();
  LiveInode value = *node->value;
  ++value.inode.nlink;
  value.inode.ctime = time;
  LiveBatch batch;
  touch_directory(batch, parent, time, 0);
  if (!value.linked) {
    // Its first name must point at the link table from now on.
    value.linked = true;
    const std::uint64_t old_parent = node->parent;
    const std::string old_name = node->name;
    state_.put(batch, LiveInode(*state_.find(old_parent)->value));
    state_.put(batch, std::move(value));
    state_.set_name(batch, old_parent, old_name, ino);
    state_.detach(ino);
  } else {
    state_.put(batch, std::move(value));
  }
  state_.set_name(batch, parent, name, ino);
  log(batch);
  state_.pin(ino, 1);
  ++pins_;
  return attributes_of_node(*state_.find(ino));
}

Status LiveTreeImpl::unlink(std::uint64_t parent, std::string_view name, const CallContext& context) {
  HOLDFAST_TRY(make_room(context));
  Operation operation(*this, context);
  HOLDFAST_TRY(directory_node(parent));
  if (name.size() > 255) return name_error(NameRefusal::kNameTooLong, "a name of more than 255 bytes");
  HOLDFAST_ASSIGN(const std::optional<std::uint64_t> ino, operation.find(parent, name));
  if (!ino) return absent(name);
  if (state_.find(*ino)->inode().is_directory()) return name_error(NameRefusal::kIsDirectory, "a directory is removed with rmdir");
  const WallNanos time = now();
  LiveBatch batch;
  touch_directory(batch, parent, time, 0);
  state_.delete_name(batch, parent, name);
  remove_name_of(batch, *ino, time);
  log(batch);
  return ok_status();
}

Status LiveTreeImpl::remove_directory(std::uint64_t parent, std::string_view name, const CallContext& context) {
  if (name == ".") return Error(ErrorCode::kInvalidArgument, "the name . can't be removed");
  HOLDFAST_TRY(make_room(context));
  Operation operation(*this, context);
  for (;;) {
    HOLDFAST_TRY(directory_node(parent));
    if (name.size() > 255) return name_error(NameRefusal::kNameTooLong, "a name of more than 255 bytes");
    HOLDFAST_ASSIGN(const std::optional<std::uint64_t> ino, operation.find(parent, name));
    if (!ino) return absent(name);
    const std::uint64_t version = operation.version();
    if (!state_.find(*ino)->inode().is_directory()) return name_error(NameRefusal::kNotDirectory, "not a directory");
    HOLDFAST_ASSIGN(const bool is_empty, operation.is_empty(*ino));
    if (version != operation.version()) continue;
    if (!is_empty) return name_error(NameRefusal::kNotEmpty, "the directory is not empty");
    const WallNanos time = now();
    LiveBatch batch;
    touch_directory(batch, parent, time, -1);
    state_.delete_name(batch, parent, name);
    remove_name_of(batch, *ino, time);
    log(batch);
    return ok_status();
  }
}

Result<std::vector<LiveItem>> LiveTreeImpl::list(std::uint64_t directory, std::string_view after, std::size_t count_max, bool pin,
                                                 const CallContext& context) {
  Operation operation(*this, context);
  HOLDFAST_TRY(directory_node(directory));
  return operation.list(directory, std::string(after), count_max, pin);
}

Result<std::uint64_t> LiveTreeImpl::parent_of(std::uint64_t directory) {
  const std::lock_guard lock(mutex_);
  HOLDFAST_ASSIGN(const LiveState::Node* const node, directory_node(directory));
  return node->parent == 0 ? directory : node->parent;
}

}  // namespace holdfast
