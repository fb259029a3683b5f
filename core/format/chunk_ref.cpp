// SPDX-License-Identifier: Apache-2.0
#include "core/format/chunk_ref.h"

namespace holdfast {

void encode_chunk_ref(const ChunkRef& ref, ByteWriter& out) {
  out.id(ref.id).id(ref.key).id(ref.fp).u32(ref.plain_size_bytes).u8(static_cast<std::uint8_t>(ref.kind));
}

Result<ChunkKind> decode_chunk_kind(ByteReader& in) {
  HOLDFAST_ASSIGN(const std::uint8_t number, in.u8());
  if (number < 1 || number > 3) return in.corrupt("chunk kind " + std::to_string(number) + ", which is none");
  return static_cast<ChunkKind>(number);
}

Result<ChunkRef> decode_chunk_ref(ByteReader& in) {
  ChunkRef ref;
  HOLDFAST_ASSIGN(ref.id, in.id<ChunkId>());
  HOLDFAST_ASSIGN(ref.key, in.id<ChunkKey>());
  HOLDFAST_ASSIGN(ref.fp, in.id<Fingerprint>());
  HOLDFAST_ASSIGN(ref.plain_size_bytes, in.u32());
  if (ref.plain_size_bytes == 0 || ref.plain_size_bytes > kChunkPlainMaxBytes) {
    return in.corrupt("a reference to a chunk of " + std::to_string(ref.plain_size_bytes) + " bytes");
  }
  HOLDFAST_ASSIGN(ref.kind, decode_chunk_kind(in));
  return ref;
}

Result<ChunkRef> decode_chunk_ref(ByteReader& in, ChunkKind kind) {
  HOLDFAST_ASSIGN(const ChunkRef ref, decode_chunk_ref(in));
  if (ref.kind != kind) return in.corrupt("a reference to a chunk of another kind than belongs here");
  return ref;
}

}  // namespace holdfast
