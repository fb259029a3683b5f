// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "core/chunk/chunker.h"
#include "core/chunk/gear_walk.h"
#include "core/crypto/hash.h"
#include "core/format/byte_reader.h"
#include "core/format/chunk_ref.h"

namespace holdfast {

namespace {

constexpr std::uint32_t kMinFloorBytes = 256;

/// Where the masks change so that the mean size of random data's chunks is the target. Below it a byte cuts with probability 1/(4t), above
/// it with 4/t; the mean is min + 4t - (4t - t/4) e^(-u) for a change at min + 4t·u (max is rarely reached and left out).
std::size_t normal_size(ChunkSizes sizes) noexcept {
  const double target = sizes.target_bytes;
  const double min = sizes.min_bytes;
  const double u = std::log(3.75 * target / (3.0 * target + min));
  return static_cast<std::size_t>(std::llround(min + std::max(0.0, 4.0 * target * u)));
}

struct CutWatch {
  std::uint64_t rare_mask;
  static bool ends_at(std::uint64_t) noexcept { return true; }
  static void keep(std::uint64_t) noexcept {}
};

/// The first position in [begin, end) whose hash has no bit of `mask`, or kNoPosition.
std::size_t find_cut(ByteView input, const GearTable& table, std::size_t begin, std::size_t end, std::uint64_t mask) noexcept {
  CutWatch watch{mask};
  return begin < end ? gear_walk(input.data(), table.data(), begin, end, watch) : kNoPosition;
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
  std::size_t cut = find_cut(input, *table_, begin, hard_end, mask_hard_);
  if (cut == kNoPosition) cut = find_cut(input, *table_, hard_end, limit, mask_easy_);
  if (cut != kNoPosition) return cut + 1;
  if (limit == sizes_.max_bytes) return limit;
  return std::nullopt;
}

}  // namespace holdfast
