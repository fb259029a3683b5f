// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/chunk/record_layout.h"
#include "core/chunk/zstd_contexts.h"
#include "core/format/byte_reader.h"

namespace holdfast {

namespace {

Error corrupt(const ChunkRef& ref, std::string_view why) {
  return {ErrorCode::kCorrupt, "chunk " + ref.id.hex().substr(0, 16) + ": " + std::string(why)};
}

struct Prefix {
  std::vector<ChunkRef> bases;
  int depth = 0;  ///< of the difference
};

/// Reads what stands before the frame.
Result<Prefix> read_prefix(const ChunkRef& ref, ChunkCodec codec, ByteReader& in) {
  Prefix prefix;
  for (std::size_t i = 0; i < base_count(codec); ++i) {
    ChunkRef base;
    base.kind = ref.kind;
    HOLDFAST_ASSIGN(base.id, in.id<ChunkId>());
    HOLDFAST_ASSIGN(base.key, in.id<ChunkKey>());
    HOLDFAST_ASSIGN(base.plain_size_bytes, in.u32());
    if (base.plain_size_bytes == 0 || base.plain_size_bytes > kChunkPlainMaxBytes) {
      return corrupt(ref, "it leans on a chunk of " + std::to_string(base.plain_size_bytes) + " bytes");
    }
    prefix.bases.push_back(base);
  }
  HOLDFAST_ASSIGN(prefix.depth, in.u8());
  if (prefix.depth < 1 || prefix.depth > kDifferenceDepthMax) return corrupt(ref, "a difference of depth " + std::to_string(prefix.depth));
  return prefix;
}

/// The plaintext of the bases, one after the other.
Result<BaseResolver::Base> resolve_all(const ChunkRef& ref, const Prefix& prefix, BaseResolver& resolver) {
  BaseResolver::Base all;
  for (const ChunkRef& base : prefix.bases) {
    HOLDFAST_ASSIGN(BaseResolver::Base found, resolver.resolve(base));
    if (found.plain.size() != base.plain_size_bytes) return corrupt(ref, "its base has another size than promised");
    all.depth = std::max(all.depth, found.depth);
    all.plain = all.plain.empty() ? std::move(found.plain) : SharedBytes::joined(all.plain.view(), found.plain.view());
  }
  return all;
}

Result<DecodedChunk> open_difference(const ChunkRef& ref, ChunkCodec codec, ByteView payload, BaseResolver* bases) {
  ByteReader in(payload, "difference");
  HOLDFAST_ASSIGN(const Prefix prefix, read_prefix(ref, codec, in));
  if (bases == nullptr) {
    return Error(ErrorCode::kUnsupported, "chunk " + ref.id.hex().substr(0, 16) + " is a difference, and there is no way to its base here");
  }
  HOLDFAST_ASSIGN(const BaseResolver::Base all, resolve_all(ref, prefix, *bases));
  if (all.depth + 1 != prefix.depth) {
    return corrupt(ref, "a difference of depth " + std::to_string(prefix.depth) + " to a base of depth " + std::to_string(all.depth));
  }
  FreshBytes plain(ref.plain_size_bytes);
  HOLDFAST_TRY(zstd_decompress(in.rest(), all.plain.view(), plain.view()));
  return DecodedChunk{std::move(plain).share(), prefix.depth};
}

Result<DecodedChunk> open_payload(const ChunkRef& ref, ChunkCodec codec, FreshBytes payload, BaseResolver* bases) {
  switch (codec) {
    case ChunkCodec::kStored:
      return DecodedChunk{std::move(payload).share(), 0};
    case ChunkCodec::kZstd: {
      FreshBytes plain(ref.plain_size_bytes);
      HOLDFAST_TRY(zstd_decompress(payload.view(), {}, plain.view()));
      return DecodedChunk{std::move(plain).share(), 0};
    }
    case ChunkCodec::kDifference:
    case ChunkCodec::kDifferenceToTwo:
      return open_difference(ref, codec, payload.view(), bases);
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

Result<FreshBytes> open_record(const ChunkRef& ref, const RecordHeader& header, ByteView record) {
  FreshBytes payload(header.payload_size_bytes);
  if (!aead_open(ref.key.view(), record.subspan(kRecordHeaderBytes, kNonceBytes), record.first(kRecordHeaderBytes),
                 record.subspan(kRecordPayloadOffset, header.payload_size_bytes), record.last(kTagBytes), payload.view())) {
    return corrupt(ref, "it does not open under its key");
  }
  return payload;
}

}  // namespace

Result<DecodedChunk> open_chunk(const ChunkRef& ref, ByteView record, BaseResolver* bases) {
  HOLDFAST_ASSIGN(const RecordHeader header, check_record(ref, record));
  HOLDFAST_ASSIGN(FreshBytes payload, open_record(ref, header, record));
  return open_payload(ref, header.codec, std::move(payload), bases);
}

Result<std::vector<ChunkRef>> leans_on(const ChunkRef& ref, ByteView record) {
  HOLDFAST_ASSIGN(const RecordHeader header, check_record(ref, record));
  if (!is_difference(header.codec)) return std::vector<ChunkRef>();
  HOLDFAST_ASSIGN(FreshBytes payload, open_record(ref, header, record));
  ByteReader in(payload.view(), "difference");
  HOLDFAST_ASSIGN(Prefix prefix, read_prefix(ref, header.codec, in));
  return std::move(prefix.bases);
}

}  // namespace holdfast
