// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "core/tree/inode.h"
#include "fs/inode_table.h"

namespace holdfast::fs {

/// The full inodes of the snapshot nodes that were looked up or listed last: what follows a listing is mostly opening what it listed, and nodes themselves keep
/// only what stat shows. First in, first out; bounded. Safe from any thread.
class RecentInodes {
 public:
  static constexpr std::size_t kCountMax = 2048;  ///< some 2 MiB with eight extents each

  void put(NodeId id, std::shared_ptr<const Inode> inode) {
    const std::lock_guard lock(mutex_);
    if (!inodes_.insert_or_assign(id, std::move(inode)).second) return;
    order_.push_back(id);
    if (order_.size() > kCountMax) {
      inodes_.erase(order_.front());
      order_.pop_front();
    }
  }
  /// Null when it is not held.
  std::shared_ptr<const Inode> find(NodeId id) const {
    const std::lock_guard lock(mutex_);
    const auto found = inodes_.find(id);
    return found == inodes_.end() ? nullptr : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<NodeId, std::shared_ptr<const Inode>> inodes_;
  std::deque<NodeId> order_;
};

}  // namespace holdfast::fs
