// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/base/random_source.h"
#include "core/index/feature_table.h"

namespace holdfast {

struct FeatureTableOptions {
  std::string folder;  ///< of this table alone; made when absent
  /// Entries in memory before they are written to a file; about 80 bytes each.
  std::size_t memtable_count_max = 65536;
  /// Above so many the oldest are dropped: 6 a chunk, 37 bytes each. 11 million chunks of 128 KiB are 1.4 TB.
  std::uint64_t entries_max = 64ULL << 20U;
};

/// The FeatureTable port as sealed sorted tables with a filter each, as the chunk index has (cache/README.md). A file that is damaged is removed at the next open and
/// answers nothing until then. Merges run in a thread of their own. Safe from any thread; not to be used in a forked child.
class SegmentFeatureTable final : public FeatureTable {
 public:
  /// `key` has 32 bytes; `random` must outlive the table. Errors: kInvalidArgument, kConflict (open elsewhere), kNoSpace, kPermissionDenied, kInternal. What is in
  /// the folder and can't be read is removed.
  static Result<std::unique_ptr<SegmentFeatureTable>> open(const FeatureTableOptions& options, ByteView key, RandomSource& random);
  /// As keep().
  ~SegmentFeatureTable() override;

  std::optional<SimilarChunk> find(const FeatureKey& key) override;
  void add(std::span<const Entry> entries) override;
  void keep() override;
  void clear() override;
  [[nodiscard]] Stats stats() const override;
  /// Returns when no merge is wanted any more.
  void wait_for_merges();

 private:
  struct State;
  explicit SegmentFeatureTable(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
