// SPDX-License-Identifier: Apache-2.0
#include "core/complete/inner_compression.h"

#include <algorithm>
#include <array>

#include "core/complete/checks.h"
#include "core/complete/pg_archive.h"

namespace holdfast {
namespace {

using Found = std::optional<InnerCompression>;

constexpr std::string_view kPgRemedy = "with pg_dump -Z0";
constexpr InnerCompression kPgCustom{"pg_dump -Fc", kPgRemedy};
constexpr InnerCompression kPgDirectory{"pg_dump -Fd", kPgRemedy};
constexpr InnerCompression kRdb{"an RDB with LZF", "with rdbcompression no"};

struct Stream {
  std::string_view magic;
  InnerCompression is;
};
// RFC 1952 §2.3.1; RFC 8878 §3.1.1; LZ4 frame format 1.6; the .xz format §2.1.1.1; bzip2's "BZh" and the level.
constexpr std::array kStreams{Stream{"\x1f\x8b\x08", {"gzip", "without gzip"}}, Stream{"\x28\xb5\x2f\xfd", {"zstd", "without zstd"}},
                              Stream{"\x04\x22\x4d\x18", {"lz4", "without lz4"}}, Stream{std::string_view("\xfd" "7zXZ\0", 6), {"xz", "without xz"}},
                              Stream{"BZh", {"bzip2", "without bzip2"}}};

/// A file of rows or of a large object in pg_dump's directory format: "3245.dat.gz", "blob_16400.dat.zst".
bool is_of_pg_directory(std::string_view name) {
  const auto dat = name.find(".dat.");
  if (dat == std::string_view::npos || dat == 0) return false;
  const std::string_view stem = name.substr(name.starts_with("blob_") ? 5 : 0, name.starts_with("blob_") ? dat - 5 : dat);
  return !stem.empty() && stem.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Lengths and strings of an RDB (rdb.h of Redis 7: RDB_6BITLEN and the others).
class RdbWalk {
 public:
  explicit RdbWalk(DumpReader& in) : in_(in) {}
  /// Whether a compressed string comes before the limit, the end, or something that this walk does not know. kIncomplete: cut off.
  Result<bool> finds_lzf(std::uint64_t offset_max) {
    while (!has_lzf_ && in_.offset() < offset_max) {
      HOLDFAST_ASSIGN(const std::uint8_t opcode, in_.u8());
      HOLDFAST_ASSIGN(const bool goes_on, opcode >= kFirstOpcode ? walk_opcode(opcode) : walk_value(opcode));
      if (!goes_on) break;
    }
    return has_lzf_;
  }

 private:
  static constexpr std::uint8_t kFirstOpcode = 0xf4;

  Result<bool> walk_opcode(std::uint8_t opcode) {
    switch (opcode) {
      case 0xfa:  // AUX: a name and a value
        return strings(2);
      case 0xf5:  // FUNCTION2
        return strings(1);
      case 0xfe:  // SELECTDB
      case 0xf8:  // IDLE
        return lengths(1);
      case 0xfb:  // RESIZEDB
        return lengths(2);
      case 0xfd:  // EXPIRETIME
        return skip(4);
      case 0xfc:  // EXPIRETIME_MS
        return skip(8);
      case 0xf9:  // FREQ
        return skip(1);
      default:
        return false;
    }
  }

  Result<bool> walk_value(std::uint8_t type) {
    HOLDFAST_TRY(string());
    switch (type) {
      case 0:                                                          // string
      case 9: case 10: case 11: case 12: case 13: case 16: case 17: case 20:  // one string that holds all: zipmap, ziplists, intset, listpacks
        return strings(1);
      case 1: case 2: case 14: {  // list, set, quicklist
        HOLDFAST_ASSIGN(const std::uint64_t count, length());
        return strings(count);
      }
      case 4: {  // hash
        HOLDFAST_ASSIGN(const std::uint64_t count, length());
        return strings(2 * count);
      }
      case 5: {  // sorted set with binary scores
        HOLDFAST_ASSIGN(const std::uint64_t count, length());
        for (std::uint64_t i = 0; i < count && !has_lzf_; ++i) {
          HOLDFAST_TRY(string());
          HOLDFAST_TRY(in_.skip(8));
        }
        return true;
      }
      case 18: {  // quicklist of listpacks, each after its container's kind
        HOLDFAST_ASSIGN(const std::uint64_t count, length());
        for (std::uint64_t i = 0; i < count && !has_lzf_; ++i) {
          HOLDFAST_TRY(length());
          HOLDFAST_TRY(string());
        }
        return true;
      }
      default:
        return false;
    }
  }

  Result<bool> skip(std::uint64_t count) {
    HOLDFAST_TRY(in_.skip(count));
    return true;
  }
  Result<bool> strings(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count && !has_lzf_; ++i) HOLDFAST_TRY(string());
    return true;
  }
  Result<bool> lengths(int count) {
    for (int i = 0; i < count; ++i) HOLDFAST_TRY(length());
    return true;
  }
  /// Encoded specially: the kind goes to `special`.
  Result<std::uint64_t> length(std::optional<std::uint8_t>* special = nullptr) {
    HOLDFAST_ASSIGN(const std::uint8_t first, in_.u8());
    const auto low = static_cast<std::uint8_t>(first & 0x3fU);
    switch (first >> 6U) {
      case 0:
        return low;
      case 1: {
        HOLDFAST_ASSIGN(const std::uint8_t second, in_.u8());
        return std::uint64_t{low} << 8U | second;
      }
      case 2: {
        HOLDFAST_ASSIGN(const ByteView digits, in_.take(first == 0x81 ? 8 : 4));
        std::uint64_t value = 0;
        for (const std::uint8_t digit : digits) value = value << 8U | digit;
        return value;
      }
      default:
        if (special == nullptr) return cut_off("a string where a length should be");
        *special = low;
        return std::uint64_t{0};
    }
  }
  Status string() {
    std::optional<std::uint8_t> special;
    HOLDFAST_ASSIGN(const std::uint64_t size, length(&special));
    if (!special) return in_.skip(size);
    if (*special == 3) {
      has_lzf_ = true;
      return ok_status();
    }
    if (*special > 3) return cut_off("an unknown kind of string");
    return in_.skip(std::uint64_t{1} << *special);  // an integer of 1, 2 or 4 bytes
  }

  DumpReader& in_;
  bool has_lzf_ = false;
};

constexpr std::size_t kRdbMagicBytes = 9;
constexpr std::uint64_t kRdbLookBytes = 256 * 1024;

/// What the bytes say of themselves wrongly is no reason for a notice.
template <typename T>
Result<T> or_default(Result<T> result) {
  if (result || (result.error().code() != ErrorCode::kIncomplete && result.error().code() != ErrorCode::kUnsupported)) return result;
  return T{};
}

}  // namespace

Result<std::optional<InnerCompression>> find_inner_compression(const DumpInput& input) {
  Bytes head(std::min<std::uint64_t>(input.bytes.size(), 16));
  if (head.empty()) return Found();
  HOLDFAST_TRY(input.bytes.read(0, head));
  const std::string_view text = as_text(head);
  for (const Stream& stream : kStreams) {
    if (text.starts_with(stream.magic)) return Found(is_of_pg_directory(input.name) ? kPgDirectory : stream.is);
  }
  DumpReader in(input.bytes);
  if (text.starts_with("PGDMP")) {
    HOLDFAST_ASSIGN(const PgArchive archive, or_default(read_pg_header(in)));
    // The table of contents of the directory format is not compressed itself; its data files are looked at one by one.
    return archive.is_compressed && archive.format == PgFormat::kCustom ? Found(kPgCustom) : Found();
  }
  if (text.starts_with("REDIS0") || text.starts_with("VALKEY")) {
    HOLDFAST_TRY(in.skip(std::min<std::uint64_t>(kRdbMagicBytes, in.left())));
    HOLDFAST_ASSIGN(const bool has_lzf, or_default(RdbWalk(in).finds_lzf(kRdbLookBytes)));
    return has_lzf ? Found(kRdb) : Found();
  }
  return Found();
}

}  // namespace holdfast
