// SPDX-License-Identifier: Apache-2.0
#include "core/chunk/chunk_scanner.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using testing::SeededRandom;

/// Chunks of `data` as the chunker alone cuts it, the rest as the last.
std::vector<ByteView> cuts_of(const GearChunker& chunker, ByteView data) {
  std::vector<ByteView> chunks;
  while (!data.empty()) {
    const std::size_t size = chunker.first_cut(data).value_or(data.size());
    chunks.push_back(data.first(size));
    data = data.subspan(size);
  }
  return chunks;
}

class ChunkScannerTest : public ::testing::TestWithParam<ChunkSizes> {
 protected:
  GearTable table_ = make_gear_table(Bytes(32, 1));
  GearChunker chunker_ = *GearChunker::create(table_, GetParam());
  SeededRandom random_{2};

  /// Random bytes, text and constant stretches.
  Bytes make_data(std::size_t size) {
    Bytes data;
    while (data.size() < size) {
      Bytes part = random_.bytes(1 + random_.next() % 100'000);
      if (random_.next() % 3 == 0) {
        for (auto& byte : part) byte = static_cast<std::uint8_t>('a' + byte % 4);
      } else if (random_.next() % 5 == 0) {
        std::fill(part.begin(), part.end(), part.front());
      }
      append(data, part);
    }
    data.resize(size);
    return data;
  }
};

TEST_P(ChunkScannerTest, StreamInAnySlices_IsCutAsTheChunkerCutsAndEachChunkIsLikeItself) {
  const Bytes data = make_data(3'000'000);
  const auto wanted = cuts_of(chunker_, data);
  for (const std::size_t slice_max : {1UL, 1'000UL, 70'000UL, 3'000'000UL}) {
    // One byte at a time takes long, so only of the beginning.
    const std::size_t end = slice_max == 1 ? std::min<std::size_t>(data.size(), 20'000) : data.size();
    ChunkScanner scanner(chunker_);
    std::size_t begin = 0;
    std::size_t seen = 0;
    std::size_t number = 0;
    while (seen < end) {
      seen = std::min(end, seen + 1 + random_.next() % slice_max);
      while (const auto size = scanner.scan(ByteView(data).subspan(begin, seen - begin))) {
        ASSERT_LT(number, wanted.size());
        ASSERT_EQ(*size, wanted[number].size()) << number << " in slices of " << slice_max;
        ASSERT_EQ(scanner.end_chunk(*size), similarity_of(table_, wanted[number])) << number;
        begin += *size;
        ++number;
        if (begin == seen) break;
      }
    }
    if (end != data.size() || begin == end) continue;
    ASSERT_EQ(number + 1, wanted.size());
    EXPECT_EQ(scanner.end_chunk(end - begin), similarity_of(table_, wanted[number]));
  }
}

TEST_P(ChunkScannerTest, ChangedBytes_AreLookedAtAgainAfterARestart) {
  Bytes data = make_data(400'000);
  ChunkScanner scanner(chunker_);
  (void)scanner.scan(ByteView(data).first(200)).has_value();
  std::fill_n(data.begin(), 100, std::uint8_t{3});
  scanner.restart();
  const auto size = scanner.scan(data);
  const std::size_t wanted = chunker_.first_cut(data).value_or(data.size());
  EXPECT_EQ(size.value_or(data.size()), wanted);
  EXPECT_EQ(scanner.end_chunk(wanted), similarity_of(table_, ByteView(data).first(wanted)));
}

TEST_P(ChunkScannerTest, ChunkOfWhichNotAllWasScanned_IsLikeNothing) {
  const Bytes data = random_.bytes(GetParam().min_bytes - 1);
  ChunkScanner scanner(chunker_);
  ASSERT_FALSE(scanner.scan(ByteView(data).first(data.size() / 2)));
  EXPECT_FALSE(scanner.end_chunk(data.size()));
}

INSTANTIATE_TEST_SUITE_P(Sizes, ChunkScannerTest,
                         ::testing::Values(ChunkSizes{}, ChunkSizes{256, 256, 256}, ChunkSizes{256, 512, 4'096}, ChunkSizes{4'096, 16'384, 65'536},
                                           ChunkSizes{65'536, 65'536, 100'000}, ChunkSizes{256, 1U << 20U, 4U << 20U}));

}  // namespace
}  // namespace holdfast
