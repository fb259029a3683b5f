// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/random_source.h"
#include "core/format/chunk_ref.h"

namespace holdfast {

inline constexpr std::uint32_t kRecordOverheadBytes = 44;        ///< header, nonce and tag
inline constexpr int kDifferenceDepthMax = 8;

enum class ChunkCodec : std::uint8_t { kStored = 0, kZstd = 1, kDifference = 2 };

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

/// A chunk that another can lean on.
struct DifferenceBase {
  ChunkRef ref;
  ByteView plain;
  int depth = 0;  ///< 0: whole; else how many steps down to a whole chunk
  /// A difference whose record is shorter than this, by some bytes, is taken without a look at what the chunk takes whole, a longer one not at all. 0: the shorter of both is
  /// taken; a difference of at most 1/16 of the plaintext without that look, which costs five times as much as the difference.
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

  /// A record for `plain` (1..kChunkPlainMaxBytes) under a fresh random key. `base`, of the same kind, when given, is tried as prefix where
  /// base->depth < kDifferenceDepthMax, and used as DifferenceBase says. base->plain must lie elsewhere than `plain`: zstd would drop it. Errors: kInternal (no entropy, zstd failed).
  Result<EncodedChunk> encode(ChunkKind kind, ByteView plain, const Fingerprint& fp, const EncodeOptions& options,
                              const DifferenceBase* base = nullptr);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Gives the plaintext of the base of a difference, verified, and its depth.
class BaseResolver {
 public:
  virtual ~BaseResolver() = default;
  struct Base {
    std::shared_ptr<const Bytes> plain;
    int depth = 0;
  };
  /// `base` has id, key, size and kind, and no fp. `depth` is what the difference promises of it, 0..kDifferenceDepthMax - 1: asking with it again
  /// for the base's own base ends after so many steps, whatever the records say.
  virtual Result<Base> resolve(const ChunkRef& base, int depth) = 0;
};

struct DecodedChunk {
  Bytes plain;
  int depth = 0;  ///< 0 for a whole chunk
};

/// Verifies `record` against ref.id, opens it with ref.key, decompresses, and checks the size: the only way from stored bytes to plaintext.
/// `bases` may be null; a difference is then kUnsupported. Errors: kCorrupt (id, tag, size, frame, depth), kUnsupported; those of `bases`.
/// Safe from any thread.
Result<DecodedChunk> open_chunk(const ChunkRef& ref, ByteView record, BaseResolver* bases);

/// What a difference leans on, without its plaintext. The reference has no fp.
struct LeansOn {
  ChunkRef base;
  int depth = 0;  ///< of the base
};
/// Nullopt for a whole chunk, which is not opened for that. Errors: as open_chunk.
Result<std::optional<LeansOn>> leans_on(const ChunkRef& ref, ByteView record);

/// Whether `record` is what `id` promises; needs no key.
[[nodiscard]] bool verify_record(const ChunkId& id, ByteView record);

}  // namespace holdfast
