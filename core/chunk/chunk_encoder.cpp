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

/// A difference of at most this part of the plaintext is taken without compressing the chunk whole for comparison.
constexpr std::size_t kClearlySmall = 16;

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

std::size_t difference_payload_max(ByteView plain, const DifferenceBase& base) noexcept {
  if (base.record_max_bytes == 0) return plain.size() - 1;
  return std::min<std::size_t>(plain.size() - 1, base.record_max_bytes - std::min(base.record_max_bytes, kRecordOverheadBytes));
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

  /// Codec kStored when the difference isn't smaller than the plaintext, or not as small as the base asks for.
  Result<Payload> compress_difference(ByteView plain, const EncodeOptions& options, const DifferenceBase& base) {
    const Payload stored{ChunkCodec::kStored, plain};
    const std::size_t payload_max_bytes = difference_payload_max(plain, base);
    if (payload_max_bytes <= kDifferencePrefixBytes) return stored;
    difference_buffer.clear();
    ByteWriter(difference_buffer)
        .id(base.ref.id)
        .id(base.ref.key)
        .u32(base.ref.plain_size_bytes)
        .u8(static_cast<std::uint8_t>(base.depth + 1));
    difference_buffer.resize(payload_max_bytes);
    HOLDFAST_ASSIGN(const std::optional<std::size_t> size,
                    difference.compress(plain, base.plain, std::clamp(options.zstd_level, 1, kDifferenceLevelMax),
                                        MutableByteView(difference_buffer).subspan(kDifferencePrefixBytes)));
    if (!size) return stored;
    return Payload{ChunkCodec::kDifference, ByteView(difference_buffer).first(kDifferencePrefixBytes + *size)};
  }

  Result<Payload> choose(ByteView plain, const EncodeOptions& options, const DifferenceBase* base) {
    Payload best{ChunkCodec::kStored, plain};
    if (base != nullptr && base->depth < kDifferenceDepthMax) {
      HOLDFAST_ASSIGN(best, compress_difference(plain, options, *base));
      const bool is_taken = base->record_max_bytes != 0 || best.bytes.size() <= plain.size() / kClearlySmall;
      if (best.codec == ChunkCodec::kDifference && is_taken) return best;
    }
    // A frame must be smaller than the plaintext, and no larger than the difference: whole is better at equal size.
    const std::size_t size_max_bytes = best.codec == ChunkCodec::kDifference ? best.bytes.size() : plain.size() - 1;
    HOLDFAST_ASSIGN(const Payload whole_payload, compress_whole(plain, options, size_max_bytes));
    return whole_payload.codec == ChunkCodec::kZstd ? whole_payload : best;
  }
};

ChunkEncoder::ChunkEncoder(RandomSource& random) : state_(std::make_unique<State>(random)) {}
ChunkEncoder::~ChunkEncoder() = default;
ChunkEncoder::ChunkEncoder(ChunkEncoder&&) noexcept = default;
ChunkEncoder& ChunkEncoder::operator=(ChunkEncoder&&) noexcept = default;

Result<EncodedChunk> ChunkEncoder::encode(ChunkKind kind, ByteView plain, const Fingerprint& fp,
                                          const EncodeOptions& options, const DifferenceBase* base) {
  HOLDFAST_CHECK(!plain.empty() && plain.size() <= kChunkPlainMaxBytes);
  HOLDFAST_CHECK(base == nullptr || (base->ref.kind == kind && base->plain.size() == base->ref.plain_size_bytes));
  HOLDFAST_ASSIGN(const Payload payload, state_->choose(plain, options, base));

  EncodedChunk chunk;
  chunk.codec = payload.codec;
  chunk.ref.fp = fp;
  chunk.ref.kind = kind;
  chunk.ref.plain_size_bytes = static_cast<std::uint32_t>(plain.size());
  HOLDFAST_TRY(state_->random.fill(chunk.ref.key.mutable_view()));
  chunk.record.reserve(payload.bytes.size() + kRecordOverheadBytes);
  encode_record_header({kind, payload.codec, chunk.ref.plain_size_bytes, static_cast<std::uint32_t>(payload.bytes.size())},
                       chunk.record);
  chunk.record.resize(payload.bytes.size() + kRecordOverheadBytes);
  const MutableByteView record(chunk.record);
  const MutableByteView nonce = record.subspan(kRecordHeaderBytes, kNonceBytes);
  HOLDFAST_TRY(state_->random.fill(nonce));
  aead_seal(chunk.ref.key.view(), nonce, record.first(kRecordHeaderBytes), payload.bytes,
            record.subspan(kRecordPayloadOffset, payload.bytes.size()), record.last(kTagBytes));
  if (!options.leave_unnamed) chunk.ref.id = best_chunk_hasher().chunk_id(chunk.record);
  return chunk;
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
