// SPDX-License-Identifier: Apache-2.0
// The fake is relied upon by many tests: each planned fault must do what its name says.
#include "tests/support/faulty_store.h"

#include <gtest/gtest.h>

#include <bit>

#include "adapters/memory/memory_store.h"
#include "tests/support/fake_clock.h"

namespace holdfast {
namespace {

using testing::FakeClock;
using testing::Fault;
using testing::FaultyStore;
using Kind = Fault::Kind;

struct Bench {
  FakeClock clock;
  std::shared_ptr<MemoryStore> memory = std::make_shared<MemoryStore>();
  FaultyStore store{memory, clock, 7};
  ObjectRef ref = *memory->put("packs/0a", as_bytes("0123456789"), CallContext::unbounded());
  Bytes out = Bytes(10);
  Status read() { return store.read(ref, 0, out, CallContext::unbounded()); }
};

TEST(FaultyStore, ErrorInstead_DoesNotReachTheStore) {
  Bench s;
  s.store.plan(StoreVerb::kPut, {.kind = Kind::kErrorInstead, .code = ErrorCode::kNoSpace}, 1, 1);
  EXPECT_TRUE(s.store.put("packs/0b", as_bytes("b"), {}));
  EXPECT_EQ(s.store.put("packs/0c", as_bytes("c"), {}).error().code(), ErrorCode::kNoSpace);
  EXPECT_EQ(*s.memory->probe({.locator = "packs/0c", .size_bytes = 1}, {}), Durability::kAbsent);
  EXPECT_TRUE(s.store.put("packs/0c", as_bytes("c"), {}));
  EXPECT_EQ(s.store.calls(StoreVerb::kPut), 3);
  EXPECT_EQ(s.store.faults(StoreVerb::kPut), 1);
}

TEST(FaultyStore, ErrorAfterSuccess_LeavesTheObjectThere) {
  Bench s;
  s.store.plan(StoreVerb::kPut, {.kind = Kind::kErrorAfterSuccess});
  EXPECT_EQ(s.store.put("packs/0b", as_bytes("b"), {}).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(*s.memory->probe({.locator = "packs/0b", .size_bytes = 1}, {}), Durability::kDurable);
}

TEST(FaultyStore, Flip_ChangesOneBitOfAReadAndOfAPut) {
  Bench s;
  s.store.plan(StoreVerb::kRead, {.kind = Kind::kFlip});
  ASSERT_TRUE(s.read());
  int bits = 0;
  for (std::size_t i = 0; i < 10; ++i) bits += std::popcount(static_cast<unsigned>(s.out[i] ^ ("0123456789"[i])));
  EXPECT_EQ(bits, 1);
  ASSERT_TRUE(s.read());
  EXPECT_EQ(as_text(s.out), "0123456789");
  s.store.plan(StoreVerb::kPut, {.kind = Kind::kFlip});
  const auto spoilt = s.store.put("packs/0b", as_bytes("0123456789"), {});
  ASSERT_TRUE(spoilt);
  ASSERT_TRUE(s.memory->read(*spoilt, 0, s.out, {}));
  EXPECT_NE(as_text(s.out), "0123456789");
}

TEST(FaultyStore, Truncate_KeepsHalfAndClaimsAll) {
  Bench s;
  s.store.plan(StoreVerb::kPut, {.kind = Kind::kTruncate});
  const auto ref = s.store.put("packs/0b", as_bytes("0123456789"), {});
  ASSERT_TRUE(ref);
  EXPECT_EQ(ref->size_bytes, 10U);
  EXPECT_EQ(s.store.read(*ref, 0, s.out, {}).error().code(), ErrorCode::kOutOfRange);
}

TEST(FaultyStore, Delay_PassesOnTheClockOrMissesTheDeadline) {
  Bench s;
  s.store.always(StoreVerb::kRead, {.kind = Kind::kDelay, .delay = std::chrono::seconds(10)});
  const MonoTime start = s.clock.mono_now();
  ASSERT_TRUE(s.read());
  EXPECT_EQ(s.clock.mono_now() - start, std::chrono::seconds(10));
  const CallContext hurry{.deadline = s.clock.mono_now() + std::chrono::seconds(3), .stop = {}};
  EXPECT_EQ(s.store.read(s.ref, 0, s.out, hurry).error().code(), ErrorCode::kDeadlineExceeded);
  s.store.clear();
  EXPECT_TRUE(s.store.read(s.ref, 0, s.out, {}));
}

TEST(FaultyStore, StaleProbeAndOldHead_AnswerThePast) {
  Bench s;
  s.store.plan(StoreVerb::kProbe, {.kind = Kind::kStaleProbe});
  EXPECT_EQ(*s.store.probe({.locator = "packs/0b", .size_bytes = 1}, {}), Durability::kDurable);
  ASSERT_TRUE(s.store.publish_head({}, 0, {}, as_bytes("one"), {}));
  ASSERT_TRUE(s.store.publish_head({}, 0, {}, as_bytes("two"), {}));
  s.store.plan(StoreVerb::kResolveHead, {.kind = Kind::kOldHead});
  EXPECT_EQ(as_text(**s.store.resolve_head({}, 0, {}, {})), "one");
  EXPECT_EQ(as_text(**s.store.resolve_head({}, 0, {}, {})), "two");
}

TEST(FaultyStore, Chance_IsRepeatableFromItsSeed) {
  const auto failures = [] {
    Bench s;
    s.store.chance(StoreVerb::kRead, {.kind = Kind::kErrorInstead}, 0.3);
    std::string pattern;
    for (int i = 0; i < 100; ++i) pattern += s.read() ? '.' : 'x';
    return pattern;
  };
  const std::string pattern = failures();
  EXPECT_EQ(pattern, failures());
  EXPECT_NE(pattern.find('x'), std::string::npos);
  EXPECT_NE(pattern.find('.'), std::string::npos);
}

}  // namespace
}  // namespace holdfast
