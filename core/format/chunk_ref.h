// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {

/// Size of a reference (FORMAT.md §4).
inline constexpr std::size_t kChunkRefBytes = 85;
/// Largest plaintext of a chunk (FORMAT.md §3).
inline constexpr std::uint32_t kChunkPlainMaxBytes = 4'194'304;

/// Appends the kChunkRefBytes bytes of a reference.
void encode_chunk_ref(const ChunkRef& ref, ByteWriter& out);
/// Reads one. Errors: kCorrupt: cut off, a kind that is none, a plaintext size outside 1..kChunkPlainMaxBytes.
Result<ChunkRef> decode_chunk_ref(ByteReader& in);
/// Reads one that must be of `kind`.
Result<ChunkRef> decode_chunk_ref(ByteReader& in, ChunkKind kind);

/// The kind with this number. Errors: kCorrupt when there is none.
Result<ChunkKind> decode_chunk_kind(ByteReader& in);

}  // namespace holdfast
