// SPDX-License-Identifier: Apache-2.0
#include "core/chunk/zstd_contexts.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <bit>

namespace holdfast {

namespace {

struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};

ZSTD_DCtx* thread_decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context(ZSTD_createDCtx());
  HOLDFAST_CHECK(context != nullptr);
  return context.get();
}

/// Of a chunk with a prefix, by how far it reaches: level 1 gives such inputs a table of 2^14 places, through which a long prefix falls. Measured on pg_dump's text a day apart,
/// reaching 326 KiB: with 2^16 places 11 % fewer bytes for 3 % more time; with matches from 6 bytes on, not 7, 1 % more bytes and a tenth of the time less. (4 MiB that differ in two
/// bytes from their prefix took 4.06 MB with 2^14 places, with 2^18 398 bytes.)
int prefix_hash_log(std::size_t reach_bytes, int level) { return std::clamp(static_cast<int>(std::bit_width(reach_bytes)) - 3, level == 1 ? 14 : 17, 18); }
constexpr int kPrefixMinMatch = 6;
/// Of a chunk of this size compressed alone at level 1: zstd's own for 128 KiB, also for larger ones. Measured on pg_dump's text in pieces of 128 KiB: 391 MB/s at 3.30 : 1
/// (12: 428 MB/s at 3.24; 14: 361 MB/s at 3.32), and back at 1,429 MB/s.
constexpr int kLevelOneHashLog = 13;
constexpr std::size_t kLevelOneMinBytes = 16 * 1024;
constexpr std::size_t kLevelOneMaxBytes = 512 * 1024;

/// The smallest window that reaches from the end of the plaintext to the start of the prefix.
int window_log(std::size_t reach_bytes) {
  return std::max(10, static_cast<int>(std::bit_width(reach_bytes)));
}

Error bad_frame(std::string_view why) {
  return {ErrorCode::kCorrupt, "chunk payload is no zstd frame of it: " + std::string(why)};
}

}  // namespace

void ZstdCompressor::Free::operator()(ZSTD_CCtx_s* context) const noexcept { ZSTD_freeCCtx(context); }

ZstdCompressor::ZstdCompressor() : context_(ZSTD_createCCtx()) { HOLDFAST_CHECK(context_ != nullptr); }
ZstdCompressor::~ZstdCompressor() = default;
ZstdCompressor::ZstdCompressor(ZstdCompressor&&) noexcept = default;
ZstdCompressor& ZstdCompressor::operator=(ZstdCompressor&&) noexcept = default;

Result<std::optional<std::size_t>> ZstdCompressor::compress(ByteView plain, ByteView prefix, int level,
                                                            MutableByteView out) {
  ZSTD_CCtx* context = context_.get();
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  std::size_t code = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  if (ZSTD_isError(code) == 0 && !prefix.empty()) {
    code = ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log(prefix.size() + plain.size()));
    if (ZSTD_isError(code) == 0) code = ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, prefix_hash_log(prefix.size() + plain.size(), level));
    if (ZSTD_isError(code) == 0 && level == 1) code = ZSTD_CCtx_setParameter(context, ZSTD_c_minMatch, kPrefixMinMatch);
    if (ZSTD_isError(code) == 0) code = ZSTD_CCtx_refPrefix(context, prefix.data(), prefix.size());
  }
  const bool has_small_table = prefix.empty() && level == 1 && plain.size() > kLevelOneMinBytes && plain.size() <= kLevelOneMaxBytes;
  if (ZSTD_isError(code) == 0 && has_small_table) {
    code = ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, kLevelOneHashLog);
  }
  if (ZSTD_isError(code) == 0) code = ZSTD_compress2(context, out.data(), out.size(), plain.data(), plain.size());
  if (ZSTD_isError(code) == 0) return std::optional(code);
  if (ZSTD_getErrorCode(code) == ZSTD_error_dstSize_tooSmall) return std::optional<std::size_t>();
  return Error(ErrorCode::kInternal, std::string("zstd: ") + ZSTD_getErrorName(code));
}

Status zstd_decompress(ByteView frame, ByteView prefix, MutableByteView plain) {
  // The decoder itself takes several frames in a row, skippable ones among them; a payload is one with its size in front.
  if (ZSTD_getFrameContentSize(frame.data(), frame.size()) != plain.size()) return bad_frame("another size in its header");
  if (ZSTD_getDictID_fromFrame(frame.data(), frame.size()) != 0) return bad_frame("it wants a dictionary");
  if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size()) return bad_frame("cut off, or bytes left over");
  ZSTD_DCtx* context = thread_decompressor();
  ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
  if (ZSTD_isError(ZSTD_DCtx_refPrefix(context, prefix.data(), prefix.size())) != 0) {
    return Error(ErrorCode::kInternal, "zstd takes no prefix");
  }
  const std::size_t size = ZSTD_decompressDCtx(context, plain.data(), plain.size(), frame.data(), frame.size());
  if (ZSTD_isError(size) != 0) return bad_frame(ZSTD_getErrorName(size));
  if (size != plain.size()) return bad_frame("it gives " + std::to_string(size) + " bytes");
  return ok_status();
}

}  // namespace holdfast
