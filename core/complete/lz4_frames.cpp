// SPDX-License-Identifier: Apache-2.0
#include "core/complete/checks.h"

namespace holdfast {
namespace {

// LZ4 Frame Format Description, version 1.6.
constexpr std::uint64_t kFrameMagic = 0x184d2204;
constexpr std::uint64_t kSkippableMagic = 0x184d2a50;
constexpr std::uint64_t kSkippableMask = 0xfffffff0;
constexpr std::uint64_t kUncompressedBit = 0x80000000;
constexpr std::uint64_t kBlockMaxBytes = 4 * 1024 * 1024;

/// From behind the magic to the end of the frame.
Status walk_frame(DumpReader& in) {
  HOLDFAST_ASSIGN(const std::uint8_t flags, in.u8());
  if ((flags >> 6U) != 1) return cut_off("a frame of unknown version");
  const bool block_checksums = (flags & 0x10U) != 0;
  const bool content_size = (flags & 0x08U) != 0;
  const bool content_checksum = (flags & 0x04U) != 0;
  const bool dictionary_id = (flags & 0x01U) != 0;
  HOLDFAST_TRY(in.skip(1 + (content_size ? 8U : 0U) + (dictionary_id ? 4U : 0U) + 1));
  while (true) {
    const std::uint64_t start = in.offset();
    HOLDFAST_ASSIGN(const std::uint64_t word, in.little_endian(4));
    if (word == 0) break;
    const std::uint64_t size = word & ~kUncompressedBit;
    if (size > kBlockMaxBytes) return cut_off("a damaged block at byte " + std::to_string(start));
    HOLDFAST_TRY(in.skip(size + (block_checksums ? 4U : 0U)));
  }
  return content_checksum ? in.skip(4) : ok_status();
}

}  // namespace

Status check_lz4(RandomBytes& bytes) {
  DumpReader in(bytes);
  if (in.at_end()) return cut_off("an empty file where a frame belongs");
  while (!in.at_end()) {
    const std::uint64_t start = in.offset();
    HOLDFAST_ASSIGN(const std::uint64_t magic, in.little_endian(4));
    if (magic == kFrameMagic) {
      HOLDFAST_TRY(walk_frame(in));
    } else if ((magic & kSkippableMask) == kSkippableMagic) {
      HOLDFAST_ASSIGN(const std::uint64_t size, in.little_endian(4));
      HOLDFAST_TRY(in.skip(size));
    } else {
      return cut_off("no frame at byte " + std::to_string(start));
    }
  }
  return ok_status();
}

}  // namespace holdfast
