// SPDX-License-Identifier: Apache-2.0
// The Swarm adapter against real Bee nodes: the contract; a node that dies; batches that run out of time and of room. One test, so that all of it shares one network.
#include "adapters/swarm/swarm_store.h"

#include <gmock/gmock.h>

#include <functional>

#include "adapters/http/curl_transport.h"
#include "tests/support/conformance_run.h"
#include "tests/support/network_script.h"
#include "tests/support/not_tested.h"
#include "tests/support/shell.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using testing::NetworkScript;
using testing::SeededRandom;

CallContext within(std::chrono::milliseconds time) { return with_timeout({}, system_clock(), time); }

class Swarm : public ::testing::Test {
 public:
  void SetUp() override {
    swarm_ = NetworkScript::start("swarm.sh");
    if (!swarm_) HOLDFAST_NOT_TESTED << "Bee can't be installed here, so nothing is tested against real Swarm";
    store_ = open(options(swarm_->get("SWARM_BATCH")));
  }
  SwarmStore::Options options(const std::string& batch, int node = 0) {
    return {.api = swarm_->get("SWARM_API_" + std::to_string(node)), .batch = batch, .ttl_min = 1h, .ttl_warn = 2h, .block_time = 1s, .sync_timeout = 4s};
  }
  std::shared_ptr<SwarmStore> open(const SwarmStore::Options& options) { return *SwarmStore::make(options, *http::make_curl_transport()); }
  std::string buy(const std::string& arguments) {
    std::string batch = swarm_->run("buy", arguments);
    while (batch.ends_with('\n')) batch.pop_back();
    return batch;
  }
  ObjectRef put(SwarmStore& store, const ObjectName& name, ByteView object) {
    const auto ref = store.put(name, object, within(60s));
    EXPECT_TRUE(ref) << ref.error().message();
    return ref ? *ref : ObjectRef{};
  }
  static void expect_reads(SwarmStore& store, const ObjectRef& ref, ByteView object) {
    Bytes out(object.size());
    const Status got = store.read(ref, 0, out, within(60s));
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_TRUE(std::ranges::equal(out, object));
  }
  static Durability probe(SwarmStore& store, const ObjectRef& ref) {
    const auto found = store.probe(ref, within(60s));
    EXPECT_TRUE(found) << found.error().message();
    return found ? *found : Durability::kAbsent;
  }
  static std::string health(SwarmStore& store) {
    const auto health = store.health(within(60s));
    EXPECT_TRUE(health) << health.error().message();
    return health ? health->detail : std::string();
  }
  /// Looks twice a second, as what others wrote is not seen at once.
  static bool becomes(const std::function<bool()>& is_so, std::chrono::seconds time) {
    const CallContext until = within(time);
    while (!is_so()) {
      if (!check_context(until, system_clock(), "")) return false;
      (void)system_clock().sleep_until(system_clock().mono_now() + 500ms, {}).has_value();
    }
    return true;
  }
  template <typename T>
  static ErrorCode code(const T& result) {
    return result ? ErrorCode::kInternal : result.error().code();
  }

  void holds_the_contract();
  void another_node_reads_it();
  void redundancy_is_stored_and_read();
  void lost_pin_is_noticed();
  void lone_node_proves_nothing();
  void batch_that_fills_up_is_noticed_and_diluted();
  void batch_is_topped_up_and_ends();

  std::unique_ptr<NetworkScript> swarm_;
  std::shared_ptr<SwarmStore> store_;
  SeededRandom random_{static_cast<std::uint64_t>(system_clock().wall_now())};
};

void Swarm::holds_the_contract() {
  // No limit of size is known, and heads are supported. The network takes a megabyte a second: 2 MB are more than one level of chunks, too.
  testing::expect_conformance(*store_, 2, {.large_size_bytes = 2'300'000});
  EXPECT_THAT(health(*store_), AllOf(HasSubstr("bee 2.7.0"), HasSubstr("1 peer"), HasSubstr("of depth 22"), HasSubstr(" BZZ"), Not(HasSubstr("ENDS"))));
  SwarmStore::Options counting = options(swarm_->get("SWARM_BATCH"));
  counting.counts_used = true;
  const auto used = open(counting)->health(within(60s))->used_bytes;
  ASSERT_TRUE(used);
  EXPECT_GT(*used, 9'000'000U);
  EXPECT_LT(*used, 40'000'000U);
}

