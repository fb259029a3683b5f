// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/base/random_source.h"
#include "core/index/chunk_index.h"

namespace holdfast {

struct SegmentIndexOptions {
  std::string folder;  ///< of this index alone; made when absent
  /// Entries that are kept in memory before a segment is written; about 250 bytes each.
  std::size_t memtable_count_max = 65536;
};

/// The ChunkIndex port as sorted, sealed, immutable segments with a filter each (cache/README.md has format and figures).
///
/// add() goes to memory and, when that is full, to a new segment; one thread merges segments of like size. What was not
/// synced is gone after a crash, as promised: the journal has it. Only sync() and merges write the manifest, so a crash at any moment
/// leaves the last synced state or more. A damaged file gives kCorrupt and takes the manifest away, so that the next open() gives
/// kCorrupt too, until clear() or open_or_start_over(). Chunk ids are told apart by their first 16 bytes. stats().chunks counts a
/// chunk that was added again twice until the two are merged.
///
/// Readers never wait for segments being written. Safe from any thread; not to be used in a forked child.
class SegmentIndex final : public ChunkIndex {
 public:
  /// `key` has 32 bytes; `random` must outlive the index. Errors: kInvalidArgument, kConflict (open elsewhere), kCorrupt (wrong key too),
  /// kUnsupported (another version), kNoSpace, kPermissionDenied, kInternal.
  static Result<std::unique_ptr<SegmentIndex>> open(const SegmentIndexOptions& options, ByteView key, RandomSource& random);
  /// The same, but what open() would refuse as kCorrupt or kUnsupported is logged and removed: position() is then 0, and
  /// everything must be added again.
  static Result<std::unique_ptr<SegmentIndex>> open_or_start_over(const SegmentIndexOptions& options, ByteView key,
                                                                  RandomSource& random);
  /// Drops what was not synced; stops a merge.
  ~SegmentIndex() override;

  Result<std::optional<ChunkLocation>> find(const ChunkId& id) const override;
  Result<std::optional<ChunkRef>> find_known(const Fingerprint& fp) const override;
  Status add(std::span<const IndexEntry> batch) override;
  Status sync(std::uint64_t journal_position) override;
  std::uint64_t position() const noexcept override;
  Stats stats() const override;

  Status clear() override;
  /// Returns when no merge is wanted any more. Errors: that of the last merge.
  Status wait_for_merges();
  /// Reads and verifies every block. Errors: kCorrupt, kInternal.
  Status verify() const;

 private:
  struct State;
  explicit SegmentIndex(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
