// SPDX-License-Identifier: Apache-2.0
#include "core/store/record_ranges.h"

namespace holdfast {

std::vector<std::span<const RecordRange>> split_in_ranges(std::span<const RecordRange> records,
                                                          const RangeLimits& limits) {
  std::vector<std::span<const RecordRange>> runs;
  std::size_t first = 0;
  for (std::size_t i = 1; i <= records.size(); ++i) {
    if (i < records.size()) {
      const std::uint64_t end = records[i - 1].offset + records[i - 1].size_bytes;
      const std::uint64_t grown = records[i].offset + records[i].size_bytes - records[first].offset;
      const bool is_near = records[i].offset >= end && records[i].offset - end <= limits.gap_max_bytes;
      if (is_near && grown <= limits.size_max_bytes) continue;
    }
    runs.push_back(records.subspan(first, i - first));
    first = i;
  }
  return runs;
}

}  // namespace holdfast
