// SPDX-License-Identifier: Apache-2.0
#include "core/store/replicated_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/memory/memory_store.h"
#include "core/base/log.h"
#include "core/crypto/hash.h"
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

/// Three networks that hold the same pack of `count` records.
struct Replicas {
  explicit Replicas(FakeClock::Sleep sleep = FakeClock::Sleep::kJump, int count = 4) : clock(sleep) {
    SeededRandom random(11);
    for (int i = 0; i < count; ++i) {
      const Bytes record = random.bytes(500 + static_cast<std::size_t>(i));
      records.push_back({openssl_chunk_hasher().chunk_id(record), pack.size(), static_cast<std::uint32_t>(record.size())});
      expected.push_back(record);
      append(pack, record);
      append(pack, random.bytes(10));  // a gap
    }
    std::vector<std::shared_ptr<ObjectStore>> stores;
    for (const char* name : {"one", "two", "three"}) {
      auto memory = std::make_shared<MemoryStore>(MemoryStore::Options{.name = name, .object_size_max_bytes = 0});
      const auto ref = memory->put("packs/0a", pack, {});
      EXPECT_TRUE(ref);
      copies.push_back({name, *ref});
      networks[copies.size() - 1] = std::make_shared<FaultyStore>(memory, clock, 5);
      stores.push_back(networks[copies.size() - 1]);
    }
    set = std::make_unique<NetworkSet>(stores);
  }
  ReplicatedReader& reader() {
    if (!made) made = std::make_unique<ReplicatedReader>(*set, clock, options);
    return *made;
  }
  Result<std::vector<Bytes>> read() {
    HOLDFAST_ASSIGN(const std::vector<VerifiedRecord> verified, reader().read_records(copies, records, {}));
    return bytes_of(verified);
  }
  static std::vector<Bytes> bytes_of(const std::vector<VerifiedRecord>& verified) {
    std::vector<Bytes> all;
    for (const VerifiedRecord& record : verified) all.emplace_back(record.view().begin(), record.view().end());
    return all;
  }

  FakeClock clock;
  Bytes pack;
  std::vector<RecordRange> records;
  std::vector<Bytes> expected;
  std::vector<NetworkCopy> copies;
  std::array<std::shared_ptr<FaultyStore>, 3> networks;
  std::unique_ptr<NetworkSet> set;
  ReplicatedOptions options{.hedge_max = 0ms};
  std::unique_ptr<ReplicatedReader> made;
};

