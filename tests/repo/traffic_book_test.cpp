// SPDX-License-Identifier: Apache-2.0
#include "core/repo/traffic_book.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/support/fake_clock.h"
#include "tests/support/temporary_folder.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;
using testing::FakeClock;

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr WallNanos kSecond = 1'000'000'000;
constexpr WallNanos kLateNovember = 1'796'083'199 * kSecond;  // date -u -d 2026-11-30T23:59:59 +%s

struct Rig {
  testing::TemporaryFolder folder;
  FakeClock clock;
  std::string path = folder / "traffic";
  std::unique_ptr<TrafficBook> open() { return std::make_unique<TrafficBook>(path, clock); }
};

TEST(TrafficBook, OrderlyEnd_KeepsTheCountToTheByte) {
  Rig rig;
  ASSERT_TRUE(rig.open()->charge("far", 1'000, 5'000));
  const auto again = rig.open();
  EXPECT_EQ(again->moved("far"), 1'000U);
  EXPECT_EQ(again->moved("other"), 0U);
  EXPECT_TRUE(again->charge("far", 4'000, 5'000));
  const Status refused = again->charge("far", 1, 5'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kQuotaExceeded);
  EXPECT_EQ(refused.error().network(), "far");
  EXPECT_THAT(refused.error().message(), HasSubstr("5000 of this month's traffic_quota of 5000"));
  EXPECT_TRUE(again->charge("far", 1, 0)) << "what always gets through is counted all the same";
  EXPECT_EQ(again->moved("far"), 5'001U);
}

TEST(TrafficBook, CrashCountsTooMuch_NeverTooLittle) {
  Rig rig;
  auto crashed = rig.open();
  ASSERT_TRUE(crashed->charge("far", 10 * kMiB, 0));
  ASSERT_TRUE(crashed->charge("far", 90 * kMiB, 0));
  std::filesystem::copy_file(rig.path, rig.folder / "as-it-was");
  TrafficBook after(rig.folder / "as-it-was", rig.clock);
  EXPECT_GE(after.moved("far"), 100 * kMiB);
  EXPECT_LE(after.moved("far"), 100 * kMiB + TrafficBook::kAheadBytes);
}

TEST(TrafficBook, NewMonth_StartsFromNothing_AndAClockSetBackDoesNot) {
  Rig rig;
  rig.clock.set_wall(kLateNovember);
  const auto book = rig.open();
  ASSERT_TRUE(book->charge("far", 700, 1'000));
  rig.clock.set_wall(kLateNovember + 2 * kSecond);
  EXPECT_EQ(book->moved("far"), 0U);
  EXPECT_TRUE(book->charge("far", 900, 1'000));
  rig.clock.set_wall(kLateNovember - 40 * 86'400 * kSecond);
  EXPECT_EQ(book->moved("far"), 900U);
  EXPECT_FALSE(book->charge("far", 900, 1'000));
}

TEST(TrafficBook, DamagedFile_IsCountedFromNothing) {
  Rig rig;
  std::ofstream(rig.path) << "HFTRAFF1 and then something else";
  const auto book = rig.open();
  EXPECT_EQ(book->moved("far"), 0U);
  EXPECT_TRUE(book->charge("far", 5, 10));
}

TEST(TrafficBook, FileThatCannotBeWritten_StopsNobody_AndTheRunStillCounts) {
  Rig rig;
  TrafficBook book(rig.folder / "missing/traffic", rig.clock);
  EXPECT_TRUE(book.charge("far", 900, 1'000));
  EXPECT_EQ(book.charge("far", 200, 1'000).error().code(), ErrorCode::kQuotaExceeded);
}

}  // namespace
}  // namespace holdfast
