// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <thread>

#include "tests/ingest/ingest_rig.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::FakeClock;
using testing::Fault;
using testing::IngestRig;
using Kind = Fault::Kind;

struct Chunk {
  Bytes plain;
  ChunkRef ref;
};

std::vector<Chunk> store_chunks(IngestRig& rig, int count, std::size_t size = 10'000) {
  std::vector<Chunk> chunks;
  for (int i = 0; i < count; ++i) {
    Bytes plain = rig.random.bytes(size);
    const auto ref = rig.submit(plain);
    EXPECT_TRUE(ref);
    chunks.push_back({std::move(plain), *ref});
  }
  return chunks;
}

TEST(StoredChunkSource, ChunkOnNetworksOnly_IsFetchedOnceAndThenCached) {
  IngestRig rig;  // network b is far away
  ASSERT_TRUE(rig.open());
  const auto chunks = store_chunks(rig, 3);
  rig.move_to_networks({"b"});
  EXPECT_EQ(*rig.source->read(chunks[1].ref, {}), chunks[1].plain);
  EXPECT_EQ(rig.source->counters().network_reads, 1U);
  ASSERT_TRUE(rig.open());  // memory is empty, the cache is not
  EXPECT_EQ(*rig.source->read(chunks[1].ref, {}), chunks[1].plain);
  EXPECT_EQ(rig.source->counters().network_reads, 0U);
  EXPECT_EQ(rig.source->counters().cache_hits, 1U);
  EXPECT_EQ(*rig.source->read(chunks[1].ref, {}), chunks[1].plain);
  EXPECT_EQ(rig.source->counters().plain_hits, 1U);
}

TEST(StoredChunkSource, LyingNetwork_IsPassedOverForAnHonestOne) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const auto chunks = store_chunks(rig, 10);
  rig.move_to_networks({"a", "b"});
  rig.faulty["a"]->always(StoreVerb::kRead, {Kind::kFlip, ErrorCode::kUnavailable});
  for (const Chunk& chunk : chunks) {
    const auto back = rig.source->read(chunk.ref, {});
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(*back, chunk.plain);
  }
}

TEST(StoredChunkSource, AllNetworksLie_IsCorruptAndNamesThem) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const auto chunks = store_chunks(rig, 1);
  rig.move_to_networks({"a", "b"});
  for (auto& [name, store] : rig.faulty) store->always(StoreVerb::kRead, {Kind::kFlip, ErrorCode::kUnavailable});
  const auto back = rig.source->read(chunks[0].ref, {});
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(back.error().message(), HasSubstr("chunk " + chunks[0].ref.id.hex().substr(0, 16)));
}

TEST(StoredChunkSource, DamagedStaging_FallsBackToANetwork) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const auto chunks = store_chunks(rig, 1);
  ASSERT_TRUE(rig.stage->close_open_packs());
  const StagedPack pack = rig.stage->closed_packs().at(0);
  Bytes content = testing::file_bytes(pack.path);
  const auto ref = rig.networks->find("a")->put("packs/" + pack.id.hex(), content, {});
  ASSERT_TRUE(ref);
  content[500] ^= 1;
  testing::write_file(pack.path, content);
  EXPECT_EQ(rig.source->read(chunks[0].ref, {}).error().code(), ErrorCode::kNotFound);
  rig.copies_[pack.id].push_back({"a", *ref});
  EXPECT_EQ(*rig.source->read(chunks[0].ref, {}), chunks[0].plain);
  EXPECT_EQ(rig.source->counters().staging_faults, 2U);
  EXPECT_TRUE(verify_record(chunks[0].ref.id, rig.source->read_record(chunks[0].ref.id, {})->view()));
}

TEST(StoredChunkSource, WrongKeyOrUnknownId_IsAnErrorNeverBytes) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const auto chunks = store_chunks(rig, 1);
  ASSERT_TRUE(rig.source->read(chunks[0].ref, {}));  // now in memory
  ChunkRef wrong = chunks[0].ref;
  wrong.key.bytes[0] ^= 1;
  EXPECT_FALSE(rig.source->read(wrong, {}));
  wrong = chunks[0].ref;
  wrong.id.bytes[3] ^= 1;
  EXPECT_EQ(rig.source->read(wrong, {}).error().code(), ErrorCode::kNotFound);
}

