// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/chunk/chunker.h"
#include "core/crypto/hash.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kSeed = 4242;

const GearTable& table() {
  static const GearTable made = make_gear_table(Bytes(32, 0x17));
  return made;
}

Bytes random_bytes(std::size_t size, std::uint64_t seed = kSeed) {
  Bytes bytes(size);
  testing::SeededRandom random(seed);
  EXPECT_TRUE(random.fill(bytes));
  return bytes;
}

/// Offsets after each chunk, the stream's end included.
std::vector<std::size_t> cuts_of(const GearChunker& chunker, ByteView stream) {
  std::vector<std::size_t> cuts;
  std::size_t at = 0;
  while (at < stream.size()) {
    const ByteView rest = stream.subspan(at);
    at += chunker.first_cut(rest).value_or(rest.size());
    cuts.push_back(at);
  }
  return cuts;
}

/// The same with the stream arriving in slices of the sizes that `next_slice` gives.
template <typename NextSlice>
std::vector<std::size_t> cuts_in_slices(const GearChunker& chunker, ByteView stream, NextSlice next_slice) {
  std::vector<std::size_t> cuts;
  std::size_t start = 0;
  std::size_t arrived = 0;
  std::size_t scanned = 0;
  while (start < stream.size()) {
    const ByteView input = stream.subspan(start, arrived - start);
    if (const auto cut = chunker.first_cut_after(input, scanned)) {
      start += *cut;
      scanned = 0;
      cuts.push_back(start);
    } else if (arrived == stream.size()) {
      cuts.push_back(stream.size());
      break;
    } else {
      scanned = input.size();
      arrived = std::min(stream.size(), arrived + next_slice());
    }
  }
  return cuts;
}

TEST(GearChunker, Slicing_DoesNotMoveCuts) {
  const GearChunker chunker = *GearChunker::create(table(), {1024, 4096, 16'384});
  const Bytes stream = random_bytes(300'000);
  const std::vector<std::size_t> whole = cuts_of(chunker, stream);
  ASSERT_GT(whole.size(), 20U);
  EXPECT_EQ(cuts_in_slices(chunker, stream, [] { return std::size_t{1}; }), whole);
  const Bytes sizes = random_bytes(1'000'000, kSeed + 1);
  std::size_t next = 0;
  EXPECT_EQ(cuts_in_slices(chunker, stream, [&] { return std::size_t{1} + sizes[next++ % sizes.size()] * 37U; }), whole)
      << "seed " << kSeed;
}

TEST(GearChunker, Sizes_StayInTheirBoundsAroundTheTarget) {
  const ChunkSizes defaults;
  const GearChunker chunker = *GearChunker::create(table(), defaults);
  const Bytes stream = random_bytes(std::size_t{64} << 20);
  const std::vector<std::size_t> cuts = cuts_of(chunker, stream);
  std::size_t start = 0;
  std::size_t at_max = 0;
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    const std::size_t size = cuts[i] - start;
    ASSERT_GE(size, defaults.min_bytes);
    ASSERT_LE(size, defaults.max_bytes);
    at_max += size == defaults.max_bytes ? 1 : 0;
    start = cuts[i];
  }
  // About 500 chunks with a standard deviation of about 44 KiB: the mean's own is 2 KiB.
  const double mean = static_cast<double>(stream.size()) / static_cast<double>(cuts.size());
  EXPECT_NEAR(mean, 131'072, 8 * 1024);
  EXPECT_LE(at_max, 1U);  // e^-12 a chunk
}

TEST(GearChunker, InsertedBytes_ChangeOnlyTheChunksAroundThem) {
  const GearChunker chunker = *GearChunker::create(table(), ChunkSizes{});
  const Bytes before = random_bytes(std::size_t{8} << 20);
  for (const std::size_t at : {std::size_t{0}, std::size_t{1'234'567}, std::size_t{5'000'000}}) {
    Bytes after = before;
    after.insert(after.begin() + static_cast<std::ptrdiff_t>(at), {1, 2, 3});
    std::set<Digest> known;
    std::size_t start = 0;
    for (const std::size_t cut : cuts_of(chunker, before)) {
      known.insert(sha256(ByteView(before).subspan(start, cut - start)));
      start = cut;
    }
    int fresh = 0;
    start = 0;
    for (const std::size_t cut : cuts_of(chunker, after)) {
      fresh += known.contains(sha256(ByteView(after).subspan(start, cut - start))) ? 0 : 1;
      start = cut;
    }
    EXPECT_GE(fresh, 1) << at;
    EXPECT_LE(fresh, 5) << at << " seed " << kSeed;
  }
}

TEST(GearChunker, Zeros_GiveChunksOfMaximumSize) {
  const ChunkSizes sizes;
  const GearChunker chunker = *GearChunker::create(table(), sizes);
  const Bytes zeros(3 * sizes.max_bytes + 5, 0);
  EXPECT_EQ(cuts_of(chunker, zeros), (std::vector<std::size_t>{524'288, 1'048'576, 1'572'864, 1'572'869}));
}

TEST(GearChunker, ShortInput_HasNoCutYet) {
  const GearChunker chunker = *GearChunker::create(table(), ChunkSizes{});
  EXPECT_EQ(chunker.first_cut({}), std::nullopt);
  EXPECT_EQ(chunker.first_cut(random_bytes(16'383)), std::nullopt);
}

TEST(GearChunker, AnotherKey_CutsElsewhere) {
  const GearTable other = make_gear_table(Bytes(32, 0x18));
  const Bytes stream = random_bytes(std::size_t{2} << 20);
  EXPECT_NE(cuts_of(*GearChunker::create(table(), ChunkSizes{}), stream), cuts_of(*GearChunker::create(other, ChunkSizes{}), stream));
}

TEST(GearChunker, EqualBounds_CutAtFixedSizes) {
  const GearChunker chunker = *GearChunker::create(table(), {4096, 4096, 4096});
  EXPECT_EQ(cuts_of(chunker, random_bytes(10'000)), (std::vector<std::size_t>{4096, 8192, 10'000}));
}

TEST(GearChunker, SizesOutOfBounds_AreRefused) {
  for (const ChunkSizes sizes : {ChunkSizes{128, 4096, 8192}, ChunkSizes{1024, 5000, 8192}, ChunkSizes{8192, 4096, 16'384},
                                 ChunkSizes{1024, 8192, 4096}, ChunkSizes{1024, 8192, 4'194'305}, ChunkSizes{0, 0, 0}}) {
    const auto chunker = GearChunker::create(table(), sizes);
    ASSERT_FALSE(chunker) << sizes.min_bytes << "/" << sizes.target_bytes << "/" << sizes.max_bytes;
    EXPECT_EQ(chunker.error().code(), ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace holdfast
