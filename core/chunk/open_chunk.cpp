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
Result<BaseResolver::Base> resolve_all(const OpenedDifference& difference, BaseResolver& resolver) {
  BaseResolver::Base all;
  for (const ChunkRef& base : difference.bases) {
    HOLDFAST_ASSIGN(BaseResolver::Base found, resolver.resolve(base));
    if (found.plain.size() != base.plain_size_bytes) return corrupt(difference.ref, "its base has another size than promised");
    all.depth = std::max(all.depth, found.depth);
    all.plain = all.plain.empty() ? std::move(found.plain) : SharedBytes::joined(all.plain.view(), found.plain.view());
  }
  return all;
}

/// `payload` is that of a difference.
Result<OpenedDifference> difference_of(const ChunkRef& ref, ChunkCodec codec, const SharedBytes& payload) {
  ByteReader in(payload.view(), "difference");
  HOLDFAST_ASSIGN(Prefix prefix, read_prefix(ref, codec, in));
  const std::size_t frame_size = in.rest().size();
  return OpenedDifference{ref, std::move(prefix.bases), prefix.depth, payload.part(payload.size() - frame_size, frame_size)};
}

Result<DecodedChunk> open_payload(const ChunkRef& ref, ChunkCodec codec, FreshBytes payload, BaseResolver* bases) {
  if (codec == ChunkCodec::kStored) return DecodedChunk{std::move(payload).share(), 0};
  if (codec == ChunkCodec::kZstd) {
    FreshBytes plain(ref.plain_size_bytes);
    HOLDFAST_TRY(zstd_decompress(payload.view(), {}, plain.view()));
    return DecodedChunk{std::move(plain).share(), 0};
  }
  HOLDFAST_ASSIGN(const OpenedDifference difference, difference_of(ref, codec, std::move(payload).share()));
  if (bases == nullptr) {
    return Error(ErrorCode::kUnsupported, "chunk " + ref.id.hex().substr(0, 16) + " is a difference, and there is no way to its base here");
  }
  return apply_difference(difference, *bases);
}

/// The header of a record that has the id of its reference.
Result<RecordHeader> check_header(const ChunkRef& ref, ByteView record) {
  HOLDFAST_ASSIGN(const RecordHeader header, decode_record_header(record));
  if (record.size() != header.record_size_bytes()) {
    return corrupt(ref, "a record of " + std::to_string(record.size()) + " bytes that says it has " +
                            std::to_string(header.record_size_bytes()));
  }
  if (header.kind != ref.kind) return corrupt(ref, "it is of another kind than its reference says");
  if (header.plain_size_bytes != ref.plain_size_bytes) return corrupt(ref, "it is of another size than its reference says");
  return header;
}

Error another_record(const ChunkRef& ref) { return corrupt(ref, "the bytes are not those that its id names"); }

Status check_id(const ChunkRef& ref, const VerifiedRecord& record) { return record.id() == ref.id ? ok_status() : Status(another_record(ref)); }

/// Shares `record`, which must stay as long as what is returned.
Result<VerifiedRecord> verified_record(const ChunkRef& ref, ByteView record) {
  std::optional<VerifiedRecord> verified = VerifiedRecord::check(ref.id, SharedBytes(record, nullptr));
  if (!verified) return another_record(ref);
  return *std::move(verified);
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

Result<DecodedChunk> open_chunk(const ChunkRef& ref, const VerifiedRecord& record, BaseResolver* bases) {
  HOLDFAST_TRY(check_id(ref, record));
  HOLDFAST_ASSIGN(const RecordHeader header, check_header(ref, record.view()));
  HOLDFAST_ASSIGN(FreshBytes payload, open_record(ref, header, record.view()));
  return open_payload(ref, header.codec, std::move(payload), bases);
}

Result<DecodedChunk> open_chunk(const ChunkRef& ref, ByteView record, BaseResolver* bases) {
  HOLDFAST_ASSIGN(const VerifiedRecord verified, verified_record(ref, record));
  return open_chunk(ref, verified, bases);
}

Result<std::optional<OpenedDifference>> open_difference(const ChunkRef& ref, const VerifiedRecord& record) {
  HOLDFAST_TRY(check_id(ref, record));
  HOLDFAST_ASSIGN(const RecordHeader header, check_header(ref, record.view()));
  if (!is_difference(header.codec)) return std::optional<OpenedDifference>();
  HOLDFAST_ASSIGN(FreshBytes payload, open_record(ref, header, record.view()));
  HOLDFAST_ASSIGN(OpenedDifference difference, difference_of(ref, header.codec, std::move(payload).share()));
  return std::optional(std::move(difference));
}

Result<DecodedChunk> apply_difference(const OpenedDifference& difference, BaseResolver& bases) {
  HOLDFAST_ASSIGN(const BaseResolver::Base all, resolve_all(difference, bases));
  if (all.depth + 1 != difference.depth) {
    return corrupt(difference.ref, "a difference of depth " + std::to_string(difference.depth) + " to a base of depth " + std::to_string(all.depth));
  }
  FreshBytes plain(difference.ref.plain_size_bytes);
  HOLDFAST_TRY(zstd_decompress(difference.frame.view(), all.plain.view(), plain.view()));
  return DecodedChunk{std::move(plain).share(), difference.depth};
}

Result<std::vector<ChunkRef>> leans_on(const ChunkRef& ref, ByteView record) {
  HOLDFAST_ASSIGN(const VerifiedRecord verified, verified_record(ref, record));
  HOLDFAST_ASSIGN(std::optional<OpenedDifference> difference, open_difference(ref, verified));
  return difference ? std::move(difference->bases) : std::vector<ChunkRef>();
}

}  // namespace holdfast
