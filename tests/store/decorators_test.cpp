// SPDX-License-Identifier: Apache-2.0
// Retries, limits and counters, on a clock that only the test moves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "adapters/memory/memory_store.h"
#include "core/store/network_stack.h"
#include "tests/support/fake_clock.h"
#include "tests/support/faulty_store.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::FakeClock;
using testing::Fault;
using testing::FaultyStore;
using testing::SeededRandom;
using Kind = Fault::Kind;

struct RetryBench {
  FakeClock clock;
  SeededRandom random{3};
  std::shared_ptr<FaultyStore> network = std::make_shared<FaultyStore>(std::make_shared<MemoryStore>(), clock, 1);
  RetryOptions options;
  std::unique_ptr<RetryingStore> made;
  RetryingStore& store() {
    if (!made) made = std::make_unique<RetryingStore>(network, clock, random, options);
    return *made;
  }
  Result<ObjectRef> put(const CallContext& context = {}) { return store().put("packs/0a", as_bytes("sealed"), context); }
};

TEST(RetryingStore, PassingFailure_IsRepeatedUntilItSucceeds) {
  RetryBench b;
  b.network->plan(StoreVerb::kPut, {.kind = Kind::kErrorInstead}, 2);
  EXPECT_TRUE(b.put());
  EXPECT_EQ(b.network->calls(StoreVerb::kPut), 3);
}

TEST(RetryingStore, LostAcknowledgement_EndsWithOneObject) {
  RetryBench b;
  b.network->plan(StoreVerb::kPut, {.kind = Kind::kErrorAfterSuccess});
  const auto ref = b.put();
  ASSERT_TRUE(ref);
  EXPECT_EQ(*b.store().probe(*ref, {}), Durability::kDurable);
}

TEST(RetryingStore, OtherErrors_AreNotRepeated) {
  for (const ErrorCode code : {ErrorCode::kNotFound, ErrorCode::kCorrupt, ErrorCode::kNoSpace, ErrorCode::kInvalidArgument,
                               ErrorCode::kQuotaExceeded, ErrorCode::kPermissionDenied, ErrorCode::kCancelled}) {
    RetryBench b;
    b.network->always(StoreVerb::kPut, {.kind = Kind::kErrorInstead, .code = code});
    EXPECT_EQ(b.put().error().code(), code);
    EXPECT_EQ(b.network->calls(StoreVerb::kPut), 1);
  }
}

TEST(RetryingStore, Attempts_AreBoundedAndWaitsStayWithinTheirBounds) {
  RetryBench b;
  b.options = {.attempts_max = 4, .delay_first = 100ms, .delay_max = 150ms, .trip_after = 100'000};
  b.network->always(StoreVerb::kPut, {.kind = Kind::kErrorInstead});
  MonoTime longest{};
  for (int i = 0; i < 50; ++i) {
    const MonoTime start = b.clock.mono_now();
    const auto failed = b.put();
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().message(), HasSubstr("attempt 4"));
    const auto took = b.clock.mono_now() - start;
    EXPECT_LE(took, 100ms + 150ms + 150ms);
    longest = std::max(longest, MonoTime(took));
  }
  EXPECT_EQ(b.network->calls(StoreVerb::kPut), 200);
  // 50 sums of three uniform draws that never reach half of their bound would be a broken generator.
  EXPECT_GT(longest.time_since_epoch(), 200ms);
}

