// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <shared_mutex>

#include "cache/cache_segment.h"
#include "cache/lmdb_env.h"

namespace holdfast {

/// What a chunk cache keeps on the disk: segment files and the LMDB index over them, within a bound.
/// find() and used_bytes() are safe from any thread; everything else is for one thread.
class CacheFiles {
 public:
  /// Opens or makes the folder, and removes what does not fit into `limit_bytes` (at least 64 MiB), before anything else is written.
  /// Errors: kConflict, kNoSpace, kPermissionDenied, kInternal.
  static Result<std::unique_ptr<CacheFiles>> open(const std::string& folder, std::uint64_t limit_bytes);

  struct Found {
    std::shared_ptr<CacheSegment> segment;
    CacheSegment::Place place;
    Bytes record;  ///< not verified yet
  };
  /// Nullopt for what is not there. Errors: kCorrupt (index or segment damaged), kInternal.
  Result<std::optional<Found>> find(const ChunkId& id) const;

  /// Whether the index was lost at the last exit, so that rebuild() is wanted.
  [[nodiscard]] bool needs_rebuild() const noexcept { return needs_rebuild_; }
  /// Makes the index again from the segments' record headers. Errors: kNoSpace, kInternal.
  Status rebuild();

  struct Item {
    ChunkId id;
    std::shared_ptr<const Bytes> record;  ///< null: forget it
  };
  /// Stores or forgets, evicting what must go. Errors: kNoSpace (disk full, nothing lost that was there), kInternal.
  Status apply(std::span<const Item> batch);

  [[nodiscard]] std::uint64_t used_bytes() const;
  [[nodiscard]] std::uint64_t evicted_count() const noexcept { return evicted_.load(std::memory_order_relaxed); }
  /// Leaves the index for the next open().
  Status close() { return index_->close(); }

 private:
  using Segment = std::shared_ptr<CacheSegment>;
  CacheFiles(std::string folder, std::uint64_t limit_bytes);
  Status load_segments();
  Status store(const Item& item, std::vector<LmdbPut>& puts);
  Status keep_index_bound(std::vector<LmdbPut>& puts);
  Status begin_segment(std::vector<LmdbPut>& puts);
  Status evict_oldest(std::vector<LmdbPut>& puts, std::vector<Item>& survivors);
  [[nodiscard]] bool must_evict() const;
  [[nodiscard]] Segment oldest() const;
  [[nodiscard]] Segment segment_of(std::uint64_t number) const;
  [[nodiscard]] std::uint64_t segment_bytes() const;

  const std::string folder_;
  const std::uint64_t limit_;
  const std::uint64_t index_size_max_;
  const std::uint64_t segment_size_;
  std::unique_ptr<LmdbEnv> index_;
  mutable std::shared_mutex mutex_;  // of segments_
  std::map<std::uint64_t, Segment> segments_;
  Segment current_;
  std::uint64_t next_number_ = 1;
  bool needs_rebuild_ = false;
  std::atomic<std::uint64_t> evicted_{0};
};

}  // namespace holdfast
