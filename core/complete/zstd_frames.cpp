// SPDX-License-Identifier: Apache-2.0
#include <zstd.h>
#include <zstd_errors.h>

#include <array>

#include "core/complete/checks.h"

namespace holdfast {
namespace {

// RFC 8878 §3.1.
constexpr std::uint64_t kFrameMagic = 0xfd2fb528;
constexpr std::uint64_t kSkippableMagic = 0x184d2a50;
constexpr std::uint64_t kSkippableMask = 0xfffffff0;
constexpr std::uint64_t kBlockMaxBytes = 128 * 1024;
enum BlockType : std::uint64_t { kRaw = 0, kRle = 1, kCompressed = 2, kReserved = 3 };

std::string at_byte(std::uint64_t offset) { return " at byte " + std::to_string(offset); }

/// From behind the magic to the end of the frame.
Status walk_frame(DumpReader& in) {
  HOLDFAST_ASSIGN(const std::uint8_t descriptor, in.u8());
  if ((descriptor & 0x08U) != 0) return cut_off("a frame header with a reserved bit");
  const bool single_segment = (descriptor & 0x20U) != 0;
  constexpr std::array<std::uint64_t, 4> kDictionaryIdBytes{0, 1, 2, 4};
  constexpr std::array<std::uint64_t, 4> kContentSizeBytes{0, 2, 4, 8};
  std::uint64_t header = kDictionaryIdBytes[descriptor & 3U] + kContentSizeBytes[descriptor >> 6U];
  if (single_segment && (descriptor >> 6U) == 0) ++header;
  if (!single_segment) ++header;
  HOLDFAST_TRY(in.skip(header));
  for (bool last = false; !last;) {
    const std::uint64_t start = in.offset();
    HOLDFAST_ASSIGN(const std::uint64_t block, in.little_endian(3));
    last = (block & 1U) != 0;
    const std::uint64_t type = (block >> 1U) & 3U;
    const std::uint64_t size = block >> 3U;
    if (type == kReserved) return cut_off("a damaged block" + at_byte(start));
    if (type != kRle && size > kBlockMaxBytes) return cut_off("a damaged block" + at_byte(start));
    HOLDFAST_TRY(in.skip(type == kRle ? 1 : size));
  }
  return (descriptor & 0x04U) != 0 ? in.skip(4) : ok_status();
}

/// What a decoder with default limits refuses and another reads: windows of more than 128 MiB (--long=28), dictionaries.
bool is_beyond_us(ZSTD_ErrorCode code) {
  return code == ZSTD_error_frameParameter_windowTooLarge || code == ZSTD_error_dictionary_wrong || code == ZSTD_error_memory_allocation;
}

struct DecoderDeleter {
  void operator()(ZSTD_DCtx* decoder) const noexcept { ZSTD_freeDCtx(decoder); }
};

}  // namespace

Status check_zstd(RandomBytes& bytes) {
  DumpReader in(bytes);
  if (in.at_end()) return cut_off("an empty file where a frame belongs");
  while (!in.at_end()) {
    const std::uint64_t start = in.offset();
    HOLDFAST_ASSIGN(const std::uint64_t magic, in.little_endian(4));
    if (magic == kFrameMagic) {
      Status walked = walk_frame(in);
      if (!walked) return std::move(walked).error().with_context("in the frame" + at_byte(start));
    } else if ((magic & kSkippableMask) == kSkippableMagic) {
      HOLDFAST_ASSIGN(const std::uint64_t size, in.little_endian(4));
      HOLDFAST_TRY(in.skip(size));
    } else {
      return cut_off("no frame" + at_byte(start));
    }
  }
  return ok_status();
}

Status decompress_zstd(RandomBytes& bytes, std::uint64_t size_max, StreamEnds& ends) {
  const std::unique_ptr<ZSTD_DCtx, DecoderDeleter> decoder(ZSTD_createDCtx());
  if (!decoder) return Error(ErrorCode::kInternal, "zstd has no memory");
  DumpReader in(bytes);
  Bytes out(ZSTD_DStreamOutSize());
  while (size_max == 0 || ends.size() < size_max) {
    HOLDFAST_ASSIGN(const ByteView view, in.take_some());
    if (view.empty()) break;
    ZSTD_inBuffer input{view.data(), view.size(), 0};
    bool full = false;
    while (input.pos < input.size || full) {
      ZSTD_outBuffer output{out.data(), out.size(), 0};
      const std::size_t code = ZSTD_decompressStream(decoder.get(), &output, &input);
      if (ZSTD_isError(code) != 0 && is_beyond_us(ZSTD_getErrorCode(code))) {
        return Error(ErrorCode::kUnsupported, std::string("whole, but not looked into: ") + ZSTD_getErrorName(code));
      }
      if (ZSTD_isError(code) != 0) {
        return cut_off("damaged before byte " + std::to_string(in.offset()) + ": " + ZSTD_getErrorName(code));
      }
      ends.add(ByteView(out).first(output.pos));
      full = output.pos == output.size;
    }
  }
  return ok_status();
}

}  // namespace holdfast
