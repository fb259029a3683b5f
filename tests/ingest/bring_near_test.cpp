// SPDX-License-Identifier: Apache-2.0
// What is far is brought near, sealed, in few requests; what is at hand stays where it is.
#include <gtest/gtest.h>

#include <thread>

#include "core/crypto/hash.h"
#include "core/ingest/recent_records.h"
#include "tests/ingest/ingest_rig.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::FakeClock;
using testing::Fault;
using testing::IngestRig;
using Kind = Fault::Kind;

struct Stored {
  std::vector<Bytes> plains;
  std::vector<ChunkRef> refs;
};

Stored store_chunks(IngestRig& rig, int count) {
  Stored stored;
  for (int i = 0; i < count; ++i) {
    stored.plains.push_back(rig.random.bytes(10'000));
    stored.refs.push_back(rig.submit(stored.plains.back()).value());
  }
  return stored;
}

void wait_for_bytes(const IngestRig& rig, std::uint64_t bytes) {
  while (rig.source->counters().network_bytes < bytes) std::this_thread::yield();
}

TEST(BringNear, Neighbours_ComeInOneRequestAndStaySealed) {
  IngestRig rig(FakeClock::Sleep::kManual);
  ASSERT_TRUE(rig.open());
  const Stored stored = store_chunks(rig, 20);
  rig.move_to_networks({"b"});
  rig.source->bring_near(stored.refs);
  wait_for_bytes(rig, 20U * 10'000U);
  for (std::size_t i = 0; i < stored.refs.size(); ++i) EXPECT_EQ(*rig.source->read(stored.refs[i], {}), stored.plains[i]);
  EXPECT_EQ(rig.faulty["b"]->calls(StoreVerb::kRead), 1);
  EXPECT_EQ(rig.source->counters().cache_hits, 20U);  // not opened before somebody read them
}

TEST(BringNear, ReaderWhoComesMeanwhile_DoesNotFetchASecondTime) {
  IngestRig rig(FakeClock::Sleep::kManual);
  ASSERT_TRUE(rig.open());
  const Stored stored = store_chunks(rig, 20);
  rig.move_to_networks({"b"});
  rig.faulty["b"]->plan(StoreVerb::kRead, {.kind = Kind::kDelay, .delay = 1s});
  rig.source->bring_near(stored.refs);
  while (rig.faulty["b"]->calls(StoreVerb::kRead) == 0) std::this_thread::yield();
  std::jthread reader([&] {
    for (std::size_t i = 0; i < stored.refs.size(); ++i) EXPECT_EQ(*rig.source->read(stored.refs[i], {}), stored.plains[i]);
  });
  rig.clock.advance(1s);
  reader.join();
  EXPECT_EQ(rig.faulty["b"]->calls(StoreVerb::kRead), 1);
}

TEST(BringNear, NetworkThatFails_LeavesItToTheReader) {
  IngestRig rig(FakeClock::Sleep::kManual);
  ASSERT_TRUE(rig.open());
  const Stored stored = store_chunks(rig, 5);
  rig.move_to_networks({"b"});
  rig.faulty["b"]->plan(StoreVerb::kRead, {Kind::kErrorInstead, ErrorCode::kUnavailable});
  rig.source->bring_near(stored.refs);
  while (rig.faulty["b"]->calls(StoreVerb::kRead) == 0) std::this_thread::yield();
  for (std::size_t i = 0; i < stored.refs.size(); ++i) EXPECT_EQ(*rig.source->read(stored.refs[i], {}), stored.plains[i]);
}

TEST(BringNear, ChainOfDifferences_ComesWhole) {
  IngestRig rig(FakeClock::Sleep::kManual);
  rig.features = make_memory_feature_table();
  ASSERT_TRUE(rig.open());
  Bytes plain = rig.random.bytes(60'000);
  std::vector<ChunkRef> versions;
  for (int version = 0; version < 4; ++version) {
    plain[static_cast<std::size_t>(version) * 1000] ^= 1;
    versions.push_back(rig.submit(plain).value());
  }
  ASSERT_GT(rig.pipeline->counters().chunks_differences, 0U);
  rig.move_to_networks({"b"});
  rig.source->bring_near({&versions.back(), 1});
  wait_for_bytes(rig, 60'000);
  EXPECT_EQ(*rig.source->read(versions.back(), {}), plain);
  const int calls = rig.faulty["b"]->calls(StoreVerb::kRead);
  ASSERT_TRUE(rig.open());  // memory is empty, the cache is not
  EXPECT_EQ(*rig.source->read(versions.back(), {}), plain);
  EXPECT_EQ(rig.faulty["b"]->calls(StoreVerb::kRead), calls);
}

TEST(BringNear, WhatIsAtHand_IsNeitherAskedForNorCached) {
  IngestRig rig(FakeClock::Sleep::kManual);
  rig.source_options.prefetch_threads = 1;
  ASSERT_TRUE(rig.open());
  const Stored at_hand = store_chunks(rig, 3);
  rig.move_to_networks({"a", "b"});
  const Stored far = store_chunks(rig, 1);
  rig.move_to_networks({"b"});
  rig.source->bring_near(at_hand.refs);
  rig.source->bring_near(far.refs);
  wait_for_bytes(rig, 10'000);  // the one thread takes its jobs in order
  EXPECT_EQ(rig.faulty["a"]->calls(StoreVerb::kRead), 0);
  EXPECT_EQ(rig.faulty["b"]->calls(StoreVerb::kRead), 1);
  for (std::size_t i = 0; i < at_hand.refs.size(); ++i) EXPECT_EQ(*rig.source->read(at_hand.refs[i], {}), at_hand.plains[i]);
  EXPECT_EQ(rig.source->counters().cache_hits, 0U);
  for (const ChunkRef& ref : at_hand.refs) EXPECT_FALSE(rig.cache->get(ref.id));
}

TEST(BringNear, NetworkAtHandThatFails_IsNotCountedOn) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const Stored stored = store_chunks(rig, 2);
  rig.move_to_networks({"a", "b"});
  rig.faulty["a"]->always(StoreVerb::kRead, {Kind::kErrorInstead, ErrorCode::kUnavailable});
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(*rig.source->read(stored.refs[i], {}), stored.plains[i]);
  for (const ChunkRef& ref : stored.refs) EXPECT_TRUE(rig.cache->get(ref.id));  // it came from afar
}

TEST(RecentRecords, WhatNeighboursLeanOn_IsReadFromANetworkAtHandOnce) {
  IngestRig rig;
  rig.plain_cache_bytes = 0;  // nothing stays open
  rig.features = make_memory_feature_table();
  ASSERT_TRUE(rig.open());
  Bytes plain = rig.random.bytes(60'000);
  std::vector<Bytes> plains;
  std::vector<ChunkRef> versions;
  for (int version = 0; version < 3; ++version) {
    plain[static_cast<std::size_t>(version) * 1000] ^= 1;
    plains.push_back(plain);
    versions.push_back(rig.submit(plain).value());
  }
  ASSERT_GT(rig.pipeline->counters().chunks_differences, 0U);
  rig.move_to_networks({"a"});
  EXPECT_EQ(*rig.source->read(versions[2], {}), plains[2]);
  const int calls = rig.faulty["a"]->calls(StoreVerb::kRead);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(*rig.source->read(versions[1], {}), plains[1]);
  EXPECT_EQ(rig.faulty["a"]->calls(StoreVerb::kRead), calls);
}

TEST(RecentRecords, Bound_IsKeptAndTheOldestGo) {
  testing::SeededRandom random(3);
  RecentRecords recent;
  std::vector<VerifiedRecord> records;
  for (int i = 0; i < 40; ++i) {
    const SharedBytes bytes = SharedBytes::of(random.bytes(1'000'000));
    records.push_back(VerifiedRecord::check(openssl_chunk_hasher().chunk_id(bytes.view()), bytes).value());
    recent.put(records.back());
    recent.put(records.back());  // counted once
  }
  const std::size_t kept = RecentRecords::kBytesMax / 1'000'000;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto found = recent.get(records[i].id());
    EXPECT_EQ(found.has_value(), i + kept >= records.size()) << i;
    EXPECT_TRUE(!found || *found == records[i].view());
  }
}

TEST(BringNear, WorthAhead_GrowsWithTheWayAndIsNoneAtHand) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const Stored at_hand = store_chunks(rig, 1);
  rig.move_to_networks({"a"});
  const Stored small = store_chunks(rig, 21);
  const ChunkRef large = rig.submit(rig.random.bytes(1'000'000)).value();
  rig.move_to_networks({"b"});
  const auto read_after = [&](const ChunkRef& ref, std::chrono::milliseconds delay) {
    rig.faulty["b"]->plan(StoreVerb::kRead, {.kind = Kind::kDelay, .delay = delay});
    ASSERT_TRUE(rig.source->read(ref, {}));
  };
  EXPECT_EQ(rig.source->worth_ahead_bytes(), 0U);
  ASSERT_TRUE(rig.source->read(at_hand.refs[0], {}));
  EXPECT_EQ(rig.source->worth_ahead_bytes(), 0U);
  read_after(small.refs[0], 100ms);
  const std::uint64_t unmeasured = rig.source->worth_ahead_bytes();
  EXPECT_GT(unmeasured, 0U);
  read_after(large, 1s);  // 100 KB come in the time of a way there and back: a short window does
  const std::uint64_t slow = rig.source->worth_ahead_bytes();
  EXPECT_GT(slow, 0U);
  EXPECT_LT(slow, unmeasured);
  for (std::size_t i = 1; i < small.refs.size(); ++i) read_after(small.refs[i], 2s);  // the way becomes longer, the rate stays
  EXPECT_GT(rig.source->worth_ahead_bytes(), slow);
}

}  // namespace
}  // namespace holdfast
