// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "core/chunk/record_layout.h"
#include "core/chunk/zstd_contexts.h"
#include "core/crypto/hash.h"
#include "core/format/byte_writer.h"

namespace holdfast {

namespace {

/// zstd's level for differences: faster ones than 1 gain nothing (measured: 1.9 GB/s at level 1; 1.75 at -7, which makes them more than twice as long). Higher
/// ones than 3 were not measured.
constexpr int kDifferenceLevelMax = 3;

/// Whether a sample of 64 runs of 16 bytes, spread over `plain`, is as even as random bytes: then Huffman coding can save no more than about
/// 1 %, and only long repeats of random bytes within the chunk would be missed. Costs under a microsecond; compressing 64 KiB of random bytes to find out 15.
bool looks_random(ByteView plain) noexcept {
  constexpr std::size_t kRuns = 64;
  constexpr std::size_t kRunBytes = 16;
  constexpr std::uint64_t kSample = kRuns * kRunBytes;
  // Of uniform bytes the sum of squared counts is n + n(n-1)/256 = 5,116 with a standard deviation of 90.
  constexpr std::uint64_t kMostEven = kSample + kSample * (kSample - 1) / 256 + 5 * 90;
  if (plain.size() < 4 * kSample) return false;
  std::array<std::uint32_t, 256> counts{};
  const std::size_t step = (plain.size() - kRunBytes) / (kRuns - 1);
  for (std::size_t run = 0; run < kRuns; ++run) {
    for (const std::uint8_t byte : plain.subspan(run * step, kRunBytes)) ++counts[byte];
  }
  std::uint64_t squares = 0;
  for (const std::uint32_t count : counts) squares += std::uint64_t{count} * count;
  return squares <= kMostEven;
}

bool is_base_of(ChunkKind kind, const DifferenceBase& base) noexcept {
  std::size_t size = 0;
  for (const ChunkRef& ref : base.refs) {
    if (ref.kind != kind) return false;
    size += ref.plain_size_bytes;
  }
  return !base.refs.empty() && base.refs.size() <= kBasesMax && size == base.plain.size();
}

struct Payload {
  ChunkCodec codec = ChunkCodec::kStored;
  ByteView bytes;
};

}  // namespace

struct ChunkEncoder::State {
  explicit State(RandomSource& source) : random(source) {}

  RandomSource& random;
  // Two contexts: parameters and tables of the two uses differ, and changing them costs.
  ZstdCompressor whole;
  ZstdCompressor difference;
  Bytes whole_buffer;
  Bytes difference_buffer;

  Result<Payload> compress_whole(ByteView plain, const EncodeOptions& options, std::size_t size_max_bytes) {
    const Payload stored{ChunkCodec::kStored, plain};
    if (options.probe_first && looks_random(plain)) return stored;
    whole_buffer.resize(std::max(whole_buffer.size(), plain.size()));
    HOLDFAST_ASSIGN(const std::optional<std::size_t> size,
                    whole.compress(plain, {}, options.zstd_level, MutableByteView(whole_buffer).first(size_max_bytes)));
    if (!size) return stored;
    return Payload{ChunkCodec::kZstd, ByteView(whole_buffer).first(*size)};
  }

  /// Nullopt when the difference isn't smaller than the plaintext, or not as small as the base asks for.
  Result<std::optional<Payload>> compress_difference(ByteView plain, const EncodeOptions& options, const DifferenceBase& base) {
    const std::size_t prefix_bytes = difference_prefix_bytes(base.refs.size());
    const std::size_t payload_max_bytes = std::min<std::size_t>(plain.size() - 1, base.record_max_bytes - std::min(base.record_max_bytes, kRecordOverheadBytes));
    if (payload_max_bytes <= prefix_bytes) return std::optional<Payload>();
    difference_buffer.clear();
    ByteWriter out(difference_buffer);
    for (const ChunkRef& ref : base.refs) out.id(ref.id).id(ref.key).u32(ref.plain_size_bytes);
    out.u8(static_cast<std::uint8_t>(base.depth + 1));
    difference_buffer.resize(payload_max_bytes);
    HOLDFAST_ASSIGN(const std::optional<std::size_t> size,
                    difference.compress(plain, base.plain, std::clamp(options.zstd_level, 1, kDifferenceLevelMax),
                                        MutableByteView(difference_buffer).subspan(prefix_bytes)));
    if (!size) return std::optional<Payload>();
    const ChunkCodec codec = base.refs.size() == 1 ? ChunkCodec::kDifference : ChunkCodec::kDifferenceToTwo;
    return std::optional(Payload{codec, ByteView(difference_buffer).first(prefix_bytes + *size)});
  }

