// SPDX-License-Identifier: Apache-2.0
#include "core/chunk/record_layout.h"
#include "core/chunk/zstd_contexts.h"
#include "core/format/byte_reader.h"

namespace holdfast {

namespace {

Error corrupt(const ChunkRef& ref, std::string_view why) {
  return {ErrorCode::kCorrupt, "chunk " + ref.id.hex().substr(0, 16) + ": " + std::string(why)};
}

/// Reads what stands before the frame.
Result<LeansOn> read_base(const ChunkRef& ref, ByteReader& in) {
  ChunkRef base;
  base.kind = ref.kind;
  HOLDFAST_ASSIGN(base.id, in.id<ChunkId>());
  HOLDFAST_ASSIGN(base.key, in.id<ChunkKey>());
  HOLDFAST_ASSIGN(base.plain_size_bytes, in.u32());
  HOLDFAST_ASSIGN(const std::uint8_t depth, in.u8());
  if (base.plain_size_bytes == 0 || base.plain_size_bytes > kChunkPlainMaxBytes) {
    return corrupt(ref, "it leans on a chunk of " + std::to_string(base.plain_size_bytes) + " bytes");
  }
  if (depth < 1 || depth > kDifferenceDepthMax) {
    return corrupt(ref, "a difference of depth " + std::to_string(depth));
  }
  return LeansOn{base, depth - 1};
}

Result<DecodedChunk> open_difference(const ChunkRef& ref, ByteView payload, BaseResolver* bases) {
  ByteReader in(payload, "difference");
  HOLDFAST_ASSIGN(const LeansOn on, read_base(ref, in));
  if (bases == nullptr) {
    return Error(ErrorCode::kUnsupported, "chunk " + ref.id.hex().substr(0, 16) + " is a difference, and there is no way to its base here");
  }
  HOLDFAST_ASSIGN(const BaseResolver::Base found, bases->resolve(on.base, on.depth));
  if (found.depth != on.depth) {
    return corrupt(ref, "its base has depth " + std::to_string(found.depth) + " where " + std::to_string(on.depth) + " was promised");
  }
  if (found.plain->size() != on.base.plain_size_bytes) return corrupt(ref, "its base has another size than promised");
  DecodedChunk chunk;
  chunk.depth = on.depth + 1;
  chunk.plain.resize(ref.plain_size_bytes);
  HOLDFAST_TRY(zstd_decompress(in.rest(), *found.plain, chunk.plain));
  return chunk;
}

Result<DecodedChunk> open_payload(const ChunkRef& ref, ChunkCodec codec, Bytes payload, BaseResolver* bases) {
  DecodedChunk chunk;
  switch (codec) {
    case ChunkCodec::kStored:
      chunk.plain = std::move(payload);
      return chunk;
    case ChunkCodec::kZstd:
      chunk.plain.resize(ref.plain_size_bytes);
      HOLDFAST_TRY(zstd_decompress(payload, {}, chunk.plain));
      return chunk;
    case ChunkCodec::kDifference:
      return open_difference(ref, payload, bases);
  }
  return corrupt(ref, "an impossible codec");
}

}  // namespace

namespace {

/// The header of a record that is the one its reference names.
Result<RecordHeader> check_record(const ChunkRef& ref, ByteView record) {
  if (!verify_record(ref.id, record)) return corrupt(ref, "the bytes are not those that its id names");
  HOLDFAST_ASSIGN(const RecordHeader header, decode_record_header(record));
  if (record.size() != header.record_size_bytes()) {
    return corrupt(ref, "a record of " + std::to_string(record.size()) + " bytes that says it has " +
                            std::to_string(header.record_size_bytes()));
  }
  if (header.kind != ref.kind) return corrupt(ref, "it is of another kind than its reference says");
  if (header.plain_size_bytes != ref.plain_size_bytes) return corrupt(ref, "it is of another size than its reference says");
  return header;
}

Result<Bytes> open_record(const ChunkRef& ref, const RecordHeader& header, ByteView record) {
  Bytes payload(header.payload_size_bytes);
  if (!aead_open(ref.key.view(), record.subspan(kRecordHeaderBytes, kNonceBytes), record.first(kRecordHeaderBytes),
                 record.subspan(kRecordPayloadOffset, header.payload_size_bytes), record.last(kTagBytes), payload)) {
    return corrupt(ref, "it does not open under its key");
  }
  return payload;
}

}  // namespace

Result<DecodedChunk> open_chunk(const ChunkRef& ref, ByteView record, BaseResolver* bases) {
  HOLDFAST_ASSIGN(const RecordHeader header, check_record(ref, record));
  HOLDFAST_ASSIGN(Bytes payload, open_record(ref, header, record));
  return open_payload(ref, header.codec, std::move(payload), bases);
}

Result<std::optional<LeansOn>> leans_on(const ChunkRef& ref, ByteView record) {
  HOLDFAST_ASSIGN(const RecordHeader header, check_record(ref, record));
  if (header.codec != ChunkCodec::kDifference) return std::optional<LeansOn>();
  HOLDFAST_ASSIGN(const Bytes payload, open_record(ref, header, record));
  ByteReader in(payload, "difference");
  HOLDFAST_ASSIGN(const LeansOn on, read_base(ref, in));
  return std::optional(on);
}

}  // namespace holdfast
