// SPDX-License-Identifier: Apache-2.0
#include "core/pack/pack_layout.h"

#include <unordered_map>

#include "core/chunk/chunk_codec.h"
#include "core/crypto/hash.h"
#include "core/crypto/seal.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"
#include "core/pack/entry_flags.h"

namespace holdfast {

namespace {

constexpr std::size_t kHeaderSaltBytes = 16;
constexpr std::size_t kHeaderReservedBytes = 4;
static_assert(kPreludeBytes + kHeaderSaltBytes + kHeaderReservedBytes == kPackHeaderBytes);
constexpr std::size_t kFooterReservedBytes = 24;

/// Id, size, kind and flags: the least that an entry takes.
constexpr std::size_t kEntryMinBytes = ChunkId::size + 3;

constexpr std::uint32_t kRecordMinBytes = kRecordOverheadBytes + 1;
constexpr std::uint32_t kRecordMaxBytes = kRecordOverheadBytes + kChunkPlainMaxBytes;

/// A child is 0 and its id, or the number of its record in this pack plus one.
void encode_child(const ChunkId& child, const std::unordered_map<ChunkId, std::size_t>& numbers, ByteWriter& out) {
  if (const auto found = numbers.find(child); found != numbers.end()) {
    out.varint(found->second + 1);
  } else {
    out.varint(0).id(child);
  }
}

/// Children that stand for records of this pack, to be looked up once all ids are known.
struct PendingChild {
  std::size_t entry;
  std::size_t child;
  std::size_t record;
};

Status decode_children(ByteReader& in, std::size_t record_count, std::size_t entry_index, PackEntry& entry,
                       std::vector<PendingChild>& pending) {
  if (entry.kind == ChunkKind::kData) return in.corrupt("a data chunk with children");
  HOLDFAST_ASSIGN(const std::size_t count, in.count(1));
  if (count == 0) return in.corrupt("an empty list of children");
  entry.children.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(const std::uint64_t number, in.varint_at_most(record_count));
    if (number == 0) {
      HOLDFAST_ASSIGN(entry.children[i], in.id<ChunkId>());
    } else {
      pending.push_back({entry_index, i, static_cast<std::size_t>(number - 1)});
    }
  }
  return ok_status();
}

Result<PackEntry> decode_entry(ByteReader& in, std::size_t record_count, std::size_t entry_index,
                               std::vector<PendingChild>& pending) {
  PackEntry entry;
  HOLDFAST_ASSIGN(entry.id, in.id<ChunkId>());
  HOLDFAST_ASSIGN(const std::uint64_t size, in.varint_at_most(kRecordMaxBytes));
  if (size < kRecordMinBytes) return in.corrupt("a record of " + std::to_string(size) + " bytes");
  entry.record_size_bytes = static_cast<std::uint32_t>(size);
  HOLDFAST_ASSIGN(entry.kind, decode_chunk_kind(in));
  HOLDFAST_ASSIGN(const bool has_children, decode_flags_and_bases(in, entry));
  if (has_children) HOLDFAST_TRY(decode_children(in, record_count, entry_index, entry, pending));
  return entry;
}

}  // namespace

Bytes encode_pack_footer(const PackFooter& footer) {
  Bytes out;
  ByteWriter(out)
      .prelude(kPackFooterObject)
      .u32(footer.record_count)
      .u64(footer.index_offset)
      .u32(footer.index_size_bytes)
      .zeros(4)
      .id(footer.merkle_root)
      .id(footer.index_digest)
      .u64(footer.pack_size_bytes)
      .zeros(kFooterReservedBytes);
  HOLDFAST_CHECK(out.size() == kPackFooterBytes);
  return out;
}