TEST(RetryingStore, Deadline_EndsTheAttemptsBeforeItPasses) {
  RetryBench b;
  b.options = {.attempts_max = 1000, .delay_first = 1000ms, .delay_max = 1000ms, .trip_after = 10'000};
  b.network->always(StoreVerb::kPut, {.kind = Kind::kErrorInstead});
  const CallContext context{.deadline = b.clock.mono_now() + 5s, .stop = {}};
  EXPECT_EQ(b.put(context).error().code(), ErrorCode::kUnavailable);
  EXPECT_LT(b.clock.mono_now(), context.deadline);
}

TEST(RetryingStore, HangingAttempt_IsCutOffAndRepeated) {
  RetryBench b;
  b.options.attempt_timeout = 30s;
  b.network->plan(StoreVerb::kPut, {.kind = Kind::kDelay, .delay = 24h});
  const MonoTime start = b.clock.mono_now();
  EXPECT_TRUE(b.put());
  EXPECT_EQ(b.network->calls(StoreVerb::kPut), 2);
  EXPECT_LT(b.clock.mono_now() - start, 40s);
}

TEST(RetryingStore, Breaker_StopsAskingAndLetsOneTrialThrough) {
  RetryBench b;
  b.options = {.attempts_max = 1, .trip_after = 3, .open_first = 10s, .open_max = 15s};
  b.network->always(StoreVerb::kPut, {.kind = Kind::kErrorInstead});
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(b.put());
  EXPECT_EQ(b.store().breaker(), RetryingStore::Breaker::kOpen);
  const auto refused = b.put();
  EXPECT_THAT(refused.error().message(), HasSubstr("left alone"));
  EXPECT_EQ(b.network->calls(StoreVerb::kPut), 3);
  b.clock.advance(10s);
  EXPECT_FALSE(b.put());  // the trial, which fails: open for twice as long, at most 15 s
  EXPECT_EQ(b.network->calls(StoreVerb::kPut), 4);
  b.clock.advance(14s);
  EXPECT_FALSE(b.put());
  EXPECT_EQ(b.network->calls(StoreVerb::kPut), 4);
  b.network->clear();
  b.clock.advance(1s);
  EXPECT_TRUE(b.put());
  EXPECT_EQ(b.store().breaker(), RetryingStore::Breaker::kClosed);
}

TEST(RetryingStore, NetworkThatSaysItIsBack_IsTriedAtOnce) {
  RetryBench b;
  b.options = {.attempts_max = 1, .trip_after = 3, .open_first = 1h, .open_max = 1h};
  b.network->always({.kind = Kind::kErrorInstead});
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(b.put());
  EXPECT_FALSE(b.store().health({}));
  EXPECT_FALSE(b.put());
  EXPECT_EQ(b.network->calls(StoreVerb::kPut), 3) << "one that does not answer is left alone";
  b.network->clear();
  EXPECT_FALSE(b.put()) << "nobody has asked it yet";
  ASSERT_TRUE(b.store().health({}));
  EXPECT_TRUE(b.put());
  EXPECT_EQ(b.store().breaker(), RetryingStore::Breaker::kClosed);
}

TEST(RetryingStore, NetworkThatTakesNothing_IsReadAllTheSame) {
  RetryBench b;
  b.options = {.attempts_max = 1, .trip_after = 3};
  ASSERT_TRUE(b.put());
  b.network->always(StoreVerb::kPut, {.kind = Kind::kErrorInstead});
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(b.put());
  EXPECT_EQ(b.store().breaker(), RetryingStore::Breaker::kOpen);
  Bytes out(1);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(b.store().read({.locator = "packs/none", .size_bytes = 1}, 0, out, {}).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(b.network->calls(StoreVerb::kRead), 5);
  EXPECT_EQ(b.store().breaker(), RetryingStore::Breaker::kOpen) << "that it gives is no sign that it takes";
  // And the other way round.
  b.network->clear();
  b.store().reset();
  b.network->always(StoreVerb::kRead, {.kind = Kind::kErrorInstead});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(b.store().read({.locator = "packs/none", .size_bytes = 1}, 0, out, {}).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(b.network->calls(StoreVerb::kRead), 8);
  EXPECT_TRUE(b.put());
}

TEST(RetryingStore, AnswersThatRefuse_KeepTheBreakerClosed) {
  RetryBench b;
  b.options = {.attempts_max = 1, .trip_after = 2};
  Bytes out(1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(b.store().read({.locator = "packs/00", .size_bytes = 1}, 0, out, {}).error().code(), ErrorCode::kNotFound);
  }
  EXPECT_EQ(b.store().breaker(), RetryingStore::Breaker::kClosed);
}

TEST(LimitedStore, CallsAtOnce_NeverExceedTheLimit) {
  FakeClock clock(FakeClock::Sleep::kManual);
  auto network = std::make_shared<FaultyStore>(std::make_shared<MemoryStore>(), clock, 1);
  network->always(StoreVerb::kProbe, {.kind = Kind::kDelay, .delay = 1s});
  LimitedStore store(network, clock, {.calls_in_flight_max = 2});
  std::vector<std::jthread> threads;
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(store.probe({.locator = "packs/0a", .size_bytes = 1}, {})); });
  }
  for (int done = 0; done < 5; done += 2) {
    clock.wait_for_sleepers(std::min(2, 5 - done));
    EXPECT_EQ(network->calls(StoreVerb::kProbe), std::min(done + 2, 5));
    clock.advance(1s);
  }
}

