// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/bytes.h"

namespace holdfast {

inline constexpr std::uint8_t kShardsMax = 16;  ///< of one pack; FORMAT.md §5

/// "k/n": a pack becomes n shards, any k of which give it back. The first k are the pack itself, cut in pieces.
struct ErasureCode {
  std::uint8_t k = 0;
  std::uint8_t n = 0;

  /// 2 <= k < n <= kShardsMax.
  [[nodiscard]] bool is_valid() const noexcept { return k >= 2 && k < n && n <= kShardsMax; }
  [[nodiscard]] std::string text() const { return std::to_string(k) + "/" + std::to_string(n); }
  /// Of "2/3". Errors: kInvalidArgument.
  static Result<ErasureCode> parse(std::string_view text);
  friend bool operator==(const ErasureCode&, const ErasureCode&) = default;
};

/// Some bytes of one shard.
struct ShardBytes {
  std::uint8_t index = 0;
  ByteView bytes;
};

/// Fills `out` with what shard `wanted` has at the place where the k `given` shards have their bytes; all are of out's size, and
/// `given` are of different indices, `wanted` not among them. Reed-Solomon over GF(2^8) with the polynomial 0x11d and the Cauchy matrix of FORMAT.md §5
/// (Blömer et al., "An XOR-Based Erasure-Resilient Coding Scheme", 1995; ISA-L's gf_gen_cauchy1_matrix), byte by byte: any place can be rebuilt alone.
/// Errors: kInvalidArgument (not k given, indices out of range or twice, sizes that differ).
Status rebuild_shard(const ErasureCode& code, std::span<const ShardBytes> given, std::uint8_t wanted, MutableByteView out);

}  // namespace holdfast
