// SPDX-License-Identifier: Apache-2.0
#include "core/repo/moment.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

// 2026-11-23T06:00:00Z, by `date -u -d 2026-11-23T06:00:00Z +%s`.
constexpr WallNanos kSecond = 1'000'000'000;
constexpr WallNanos kNow = 1'795'413'600 * kSecond;

WallNanos moment(const char* text) {
  const auto parsed = parse_moment(text, kNow);
  return parsed ? *parsed : -1;
}

TEST(Moment, CalendarForms_MeanUtc) {
  EXPECT_EQ(moment("2026-11-23T06:00:00Z"), kNow + kSecond - 1);
  EXPECT_EQ(moment("2026-11-23T060000Z"), kNow + kSecond - 1);
  EXPECT_EQ(moment("2026-11-23T06:00Z"), kNow + kSecond - 1);
  EXPECT_EQ(moment("2026-11-23T060000.250Z"), kNow + kSecond / 4);
  EXPECT_EQ(moment("2026-11-22"), kNow - 6 * 3600 * kSecond - 1);
}

TEST(Moment, RelativeForms) {
  EXPECT_EQ(moment("now"), kNow);
  EXPECT_EQ(moment("yesterday"), kNow - 6 * 3600 * kSecond - 1);
  EXPECT_EQ(moment("3h ago"), kNow - 3 * 3600 * kSecond);
  EXPECT_EQ(moment("2d-ago"), kNow - 2 * 86400 * kSecond);
  EXPECT_EQ(moment("1795413600"), kNow + kSecond - 1);
}

TEST(Moment, Nonsense_IsRefused) {
  for (const char* text : {"", "2026-13-01", "2026-02-30", "2026-11-23T25:00Z", "2026-11-23T06:00:00+01:00", "-3h ago", "h ago",
                           "99999999999999999999", "yesterdays", "2026-11-23T06:00Zjunk", "99999999999w ago"}) {
    EXPECT_FALSE(parse_moment(text, kNow)) << text;
  }
}

TEST(Moment, Names_RoundTrip) {
  EXPECT_EQ(snapshot_time_name(kNow), "2026-11-23T060000Z");
  EXPECT_EQ(snapshot_time_name(kNow + kSecond / 4, 3), "2026-11-23T060000.250Z");
  EXPECT_EQ(moment(snapshot_time_name(kNow + 7, 9).c_str()), kNow + 7);
}

TEST(Moment, Labels_ThatReadAsMomentsAreNoticed) {
  for (const char* label : {"latest", "yesterday", "2026-11-20", "12345", "3h ago", "x.incomplete"}) EXPECT_TRUE(reads_as_moment(label)) << label;
  for (const char* label : {"before-upgrade", "v2", "release 2026"}) EXPECT_FALSE(reads_as_moment(label)) << label;
}

}  // namespace
}  // namespace holdfast