TEST(VerifyingReader, FlippedBit_NeverLeavesIt) {
  Replicas r;
  VerifyingReader reader(*r.networks[0]);
  EXPECT_EQ(*reader.read_record(r.copies[0].ref, r.records[2], {}), r.expected[2]);
  r.networks[0]->always(StoreVerb::kRead, {.kind = Kind::kFlip});
  EXPECT_EQ(reader.read_record(r.copies[0].ref, r.records[2], {}).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(reader.read_object(r.copies[0].ref, sha256(r.pack), {}).error().code(), ErrorCode::kCorrupt);
  r.networks[0]->clear();
  EXPECT_EQ(*reader.read_object(r.copies[0].ref, sha256(r.pack), {}), r.pack);
}

TEST(VerifyingReader, RangesThatLieAboutThePack_AreCorrupt) {
  Replicas r;
  VerifyingReader reader(*r.networks[0]);
  const std::uint64_t size = r.pack.size();
  for (const RecordRange& bad : {RecordRange{{}, size, 1}, RecordRange{{}, size - 5, 6}, RecordRange{{}, ~0ULL, 100},
                                 RecordRange{{}, 0, 0xffffffffU}}) {
    EXPECT_EQ(reader.read_record(r.copies[0].ref, bad, {}).error().code(), ErrorCode::kCorrupt);
  }
  const std::vector<RecordRange> backwards = {r.records[1], r.records[0]};
  EXPECT_EQ(reader.read_records(r.copies[0].ref, backwards, {}).error().code(), ErrorCode::kCorrupt);
}

TEST(ReplicatedReader, HealthyNetworks_OneRangeFromOneNetwork) {
  Replicas r;
  EXPECT_EQ(*r.read(), r.expected);
  EXPECT_EQ(r.networks[0]->all_calls() + r.networks[1]->all_calls() + r.networks[2]->all_calls(), 1);
}

TEST(ReplicatedReader, LyingNetwork_IsMarkedToldOfAndAvoided) {
  Replicas r;
  r.networks[0]->always(StoreVerb::kRead, {.kind = Kind::kFlip});
  std::vector<std::string> told;
  r.reader().on_fault([&](const std::string& network, const std::string& locator, ErrorCode code) {
    told.push_back(network + " " + locator + " " + std::string(error_code_name(code)));
  });
  EXPECT_EQ(*r.read(), r.expected);
  EXPECT_EQ(told, std::vector<std::string>{"one packs/0a corrupt"});
  EXPECT_EQ(r.reader().faults().at("one").corrupt, 1U);
  EXPECT_NE(r.reader().in_order(r.copies).front().network, "one");
  EXPECT_EQ(*r.read(), r.expected);
  EXPECT_EQ(r.networks[0]->calls(StoreVerb::kRead), 1);
}

TEST(ReplicatedReader, FaultThatGoesOn_IsLoggedOnceAMinute) {
  std::vector<std::string> lines;
  std::mutex mutex;
  set_log_sink(
      [&](LogLevel, std::string_view line) {
        const std::lock_guard lock(mutex);
        if (line.find("failed a read") != std::string_view::npos) lines.emplace_back(line);
      },
      LogLevel::kWarning);
  const auto told = [&] {
    const std::lock_guard lock(mutex);
    return lines;
  };
  {
    Replicas replicas;
    for (const auto& network : replicas.networks) network->always({Kind::kErrorInstead, ErrorCode::kUnavailable});
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(replicas.read());
    EXPECT_EQ(told().size(), 3U) << "one for each network";
    replicas.clock.advance(2min);
    EXPECT_FALSE(replicas.read());
    ASSERT_EQ(told().size(), 6U);
    EXPECT_THAT(told().back(), HasSubstr("times since the last such line"));
    // Another kind is told of at once.
    for (const auto& network : replicas.networks) network->always({Kind::kErrorInstead, ErrorCode::kPermissionDenied});
    EXPECT_FALSE(replicas.read());
    EXPECT_EQ(told().size(), 9U);
  }
  set_log_sink({}, LogLevel::kInfo);
}

TEST(ReplicatedReader, Marks_FadeWithTime) {
  Replicas r;
  for (int i = 1; i < 3; ++i) r.networks[static_cast<std::size_t>(i)]->always(StoreVerb::kRead, {.kind = Kind::kDelay, .delay = 50ms});
  r.networks[0]->plan(StoreVerb::kRead, {.kind = Kind::kFlip});
  EXPECT_EQ(*r.read(), r.expected);
  r.clock.advance(24h);
  EXPECT_EQ(r.reader().in_order(r.copies).front().network, "one");
}

TEST(ReplicatedReader, OneBadRecord_IsTakenFromTheNextNetworkAlone) {
  Replicas r;
  r.networks[0]->plan(StoreVerb::kRead, {.kind = Kind::kFlip});
  EXPECT_EQ(*r.read(), r.expected);
  // One flipped bit spoils at most one record of four: the second network was asked for that one only.
  EXPECT_EQ(r.networks[1]->calls(StoreVerb::kRead) + r.networks[2]->calls(StoreVerb::kRead), 1);
}

TEST(ReplicatedReader, AnyFault_IsOvercomeByTheLastGoodNetwork) {
  for (const Fault& fault : {Fault{.kind = Kind::kErrorInstead, .code = ErrorCode::kUnavailable},
                             Fault{.kind = Kind::kErrorInstead, .code = ErrorCode::kNotFound},
                             Fault{.kind = Kind::kErrorInstead, .code = ErrorCode::kPermissionDenied},
                             Fault{.kind = Kind::kErrorInstead, .code = ErrorCode::kDeadlineExceeded},
                             Fault{.kind = Kind::kTruncate}, Fault{.kind = Kind::kFlip}}) {
    Replicas r;
    r.networks[0]->always(StoreVerb::kRead, fault);
    r.networks[1]->always(StoreVerb::kRead, fault);
    EXPECT_EQ(*r.read(), r.expected);
    EXPECT_EQ(*r.reader().read_object(r.copies, sha256(r.pack), {}), r.pack);
  }
}

TEST(ReplicatedReader, NoGoodCopyAnywhere_SaysWhatEachNetworkAnswered) {
  Replicas r;
  r.networks[0]->always(StoreVerb::kRead, {.kind = Kind::kErrorInstead, .code = ErrorCode::kNotFound});
  r.networks[1]->always(StoreVerb::kRead, {.kind = Kind::kFlip});
  r.networks[2]->always(StoreVerb::kRead, {.kind = Kind::kTruncate});
  const std::vector<RecordRange> one = {r.records[0]};
  const auto failed = r.reader().read_records(r.copies, one, {});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::kCorrupt);
  for (const char* name : {"one", "two", "three"}) EXPECT_THAT(failed.error().message(), HasSubstr(name));
  r.networks[2]->always(StoreVerb::kRead, {.kind = Kind::kErrorInstead, .code = ErrorCode::kUnavailable});
  EXPECT_EQ(r.reader().read_records(r.copies, one, {}).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(r.reader().read_records({}, one, {}).error().code(), ErrorCode::kNotFound);
}

TEST(ReplicatedReader, ReplyThatMakesNoSense_IsNoProofOfAbsence) {
  for (const ErrorCode code : {ErrorCode::kOutOfRange, ErrorCode::kInvalidArgument, ErrorCode::kUntrusted}) {
    Replicas r;
    r.networks[0]->always(StoreVerb::kRead, {.kind = Kind::kErrorInstead, .code = code});
    for (int i = 1; i < 3; ++i) r.networks[static_cast<std::size_t>(i)]->always(StoreVerb::kRead, {.kind = Kind::kErrorInstead, .code = ErrorCode::kNotFound});
    EXPECT_EQ(r.read().error().code(), ErrorCode::kCorrupt) << error_code_name(code);
    r.networks[0]->always(StoreVerb::kRead, {.kind = Kind::kErrorInstead, .code = ErrorCode::kNotFound});
    EXPECT_EQ(r.read().error().code(), ErrorCode::kNotFound);
  }
}

/// A network with a second place that is as good as its first should be.
class TwoPlaces final : public StoreDecorator {
 public:
  using StoreDecorator::StoreDecorator;
  Status read_elsewhere(const ObjectRef& ref, std::uint64_t offset, MutableByteView out,
                        const CallContext& context) override {
    return inner().read(ref, offset, out, context);
  }

 protected:
  Status around(const StoreCall&, const CallContext& context, const Attempt& attempt) override { return attempt(context); }
};

TEST(ReplicatedReader, OnlyNetworkIsRotten_ItsOtherPlacesAreAsked) {
  Replicas r;
  const auto memory = std::make_shared<MemoryStore>(MemoryStore::Options{.name = "ipfs", .object_size_max_bytes = 0});
  const auto ref = memory->put("packs/0a", r.pack, {});
  ASSERT_TRUE(ref);
  const auto rotten = std::make_shared<FaultyStore>(std::make_shared<TwoPlaces>(memory), r.clock, 1);
  rotten->always(StoreVerb::kRead, {.kind = Kind::kFlip});
  SeededRandom random(1);
  const NetworkSet set({stack_network(rotten, r.clock, random).store});
  ReplicatedReader reader(set, r.clock);
  EXPECT_EQ(Replicas::bytes_of(*reader.read_records({{"ipfs", *ref}}, r.records, {})), r.expected);
  EXPECT_EQ(*reader.read_object({{"ipfs", *ref}}, sha256(r.pack), {}), r.pack);
  EXPECT_EQ(reader.faults().at("ipfs").corrupt, 2U);
}

TEST(ReplicatedReader, SlowNetwork_GetsCompanyAndTheFirstGoodAnswerWins) {
  Replicas r(FakeClock::Sleep::kManual);
  r.options = {};
  r.networks[0]->plan(StoreVerb::kRead, {.kind = Kind::kDelay, .delay = 1h});
  r.networks[1]->plan(StoreVerb::kRead, {.kind = Kind::kFlip});
  Result<std::vector<VerifiedRecord>> got = std::vector<VerifiedRecord>{};
  {
    const std::vector<RecordRange> one = {r.records[0]};
    const std::jthread reading([&] { got = r.reader().read_records(r.copies, one, {}); });
    r.clock.wait_for_sleepers(1);
    r.clock.advance(r.options.hedge_max);  // network two is asked, lies, and three is asked without a further wait
  }
  EXPECT_EQ(r.networks[1]->faults(StoreVerb::kRead), 1);
  EXPECT_EQ(r.networks[2]->calls(StoreVerb::kRead), 1);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_TRUE(got->front() == r.expected[0]);
}

TEST(ReplicatedReader, Cancellation_IsHeardWhileEveryNetworkHangs) {
  Replicas r(FakeClock::Sleep::kManual);
  r.options = {};
  for (auto& network : r.networks) network->always(StoreVerb::kRead, {.kind = Kind::kDelay, .delay = 1h});
  std::stop_source stop;
  std::optional<ErrorCode> seen;
  {
    const std::jthread reading([&] {
      seen = r.reader().read_records(r.copies, r.records, {.deadline = MonoTime::max(), .stop = stop.get_token()}).error().code();
    });
    r.clock.wait_for_sleepers(1);
    stop.request_stop();
  }
  EXPECT_EQ(seen, ErrorCode::kCancelled);
}

TEST(ReplicatedReader, FastNetwork_IsPreferredOnceMeasured) {
  Replicas r;
  r.networks[0]->always(StoreVerb::kRead, {.kind = Kind::kDelay, .delay = 80ms});
  r.networks[1]->always(StoreVerb::kRead, {.kind = Kind::kDelay, .delay = 40ms});
  r.networks[2]->always(StoreVerb::kRead, {.kind = Kind::kDelay, .delay = 1ms});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(*r.read(), r.expected);
  EXPECT_EQ(r.reader().in_order(r.copies).front().network, "three");
}

}  // namespace
}  // namespace holdfast
