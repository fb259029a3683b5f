// SPDX-License-Identifier: Apache-2.0
// Private to core/chunk: what features are made of.
#pragma once

#include <vector>

#include "core/chunk/gear_walk.h"
#include "core/chunk/similarity.h"

namespace holdfast {

/// Samples of all windows that lie within a chunk, in their order.
class SimilaritySamples {
 public:
  /// One position in 128; a part of every mask of the chunker whose target is at least 512 bytes.
  static constexpr std::uint64_t kMask = spread_mask(7);

  /// `hash` has no bit of kMask.
  void add(std::uint64_t hash) {
    // Of the bits that the mask leaves, mixed.
    if (samples_.size() < kCountMax) samples_.push_back(static_cast<std::uint32_t>((hash * 0x9e3779b97f4a7c15ULL) >> 32U));
  }
  void clear() { samples_.clear(); }
  [[nodiscard]] std::optional<Similarity> similarity(const GearTable& table) const;

 private:
  static constexpr std::size_t kCountMax = 16'384;  ///< of a chunk that is sampled everywhere; one of 256 KiB has 2,048
  std::vector<std::uint32_t> samples_;
};

}  // namespace holdfast
