// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "core/base/ids.h"
#include "core/erasure/erasure_code.h"
#include "core/pack/pack.h"

namespace holdfast {

using ShardId = FixedBytes<struct ShardIdTag, 32>;  ///< FORMAT.md §5: commits to every byte of a shard

inline constexpr std::size_t kShardHeaderBytes = 96;
inline constexpr std::uint64_t kShardBlockBytes = 65'536;  ///< what one hash of a shard's trailer is of

/// Which shard of which pack, and where its parts lie in its object: header, body, one hash for each block of the body.
struct ShardPlan {
  ErasureCode code;
  std::uint8_t index = 0;
  PackId pack;
  std::uint64_t pack_size_bytes = 0;

  /// Of each shard of the pack; at least 1.
  [[nodiscard]] std::uint64_t body_bytes() const noexcept { return (pack_size_bytes + code.k - 1) / code.k; }
  [[nodiscard]] std::uint64_t block_count() const noexcept { return (body_bytes() + kShardBlockBytes - 1) / kShardBlockBytes; }
  [[nodiscard]] std::uint64_t trailer_offset() const noexcept { return kShardHeaderBytes + body_bytes(); }
  [[nodiscard]] std::uint64_t object_bytes() const noexcept { return trailer_offset() + block_count() * Digest::size; }
  /// Whether the numbers can be those of a shard: a code, an index below n, a pack of at most 1 GiB that has bytes.
  [[nodiscard]] bool is_valid() const noexcept;
  friend bool operator==(const ShardPlan&, const ShardPlan&) = default;
};

/// A shard as its object, and its name.
struct MadeShard {
  ShardId id;
  Bytes object;
};
/// Makes shard `plan.index` of a pack. Reads the pack once, in pieces. Errors: those of `pack`; kInvalidArgument.
Result<MadeShard> make_shard(const ShardPlan& plan, const PackBytes& pack);

/// What was read of a shard, to be proved. `read` gives bytes of the shard's object.
class ShardProof {
 public:
  /// Reads and verifies header and trailer against the shard's id. Errors: kCorrupt, kUnsupported, those of `read`.
  static Result<ShardProof> read_from(const ShardPlan& plan, const ShardId& id, const PackBytes& read);

  /// Whether `bytes` are block `number` (the last one may be shorter).
  [[nodiscard]] bool is_block(std::uint64_t number, ByteView bytes) const;
  /// Reads blocks [first, last] and gives the numbers of those that are not what they should be. Errors: those of `read`; kInvalidArgument.
  Result<std::vector<std::uint64_t>> find_bad(const PackBytes& read, std::uint64_t first, std::uint64_t last) const;
  /// Size of block `number`.
  [[nodiscard]] std::uint64_t block_bytes(std::uint64_t number) const;
  [[nodiscard]] std::uint64_t block_count() const noexcept { return hashes_.size(); }

 private:
  ShardProof(const ShardPlan& plan, std::vector<Digest> hashes) : plan_(plan), hashes_(std::move(hashes)) {}
  ShardPlan plan_;
  std::vector<Digest> hashes_;
};

/// Reads blocks [first, last] of a shard's body and gives the numbers of those that are not what the shard's id promises.
/// Errors: those of `read`, and of ShardProof::read_from.
Result<std::vector<std::uint64_t>> find_bad_blocks(const ShardPlan& plan, const ShardId& id, const PackBytes& read, std::uint64_t first, std::uint64_t last);
/// The same of `count` blocks that are drawn, until one is bad. Errors: also those of `random`.
Result<std::vector<std::uint64_t>> find_bad_in_sample(const ShardPlan& plan, const ShardId& id, const PackBytes& read, std::size_t count, RandomSource& random);

}  // namespace holdfast
