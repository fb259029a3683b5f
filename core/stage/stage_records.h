// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <variant>
#include <vector>

#include "core/index/chunk_index.h"
#include "core/pack/pack.h"

namespace holdfast {

// The journal records of this module; layouts in core/stage/README.md.

struct PackOpenedRecord {
  PackNumber number = 0;
  std::uint32_t domain = 0;
  PackHeader header{};
};

/// Entries that lie one after the other in one pack.
struct ChunksRecord {
  PackNumber number = 0;
  std::vector<PackEntry> entries;
  std::vector<ChunkRef> refs;  ///< one an entry
};

struct PackClosedRecord {
  PackNumber number = 0;
  std::uint32_t domain = 0;
  PackId id;
  std::uint64_t size_bytes = 0;
};

struct PackDroppedRecord {
  PackNumber number = 0;
};

using StageRecord = std::variant<PackOpenedRecord, ChunksRecord, PackClosedRecord, PackDroppedRecord>;

/// Entries in one record: keeps a record under about 1 MiB for chunks without children.
inline constexpr std::size_t kEntriesPerRecordMax = 4'096;

Bytes encode_pack_opened(const PackOpenedRecord& record);
/// `entries` and `refs` have equal length, 1..kEntriesPerRecordMax.
Bytes encode_chunks(PackNumber number, std::span<const PackEntry> entries, std::span<const ChunkRef> refs);
Bytes encode_pack_closed(const PackClosedRecord& record);
Bytes encode_pack_dropped(const PackDroppedRecord& record);

/// Errors: kCorrupt, also for a record of another module.
Result<StageRecord> decode_stage_record(ByteView payload);

}  // namespace holdfast