TEST(LimitedStore, WaitingForASlot_EndsWithTheStopToken) {
  FakeClock clock(FakeClock::Sleep::kManual);
  auto network = std::make_shared<FaultyStore>(std::make_shared<MemoryStore>(), clock, 1);
  network->plan(StoreVerb::kProbe, {.kind = Kind::kDelay, .delay = 1s});
  LimitedStore store(network, clock, {.calls_in_flight_max = 1});
  const std::jthread holder([&] { EXPECT_TRUE(store.probe({.locator = "packs/0a", .size_bytes = 1}, {})); });
  clock.wait_for_sleepers(1);
  std::stop_source stop;
  std::optional<ErrorCode> seen;
  {
    const std::jthread waiter([&] {
      seen = store.probe({.locator = "packs/0a", .size_bytes = 1}, {.deadline = MonoTime::max(), .stop = stop.get_token()}).error().code();
    });
    stop.request_stop();
  }
  EXPECT_EQ(seen, ErrorCode::kCancelled);
  clock.advance(1s);
}

TEST(LimitedStore, BytesASecond_SpreadTheCallsOverTime) {
  FakeClock clock;
  LimitedStore store(std::make_shared<MemoryStore>(), clock, {.upload_bytes_per_second = 1000});
  const MonoTime start = clock.mono_now();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(store.put("packs/0" + std::to_string(i), Bytes(1000), {}));
  // 10,000 bytes at 1,000 a second with one second of burst: the tenth starts after 8 s.
  EXPECT_EQ(clock.mono_now() - start, 8s);
  const CallContext hurry{.deadline = clock.mono_now() + 100ms, .stop = {}};
  EXPECT_EQ(store.put("packs/aa", Bytes(1000), hurry).error().code(), ErrorCode::kDeadlineExceeded);
  Bytes out(1000);
  const MonoTime before = clock.mono_now();
  EXPECT_TRUE(store.read({.locator = "packs/01", .size_bytes = 1000}, 0, out, {}));
  EXPECT_EQ(clock.mono_now(), before);
}

TEST(LimitedStore, Quota_CountsWhatIsThereAndWhatIsPut) {
  FakeClock clock;
  auto memory = std::make_shared<MemoryStore>();
  ASSERT_TRUE(memory->put("packs/00", Bytes(400), {}));
  LimitedStore store(memory, clock, {.storage_quota_bytes = 1000});
  EXPECT_TRUE(store.put("packs/01", Bytes(500), {}));
  const auto refused = store.put("packs/02", Bytes(101), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kQuotaExceeded);
  EXPECT_TRUE(store.put("packs/02", Bytes(100), {}));
  EXPECT_TRUE(store.publish_head({}, 0, {}, Bytes(100), {}));  // heads always get through
}

/// Says nothing of what it holds.
class SilentStore final : public StoreDecorator {
 public:
  using StoreDecorator::StoreDecorator;
  Result<StoreHealth> health(const CallContext&) override { return StoreHealth{.reachable = true, .detail = "fine", .used_bytes = {}, .capacity_bytes = {}, .warnings = {}}; }

 protected:
  Status around(const StoreCall&, const CallContext& context, const Attempt& attempt) override { return attempt(context); }
};

TEST(LimitedStore, QuotaThatCannotBeChecked_TakesNoPut) {
  FakeClock clock;
  LimitedStore store(std::make_shared<SilentStore>(std::make_shared<MemoryStore>()), clock, {.storage_quota_bytes = 1000});
  const auto refused = store.put("packs/01", Bytes(1), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr("does not say how much it holds"));
}

