// SPDX-License-Identifier: Apache-2.0
#include "core/complete/checks.h"
#include "core/complete/crc64.h"

namespace holdfast {
namespace {

constexpr std::uint8_t kOpcodeEof = 0xff;
constexpr std::size_t kMagicBytes = 9;  // "REDIS0011", "VALKEY080"
constexpr std::size_t kChecksumBytes = 8;
constexpr int kFirstVersionWithChecksum = 5;

/// The version in the magic: what is behind the letters, in decimal. 0 when it is no number.
int version_of(std::string_view magic) {
  const std::string_view digits = magic.substr(magic.starts_with("REDIS") ? 5 : 6);
  int version = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return 0;
    version = version * 10 + (digit - '0');
  }
  return version;
}

}  // namespace

Result<RdbEnd> check_rdb(RandomBytes& bytes) {
  DumpReader in(bytes);
  HOLDFAST_ASSIGN(const ByteView magic, in.take(kMagicBytes));
  const int version = version_of(as_text(magic));
  if (version == 0) return cut_off("the version is no number");
  std::uint64_t crc = crc64_jones(0, magic);
  const std::uint64_t trailer = version >= kFirstVersionWithChecksum ? kChecksumBytes : 0;
  if (in.left() < trailer + 1) return cut_off("the file ends before its end mark");
  DumpReader end(bytes, bytes.size() - trailer - 1);
  HOLDFAST_ASSIGN(const std::uint8_t opcode, end.u8());
  if (opcode != kOpcodeEof) return cut_off("the file does not end with the end mark");
  if (trailer == 0) return RdbEnd::kUnproved;
  HOLDFAST_ASSIGN(const std::uint64_t stored, end.little_endian(kChecksumBytes));
  if (stored == 0) return RdbEnd::kUnproved;  // rdbchecksum no
  while (in.left() > trailer) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(in.left() - trailer, DumpReader::kWindowBytes));
    HOLDFAST_ASSIGN(const ByteView view, in.take(part));
    crc = crc64_jones(crc, view);
  }
  if (crc != stored) return cut_off("the checksum at the end is not that of the file");
  return RdbEnd::kProved;
}

}  // namespace holdfast
