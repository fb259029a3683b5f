// SPDX-License-Identifier: Apache-2.0
#include "core/index/memory_chunk_index.h"

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace holdfast {
namespace {

class MemoryChunkIndex final : public ChunkIndex {
 public:
  Result<std::optional<ChunkLocation>> find(const ChunkId& id) const override {
    const std::shared_lock lock(mutex_);
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return std::optional<ChunkLocation>();
    return std::optional<ChunkLocation>(found->second);
  }

  Result<std::optional<ChunkRef>> find_known(const Fingerprint& fp) const override {
    const std::shared_lock lock(mutex_);
    const auto found = by_fp_.find(fp);
    if (found == by_fp_.end()) return std::optional<ChunkRef>();
    return std::optional<ChunkRef>(found->second);
  }

  Status add(std::span<const IndexEntry> batch) override {
    const std::unique_lock lock(mutex_);
    for (const auto& entry : batch) {
      by_id_.insert_or_assign(entry.id, entry.location);
      if (entry.ref) by_fp_.insert_or_assign(entry.ref->fp, *entry.ref);
    }
    return ok_status();
  }

  Status sync(std::uint64_t journal_position) override {
    const std::unique_lock lock(mutex_);
    position_ = journal_position;
    return ok_status();
  }

  std::uint64_t position() const noexcept override {
    const std::shared_lock lock(mutex_);
    return position_;
  }

  Status clear() override {
    const std::unique_lock lock(mutex_);
    by_id_.clear();
    by_fp_.clear();
    position_ = 0;
    return ok_status();
  }

  Stats stats() const override {
    const std::shared_lock lock(mutex_);
    Stats stats;
    stats.chunks = by_id_.size();
    // Nodes with their hash links; allocator overhead is not counted.
    stats.memory_bytes = by_id_.size() * (sizeof(ChunkId) + sizeof(ChunkLocation) + 16) +
                         by_fp_.size() * (sizeof(Fingerprint) + sizeof(ChunkRef) + 16);
    return stats;
  }

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<ChunkId, ChunkLocation> by_id_;
  std::unordered_map<Fingerprint, ChunkRef> by_fp_;
  std::uint64_t position_ = 0;
};

}  // namespace

std::unique_ptr<ChunkIndex> make_memory_chunk_index() { return std::make_unique<MemoryChunkIndex>(); }

}  // namespace holdfast