class CountedTraffic final : public TrafficLedger {
 public:
  Status charge(const std::string&, std::uint64_t size_bytes, std::uint64_t quota_bytes) override {
    if (quota_bytes > 0 && bytes + size_bytes > quota_bytes) return Error(ErrorCode::kQuotaExceeded, "traffic");
    bytes += size_bytes;
    return ok_status();
  }
  std::uint64_t moved(const std::string&) override { return bytes; }
  std::uint64_t bytes = 0;
};

TEST(LimitedStore, TrafficQuota_CountsBothWaysAndFailures_AndLetsHeadsThrough) {
  FakeClock clock;
  auto network = std::make_shared<FaultyStore>(std::make_shared<MemoryStore>(), clock, 1);
  const auto traffic = std::make_shared<CountedTraffic>();
  LimitedStore store(network, clock, {.storage_quota_bytes = 10'000, .traffic_quota_bytes = 1000, .traffic = traffic});
  const auto ref = store.put("packs/01", Bytes(400), {});
  ASSERT_TRUE(ref);
  Bytes out(300);
  EXPECT_TRUE(store.read(*ref, 0, out, {}));
  network->plan(StoreVerb::kRead, {.kind = Kind::kErrorInstead, .code = ErrorCode::kUnavailable});
  EXPECT_FALSE(store.read(*ref, 0, out, {}));
  EXPECT_EQ(traffic->bytes, 1000U);
  EXPECT_EQ(store.read(*ref, 0, MutableByteView(out).first(1), {}).error().code(), ErrorCode::kQuotaExceeded);
  EXPECT_EQ(store.put("packs/02", Bytes(1), {}).error().code(), ErrorCode::kQuotaExceeded);
  EXPECT_TRUE(store.publish_head({}, 0, {}, Bytes(100), {}));
  EXPECT_EQ(traffic->bytes, 1100U);
  EXPECT_TRUE(store.probe(*ref, {}));
}

TEST(MeteredStore, Counters_TellWhatHappened) {
  FakeClock clock;
  auto network = std::make_shared<FaultyStore>(std::make_shared<MemoryStore>(), clock, 1);
  MeteredStore store(network, clock);
  ASSERT_TRUE(store.put("packs/00", Bytes(400), {}));
  network->plan(StoreVerb::kRead, {.kind = Kind::kDelay, .delay = 100ms});
  network->plan(StoreVerb::kRead, {.kind = Kind::kErrorInstead, .code = ErrorCode::kCorrupt});
  Bytes out(100);
  EXPECT_TRUE(store.read({.locator = "packs/00", .size_bytes = 400}, 0, out, {}));
  EXPECT_FALSE(store.read({.locator = "packs/00", .size_bytes = 400}, 0, out, {}));
  const StoreMetrics metrics = store.snapshot();
  const VerbMetrics& reads = metrics.of(StoreVerb::kRead);
  EXPECT_EQ(reads.calls, 2U);
  EXPECT_EQ(reads.errors, 1U);
  EXPECT_EQ(reads.bytes, 100U);
  EXPECT_DOUBLE_EQ(reads.latency_ms_mean(), 100);
  EXPECT_DOUBLE_EQ(reads.latency_ms_quantile(0.99), 128);  // 64 <= 100 < 128
  EXPECT_EQ(metrics.failures_in_a_row, 1U);
  EXPECT_EQ(metrics.last_error_code, ErrorCode::kCorrupt);
  EXPECT_THAT(metrics.last_error, HasSubstr("planned fault"));
  EXPECT_EQ(metrics.of(StoreVerb::kPut).bytes, 400U);
}

TEST(NetworkStack, Attempts_AreCountedAndTheCallSucceeds) {
  FakeClock clock;
  SeededRandom random(1);
  auto network = std::make_shared<FaultyStore>(std::make_shared<MemoryStore>(), clock, 1);
  network->plan(StoreVerb::kPut, {.kind = Kind::kErrorInstead}, 2);
  const NetworkStack stack = stack_network(network, clock, random);
  EXPECT_TRUE(stack.store->put("packs/00", Bytes(400), {}));
  EXPECT_EQ(stack.metered->snapshot().of(StoreVerb::kPut).calls, 3U);
  EXPECT_EQ(stack.metered->snapshot().of(StoreVerb::kPut).errors, 2U);
}

}  // namespace
}  // namespace holdfast
