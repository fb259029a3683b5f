// SPDX-License-Identifier: Apache-2.0
// The Sia adapter against a real renterd with real hosts: the contract, and what happens when hosts die or renterd keeps bytes to itself.
#include "adapters/sia/sia_store.h"

#include <gmock/gmock.h>

#include "adapters/http/curl_transport.h"
#include "tests/support/conformance_run.h"
#include "tests/support/not_tested.h"
#include "tests/support/renterd_network.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using testing::RenterdNetwork;
using testing::SeededRandom;

CallContext within(std::chrono::milliseconds time) { return with_timeout({}, system_clock(), time); }

class Sia : public ::testing::Test {
 protected:
  void SetUp() override {
    sia_ = RenterdNetwork::start();
    if (!sia_) HOLDFAST_NOT_TESTED << "renterd can't be installed here, so nothing is tested against real Sia";
    store_ = *SiaStore::make({.api = sia_->api(), .password = std::make_shared<const SecretBytes>(SecretBytes::copy_of(as_bytes(sia_->password())))}, *http::make_curl_transport());
  }
  ObjectRef put(const ObjectName& name, ByteView object) {
    const auto ref = store_->put(name, object, within(120s));
    EXPECT_TRUE(ref) << ref.error().message();
    return ref ? *ref : ObjectRef{};
  }
  void expect_reads(const ObjectRef& ref, ByteView object) {
    Bytes out(object.size());
    const Status got = store_->read(ref, 0, out, within(120s));
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_TRUE(std::ranges::equal(out, object));
  }
  Durability probe(const ObjectRef& ref) {
    const auto found = store_->probe(ref, within(60s));
    EXPECT_TRUE(found) << found.error().message();
    return found ? *found : Durability::kAbsent;
  }
  std::string health() {
    const auto health = store_->health(within(60s));
    EXPECT_TRUE(health) << health.error().message();
    return health ? health->detail : std::string();
  }
  /// Looks every second, as renterd's bookkeeping does not change at once.
  bool becomes(const ObjectRef& ref, Durability wanted, std::chrono::seconds time) {
    const CallContext until = within(time);
    while (probe(ref) != wanted) {
      if (!check_context(until, system_clock(), "")) return false;
      (void)system_clock().sleep_until(system_clock().mono_now() + 1s, {}).has_value();
    }
    return true;
  }

  std::unique_ptr<RenterdNetwork> sia_;
  std::shared_ptr<SiaStore> store_;
  SeededRandom random_{static_cast<std::uint64_t>(system_clock().wall_now())};
  Bytes object_ = random_.bytes((9U << 20) + 77);  // two slabs
};

TEST_F(Sia, Renterd_HoldsTheContract) {
  // Each object takes a whole slab of 12 MiB on hosts, however small: the last of 64 at once waits for its turn.
  testing::expect_conformance(*store_, 2, {.call_timeout = 120s});
  EXPECT_THAT(health(), HasSubstr("redundancy 2 of 3, 4 contracts"));
}

TEST_F(Sia, KilledHost_ChangesNothing) {
  const ObjectRef old = put("packs/00", object_);
  EXPECT_EQ(probe(old), Durability::kDurable);
  sia_->kill("host1");
  expect_reads(old, object_);
  const Bytes other = random_.bytes(3'000'000);
  const ObjectRef fresh = put("packs/01", other);
  EXPECT_EQ(probe(fresh), Durability::kDurable);
  expect_reads(fresh, other);
  // renterd dies too, and knows everything when it is back.
  sia_->kill("renterd");
  EXPECT_EQ(store_->probe(old, within(20s)).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(store_->put("packs/02", other, within(20s)).error().code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(store_->health(within(20s))->reachable);
  sia_->start_missing();
  expect_reads(old, object_);
  expect_reads(fresh, other);
}

TEST_F(Sia, TwoKilledHosts_RefusePutsAndMissingShardsAreFound) {
  const ObjectRef ref = put("packs/00", object_);
  const std::vector<std::string> hosts = sia_->hosts_of("holdfast", "packs/00");
  ASSERT_EQ(hosts.size(), 6U);  // of two slabs
  sia_->kill(hosts[0]);
  sia_->kill(hosts[1]);
  const auto refused = store_->put("packs/01", random_.bytes(1000), within(120s));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message(), AnyOf(HasSubstr("failed to upload slab"), HasSubstr("not enough contracts")));
  // One shard of the first slab is left, and two are needed: status 206, and no bytes.
  Bytes out(1000);
  const Status lost = store_->read(ref, 0, out, within(120s));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), ErrorCode::kUnavailable) << lost.error().message();
  EXPECT_TRUE(becomes(ref, Durability::kAbsent, 100s)) << "renterd still calls it healthy";
  EXPECT_THAT(health(), HasSubstr("only 2 of the 3 contracts"));
  const auto still_refused = store_->put("packs/01", random_.bytes(1000), within(120s));
  EXPECT_EQ(still_refused.error().code(), ErrorCode::kUnavailable);
  sia_->start_missing();
  EXPECT_TRUE(becomes(ref, Durability::kDurable, 60s));
  expect_reads(ref, object_);
}

TEST_F(Sia, PackingBuffer_IsNotYetOnTheNetwork) {
  sia_->set("uploadpacking", R"({"enabled":true,"slabBufferMaxSizeSoft":4294967296})");
  const ObjectRef ref = put("packs/00", object_);
  EXPECT_EQ(probe(ref), Durability::kAccepted);
  expect_reads(ref, object_);
  EXPECT_THAT(health(), HasSubstr("upload packing is on"));
  sia_->set("uploadpacking", R"({"enabled":false,"slabBufferMaxSizeSoft":4294967296})");
  // What waits stays there; removed and put anew it goes to hosts.
  EXPECT_EQ(probe(put("packs/00", object_)), Durability::kAccepted);
  ASSERT_TRUE(store_->remove(ref, within(60s)));
  EXPECT_EQ(probe(put("packs/00", object_)), Durability::kDurable);
}

}  // namespace
}  // namespace holdfast
