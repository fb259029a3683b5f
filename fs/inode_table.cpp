// SPDX-License-Identifier: Apache-2.0
#include "fs/inode_table.h"

#include <algorithm>
#include <vector>

#include "core/base/check.h"

namespace holdfast::fs {

void InodeTable::add_fixed(NodeId id, std::shared_ptr<Node> node) {
  HOLDFAST_CHECK(id != 0 && id < kFirstDynamicId);
  node->id_ = id;
  const std::lock_guard lock(mutex_);
  HOLDFAST_CHECK(fixed_.emplace(id, std::move(node)).second);
}

std::shared_ptr<Node> InodeTable::find(NodeId id) const {
  const std::lock_guard lock(mutex_);
  if (id < kFirstDynamicId) {
    const auto fixed = fixed_.find(id);
    return fixed == fixed_.end() ? nullptr : fixed->second;
  }
  const auto slot = slots_.find(id);
  return slot == slots_.end() ? nullptr : slot->second.node;
}

std::shared_ptr<Node> InodeTable::acquire_held(NodeId parent, const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(Key{parent, key});
  if (found == by_key_.end()) return nullptr;
  Slot& slot = slots_.at((*found)->id());
  ++slot.count;
  return slot.node;
}

std::shared_ptr<Node> InodeTable::acquire(std::shared_ptr<Node> made) {
  HOLDFAST_CHECK(made != nullptr && made->parent() != nullptr);
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(made.get());
  if (found != by_key_.end()) {
    Slot& slot = slots_.at((*found)->id());
    ++slot.count;
    return slot.node;
  }
  HOLDFAST_CHECK(made->id_ == 0);
  made->id_ = next_id_++;
  by_key_.insert(made.get());
  slots_.emplace(made->id_, Slot{made, 1});
  return made;
}

void InodeTable::release_locked(NodeId id, std::uint64_t count, std::shared_ptr<Node>& dropped) {
  const auto slot = slots_.find(id);
  if (slot == slots_.end()) return;
  if (slot->second.count > count) {
    slot->second.count -= count;
    return;
  }
  dropped = std::move(slot->second.node);
  slots_.erase(slot);
  by_key_.erase(dropped.get());
}

void InodeTable::release(NodeId id, std::uint64_t count) {
  std::shared_ptr<Node> dropped;  // destroyed after the lock: its parents may go with it
  const std::lock_guard lock(mutex_);
  release_locked(id, count, dropped);
}

void InodeTable::release(std::span<const Forget> batch) {
  std::vector<std::shared_ptr<Node>> dropped(batch.size());
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < batch.size(); ++i) release_locked(batch[i].id, batch[i].count, dropped[i]);
}

void InodeTable::visit_children(NodeId parent, const std::function<void(const Node&)>& visit) const {
  std::vector<std::shared_ptr<Node>> children;
  {
    const std::lock_guard lock(mutex_);
    for (const Node* node : by_key_) {
      if (node->parent()->id() == parent) children.push_back(slots_.at(node->id()).node);
    }
  }
  for (const auto& child : children) visit(*child);
}

std::vector<NodeId> InodeTable::leaves() const {
  std::vector<NodeId> ids;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, slot] : slots_) {
      if (slot.node->is_leaf()) ids.push_back(id);
    }
  }
  std::ranges::sort(ids);
  return ids;
}

std::size_t InodeTable::size() const {
  const std::lock_guard lock(mutex_);
  return slots_.size();
}

}  // namespace holdfast::fs
