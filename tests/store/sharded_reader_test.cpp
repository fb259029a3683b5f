// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/memory/memory_store.h"
#include "core/base/log.h"
#include "core/crypto/hash.h"
#include "core/store/pack_sources.h"
#include "core/store/replicated_reader.h"
#include "tests/support/fake_clock.h"
#include "tests/support/faulty_store.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::FakeClock;
using testing::Fault;
using testing::FaultyStore;
using testing::SeededRandom;
using Kind = Fault::Kind;

/// A pack of records in shards, one on each of as many networks.
struct Shards {
  explicit Shards(ErasureCode given = {2, 3}, FakeClock::Sleep sleep = FakeClock::Sleep::kJump) : code(given), clock(sleep) {
    SeededRandom random(12);
    for (std::size_t i = 0; i < 8; ++i) {
      const Bytes record = random.bytes(40'000 + 3 * i);
      records.push_back({openssl_chunk_hasher().chunk_id(record), pack.size(), static_cast<std::uint32_t>(record.size())});
      expected.push_back(record);
      append(pack, record);
    }
    std::vector<std::shared_ptr<ObjectStore>> stores;
    for (std::uint8_t i = 0; i < code.n; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      auto memory = std::make_shared<MemoryStore>(MemoryStore::Options{.name = name, .object_size_max_bytes = 0});
      const ShardPlan plan{code, i, {}, pack.size()};
      const MadeShard made = *make_shard(plan, [this](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
        return Bytes(pack.begin() + static_cast<std::ptrdiff_t>(offset), pack.begin() + static_cast<std::ptrdiff_t>(offset + size));
      });
      copies.push_back({name, *memory->put("packs/0a-" + std::to_string(i), made.object, {}), StoredShard{plan, made.id}});
      networks.push_back(std::make_shared<FaultyStore>(memory, clock, 5));
      stores.push_back(networks.back());
    }
    set = std::make_unique<NetworkSet>(stores);
    reader = std::make_unique<ReplicatedReader>(*set, clock, ReplicatedOptions{.hedge_max = 0ms});
  }
  /// One read for each record.
  Status read_all() {
    for (std::size_t i = 0; i < records.size(); ++i) {
      HOLDFAST_ASSIGN(const VerifiedRecord record, reader->read_record(copies, records[i], {}));
      if (Bytes(record.view().begin(), record.view().end()) != expected[i]) return Error(ErrorCode::kInternal, "a wrong byte");
    }
    return ok_status();
  }
  int reads(std::size_t i) const { return networks[i]->calls(StoreVerb::kRead); }
  void down(std::size_t i) { networks[i]->always({Kind::kErrorInstead, ErrorCode::kUnavailable}); }

  ErasureCode code;
  FakeClock clock;
  Bytes pack;
  std::vector<RecordRange> records;
  std::vector<Bytes> expected;
  std::vector<NetworkCopy> copies;
  std::vector<std::shared_ptr<FaultyStore>> networks;
  std::unique_ptr<NetworkSet> set;
  std::unique_ptr<ReplicatedReader> reader;
};

TEST(Shards, AllGood_EachRangeComesFromTheShardThatHasIt) {
  Shards s;
  ASSERT_TRUE(s.read_all());
  // Eight records, of which one lies in both.
  EXPECT_EQ(s.reads(0) + s.reads(1), 9);
  EXPECT_EQ(s.reads(2), 0);
}

TEST(Shards, AnyKOfThemAreEnough) {
  for (const ErasureCode code : {ErasureCode{2, 3}, ErasureCode{2, 4}, ErasureCode{3, 5}}) {
    for (unsigned lost = 0; lost < 1U << code.n; ++lost) {
      Shards s(code);
      int left = code.n;
      for (std::size_t i = 0; i < code.n; ++i) {
        if ((lost >> i & 1U) == 0) continue;
        s.down(i);
        --left;
      }
      const Status read = s.read_all();
      EXPECT_EQ(read.has_value(), left >= code.k) << code.text() << " without " << lost;
      if (!read) {
        EXPECT_EQ(read.error().code(), ErrorCode::kUnavailable) << read.error().message();
      }
    }
  }
}

TEST(Shards, TooFewLeft_SaysWhatEachNetworkAnswered) {
  Shards s;
  s.networks[0]->always(StoreVerb::kRead, {Kind::kErrorInstead, ErrorCode::kNotFound});
  s.networks[1]->always(StoreVerb::kRead, {Kind::kErrorInstead, ErrorCode::kNotFound});
  const auto read = s.reader->read_record(s.copies, s.records[0], {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kNotFound) << read.error().message();
  EXPECT_THAT(read.error().message(), HasSubstr("a says: "));
  EXPECT_THAT(read.error().message(), HasSubstr("b says: "));
  // One that may have it makes it a question of time.
  s.networks[1]->clear();
  s.down(1);
  EXPECT_EQ(s.reader->read_record(s.copies, s.records[0], {}).error().code(), ErrorCode::kUnavailable);
}

/// Whoever lies, alone or two of five: no wrong byte, and the liar is named.
TEST(Shards, Liars_AreFoundAndGoneAround) {
  for (const ErasureCode code : {ErasureCode{2, 3}, ErasureCode{3, 5}}) {
    for (unsigned lying = 1; lying < 1U << code.n; ++lying) {
      if (__builtin_popcount(lying) > code.n - code.k) continue;
      Shards s(code);
      for (std::size_t i = 0; i < code.n; ++i) {
        if (lying >> i & 1U) s.networks[i]->always(StoreVerb::kRead, {.kind = Kind::kFlip});
      }
      const Status read = s.read_all();
      ASSERT_TRUE(read) << read.error().message();
      const auto faults = s.reader->faults();
      for (std::size_t i = 0; i < code.n; ++i) {
        const auto found = faults.find(s.copies[i].network);
        const bool is_liar = (lying >> i & 1U) != 0;
        const bool was_asked = s.reads(i) > 0;
        if (is_liar && was_asked) {
          EXPECT_GT(found->second.corrupt, 0U) << code.text() << " " << lying << " " << i;
        } else if (found != faults.end()) {
          EXPECT_EQ(found->second.corrupt, 0U) << code.text() << " " << lying << " " << i;
        }
      }
    }
  }
}

TEST(Shards, MoreLiarsThanTheCodeBears_IsAnErrorAndNoWrongByte) {
  Shards s;
  s.networks[0]->always(StoreVerb::kRead, {.kind = Kind::kFlip});
  s.networks[2]->always(StoreVerb::kRead, {.kind = Kind::kFlip});
  const auto read = s.reader->read_record(s.copies, s.records[0], {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt) << read.error().message();
  // What lies in the shard that is left is still there.
  EXPECT_TRUE(s.reader->read_record(s.copies, s.records[7], {}));
}

TEST(Shards, SlowNetwork_IsDoneWithoutAfterAWhile) {
  Shards s({2, 3}, FakeClock::Sleep::kManual);
  s.networks[0]->always(StoreVerb::kRead, {.kind = Kind::kDelay, .delay = 1h});
  s.reader = std::make_unique<ReplicatedReader>(*s.set, s.clock, ReplicatedOptions{.hedge_max = 300ms});
  std::jthread time([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      s.clock.advance(10ms);
      std::this_thread::sleep_for(1ms);
    }
  });
  const MonoTime start = s.clock.mono_now();
  const auto read = s.reader->read_record(s.copies, s.records[0], {});
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_LT(s.clock.mono_now() - start, 30min);
  EXPECT_EQ(s.reads(1), 1);
  EXPECT_EQ(s.reads(2), 1);
}

TEST(Shards, WholeCopyBesides_IsAskedFirst) {
  Shards s;
  const auto ref = s.networks[2]->put("packs/0a", s.pack, {});
  ASSERT_TRUE(ref);
  s.copies.push_back({"c", *ref});
  ASSERT_TRUE(s.read_all());
  EXPECT_EQ(s.reads(0) + s.reads(1), 0);
  s.networks[2]->always(StoreVerb::kRead, {.kind = Kind::kFlip});
  EXPECT_TRUE(s.read_all());
}

TEST(Shards, CatalogThatNamesWhatCannotBe_IsNotBelieved) {
  Shards s;
  s.copies[0].shard->plan.pack_size_bytes = 1ULL << 29U;
  EXPECT_TRUE(s.read_all());
  s.copies[0].shard->plan.code.k = 0;
  EXPECT_TRUE(s.read_all());
  s.copies[1].shard->plan.index = 2;  // then it is the third's double
  EXPECT_FALSE(s.read_all());
}

TEST(Shards, OneThatIsNoShardAtAll_DoesNotHideTheOthers) {
  Shards s;
  s.copies[0].ref.size_bytes -= 1;
  EXPECT_TRUE(s.read_all());
  s.copies[0].network = "nowhere";
  EXPECT_TRUE(s.read_all());
}

TEST(Shards, ReadOfTheWholePack_LeavesOutWhoLied) {
  Shards s;
  s.networks[1]->always(StoreVerb::kRead, {.kind = Kind::kFlip});
  Bytes out(s.pack.size());
  const Status read = read_pack_from_any(*s.set, s.clock, s.copies, {}, {}, [&](ObjectReader& object, const ObjectRef& ref) -> Status {
    EXPECT_EQ(ref.size_bytes, s.pack.size());
    HOLDFAST_TRY(object.read(ref, 0, out, {}));
    return out == s.pack ? ok_status() : Status(Error(ErrorCode::kCorrupt, "wrong bytes"));
  });
  EXPECT_TRUE(read);
  EXPECT_TRUE(out == s.pack);
  // Nobody else has it, and the one that may is not to be asked.
  s.down(0);
  EXPECT_FALSE(read_pack_from_any(*s.set, s.clock, s.copies, "c", {}, [&](ObjectReader& object, const ObjectRef& ref) { return object.read(ref, 0, out, {}); }));
}

TEST(Shards, Probe_CountsThem) {
  Shards s;
  ShardedObject object(*s.set, s.clock, s.copies);
  EXPECT_EQ(object.traits().name, "a+b+c");
  EXPECT_EQ(*object.probe(object.ref(), {}), Durability::kDurable);
  ASSERT_TRUE(s.networks[0]->remove(s.copies[0].ref, {}));
  EXPECT_EQ(*object.probe(object.ref(), {}), Durability::kDurable);
  s.down(1);
  EXPECT_EQ(object.probe(object.ref(), {}).error().code(), ErrorCode::kUnavailable);
  s.networks[1]->clear();
  ASSERT_TRUE(s.networks[1]->remove(s.copies[1].ref, {}));
  EXPECT_EQ(*object.probe(object.ref(), {}), Durability::kAbsent);
  Bytes out(1);
  EXPECT_EQ(object.read(object.ref(), s.pack.size(), out, {}).error().code(), ErrorCode::kOutOfRange);
}

}  // namespace
}  // namespace holdfast
