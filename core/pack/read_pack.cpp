// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/chunk/chunk_codec.h"
#include "core/crypto/hash.h"
#include "core/crypto/seal.h"
#include "core/pack/pack_layout.h"

namespace holdfast {

namespace {

/// Read from the end at first: holds footer and index of a pack of some 1,500 data chunks, so that most packs need two reads.
constexpr std::uint64_t kFirstReadBytes = 65'536;
/// Records whose ids are computed together.
constexpr std::size_t kVerifyBatch = 64;
/// Records that are read together to be verified; a larger one is read alone.
constexpr std::uint64_t kVerifyReadBytes = 1U << 20;

Error corrupt(std::string_view why) { return {ErrorCode::kCorrupt, "pack: " + std::string(why)}; }

Result<Bytes> read_exactly(const PackBytes& read, std::uint64_t offset, std::uint64_t size) {
  HOLDFAST_ASSIGN(Bytes bytes, read(offset, size));
  if (bytes.size() != size) {
    return corrupt("cut off: " + std::to_string(bytes.size()) + " of " + std::to_string(size) + " bytes at " +
                   std::to_string(offset));
  }
  return bytes;
}

/// The record in the pack is what its entry says, apart from its id.
Status check_record(const PackEntry& entry, ByteView record) {
  const std::string where = "record at " + std::to_string(entry.offset);
  auto header = decode_record_header(record);
  if (!header) return std::move(header).error().with_context(where);
  if (header->record_size_bytes() != record.size()) return corrupt(where + " has another size than the index says");
  if (header->kind != entry.kind) return corrupt(where + " is of another kind than the index says");
  if (base_count(header->codec) != entry.bases.size()) {
    return corrupt(where + " and the index differ over how many bases it has");
  }
  return ok_status();
}

}  // namespace

Result<PackDirectory> read_pack_directory(const PackBytes& read, std::uint64_t pack_size_bytes, const PackId* expected,
                                          ByteView k_maint) {
  if (pack_size_bytes < kPackHeaderBytes + kPackFooterBytes) {
    return corrupt("an object of " + std::to_string(pack_size_bytes) + " bytes is too short to be one");
  }
  const std::uint64_t tail_offset = pack_size_bytes - std::min(pack_size_bytes, kFirstReadBytes);
  HOLDFAST_ASSIGN(const Bytes tail, read_exactly(read, tail_offset, pack_size_bytes - tail_offset));
  const ByteView footer_bytes = ByteView(tail).last(kPackFooterBytes);
  HOLDFAST_ASSIGN(const PackFooter footer, decode_pack_footer(footer_bytes, pack_size_bytes));

  Bytes header;
  if (tail_offset == 0) {
    header.assign(tail.begin(), tail.begin() + static_cast<std::ptrdiff_t>(kPackHeaderBytes));
  } else {
    HOLDFAST_ASSIGN(header, read_exactly(read, 0, kPackHeaderBytes));
  }
  HOLDFAST_TRY(check_pack_header(header));
  const PackId id = pack_id_of(header, footer_bytes);
  if (expected != nullptr && id != *expected) return corrupt("it is " + id.hex() + " where " + expected->hex() + " was asked for");

  Bytes sealed;
  if (footer.index_offset >= tail_offset) {
    const ByteView view = ByteView(tail).subspan(static_cast<std::size_t>(footer.index_offset - tail_offset), footer.index_size_bytes);
    sealed.assign(view.begin(), view.end());
  } else {
    HOLDFAST_ASSIGN(sealed, read_exactly(read, footer.index_offset, footer.index_size_bytes));
  }
  if (sha256(sealed) != footer.index_digest) return corrupt("its sealed index is damaged");
  auto plain = open_box(pack_index_key(k_maint, header).view(), header, sealed);
  if (!plain) return std::move(plain).error().with_context("opening a pack's index");

  PackDirectory directory;
  HOLDFAST_ASSIGN(directory.entries, decode_pack_index(*plain, footer));
  if (pack_merkle_root(directory.entries) != footer.merkle_root) return corrupt("its Merkle root is not that of its chunks");
  directory.summary = {id, footer.merkle_root, pack_size_bytes, footer.record_count};
  return directory;
}

namespace {

/// Records `first`.. of the pack, which lie side by side in `bytes`.
Status check_records(std::span<const PackEntry> entries, std::size_t first, ByteView bytes) {
  std::vector<ByteView> records;
  records.reserve(entries.size());
  for (const PackEntry& entry : entries) {
    records.push_back(
        bytes.subspan(static_cast<std::size_t>(entry.offset - entries.front().offset), entry.record_size_bytes));
  }
  std::vector<ChunkId> ids(entries.size());
  best_chunk_hasher().chunk_ids(records, ids);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (ids[i] != entries[i].id) {
      return corrupt("record " + std::to_string(first + i) + " at " + std::to_string(entries[i].offset) +
                     " is not the chunk " + entries[i].id.hex());
    }
    HOLDFAST_TRY(check_record(entries[i], records[i]));
  }
  return ok_status();
}

}  // namespace

Result<PackDirectory> verify_pack(const PackBytes& read, std::uint64_t pack_size_bytes, const PackId* expected,
                                  ByteView k_maint) {
  HOLDFAST_ASSIGN(PackDirectory directory, read_pack_directory(read, pack_size_bytes, expected, k_maint));
  const std::span<const PackEntry> entries(directory.entries);
  for (std::size_t first = 0; first < entries.size();) {
    std::size_t count = 0;
    std::uint64_t size = 0;
    while (count < kVerifyBatch && first + count < entries.size()) {
      const std::uint32_t next = entries[first + count].record_size_bytes;
      if (count > 0 && size + next > kVerifyReadBytes) break;
      size += next;
      ++count;
    }
    HOLDFAST_ASSIGN(const Bytes bytes, read_exactly(read, entries[first].offset, size));
    HOLDFAST_TRY(check_records(entries.subspan(first, count), first, bytes));
    first += count;
  }
  return directory;
}

Result<PackDirectory> verify_pack(ByteView pack, const PackId* expected, ByteView k_maint) {
  const PackBytes read = [pack](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    const ByteView part = pack.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
    return Bytes(part.begin(), part.end());
  };
  return verify_pack(read, pack.size(), expected, k_maint);
}

}  // namespace holdfast