TEST(StoredChunkSource, ManyReadersOfOneChunk_CostOneRequest) {
  IngestRig rig(FakeClock::Sleep::kManual);
  ASSERT_TRUE(rig.open());
  const auto chunks = store_chunks(rig, 1);
  rig.move_to_networks({"a"});
  rig.faulty["a"]->plan(StoreVerb::kRead, {Kind::kDelay, ErrorCode::kUnavailable, 1s});
  std::vector<std::jthread> readers;
  for (int i = 0; i < 8; ++i) {
    readers.emplace_back([&] {
      const auto back = rig.source->read(chunks[0].ref, {});
      ASSERT_TRUE(back) << back.error().message();
      EXPECT_EQ(*back, chunks[0].plain);
    });
  }
  rig.clock.wait_for_sleepers(1);
  rig.clock.advance(1s);
  readers.clear();
  EXPECT_EQ(rig.faulty["a"]->calls(StoreVerb::kRead), 1);
}

TEST(StoredChunkSource, ReaderThatIsCalledOff_LeavesTheOthersTheirAnswer) {
  IngestRig rig(FakeClock::Sleep::kManual);
  ASSERT_TRUE(rig.open());
  const auto chunks = store_chunks(rig, 1);
  rig.move_to_networks({"a"});
  rig.faulty["a"]->plan(StoreVerb::kRead, {Kind::kDelay, ErrorCode::kUnavailable, 1h});
  std::stop_source stop;
  std::jthread first([&] {
    CallContext context;
    context.stop = stop.get_token();
    const auto back = rig.source->read(chunks[0].ref, context);
    ASSERT_FALSE(back);
    EXPECT_EQ(back.error().code(), ErrorCode::kCancelled);
  });
  rig.clock.wait_for_sleepers(1);
  std::jthread second([&] {
    const auto back = rig.source->read(chunks[0].ref, {});
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_EQ(*back, chunks[0].plain);
  });
  stop.request_stop();
  first.join();
  second.join();
}

