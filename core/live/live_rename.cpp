// SPDX-License-Identifier: Apache-2.0
#include "core/live/live_error.h"
#include "core/live/live_operation.h"

namespace holdfast {
namespace {

/// Whether `directory` is `above` or lies below it. Parents of what is held are held.
bool is_within(const LiveState& state, std::uint64_t directory, std::uint64_t above) {
  for (;;) {
    if (directory == above) return true;
    const LiveState::Node* const node = state.find(directory);
    if (node == nullptr || node->parent == 0) return false;
    directory = node->parent;
  }
}

Error absent(std::string_view name) { return Error(ErrorCode::kNotFound, "no such name: " + std::string(name)); }

}  // namespace

Status LiveTreeImpl::rename(std::uint64_t parent, std::string_view name, std::uint64_t new_parent, std::string_view new_name, RenameMode mode,
                            const CallContext& context) {
  HOLDFAST_TRY(check_new_name(name));
  HOLDFAST_TRY(check_new_name(new_name));
  HOLDFAST_TRY(make_room(context));
  Operation operation(*this, context);
  for (;;) {
    HOLDFAST_TRY(directory_node(parent));
    HOLDFAST_TRY(directory_node(new_parent));
    HOLDFAST_ASSIGN(const std::optional<std::uint64_t> moved, operation.find(parent, name));
    if (!moved) return absent(name);
    const std::uint64_t version = operation.version();
    HOLDFAST_ASSIGN(const std::optional<std::uint64_t> there, operation.find(new_parent, new_name));
    if (there && mode == RenameMode::kReplace && state_.find(*there)->inode().is_directory() && *there != *moved) {
      HOLDFAST_ASSIGN(const bool is_empty, operation.is_empty(*there));
      if (version != operation.version()) continue;
      if (!state_.find(*moved)->inode().is_directory()) return name_error(NameRefusal::kIsDirectory, "a file can't replace a directory");
      if (!is_empty) return name_error(NameRefusal::kNotEmpty, "the directory to be replaced is not empty");
    }
    if (version != operation.version()) continue;
    HOLDFAST_ASSIGN(const LiveState::Node* const target, directory_node(new_parent));
    if (target->is_orphan()) return absent(new_name);
    if (mode == RenameMode::kNoReplace && there) return Error(ErrorCode::kAlreadyExists, "the name is taken: " + std::string(new_name));
    if (mode == RenameMode::kExchange && !there) return absent(new_name);
    const bool is_directory = state_.find(*moved)->inode().is_directory();
    if (is_directory && is_within(state_, new_parent, *moved)) {
      return name_error(NameRefusal::kIntoItself, "a directory can't be moved below itself");
    }
    if (there && *there == *moved) return ok_status();  // two names of one file: POSIX wants nothing done
    if (mode == RenameMode::kExchange) return exchange_names(operation, parent, name, new_parent, new_name);
    if (there && is_directory && !state_.find(*there)->inode().is_directory()) {
      return name_error(NameRefusal::kNotDirectory, "a directory can't replace a file");
    }
    return replace_name(operation, parent, name, new_parent, new_name);
  }
}

/// All is checked. Inodes go to the batch before the names that refer to them.
Status LiveTreeImpl::replace_name(Operation& operation, std::uint64_t parent, std::string_view name, std::uint64_t new_parent,
                                  std::string_view new_name) {
  HOLDFAST_ASSIGN(const std::optional<std::uint64_t> moved, operation.find(parent, name));
  HOLDFAST_ASSIGN(const std::optional<std::uint64_t> there, operation.find(new_parent, new_name));
  const WallNanos time = now();
  const int moves_directory = state_.find(*moved)->inode().is_directory() ? 1 : 0;
  const int drops_directory = there && state_.find(*there)->inode().is_directory() ? 1 : 0;
  LiveBatch batch;
  if (parent == new_parent) {
    touch_directory(batch, parent, time, -drops_directory);
  } else {
    touch_directory(batch, parent, time, -moves_directory);
    touch_directory(batch, new_parent, time, moves_directory - drops_directory);
  }
  LiveInode value = *state_.find(*moved)->value;
  value.inode.ctime = time;
  state_.put(batch, std::move(value));
  state_.delete_name(batch, parent, name);
  if (there) {
    state_.delete_name(batch, new_parent, new_name);
    remove_name_of(batch, *there, time);
  }
  state_.set_name(batch, new_parent, new_name, *moved);
  log(batch);
  return ok_status();
}

Status LiveTreeImpl::exchange_names(Operation& operation, std::uint64_t parent, std::string_view name, std::uint64_t new_parent,
                                    std::string_view new_name) {
  HOLDFAST_ASSIGN(const std::optional<std::uint64_t> first, operation.find(parent, name));
  HOLDFAST_ASSIGN(const std::optional<std::uint64_t> second, operation.find(new_parent, new_name));
  const bool second_is_directory = state_.find(*second)->inode().is_directory();
  if (second_is_directory && is_within(state_, parent, *second)) {
    return name_error(NameRefusal::kIntoItself, "a directory can't be moved below itself");
  }
  const WallNanos time = now();
  const int change = (second_is_directory ? 1 : 0) - (state_.find(*first)->inode().is_directory() ? 1 : 0);
  LiveBatch batch;
  if (parent == new_parent) {
    touch_directory(batch, parent, time, 0);
  } else {
    touch_directory(batch, parent, time, change);
    touch_directory(batch, new_parent, time, -change);
  }
  for (const std::uint64_t ino : {*first, *second}) {
    LiveInode value = *state_.find(ino)->value;
    value.inode.ctime = time;
    state_.put(batch, std::move(value));
  }
  state_.set_name(batch, new_parent, new_name, *first);
  state_.set_name(batch, parent, name, *second);
  log(batch);
  return ok_status();
}

}  // namespace holdfast
