// SPDX-License-Identifier: Apache-2.0
#include <list>
#include <mutex>
#include <unordered_map>

#include "core/chunk/chunk_codec.h"
#include "core/index/memory_chunk_index.h"

namespace holdfast {
namespace {

class MemoryChunkCache final : public ChunkCache {
 public:
  explicit MemoryChunkCache(std::uint64_t limit_bytes) { stats_.limit_bytes = limit_bytes; }

  std::optional<VerifiedRecord> get(const ChunkId& id) override {
    Bytes record;
    {
      const std::lock_guard lock(mutex_);
      const auto found = by_id_.find(id);
      if (found == by_id_.end()) {
        ++stats_.misses;
        return std::nullopt;
      }
      order_.splice(order_.begin(), order_, found->second);
      record = found->second->record;
    }
    // Hashing stays outside the lock: readers don't wait for each other.
    std::optional<VerifiedRecord> verified = VerifiedRecord::check(id, SharedBytes::of(std::move(record)));
    const std::lock_guard lock(mutex_);
    if (!verified) {
      ++stats_.damaged;
      ++stats_.misses;
      erase(id);
      return std::nullopt;
    }
    ++stats_.hits;
    return verified;
  }

  void put(const ChunkId& id, ByteView record) override {
    const std::lock_guard lock(mutex_);
    if (record.size() > stats_.limit_bytes) return;
    erase(id);
    while (stats_.used_bytes + record.size() > stats_.limit_bytes) {
      const ChunkId oldest = order_.back().id;
      erase(oldest);
      ++stats_.evicted;
    }
    order_.push_front({id, Bytes(record.begin(), record.end())});
    by_id_[id] = order_.begin();
    stats_.used_bytes += record.size();
  }

  void drop(const ChunkId& id) override {
    const std::lock_guard lock(mutex_);
    erase(id);
  }

  Stats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  struct Item {
    ChunkId id;
    Bytes record;
  };

  void erase(const ChunkId& id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return;
    stats_.used_bytes -= found->second->record.size();
    order_.erase(found->second);
    by_id_.erase(found);
  }

  mutable std::mutex mutex_;
  std::list<Item> order_;  // most recently used first
  std::unordered_map<ChunkId, std::list<Item>::iterator> by_id_;
  Stats stats_;
};

}  // namespace

std::unique_ptr<ChunkCache> make_memory_chunk_cache(std::uint64_t limit_bytes) {
  return std::make_unique<MemoryChunkCache>(limit_bytes);
}

}  // namespace holdfast
