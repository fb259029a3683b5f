// SPDX-License-Identifier: Apache-2.0
#include "core/store/record_ranges.h"

#include <gmock/gmock.h>

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Record {
  std::uint64_t offset;
  std::uint32_t size_bytes;
};

/// How many records each request fetches.
std::vector<std::size_t> counts(const std::vector<Record>& records, const RangeLimits& limits) {
  std::vector<RecordRange> ranges;
  for (const auto& record : records) ranges.push_back({ChunkId{}, record.offset, record.size_bytes});
  std::vector<std::size_t> out;
  std::size_t seen = 0;
  for (const auto& run : split_in_ranges(ranges, limits)) {
    EXPECT_EQ(run.data(), ranges.data() + seen);
    seen += run.size();
    out.push_back(run.size());
  }
  EXPECT_EQ(seen, records.size());
  return out;
}

constexpr RangeLimits kLimits{.size_max_bytes = 1000, .gap_max_bytes = 100};

TEST(RecordRanges, Neighbours_AreOneRequest) {
  EXPECT_THAT(counts({}, kLimits), IsEmpty());
  EXPECT_THAT(counts({{32, 10}}, kLimits), ElementsAre(1));
  EXPECT_THAT(counts({{0, 10}, {10, 10}, {20, 10}}, kLimits), ElementsAre(3));
}

TEST(RecordRanges, GapsUpToTheLimit_AreReadOver) {
  EXPECT_THAT(counts({{0, 10}, {110, 10}}, kLimits), ElementsAre(2));
  EXPECT_THAT(counts({{0, 10}, {111, 10}}, kLimits), ElementsAre(1, 1));
}

TEST(RecordRanges, Requests_StayWithinTheirSize) {
  EXPECT_THAT(counts({{0, 400}, {400, 600}, {1000, 1}}, kLimits), ElementsAre(2, 1));
  EXPECT_THAT(counts({{0, 5000}, {5000, 400}, {5400, 400}}, kLimits), ElementsAre(1, 2));
}

TEST(RecordRanges, RecordsThatOverlap_AreAskedForApart) {
  EXPECT_THAT(counts({{0, 100}, {50, 100}, {150, 10}}, kLimits), ElementsAre(1, 2));
  EXPECT_THAT(counts({{0, 100}, {0, 100}}, kLimits), ElementsAre(1, 1));
}

}  // namespace
}  // namespace holdfast