  /// The record; its id is left to the caller.
  Result<EncodedChunk> seal(ChunkKind kind, std::uint32_t plain_size_bytes, const Fingerprint& fp, const Payload& payload) {
    EncodedChunk chunk;
    chunk.codec = payload.codec;
    chunk.ref.fp = fp;
    chunk.ref.kind = kind;
    chunk.ref.plain_size_bytes = plain_size_bytes;
    HOLDFAST_TRY(random.fill(chunk.ref.key.mutable_view()));
    chunk.record.reserve(payload.bytes.size() + kRecordOverheadBytes);
    encode_record_header({kind, payload.codec, plain_size_bytes, static_cast<std::uint32_t>(payload.bytes.size())}, chunk.record);
    chunk.record.resize(payload.bytes.size() + kRecordOverheadBytes);
    const MutableByteView record(chunk.record);
    const MutableByteView nonce = record.subspan(kRecordHeaderBytes, kNonceBytes);
    HOLDFAST_TRY(random.fill(nonce));
    aead_seal(chunk.ref.key.view(), nonce, record.first(kRecordHeaderBytes), payload.bytes,
              record.subspan(kRecordPayloadOffset, payload.bytes.size()), record.last(kTagBytes));
    return chunk;
  }
};

ChunkEncoder::ChunkEncoder(RandomSource& random) : state_(std::make_unique<State>(random)) {}
ChunkEncoder::~ChunkEncoder() = default;
ChunkEncoder::ChunkEncoder(ChunkEncoder&&) noexcept = default;
ChunkEncoder& ChunkEncoder::operator=(ChunkEncoder&&) noexcept = default;

Result<EncodedChunk> ChunkEncoder::encode(ChunkKind kind, ByteView plain, const Fingerprint& fp, const EncodeOptions& options) {
  HOLDFAST_CHECK(!plain.empty() && plain.size() <= kChunkPlainMaxBytes);
  // A frame must be smaller than the plaintext.
  HOLDFAST_ASSIGN(const Payload payload, state_->compress_whole(plain, options, plain.size() - 1));
  HOLDFAST_ASSIGN(EncodedChunk chunk, state_->seal(kind, static_cast<std::uint32_t>(plain.size()), fp, payload));
  if (!options.leave_unnamed) chunk.ref.id = best_chunk_hasher().chunk_id(chunk.record);
  return chunk;
}

Result<std::optional<EncodedChunk>> ChunkEncoder::encode_difference(ChunkKind kind, ByteView plain, const Fingerprint& fp, const EncodeOptions& options,
                                                                    const DifferenceBase& base) {
  HOLDFAST_CHECK(!plain.empty() && plain.size() <= kChunkPlainMaxBytes && is_base_of(kind, base));
  if (base.depth >= kDifferenceDepthMax) return std::optional<EncodedChunk>();
  HOLDFAST_ASSIGN(const std::optional<Payload> payload, state_->compress_difference(plain, options, base));
  if (!payload) return std::optional<EncodedChunk>();
  HOLDFAST_ASSIGN(EncodedChunk chunk, state_->seal(kind, static_cast<std::uint32_t>(plain.size()), fp, *payload));
  if (!options.leave_unnamed) chunk.ref.id = best_chunk_hasher().chunk_id(chunk.record);
  return std::optional(std::move(chunk));
}

void name_chunks(std::span<EncodedChunk> chunks) {
  std::vector<ByteView> records;
  std::vector<ChunkId> ids(chunks.size());
  records.reserve(chunks.size());
  for (const EncodedChunk& chunk : chunks) records.emplace_back(chunk.record);
  best_chunk_hasher().chunk_ids(records, ids);
  for (std::size_t i = 0; i < chunks.size(); ++i) chunks[i].ref.id = ids[i];
}

}  // namespace holdfast
