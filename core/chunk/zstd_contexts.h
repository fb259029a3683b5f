// SPDX-License-Identifier: Apache-2.0
// Private to core/chunk: zstd with owners and bounds.
#pragma once

#include <memory>
#include <optional>

#include "core/base/bytes.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace holdfast {

/// Compresses one frame at a time and keeps its memory. One thread.
class ZstdCompressor {
 public:
  ZstdCompressor();
  ~ZstdCompressor();
  ZstdCompressor(ZstdCompressor&&) noexcept;
  ZstdCompressor& operator=(ZstdCompressor&&) noexcept;
  /// The size of the frame written to `out`, with `prefix` (may be empty) as what went before; nullopt when it doesn't fit there.
  /// Errors: kInternal.
  Result<std::optional<std::size_t>> compress(ByteView plain, ByteView prefix, int level, MutableByteView out);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const noexcept;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
};

/// Decompresses the single frame that `frame` must be, to exactly plain.size() bytes. Takes no memory that depends on what the
/// frame says. Errors: kCorrupt. Safe from any thread (a context each).
Status zstd_decompress(ByteView frame, ByteView prefix, MutableByteView plain);

}  // namespace holdfast
