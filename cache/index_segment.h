// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "cache/index_table_merge.h"

namespace holdfast {

using LocationValue = std::array<std::uint8_t, kLocationValueBytes>;
using ReferenceValue = std::array<std::uint8_t, kReferenceValueBytes>;

/// What was added and is not in a segment yet, in both orders. Not safe by itself.
struct IndexMemtable {
  std::unordered_map<IndexKey, LocationValue, IndexKeyHash> by_id;
  std::unordered_map<IndexKey, ReferenceValue, IndexKeyHash> by_fp;
  [[nodiscard]] std::size_t count() const noexcept { return std::max(by_id.size(), by_fp.size()); }
};

/// Folder and key of an index: what every file of it needs.
struct IndexFolder {
  std::string path;
  SecretBytes key;
  RandomSource* random = nullptr;
  [[nodiscard]] std::string table_path(std::uint64_t segment, TableKind kind) const;
};

/// One generation of entries: a table for each order. Safe from any thread.
struct IndexSegment {
  std::uint64_t number = 0;
  std::shared_ptr<const IndexTable> by_id;
  std::shared_ptr<const IndexTable> by_fp;
  bool durable = false;  ///< written before the segment is shared, or under the manifest's lock

  [[nodiscard]] std::uint64_t count() const noexcept { return std::max(by_id->count(), by_fp->count()); }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return by_id->size_bytes() + by_fp->size_bytes(); }
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept { return by_id->memory_bytes() + by_fp->memory_bytes(); }

  static Result<std::shared_ptr<IndexSegment>> open(const IndexFolder& folder, std::uint64_t number);
  /// Errors: kNoSpace, kInternal; its files are then removed.
  static Result<std::shared_ptr<IndexSegment>> write(const IndexFolder& folder, std::uint64_t number,
                                                     const IndexMemtable& entries);
  /// One segment with the entries of `inputs` (newest first), of equal keys the newest; durable. Reads and writes as streams.
  /// Errors: kCorrupt, kNoSpace, kCancelled when `stop` became true, kInternal; its files are then removed.
  static Result<std::shared_ptr<IndexSegment>> merge(const IndexFolder& folder, std::uint64_t number,
                                                     const std::vector<std::shared_ptr<IndexSegment>>& inputs,
                                                     const std::atomic<bool>& stop);
  /// Syncs the files; not the folder.
  Status make_durable(const IndexFolder& folder) const;
  static Status remove_files(const IndexFolder& folder, std::uint64_t number);
};

/// Which segments count, newest first, and the position: the commit point of an index.
struct IndexManifest {
  std::uint64_t position = 0;
  std::uint64_t next_segment = 1;
  struct Item {
    std::uint64_t segment = 0;
    std::uint64_t id_count = 0;
    std::uint64_t fp_count = 0;
  };
  std::vector<Item> segments;

  static constexpr std::string_view kName = "manifest";
  /// Nullopt when there is none. Errors: kCorrupt, kUnsupported (version), kInternal.
  static Result<std::optional<IndexManifest>> read(const IndexFolder& folder);
  /// Durable when it returns; after a failure the old one stands. Errors: kNoSpace, kInternal.
  Status write(const IndexFolder& folder) const;
};

}  // namespace holdfast
