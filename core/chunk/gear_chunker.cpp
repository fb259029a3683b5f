// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "core/chunk/chunker.h"
#include "core/crypto/hash.h"
#include "core/format/byte_reader.h"
#include "core/format/chunk_ref.h"

namespace holdfast {

namespace {

/// The hash of a position depends on the 64 bytes up to it: older ones are shifted out.
constexpr std::size_t kWindowBytes = 64;
constexpr std::uint32_t kMinFloorBytes = 256;

/// `count` bits from bit 63 downwards, every second one: high bits depend on the whole window, low ones on few bytes.
std::uint64_t spread_mask(int count) noexcept {
  std::uint64_t mask = 0;
  for (int i = 0; i < count; ++i) mask |= std::uint64_t{1} << (63 - 2 * i);
  return mask;
}

/// Where the masks change so that the mean size of random data's chunks is the target. Below it a byte cuts with probability 1/(4t), above
/// it with 4/t; the mean is min + 4t - (4t - t/4) e^(-u) for a change at min + 4t·u (max is rarely reached and left out).
std::size_t normal_size(ChunkSizes sizes) noexcept {
  const double target = sizes.target_bytes;
  const double min = sizes.min_bytes;
  const double u = std::log(3.75 * target / (3.0 * target + min));
  return static_cast<std::size_t>(std::llround(min + std::max(0.0, 4.0 * target * u)));
}

constexpr std::size_t kNone = SIZE_MAX;

/// A position's hash needs the 63 bytes before it and its own; this is the state before `position`.
std::uint64_t state_before(const std::uint8_t* bytes, const std::uint64_t* gear, std::size_t position) noexcept {
  std::uint64_t hash = 0;
  for (std::size_t warm = position - (kWindowBytes - 1); warm < position; ++warm) hash = (hash << 1U) + gear[bytes[warm]];
  return hash;
}

/// The first position in [begin, end) whose hash has no bit of `mask`, or kNone. A hash depends on the one before, so one walk leaves most of a core
/// idle: two stretches are walked side by side (measured: 3.9 GB/s instead of 2.4).
std::size_t find_cut(const std::uint8_t* bytes, const std::uint64_t* gear, std::size_t begin, std::size_t end, std::uint64_t mask) noexcept {
  constexpr std::size_t kStretch = 512;
  std::uint64_t hash = state_before(bytes, gear, begin);
  std::size_t at = begin;
  for (; end - at >= 2 * kStretch; at += 2 * kStretch) {
    const std::uint8_t* const second = bytes + at + kStretch;
    std::uint64_t ahead = state_before(bytes, gear, at + kStretch);
    std::size_t found_ahead = kNone;
    for (std::size_t i = 0; i < kStretch; ++i) {
      hash = (hash << 1U) + gear[bytes[at + i]];
      ahead = (ahead << 1U) + gear[second[i]];
      if ((hash & mask) == 0) return at + i;
      if ((ahead & mask) == 0 && found_ahead == kNone) found_ahead = at + kStretch + i;
    }
    if (found_ahead != kNone) return found_ahead;
    hash = ahead;
  }
  for (; at < end; ++at) {
    hash = (hash << 1U) + gear[bytes[at]];
    if ((hash & mask) == 0) return at;
  }
  return kNone;
}

}  // namespace

GearTable make_gear_table(ByteView k_gear) {
  const SecretBytes bytes = hkdf_expand_sha256(k_gear, as_bytes("gear"), 256 * sizeof(std::uint64_t));
  GearTable table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    table[i] = load_le<std::uint64_t>(bytes.view().subspan(i * sizeof(std::uint64_t)));
  }
  return table;
}

Result<GearChunker> GearChunker::create(const GearTable& table, ChunkSizes sizes) {
  const bool good = sizes.min_bytes >= kMinFloorBytes && sizes.min_bytes <= sizes.target_bytes &&
                    sizes.target_bytes <= sizes.max_bytes && sizes.max_bytes <= kChunkPlainMaxBytes &&
                    std::has_single_bit(sizes.target_bytes);
  if (!good) {
    return Error(ErrorCode::kInvalidArgument,
                 "chunk sizes " + std::to_string(sizes.min_bytes) + "/" + std::to_string(sizes.target_bytes) + "/" +
                     std::to_string(sizes.max_bytes) + ": wanted is 256 <= min <= target <= max <= 4194304, target a power of two");
  }
  return GearChunker(table, sizes);
}

GearChunker::GearChunker(const GearTable& table, ChunkSizes sizes) noexcept
    : table_(&table),
      sizes_(sizes),
      normal_bytes_(normal_size(sizes)),
      // Normalised chunking at level 2: two bits more before, two bits fewer after.
      mask_hard_(spread_mask(std::countr_zero(sizes.target_bytes) + 2)),
      mask_easy_(spread_mask(std::countr_zero(sizes.target_bytes) - 2)) {}

std::optional<std::size_t> GearChunker::first_cut(ByteView input) const noexcept { return first_cut_after(input, 0); }

std::optional<std::size_t> GearChunker::first_cut_after(ByteView input, std::size_t scanned) const noexcept {
  const std::size_t limit = std::min<std::size_t>(input.size(), sizes_.max_bytes);
  // A cut after byte i makes a chunk of i + 1 bytes.
  const std::size_t begin = std::max<std::size_t>(scanned, sizes_.min_bytes - 1);
  const std::size_t hard_end = std::clamp(normal_bytes_, begin, std::max(begin, limit));
  std::size_t cut = kNone;
  if (begin < hard_end) cut = find_cut(input.data(), table_->data(), begin, hard_end, mask_hard_);
  if (cut == kNone && hard_end < limit) cut = find_cut(input.data(), table_->data(), hard_end, limit, mask_easy_);
  if (cut != kNone) return cut + 1;
  if (limit == sizes_.max_bytes) return limit;
  return std::nullopt;
}

}  // namespace holdfast
