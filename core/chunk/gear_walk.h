// SPDX-License-Identifier: Apache-2.0
// Private to core/chunk: gear hashes along a chunk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/chunk/chunker.h"

namespace holdfast {

/// The hash of a position depends on the 64 bytes up to it: older ones are shifted out.
inline constexpr std::size_t kGearWindowBytes = 64;
inline constexpr std::size_t kNoPosition = SIZE_MAX;

/// `count` bits from bit 63 downwards, every second one: high bits depend on the whole window, low ones on few bytes.
constexpr std::uint64_t spread_mask(int count) noexcept {
  std::uint64_t mask = 0;
  for (int i = 0; i < count; ++i) mask |= std::uint64_t{1} << (63 - 2 * i);
  return mask;
}

/// What makes the hash of `position` when its own byte is added: the 63 bytes before it, which must be there.
inline std::uint64_t gear_before(const std::uint8_t* bytes, const std::uint64_t* gear, std::size_t position) noexcept {
  std::uint64_t hash = 0;
  for (std::size_t warm = position - (kGearWindowBytes - 1); warm < position; ++warm) hash = (hash << 1U) + gear[bytes[warm]];
  return hash;
}

/// Rare hashes of one stretch, in order.
struct RareHashes {
  static constexpr std::size_t kStretch = 512;
  std::size_t count = 0;
  std::size_t ended = kNoPosition;  ///< where in the stretch the walk is to end
  std::array<std::uint64_t, kStretch> hashes;  // NOLINT: filled as far as count says
};

/// Walks the positions [begin, end), begin >= 63, in order but four stretches side by side: each hash waits for the one before it, so one walk leaves most of a core idle.
/// `Watch` says which hashes matter: those without a bit of `watch.rare_mask`, which should be few. `watch.ends_at(hash)` is asked for each of them. Gives the first position that it ends
/// at, or kNoPosition; then `watch.keep(hash)` was called for all rare hashes up to there, and for none beyond.
template <typename Watch>
std::size_t gear_walk(const std::uint8_t* bytes, const std::uint64_t* gear, std::size_t begin, std::size_t end, Watch& watch) {
  constexpr std::size_t kStretch = RareHashes::kStretch;
  const std::uint64_t mask = watch.rare_mask;
  std::array<RareHashes, 4> rare;
  const auto look = [&watch](RareHashes& of, std::uint64_t hash, std::size_t i) {
    if (of.ended != kNoPosition) return;
    of.hashes[of.count++] = hash;
    if (watch.ends_at(hash)) of.ended = i;
  };
  std::size_t at = begin;
  for (; end - at >= 4 * kStretch; at += 4 * kStretch) {
    const std::uint8_t* const first = bytes + at;
    const std::uint8_t* const second = first + kStretch;
    const std::uint8_t* const third = second + kStretch;
    const std::uint8_t* const fourth = third + kStretch;
    std::uint64_t a = gear_before(bytes, gear, at);
    std::uint64_t b = gear_before(bytes, gear, at + kStretch);
    std::uint64_t c = gear_before(bytes, gear, at + 2 * kStretch);
    std::uint64_t d = gear_before(bytes, gear, at + 3 * kStretch);
    for (RareHashes& each : rare) each.count = 0;
    for (std::size_t i = 0; i < kStretch; ++i) {
      a = (a << 1U) + gear[first[i]];
      b = (b << 1U) + gear[second[i]];
      c = (c << 1U) + gear[third[i]];
      d = (d << 1U) + gear[fourth[i]];
      if ((a & mask) == 0) [[unlikely]] {
        look(rare[0], a, i);
        if (rare[0].ended != kNoPosition) break;
      }
      if ((b & mask) == 0) [[unlikely]] look(rare[1], b, i);
      if ((c & mask) == 0) [[unlikely]] look(rare[2], c, i);
      if ((d & mask) == 0) [[unlikely]] look(rare[3], d, i);
    }
    for (std::size_t k = 0; k < rare.size(); ++k) {
      for (std::size_t i = 0; i < rare[k].count; ++i) watch.keep(rare[k].hashes[i]);
      if (rare[k].ended != kNoPosition) return at + k * kStretch + rare[k].ended;
    }
  }
  if (at >= end) return kNoPosition;
  std::uint64_t hash = gear_before(bytes, gear, at);
  for (; at < end; ++at) {
    hash = (hash << 1U) + gear[bytes[at]];
    if ((hash & mask) != 0) continue;
    watch.keep(hash);
    if (watch.ends_at(hash)) return at;
  }
  return kNoPosition;
}

}  // namespace holdfast