void Swarm::another_node_reads_it() {
  const Bytes object = random_.bytes(700'000);
  const ObjectRef ref = put(*store_, "packs/00", object);
  EXPECT_EQ(probe(*store_, ref), Durability::kDurable);
  const auto elsewhere = open(options(swarm_->get("SWARM_BATCH"), 1));
  expect_reads(*elsewhere, ref, object);
  EXPECT_EQ(probe(*elsewhere, ref), Durability::kAbsent) << "nothing pins it there";
  const RepositoryId repository = *RepositoryId::from(random_.bytes(RepositoryId::size));
  const Bytes seed = random_.bytes(32);
  std::string locator;
  for (const std::size_t size : {300U, 5'000U, 200U}) {
    const Bytes head = random_.bytes(size);
    const auto published = store_->publish_head(repository, 3, seed, head, within(60s));
    ASSERT_TRUE(published) << published.error().message();
    locator = *published;
    EXPECT_TRUE(becomes([&] { return elsewhere->fetch_head(locator, within(60s)).value_or(Bytes()) == head; }, 90s)) << "of " << size << " bytes";
  }
  // A run that knows nothing of the earlier ones finds the newest, and goes on behind it.
  const auto fresh = open(options(swarm_->get("SWARM_BATCH")));
  const Bytes head = random_.bytes(400);
  const auto published = fresh->publish_head(repository, 3, seed, head, within(60s));
  ASSERT_TRUE(published) << published.error().message();
  EXPECT_TRUE(becomes([&] { return store_->fetch_head(locator, within(60s)).value_or(Bytes()) == head; }, 90s));
}

void Swarm::redundancy_is_stored_and_read() {
  SwarmStore::Options careful = options(swarm_->get("SWARM_BATCH"));
  careful.redundancy = 1;
  const auto store = open(careful);
  const Bytes object = random_.bytes(150'000);
  const ObjectRef plain = put(*store_, "packs/09", object);
  const ObjectRef ref = put(*store, "packs/09", object);
  EXPECT_NE(ref.locator, plain.locator) << "parities have an address of their own";
  EXPECT_EQ(probe(*store, ref), Durability::kDurable);
  expect_reads(*open(options(swarm_->get("SWARM_BATCH"), 1)), ref, object);
}

void Swarm::lost_pin_is_noticed() {
  const Bytes object = random_.bytes(10'000);
  const ObjectRef ref = put(*store_, "packs/01", object);
  const std::string reference = ref.locator.substr(65);
  testing::run_shell("curl -fsS -X DELETE " + swarm_->get("SWARM_API_0") + "/pins/" + reference);
  EXPECT_EQ(probe(*store_, ref), Durability::kAbsent);
  EXPECT_EQ(put(*store_, "packs/01", object).locator, ref.locator);
  EXPECT_EQ(probe(*store_, ref), Durability::kDurable);
}

void Swarm::lone_node_proves_nothing() {
  const Bytes object = random_.bytes(50'000);
  const ObjectRef ref = put(*store_, "packs/02", object);
  swarm_->run("kill", "node1");
  expect_reads(*store_, ref, object);
  EXPECT_EQ(probe(*store_, ref), Durability::kAccepted);
  ObjectRef unknown = ref;
  unknown.locator.back() = unknown.locator.back() == 'a' ? 'b' : 'a';
  Bytes out(10);
  EXPECT_EQ(code(store_->read(unknown, 0, out, within(30s))), ErrorCode::kUnavailable);
  const Bytes other = random_.bytes(30'000);
  const auto waiting = store_->put("packs/03", other, within(30s));
  EXPECT_EQ(code(waiting), ErrorCode::kUnavailable) << "the node keeps the chunks for itself, and calls them synced";
  EXPECT_EQ(store_->resolve_head({}, 0, random_.bytes(32), within(30s)).error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(health(*store_), HasSubstr("NO peers"));
  swarm_->run("start");
  EXPECT_EQ(probe(*store_, put(*store_, "packs/03", other)), Durability::kDurable);
  EXPECT_EQ(probe(*store_, ref), Durability::kDurable);
}

void Swarm::batch_that_fills_up_is_noticed_and_diluted() {
  SwarmStore::Options small = options(buy("1000000000 17"));
  const Bytes object = random_.bytes(24U << 20);  // 6,192 chunks: no bucket of 65,536 holds a third
  const auto refused = open(small)->put("packs/04", object, within(60s));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kQuotaExceeded);
  EXPECT_THAT(refused.error().message(), HasSubstr("batch is overissued"));
  EXPECT_THAT(health(*open(small)), HasSubstr("filling up"));
  small.depth_max = 18;
  const auto roomy = open(small);
  put(*roomy, "packs/05", random_.bytes(100));  // is diluted on the way
  swarm_->run("mine", "10");
  EXPECT_TRUE(becomes([&] { return health(*roomy).find("depth 18") != std::string::npos; }, 30s));
  EXPECT_THAT(health(*roomy), HasSubstr("2 of 4"));
  EXPECT_EQ(probe(*roomy, put(*roomy, "packs/06", random_.bytes(100'000))), Durability::kDurable);
}

void Swarm::batch_is_topped_up_and_ends() {
  const std::string batch = buy("2000000 17");  // 20,000 seconds at the price of 100
  SwarmStore::Options short_lived = options(batch);
  short_lived.ttl_warn = 24h;
  EXPECT_THAT(health(*open(short_lived)), AllOf(HasSubstr("postage ENDS in 5 hours"), HasSubstr(batch)));
  SwarmStore::Options careful = short_lived;
  careful.ttl_min = 10h;
  EXPECT_EQ(open(careful)->put("packs/07", Bytes(10), within(60s)).error().code(), ErrorCode::kQuotaExceeded);
  SwarmStore::Options paying = careful;
  paying.top_up_to = 48h;
  paying.top_up_max_bzz = 1;
  const auto paid = open(paying);
  const Bytes object = random_.bytes(20'000);
  Result<ObjectRef> ref = ObjectRef{};
  ASSERT_TRUE(becomes([&] { return (ref = paid->put("packs/07", object, within(60s))).has_value(); }, 30s)) << "the node hears of its own transaction some blocks later: " << ref.error().message();
  EXPECT_THAT(health(*paid), AllOf(HasSubstr("of depth 17, 47 hours left"), Not(HasSubstr("ENDS"))));
  EXPECT_EQ(probe(*paid, *ref), Durability::kDurable);
  // The price rises until the batch is used up.
  swarm_->run("price", "7000000");
  EXPECT_TRUE(becomes([&] { return health(*paid).find("has expired") != std::string::npos; }, 60s)) << health(*paid);
  swarm_->run("price", "100");
  EXPECT_EQ(code(open(short_lived)->put("packs/08", random_.bytes(100), within(60s))), ErrorCode::kQuotaExceeded);
  EXPECT_EQ(probe(*paid, *ref), Durability::kAbsent) << "a pin is all that is left of it";
  // Healed by what pays for the future, once the price has come down for everybody.
  EXPECT_TRUE(becomes([&] { return health(*store_).find("can be uploaded") == std::string::npos; }, 30s)) << health(*store_);
  const ObjectRef again = put(*store_, "packs/07", object);
  EXPECT_NE(again.locator, ref->locator);
  EXPECT_EQ(probe(*store_, again), Durability::kDurable);
}

TEST_F(Swarm, BeeNodes_HoldTheContractAndFailAsSaid) {
  const auto part = [&](const char* name, void (Swarm::*run)()) {
    SCOPED_TRACE(name);
    const MonoTime start = system_clock().mono_now();
    (this->*run)();
    std::cout << name << ": " << std::chrono::duration_cast<std::chrono::milliseconds>(system_clock().mono_now() - start).count() << " ms\n";
  };
  part("the contract", &Swarm::holds_the_contract);
  part("another node", &Swarm::another_node_reads_it);
  part("redundancy", &Swarm::redundancy_is_stored_and_read);
  part("lost pin", &Swarm::lost_pin_is_noticed);
  part("lone node", &Swarm::lone_node_proves_nothing);
  part("full batch", &Swarm::batch_that_fills_up_is_noticed_and_diluted);
  part("ended batch", &Swarm::batch_is_topped_up_and_ends);
}

}  // namespace
}  // namespace holdfast
