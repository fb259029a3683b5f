// SPDX-License-Identifier: Apache-2.0
#include "core/chunk/similarity.h"

#include <xxhash.h>

#include <algorithm>

#include "core/chunk/similarity_samples.h"

namespace holdfast {
namespace {

constexpr std::size_t kSuperFeatures = 4;
constexpr std::size_t kFeaturesEach = 3;
constexpr std::size_t kFeatures = kSuperFeatures * kFeaturesEach;
constexpr std::size_t kSamplesMin = 16;

struct SampleWatch {
  static constexpr std::uint64_t rare_mask = SimilaritySamples::kMask;
  SimilaritySamples& samples;
  static bool ends_at(std::uint64_t) noexcept { return false; }
  void keep(std::uint64_t hash) const { samples.add(hash); }
};

}  // namespace

std::optional<Similarity> SimilaritySamples::similarity(const GearTable& table) const {
  if (samples_.size() < kSamplesMin) return std::nullopt;
  std::array<std::uint32_t, kFeatures> features{};
  for (std::size_t k = 0; k < kFeatures; ++k) {
    // Transforms from the secret table: odd factors, so that each is a permutation.
    const auto factor = static_cast<std::uint32_t>(table[k] >> 32U) | 1U;
    const auto addend = static_cast<std::uint32_t>(table[kFeatures + k] >> 32U);
    std::uint32_t largest = 0;
    for (const std::uint32_t sample : samples_) largest = std::max(largest, sample * factor + addend);
    features[k] = largest;
  }
  Similarity out;
  for (std::size_t s = 0; s < kSuperFeatures; ++s) {
    out.super_features[s] = XXH3_64bits_withSeed(&features[s * kFeaturesEach], kFeaturesEach * sizeof(std::uint32_t), table[2 * kFeatures + s]);
  }
  return out;
}

std::optional<Similarity> similarity_of(const GearTable& table, ByteView plain) {
  if (plain.size() < kSimilarityMinBytes) return std::nullopt;
  thread_local SimilaritySamples samples;
  samples.clear();
  SampleWatch watch{samples};
  (void)gear_walk(plain.data(), table.data(), kGearWindowBytes - 1, plain.size(), watch);
  return samples.similarity(table);
}

}  // namespace holdfast
