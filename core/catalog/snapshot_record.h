// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/random_source.h"
#include "core/catalog/genesis.h"
#include "core/tree/tree.h"

namespace holdfast {

/// What may be known of a snapshot without its key (FORMAT.md §6).
struct SnapshotRecord {
  SnapshotId id;
  WallNanos time = 0;
  WriterId writer;
  Digest content_root;
  ChunkId root_node;  ///< zeros for an empty root directory
  ChunkId link_node;  ///< zeros when there is no link table
  std::uint64_t bytes_new = 0;
  KeyId key;
  Completeness completeness = Completeness::kUnchecked;
  DatabaseId database;
  Bytes private_box;
};

/// What the snapshot key opens (FORMAT.md §6 "fields").
struct SnapshotFields {
  std::string database;
  std::string label;
  std::string strategy;
  std::vector<std::string> tags;
  Inode root;
  TreeRoot links;
  Digest content_hash;
  std::vector<std::string> incomplete_paths;  ///< at most 100
  std::string host;
  std::string program;
};

inline constexpr std::size_t kSnapshotKeyBytes = 32;

/// Fields as bytes, and back. Errors: kCorrupt.
Bytes encode_snapshot_fields(const SnapshotFields& fields);
Result<SnapshotFields> decode_snapshot_fields(ByteView bytes);

/// Seals `fields` under `snapshot_key` (32 bytes), fills record.private_box and record.id, and gives the record's bytes. record.key is set too.
/// Errors: kInternal (no entropy); kInvalidArgument for a completeness of kNotApplicable.
Result<Bytes> encode_snapshot_record(SnapshotRecord& record, const SnapshotFields& fields, ByteView snapshot_key,
                                     RandomSource& random);
/// Errors: kCorrupt (also when the id is not that of the bytes), kUnsupported.
Result<SnapshotRecord> decode_snapshot_record(ByteView bytes);
/// Errors: kCorrupt when the key does not open it, or when record and fields contradict each other.
Result<SnapshotFields> open_snapshot_record(const SnapshotRecord& record, ByteView snapshot_key);

}  // namespace holdfast
