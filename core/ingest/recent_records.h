// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <mutex>
#include <unordered_map>

#include "core/crypto/verified_record.h"

namespace holdfast {

/// Records that came from a network at hand a moment ago: neighbours lean on the same ones, and they are not in the chunk cache. First in, first out; bounded. Safe from any thread.
class RecentRecords {
 public:
  static constexpr std::size_t kBytesMax = 16U << 20;  ///< what a sequential reader has ahead (fs/snapshot_file.cpp), more than its records take

  [[nodiscard]] std::optional<VerifiedRecord> get(const ChunkId& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = records_.find(id);
    return found == records_.end() ? std::nullopt : std::optional(found->second);
  }
  void put(const VerifiedRecord& record) {
    const std::lock_guard lock(mutex_);
    if (record.size() > kBytesMax || !records_.try_emplace(record.id(), record.copied()).second) return;
    order_.push_back(record.id());
    bytes_ += record.size();
    for (; bytes_ > kBytesMax; order_.pop_front()) {
      const auto oldest = records_.find(order_.front());
      bytes_ -= oldest->second.size();
      records_.erase(oldest);
    }
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<ChunkId, VerifiedRecord> records_;
  std::deque<ChunkId> order_;
  std::size_t bytes_ = 0;
};

}  // namespace holdfast