TEST(StoredChunkSource, Prefetch_FetchesNeighboursInOneRequest) {
  IngestRig rig(FakeClock::Sleep::kManual);  // a sleep that jumps would end the prefetch's own deadline
  ASSERT_TRUE(rig.open());
  const auto chunks = store_chunks(rig, 20);
  rig.move_to_networks({"a"});
  std::vector<ChunkRef> refs;
  for (const Chunk& chunk : chunks) refs.push_back(chunk.ref);
  rig.source->prefetch(refs);
  while (rig.source->counters().network_bytes < 20U * 10'000U) std::this_thread::yield();
  for (const Chunk& chunk : chunks) EXPECT_EQ(*rig.source->read(chunk.ref, {}), chunk.plain);
  EXPECT_EQ(rig.faulty["a"]->calls(StoreVerb::kRead), 1);
}

TEST(StoredChunkSource, PrefetchThatFails_IsNoAnswer) {
  IngestRig rig(FakeClock::Sleep::kManual);  // a sleep that jumps would end the prefetch's own deadline
  ASSERT_TRUE(rig.open());
  const auto chunks = store_chunks(rig, 5);
  rig.move_to_networks({"a"});
  rig.faulty["a"]->plan(StoreVerb::kRead, {Kind::kErrorInstead, ErrorCode::kNotFound});
  std::vector<ChunkRef> refs;
  for (const Chunk& chunk : chunks) refs.push_back(chunk.ref);
  rig.source->prefetch(refs);
  while (rig.faulty["a"]->calls(StoreVerb::kRead) == 0) std::this_thread::yield();
  for (const Chunk& chunk : chunks) EXPECT_EQ(*rig.source->read(chunk.ref, {}), chunk.plain);
}

TEST(StoredChunkSource, ChainOfDifferences_IsFollowedToTheWholeChunk) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  ChunkEncoder encoder(rig.random);
  Bytes plain = rig.random.bytes(20'000);
  std::vector<Chunk> chain;
  for (int depth = 0; depth <= 5; ++depth) {
    Fingerprint fp;
    ASSERT_TRUE(rig.random.fill(fp.mutable_view()));
    std::vector<ChunkId> bases;
    std::optional<EncodedChunk> encoded;
    if (depth == 0) {
      encoded = encoder.encode(ChunkKind::kData, plain, fp, {}).value();
    } else {
      bases = {chain.back().ref.id};
      encoded = encoder.encode_difference(ChunkKind::kData, plain, fp, {}, {{chain.back().ref}, chain.back().plain, depth - 1, 20'000}).value();
    }
    ASSERT_TRUE(encoded);
    NewRecord record;
    record.domain = 7;
    record.ref = encoded->ref;
    record.record = encoded->record;
    record.bases = bases;
    ASSERT_TRUE(rig.stage->append(record));
    chain.push_back({plain, encoded->ref});
    plain[static_cast<std::size_t>(depth) * 100] ^= 0xff;
  }
  rig.move_to_networks({"a"});
  EXPECT_EQ(*rig.source->read(chain.back().ref, {}), chain.back().plain);
  EXPECT_EQ(rig.source->counters().network_reads, 6U);
}

TEST(StoredChunkSource, BasesThatShareBases_AreReadOnceEachThoughMemoryKeepsNothing) {
  IngestRig rig;
  rig.plain_cache_bytes = 1;
  ASSERT_TRUE(rig.open());
  ChunkEncoder encoder(rig.random);
  const auto store = [&](const EncodedChunk& encoded, const std::vector<ChunkId>& bases) {
    ASSERT_TRUE(rig.stage->append({.domain = 7, .ref = encoded.ref, .record = encoded.record, .bases = bases}));
  };
  // Two chunks at each depth, both of which lean on both of the depth before: 2^12 ways lead down.
  std::vector<Chunk> level;
  for (int i = 0; i < 2; ++i) {
    const Bytes plain = rig.random.bytes(3'000);
    const EncodedChunk whole = encoder.encode(ChunkKind::kData, plain, {}, {}).value();
    store(whole, {});
    level.push_back({plain, whole.ref});
  }
  for (int depth = 0; depth < 12; ++depth) {
    Bytes joined = level[0].plain;
    append(joined, level[1].plain);
    std::vector<Chunk> above;
    for (int i = 0; i < 2; ++i) {
      Bytes plain(joined.begin() + 1'500, joined.begin() + 4'500);
      plain[static_cast<std::size_t>(i) * 7 + 1] ^= 0xff;
      const DifferenceBase base{{level[0].ref, level[1].ref}, joined, depth, 4'000};
      const auto lean = encoder.encode_difference(ChunkKind::kData, plain, {}, {}, base).value();
      ASSERT_TRUE(lean);
      store(*lean, {level[0].ref.id, level[1].ref.id});
      above.push_back({plain, lean->ref});
    }
    level = above;
  }
  rig.move_to_networks({"a"});
  EXPECT_EQ(*rig.source->read(level[0].ref, {}), level[0].plain);
  EXPECT_EQ(rig.source->counters().network_reads, 25U);
}

TEST(PlainCache, StaysWithinItsLimitAndForgetsTheOldest) {
  testing::SeededRandom random(4);
  PlainCache cache(160'000);
  std::vector<ChunkRef> refs;
  for (int i = 0; i < 200; ++i) {
    ChunkRef ref;
    ASSERT_TRUE(random.fill(ref.id.mutable_view()));
    cache.put(ref, {std::make_shared<const Bytes>(Bytes(2'000, 1)), 0});
    refs.push_back(ref);
    EXPECT_LE(cache.used_bytes(), 160'000U);
    EXPECT_TRUE(cache.get(ref).has_value());
  }
  EXPECT_FALSE(cache.get(refs.front()).has_value());
  ChunkRef large;
  cache.put(large, {std::make_shared<const Bytes>(Bytes(30'000, 1)), 0});
  EXPECT_FALSE(cache.get(large).has_value());
}

}  // namespace
}  // namespace holdfast
