// SPDX-License-Identifier: Apache-2.0
#include "core/stage/stage_records.h"

#include "core/format/chunk_ref.h"
#include "core/journal/journal.h"
#include "core/pack/entry_flags.h"

namespace holdfast {
namespace {

/// A reference, the size and the flags: what an entry takes at least.
constexpr std::size_t kEntryMinBytes = kChunkRefBytes + 2;
constexpr std::uint64_t kRecordSizeMaxBytes = (1U << 24U) - 1;  // ChunkLocation
constexpr std::uint64_t kOffsetMax = (1ULL << 40U) - 1;         // ChunkLocation

std::uint8_t kind_byte(JournalKind kind) { return static_cast<std::uint8_t>(kind); }

Result<PackEntry> decode_entry(ByteReader& in, ChunkRef& ref) {
  PackEntry entry;
  HOLDFAST_ASSIGN(ref, decode_chunk_ref(in));
  entry.id = ref.id;
  entry.kind = ref.kind;
  HOLDFAST_ASSIGN(const std::uint64_t size, in.varint_at_most(kRecordSizeMaxBytes));
  entry.record_size_bytes = static_cast<std::uint32_t>(size);
  HOLDFAST_ASSIGN(const bool has_children, decode_flags_and_bases(in, entry));
  if (has_children) {
    HOLDFAST_ASSIGN(const std::size_t count, in.count(ChunkId::size));
    entry.children.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      HOLDFAST_ASSIGN(const ChunkId child, in.id<ChunkId>());
      entry.children.push_back(child);
    }
  }
  return entry;
}

Result<StageRecord> decode_chunks(ByteReader& in) {
  ChunksRecord record;
  HOLDFAST_ASSIGN(record.number, in.u32());
  HOLDFAST_ASSIGN(std::uint64_t offset, in.varint_at_most(kOffsetMax));
  HOLDFAST_ASSIGN(const std::size_t count, in.count(kEntryMinBytes));
  record.entries.reserve(count);
  record.refs.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    ChunkRef ref;
    HOLDFAST_ASSIGN(PackEntry entry, decode_entry(in, ref));
    entry.offset = offset;
    offset += entry.record_size_bytes;
    record.entries.push_back(std::move(entry));
    record.refs.push_back(ref);
  }
  HOLDFAST_TRY(in.expect_end());
  return StageRecord(std::move(record));
}

Result<StageRecord> decode_opened(ByteReader& in) {
  PackOpenedRecord record;
  HOLDFAST_ASSIGN(record.number, in.u32());
  HOLDFAST_ASSIGN(record.domain, in.u32());
  HOLDFAST_ASSIGN(const ByteView header, in.raw(kPackHeaderBytes));
  std::copy(header.begin(), header.end(), record.header.begin());
  HOLDFAST_TRY(in.expect_end());
  return StageRecord(record);
}

Result<StageRecord> decode_closed(ByteReader& in) {
  PackClosedRecord record;
  HOLDFAST_ASSIGN(record.number, in.u32());
  HOLDFAST_ASSIGN(record.domain, in.u32());
  HOLDFAST_ASSIGN(record.id, in.id<PackId>());
  HOLDFAST_ASSIGN(record.size_bytes, in.u64());
  HOLDFAST_TRY(in.expect_end());
  return StageRecord(record);
}

}  // namespace

Bytes encode_pack_opened(const PackOpenedRecord& record) {
  Bytes out;
  ByteWriter(out)
      .u8(kind_byte(JournalKind::kPackOpened))
      .u32(record.number)
      .u32(record.domain)
      .raw(record.header);
  return out;
}

Bytes encode_chunks(PackNumber number, std::span<const PackEntry> entries, std::span<const ChunkRef> refs) {
  HOLDFAST_CHECK(!entries.empty() && entries.size() == refs.size() && entries.size() <= kEntriesPerRecordMax);
  Bytes out;
  out.reserve(16 + entries.size() * (kChunkRefBytes + 8));
  ByteWriter writer(out);
  writer.u8(kind_byte(JournalKind::kChunks)).u32(number).varint(entries.front().offset).varint(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const PackEntry& entry = entries[i];
    encode_chunk_ref(refs[i], writer);
    writer.varint(entry.record_size_bytes);
    encode_flags_and_bases(entry, writer);
    if (entry.children.empty()) continue;
    writer.varint(entry.children.size());
    for (const ChunkId& child : entry.children) writer.id(child);
  }
  return out;
}

Bytes encode_pack_closed(const PackClosedRecord& record) {
  Bytes out;
  ByteWriter(out)
      .u8(kind_byte(JournalKind::kPackClosed))
      .u32(record.number)
      .u32(record.domain)
      .id(record.id)
      .u64(record.size_bytes);
  return out;
}

Bytes encode_pack_dropped(const PackDroppedRecord& record) {
  Bytes out;
  ByteWriter(out).u8(kind_byte(JournalKind::kPackDropped)).u32(record.number);
  return out;
}

Result<StageRecord> decode_stage_record(ByteView payload) {
  ByteReader in(payload, "staging record");
  HOLDFAST_ASSIGN(const std::uint8_t kind, in.u8());
  switch (kind) {
    case static_cast<std::uint8_t>(JournalKind::kPackOpened): return decode_opened(in);
    case static_cast<std::uint8_t>(JournalKind::kChunks): return decode_chunks(in);
    case static_cast<std::uint8_t>(JournalKind::kPackClosed): return decode_closed(in);
    case static_cast<std::uint8_t>(JournalKind::kPackDropped): {
      PackDroppedRecord record;
      HOLDFAST_ASSIGN(record.number, in.u32());
      HOLDFAST_TRY(in.expect_end());
      return StageRecord(record);
    }
    default: return in.corrupt("not a record of staging");
  }
}

}  // namespace holdfast