Result<PackFooter> decode_pack_footer(ByteView bytes, std::uint64_t pack_size_bytes) {
  ByteReader in(bytes, "pack footer");
  HOLDFAST_TRY(in.prelude(kPackFooterObject));
  PackFooter footer;
  HOLDFAST_ASSIGN(footer.record_count, in.u32());
  HOLDFAST_ASSIGN(footer.index_offset, in.u64());
  HOLDFAST_ASSIGN(footer.index_size_bytes, in.u32());
  HOLDFAST_TRY(in.zeros(4));
  HOLDFAST_ASSIGN(footer.merkle_root, in.id<Digest>());
  HOLDFAST_ASSIGN(footer.index_digest, in.id<Digest>());
  HOLDFAST_ASSIGN(footer.pack_size_bytes, in.u64());
  HOLDFAST_TRY(in.zeros(kFooterReservedBytes));
  HOLDFAST_TRY(in.expect_end());
  if (footer.pack_size_bytes != pack_size_bytes) {
    return in.corrupt("a pack of " + std::to_string(footer.pack_size_bytes) + " bytes, where " +
                      std::to_string(pack_size_bytes) + " are");
  }
  if (footer.record_count == 0 || footer.record_count > kPackRecordCountMax) {
    return in.corrupt(std::to_string(footer.record_count) + " records");
  }
  // Subtractions only, so that no sum overflows: pack = header, records, index, footer.
  const std::uint64_t inside = pack_size_bytes - kPackHeaderBytes - kPackFooterBytes;
  if (footer.index_size_bytes > inside || footer.index_offset != kPackHeaderBytes + inside - footer.index_size_bytes) {
    return in.corrupt("an index of " + std::to_string(footer.index_size_bytes) + " bytes at " +
                      std::to_string(footer.index_offset) + " does not end at the footer");
  }
  return footer;
}

Status check_pack_header(ByteView header) {
  ByteReader in(header, "pack header");
  HOLDFAST_TRY(in.prelude(kPackObject));
  HOLDFAST_ASSIGN([[maybe_unused]] const ByteView salt, in.raw(kHeaderSaltBytes));
  HOLDFAST_TRY(in.zeros(kHeaderReservedBytes));
  return in.expect_end();
}

PackId pack_id_of(ByteView header, ByteView footer) {
  static constexpr std::uint8_t kPrefix[] = {0x03};
  return {sha256({kPrefix, header, footer}).bytes};
}

SecretBytes pack_index_key(ByteView k_maint, ByteView header) {
  return hkdf_sha256(k_maint, header.subspan(kPreludeBytes, kHeaderSaltBytes), as_bytes("holdfast/1/pack-index"), 32);
}

Bytes encode_pack_index(const std::vector<PackEntry>& entries) {
  std::unordered_map<ChunkId, std::size_t> numbers;
  for (std::size_t i = 0; i < entries.size(); ++i) numbers.emplace(entries[i].id, i);
  Bytes plain;
  ByteWriter out(plain);
  for (const PackEntry& entry : entries) {
    out.id(entry.id).varint(entry.record_size_bytes).u8(static_cast<std::uint8_t>(entry.kind));
    encode_flags_and_bases(entry, out);
    if (entry.children.empty()) continue;
    out.varint(entry.children.size());
    for (const ChunkId& child : entry.children) encode_child(child, numbers, out);
  }
  return plain;
}

Result<std::vector<PackEntry>> decode_pack_index(ByteView plain, const PackFooter& footer) {
  ByteReader in(plain, "pack index");
  if (footer.record_count > plain.size() / kEntryMinBytes) {
    return in.corrupt("too short for " + std::to_string(footer.record_count) + " records");
  }
  std::vector<PackEntry> entries;
  std::vector<PendingChild> pending;
  entries.reserve(footer.record_count);
  std::uint64_t offset = kPackHeaderBytes;
  for (std::size_t i = 0; i < footer.record_count; ++i) {
    HOLDFAST_ASSIGN(PackEntry entry, decode_entry(in, footer.record_count, i, pending));
    entry.offset = offset;
    offset += entry.record_size_bytes;
    entries.push_back(std::move(entry));
  }
  HOLDFAST_TRY(in.expect_end());
  if (offset != footer.index_offset) {
    return in.corrupt("records up to byte " + std::to_string(offset) + " where the index begins at " +
                      std::to_string(footer.index_offset));
  }
  for (const PendingChild& child : pending) entries[child.entry].children[child.child] = entries[child.record].id;
  return entries;
}

Digest pack_merkle_root(const std::vector<PackEntry>& entries) {
  MerkleAccumulator tree;
  for (const PackEntry& entry : entries) tree.add(merkle_leaf_hash(entry.id.view()));
  return tree.root();
}

}  // namespace holdfast
