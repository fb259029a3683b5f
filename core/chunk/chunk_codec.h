// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/random_source.h"
#include "core/base/shared_bytes.h"
#include "core/crypto/verified_record.h"
#include "core/format/chunk_ref.h"

namespace holdfast {

inline constexpr std::uint32_t kRecordOverheadBytes = 44;        ///< header, nonce and tag
inline constexpr int kDifferenceDepthMax = 16;
inline constexpr std::size_t kBasesMax = 2;      ///< of one difference
inline constexpr std::size_t kLeansOnMax = 64;   ///< chunks that one leans on, however far

enum class ChunkCodec : std::uint8_t { kStored = 0, kZstd = 1, kDifference = 2, kDifferenceToTwo = 3 };
[[nodiscard]] constexpr bool is_difference(ChunkCodec codec) noexcept { return codec >= ChunkCodec::kDifference; }
/// So many bases, 1 or 2.
[[nodiscard]] constexpr std::size_t base_count(ChunkCodec codec) noexcept {
  return is_difference(codec) ? static_cast<std::size_t>(codec) - static_cast<std::size_t>(ChunkCodec::kDifference) + 1 : 0;
}

/// What a record says of itself without any key.
struct RecordHeader {
  ChunkKind kind = ChunkKind::kData;
  ChunkCodec codec = ChunkCodec::kStored;
  std::uint32_t plain_size_bytes = 0;
  std::uint32_t payload_size_bytes = 0;
  [[nodiscard]] std::uint32_t record_size_bytes() const noexcept { return payload_size_bytes + kRecordOverheadBytes; }
};
/// Reads the first 16 bytes of a record. Errors: kCorrupt, kUnsupported.
Result<RecordHeader> decode_record_header(ByteView record);

/// What a chunk can lean on: one or two chunks.
struct DifferenceBase {
  std::vector<ChunkRef> refs;
  ByteView plain;  ///< of all, one after the other
  int depth = 0;   ///< the greatest of theirs; of a chunk, 0: whole, else how many steps down to whole chunks
  /// Nothing longer is of use. (A look at what the chunk takes whole would cost five times as much as the difference.)
  std::uint32_t record_max_bytes = 0;
};

struct EncodeOptions {
  int zstd_level = 1;
  bool probe_first = true;  ///< skip compression where a sample of the bytes looks random
  bool leave_unnamed = false;  ///< leave ref.id zero: name_chunks() computes many at once, faster
};

struct EncodedChunk {
  ChunkRef ref;  ///< fp as given
  Bytes record;
  ChunkCodec codec = ChunkCodec::kStored;
};

/// Computes ref.id of chunks encoded with leave_unnamed, in the lanes of best_chunk_hasher().
void name_chunks(std::span<EncodedChunk> chunks);

/// Compresses, seals and names chunks; one encoder a thread (it keeps zstd contexts).
class ChunkEncoder {
 public:
  explicit ChunkEncoder(RandomSource& random);
  ~ChunkEncoder();
  ChunkEncoder(ChunkEncoder&&) noexcept;
  ChunkEncoder& operator=(ChunkEncoder&&) noexcept;

  /// A record for `plain` (1..kChunkPlainMaxBytes) under a fresh random key, that leans on nothing. Errors: kInternal (no entropy, zstd failed).
  Result<EncodedChunk> encode(ChunkKind kind, ByteView plain, const Fingerprint& fp, const EncodeOptions& options);

  /// The same as a difference to `base`, which is of the same kind and whose plaintext lies elsewhere than `plain` (zstd would drop it). Nullopt where it would not be shorter than
  /// base.record_max_bytes and the plaintext, or where base.depth is kDifferenceDepthMax.
  Result<std::optional<EncodedChunk>> encode_difference(ChunkKind kind, ByteView plain, const Fingerprint& fp, const EncodeOptions& options, const DifferenceBase& base);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Gives the plaintext of a base of a difference, verified, and its depth.
class BaseResolver {
 public:
  virtual ~BaseResolver() = default;
  struct Base {
    SharedBytes plain;
    int depth = 0;
  };
  /// `base` has id, key, size and kind, and no fp.
  virtual Result<Base> resolve(const ChunkRef& base) = 0;
};

struct DecodedChunk {
  SharedBytes plain;
  int depth = 0;  ///< 0 for a whole chunk
};

/// Verifies `record` against ref.id, opens it with ref.key, decompresses, and checks the size: the only way from stored bytes to plaintext.
/// `bases` may be null; a difference is then kUnsupported. Errors: kCorrupt (id, tag, size, frame, depth), kUnsupported; those of `bases`.
/// Safe from any thread.
Result<DecodedChunk> open_chunk(const ChunkRef& ref, ByteView record, BaseResolver* bases);

/// The same of a record that was verified before; kCorrupt too when it is that of another chunk.
Result<DecodedChunk> open_chunk(const ChunkRef& ref, const VerifiedRecord& record, BaseResolver* bases);

/// A difference, opened but for its bases.
struct OpenedDifference {
  ChunkRef ref;
  std::vector<ChunkRef> bases;  ///< without fp
  int depth = 0;
  SharedBytes frame;
};
/// Nullopt for a whole chunk, which is not opened for that. Errors: as open_chunk.
Result<std::optional<OpenedDifference>> open_difference(const ChunkRef& ref, const VerifiedRecord& record);
/// What open_chunk() gives for it. Errors: kCorrupt; those of `bases`.
Result<DecodedChunk> apply_difference(const OpenedDifference& difference, BaseResolver& bases);

/// The bases of a difference, without their plaintext; the references have no fp. None for a whole chunk. Errors: as open_chunk.
Result<std::vector<ChunkRef>> leans_on(const ChunkRef& ref, ByteView record);

/// Whether `record` is what `id` promises; needs no key.
[[nodiscard]] bool verify_record(const ChunkId& id, ByteView record);

}  // namespace holdfast
