// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/store/verifying_reader.h"

namespace holdfast {

/// When neighbours in a pack are worth one request.
struct RangeLimits {
  std::uint64_t size_max_bytes = 4ULL << 20;   ///< of one request, unless a record alone is larger
  std::uint64_t gap_max_bytes = 256ULL << 10;  ///< unwanted bytes that are read rather than asking twice
};

/// Splits records of one pack, in ascending order of their offsets, into runs that are fetched with one request each,
/// in order. Records that overlap are never in one run. Pure.
std::vector<std::span<const RecordRange>> split_in_ranges(std::span<const RecordRange> records,
                                                          const RangeLimits& limits);

}  // namespace holdfast
