// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/repo/cron.h"
#include "core/repo/policy_text.h"
#include "core/repo/publisher.h"
#include "core/repo/moment.h"

namespace holdfast {
namespace {

WallNanos moment(std::string_view text) { return parse_moment(text, 0).value() / 1'000'000'000 * 1'000'000'000; }

TEST(CronSchedule, Next_FollowsTheFields) {
  struct Case {
    const char* schedule;
    const char* after;
    const char* next;
  };
  for (const auto& each : {Case{"0 */6 * * *", "2026-11-23T060000Z", "2026-11-23T120000Z"}, Case{"0 */6 * * *", "2026-11-23T190000Z", "2026-11-24T000000Z"},
                           Case{"30 2 * * 1-5", "2026-11-20T030000Z", "2026-11-23T023000Z"},   // Friday to Monday
                           Case{"15,45 8-9 1 1 *", "2026-11-23T000000Z", "2027-01-01T081500Z"}, Case{"0 0 29 2 *", "2026-01-01T000000Z", "2028-02-29T000000Z"},
                           Case{"0 12 13 * 7", "2026-11-23T000000Z", "2026-11-29T120000Z"}}) {  // the 13th, or a Sunday
    const auto schedule = CronSchedule::parse(each.schedule);
    ASSERT_TRUE(schedule.has_value()) << each.schedule;
    EXPECT_EQ(schedule->next(moment(each.after)), moment(each.next)) << each.schedule << " after " << each.after;
  }
}

TEST(CronSchedule, ImpossibleOrMalformed_IsRefusedOrNever) {
  for (const auto* text : {"", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "5-1 * * * *", "a * * * *", "*/0 * * * *", "1,,2 * * * *"}) {
    EXPECT_FALSE(CronSchedule::parse(text).has_value()) << text;
  }
  EXPECT_FALSE(CronSchedule::parse("0 0 30 2 *")->next(moment("2026-01-01T000000Z")).has_value());
}

TEST(Policy, EveryField_RoundTrips) {
  DatabasePolicy policy;
  policy.strategy = "realtime";
  policy.networks = {"a", "with \"quotes\" and \\"};
  policy.write_quorum = 3;
  policy.seal_after_idle = std::chrono::seconds(1);
  policy.seal_wait = std::chrono::seconds(2);
  policy.max_age = std::chrono::seconds(3);
  policy.schedule = "0 */6 * * *";
  policy.tags = {};
  policy.owner = "postgres";
  policy.mode = 0750;
  policy.chunk_sizes = {4096, 16384, 65536};
  policy.zstd_level = 7;
  const auto decoded = decode_policy(encode_policy("orders\nx", policy));
  EXPECT_FALSE(decoded.has_value());  // no database is called so
  const auto good = decode_policy(encode_policy("orders", policy) + "later_key = 5\n");
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->policy, policy);
  EXPECT_EQ(good->name, "orders");
}

TEST(MergeRuns, AnyGrowth_CoversAllWithFewRuns) {
  std::vector<std::uint64_t> runs;
  std::uint64_t seed = 5;
  std::uint64_t total = 0;
  for (int i = 0; i < 5000; ++i) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    total += 1 + (seed >> 60U);
    runs = merge_runs(std::move(runs), total);
    std::uint64_t sum = 0;
    for (const auto run : runs) sum += run;
    ASSERT_EQ(sum, total);
    ASSERT_LE(runs.size(), 18U);  // log2(80,000) and one
  }
}

}  // namespace
}  // namespace holdfast
