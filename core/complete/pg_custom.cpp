// SPDX-License-Identifier: Apache-2.0
#include "core/complete/checks.h"
#include "core/complete/pg_archive.h"

namespace holdfast {
namespace {

constexpr std::uint8_t kBlockData = 1;
constexpr std::uint8_t kBlockLargeObjects = 3;

std::string at_byte(std::uint64_t offset) { return " at byte " + std::to_string(offset); }

/// Lengths and bytes in turn, until a length of 0.
Status skip_pieces(DumpReader& in, std::uint8_t int_size) {
  while (true) {
    HOLDFAST_ASSIGN(const std::int64_t size, read_pg_int(in, int_size));
    if (size == 0) return ok_status();
    if (size < 0) return cut_off("a piece of negative size before byte " + std::to_string(in.offset()));
    HOLDFAST_TRY(in.skip(static_cast<std::uint64_t>(size)));
  }
}

struct BlockHeader {
  std::uint8_t type = 0;
  std::int64_t dump_id = 0;
};

Result<BlockHeader> read_block_header(DumpReader& in, std::uint8_t int_size) {
  BlockHeader header;
  const std::uint64_t start = in.offset();
  HOLDFAST_ASSIGN(header.type, in.u8());
  if (header.type != kBlockData && header.type != kBlockLargeObjects) return cut_off("no data block" + at_byte(start));
  HOLDFAST_ASSIGN(header.dump_id, read_pg_int(in, int_size));
  return header;
}

/// One whole data block; its id.
Result<std::int64_t> walk_block(DumpReader& in, std::uint8_t int_size) {
  HOLDFAST_ASSIGN(const BlockHeader header, read_block_header(in, int_size));
  if (header.type == kBlockData) {
    HOLDFAST_TRY(skip_pieces(in, int_size));
    return header.dump_id;
  }
  while (true) {
    HOLDFAST_ASSIGN(const std::int64_t oid, read_pg_int(in, int_size));
    if (oid == 0) return header.dump_id;
    HOLDFAST_TRY(skip_pieces(in, int_size));
  }
}

/// Every block from here to the end of the file, each of an entry that is still missing.
Status walk_to_end(DumpReader& in, std::uint8_t int_size, std::set<std::int64_t> missing) {
  const std::size_t expected = missing.size();
  while (!in.at_end()) {
    const std::uint64_t start = in.offset();
    auto id = walk_block(in, int_size);
    if (!id) return std::move(id).error().with_context("in the data block" + at_byte(start));
    if (missing.erase(*id) == 0) return cut_off("a data block" + at_byte(start) + " of no entry");
  }
  if (missing.empty()) return ok_status();
  return cut_off("the data of " + std::to_string(missing.size()) + " of " + std::to_string(expected) + " entries are missing");
}

}  // namespace

Status check_pg_custom(RandomBytes& bytes) {
  DumpReader in(bytes);
  HOLDFAST_ASSIGN(const PgArchive archive, read_pg_archive(in));
  std::set<std::int64_t> missing;
  std::map<std::uint64_t, std::int64_t> by_offset;
  for (const PgDataEntry& entry : archive.data) {
    missing.insert(entry.dump_id);
    if (entry.offset) by_offset.emplace(*entry.offset, entry.dump_id);
  }
  // pg_dump writes the offsets down when it has written all data, so with all of them there only what lies behind the last can be
  // cut off: the blocks before it are not walked.
  if (by_offset.empty() || by_offset.size() != archive.data.size()) return walk_to_end(in, archive.int_size, std::move(missing));
  if (by_offset.begin()->first != in.offset()) return cut_off("the first data block does not follow the table of contents");
  const std::uint64_t last = by_offset.rbegin()->first;
  for (const auto& [offset, dump_id] : by_offset) {
    if (offset >= bytes.size()) return cut_off("the data block" + at_byte(offset) + " lies past the end at byte " + std::to_string(bytes.size()));
    DumpReader block(bytes, offset);
    if (offset == last) return walk_to_end(block, archive.int_size, {dump_id});
    HOLDFAST_ASSIGN(const BlockHeader header, read_block_header(block, archive.int_size));
    if (header.dump_id != dump_id) return cut_off("the data block" + at_byte(offset) + " is not the one that the table of contents says");
  }
  return ok_status();
}

}  // namespace holdfast
