// SPDX-License-Identifier: Apache-2.0
#include "core/ingest/pack_windows.h"

#include <gtest/gtest.h>

#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

class Windows : public ::testing::Test {
 protected:
  Bytes get(PackNumber pack, std::uint64_t offset, std::uint32_t size) {
    const ChunkLocation at{pack, offset, size};
    if (auto found = windows_.find(at)) return {found->view().begin(), found->view().end()};
    const auto read = windows_.read(at, pack_.size(), [&](std::uint64_t from, MutableByteView out) -> Status {
      ++reads_;
      if (from + out.size() > pack_.size()) return Error(ErrorCode::kOutOfRange, "past the end of the pack");
      std::copy_n(pack_.begin() + static_cast<std::ptrdiff_t>(from), out.size(), out.begin());
      read_bytes_ += out.size();
      return ok_status();
    });
    EXPECT_TRUE(read) << read.error().message();
    return read ? Bytes(read->view().begin(), read->view().end()) : Bytes();
  }
  Bytes expected(std::uint64_t offset, std::uint32_t size) const {
    const auto begin = pack_.begin() + static_cast<std::ptrdiff_t>(offset);
    return {begin, begin + size};
  }

  const Bytes pack_ = testing::SeededRandom(4).bytes(1'000'000);  // every pack's bytes
  PackWindows windows_;
  int reads_ = 0;
  std::uint64_t read_bytes_ = 0;
};

TEST_F(Windows, RecordsInTheirOrder_AreReadAhead) {
  for (std::uint64_t offset = 0; offset + 2'000 <= pack_.size(); offset += 2'000) ASSERT_EQ(get(1, offset, 2'000), expected(offset, 2'000)) << offset;
  EXPECT_LE(reads_, 7);  // two to see that they come in order, then 256 KiB each
  EXPECT_LE(read_bytes_, pack_.size() + 2'000);
}

TEST_F(Windows, RecordsHereAndThere_AreReadAlone) {
  for (const std::uint64_t offset : {900'000U, 500'000U, 100'000U, 700'000U, 300'000U}) ASSERT_EQ(get(1, offset, 2'000), expected(offset, 2'000)) << offset;
  EXPECT_EQ(read_bytes_, 5U * 2'000);
}

TEST_F(Windows, ManyPacksAtOnce_GiveTheRightBytes) {
  testing::SeededRandom random(8);
  std::vector<std::uint64_t> at(50);
  for (int i = 0; i < 5'000; ++i) {
    const auto pack = static_cast<PackNumber>(random.next_below(at.size()));
    auto& offset = at[pack];
    const auto size = static_cast<std::uint32_t>(1 + random.next_below(20'000));
    if (offset + size > pack_.size()) offset = 0;
    ASSERT_EQ(get(pack + 1, offset, size), expected(offset, size));
    offset += size + random.next_below(3) * 1'000;
  }
}

TEST_F(Windows, RecordLargerThanAWindow_IsReadWhole) {
  ASSERT_EQ(get(1, 0, 10), expected(0, 10));
  ASSERT_EQ(get(1, 10, 600'000), expected(10, 600'000));
  ASSERT_EQ(get(1, 600'010, 399'990), expected(600'010, 399'990));
}

TEST_F(Windows, FailedRead_IsTheCallersAndForgotten) {
  const ChunkLocation at{3, 0, 100};
  const auto failed = windows_.read(at, pack_.size(), [](std::uint64_t, MutableByteView) -> Status { return Error(ErrorCode::kUnavailable, "away"); });
  EXPECT_EQ(failed.error().code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(windows_.find(at));
  EXPECT_EQ(get(3, 0, 100), expected(0, 100));
}

}  // namespace
}  // namespace holdfast
