// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <future>
#include <thread>

#include "tests/ingest/ingest_rig.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::FakeClock;
using testing::IngestRig;

TEST(IngestPipeline, SubmittedChunk_ReadsBackAlsoAfterCommitAndRestart) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  std::vector<std::pair<Bytes, ChunkRef>> chunks;
  for (const std::size_t size : {1U, 100U, 32'768U, 65'536U, 262'144U}) {
    const Bytes plain = rig.random.bytes(size);
    const auto ref = rig.submit(plain);
    ASSERT_TRUE(ref) << ref.error().message();
    EXPECT_EQ(ref->plain_size_bytes, size);
    chunks.emplace_back(plain, *ref);
  }
  ASSERT_TRUE(rig.pipeline->commit());
  for (int round = 0; round < 2; ++round) {
    for (const auto& [plain, ref] : chunks) {
      const auto back = rig.source->read(ref, {});
      ASSERT_TRUE(back) << back.error().message();
      EXPECT_EQ(*back, plain);
    }
    ASSERT_TRUE(rig.open());
    EXPECT_EQ(rig.report.records_lost, 0U);
  }
}

TEST(IngestPipeline, EqualChunks_AreStoredOnceAlsoWhenTheyComeTogether) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const auto plain = std::make_shared<const Bytes>(rig.random.bytes(50'000));
  std::vector<std::shared_ptr<ChunkTicket>> tickets;
  for (int i = 0; i < 64; ++i) tickets.push_back(rig.pipeline->submit(7, {plain}));
  const auto first = tickets[0]->wait();
  ASSERT_TRUE(first);
  for (const auto& ticket : tickets) EXPECT_EQ(*ticket->wait(), *first);
  const auto other_domain = rig.submit(*plain, 8);
  ASSERT_TRUE(other_domain);
  EXPECT_NE(other_domain->id, first->id);
  const IngestCounters counters = rig.pipeline->counters();
  EXPECT_EQ(counters.chunks_new, 2U);
  EXPECT_EQ(counters.chunks_known, 63U);
  EXPECT_EQ(counters.bytes_in, 65U * 50'000U);
  EXPECT_EQ(counters.bytes_new, 100'000U);
}

TEST(IngestPipeline, ChunksOfOneCall_GetTheirTicketsInOrderAndWaitForRoom) {
  IngestRig rig;
  rig.options.queue_max_bytes = 100'000;  // two of them
  ASSERT_TRUE(rig.open());
  std::vector<PlainChunk> plains;
  for (int i = 0; i < 20; ++i) plains.push_back({SharedBytes::copy_of(rig.random.bytes(40'000))});
  plains.push_back(plains[3]);
  const auto tickets = rig.pipeline->submit_all(7, plains, nullptr);
  ASSERT_EQ(tickets.size(), plains.size());
  for (std::size_t i = 0; i < plains.size(); ++i) {
    const auto ref = tickets[i]->wait();
    ASSERT_TRUE(ref) << ref.error().message();
    const auto back = rig.source->read(*ref, {});
    ASSERT_TRUE(back) << back.error().message();
    EXPECT_TRUE(*back == plains[i].plain.view()) << i;
  }
  EXPECT_EQ(*tickets.back()->wait(), *tickets[3]->wait());
  EXPECT_EQ(rig.pipeline->counters().chunks_new, 20U);
  EXPECT_TRUE(rig.pipeline->submit_all(7, {}, nullptr).empty());
}

TEST(IngestPipeline, PutThatRunsOutOfMemory_LeavesNobodyWaiting) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const Bytes plain = rig.random.bytes(4'000);
  const auto first = rig.pipeline->put(7, ChunkKind::kTree, plain, {});
  ASSERT_TRUE(first) << first.error().message();
  rig.move_to_networks({"a"});
  rig.memory_runs_out = true;
  EXPECT_THROW((void)rig.pipeline->put(7, ChunkKind::kTree, plain, {}).has_value(), std::bad_alloc);
  EXPECT_EQ(rig.pipeline->put(7, ChunkKind::kTree, plain, {}).value(), *first);
}

TEST(IngestPipeline, KnownAfterRestart_IsFoundThroughTheIndex) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const Bytes plain = rig.random.bytes(40'000);
  const auto first = rig.submit(plain);
  ASSERT_TRUE(first);
  rig.move_to_networks({"a"});
  const auto again = rig.submit(plain);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *first);
}

TEST(IngestPipeline, KnownInALostPack_IsStoredAnew) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const Bytes plain = rig.random.bytes(40'000);
  const auto first = rig.submit(plain);
  ASSERT_TRUE(first);
  rig.move_to_networks({"a"});
  const PackId pack = rig.stage->table().find(rig.index->find(first->id).value()->pack)->id;
  rig.damaged.insert(pack);
  const auto anew = rig.submit(plain);
  ASSERT_TRUE(anew);
  EXPECT_NE(anew->id, first->id);
  EXPECT_EQ(rig.submit(plain).value(), *anew);
}

TEST(IngestPipeline, KnownInAStagedPackWhoseFileWent_IsStoredAnew) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const Bytes plain = rig.random.bytes(40'000);
  const auto first = rig.submit(plain);
  ASSERT_TRUE(first);
  ASSERT_TRUE(rig.stage->close_open_packs());
  ASSERT_TRUE(rig.journal->commit());
  const StagedPack pack = rig.stage->closed_packs().at(0);
  rig.close();
  ASSERT_TRUE(std::filesystem::remove(pack.path));
  ASSERT_TRUE(rig.open());
  const auto anew = rig.submit(plain);
  ASSERT_TRUE(anew);
  EXPECT_NE(anew->id, first->id);
}

TEST(IngestPipeline, KilledBeforeCommit_DoesNotKnowTheChunkAnyMore) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const Bytes plain = rig.random.bytes(40'000);
  const auto torn = rig.submit(plain);
  ASSERT_TRUE(torn);
  ASSERT_TRUE(rig.open());  // without a commit, with the same index
  const auto stored = rig.submit(plain);
  ASSERT_TRUE(stored);
  EXPECT_NE(stored->id, torn->id);
  EXPECT_EQ(rig.source->read(*torn, {}).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(*rig.source->read(*stored, {}), plain);
}

TEST(IngestPipeline, Nodes_KeepTheirChildrenInThePack) {
  IngestRig rig;
  ASSERT_TRUE(rig.open());
  const auto child = rig.submit(rig.random.bytes(5'000));
  ASSERT_TRUE(child);
  const Bytes node = rig.random.bytes(300);
  const auto ref = rig.pipeline->put(7, ChunkKind::kTree, node, {&child->id, 1});
  ASSERT_TRUE(ref);
  EXPECT_EQ(rig.pipeline->put(7, ChunkKind::kTree, node, {&child->id, 1}).value(), *ref);
  EXPECT_NE(rig.pipeline->put(7, ChunkKind::kList, node, {}).value().id, ref->id);
  EXPECT_EQ(*rig.source->read(*ref, {}), node);
  ASSERT_TRUE(rig.stage->close_open_packs());
  const StagedPack pack = rig.stage->closed_packs().at(0);
  const auto directory = verify_pack(testing::file_bytes(pack.path), &pack.id, rig.maintenance_key);
  ASSERT_TRUE(directory);
  EXPECT_EQ(directory->entries[1].children, std::vector<ChunkId>{child->id});
}

TEST(IngestPipeline, ManyWithoutACommit_AreCommittedByThemselves) {
  IngestRig rig;
  rig.options.uncommitted_records_max = 10;
  ASSERT_TRUE(rig.open());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(rig.pipeline->put(7, ChunkKind::kTree, rig.random.bytes(64), {}));
  EXPECT_LT(rig.stage->uncommitted_records(), 11U);
  EXPECT_GE(rig.journal->sync_count(), 4U);
}

TEST(IngestPipeline, ManyThreads_EachChunkComesBackRight) {
  IngestRig rig;
  rig.pack_target_bytes = 300'000;
  ASSERT_TRUE(rig.open());
  std::vector<std::jthread> writers;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    writers.emplace_back([&rig, seed] {
      testing::SeededRandom random(seed % 2);  // two pairs of writers with equal data
      std::vector<std::pair<Bytes, std::shared_ptr<ChunkTicket>>> sent;
      for (int i = 0; i < 60; ++i) {
        const Bytes plain = random.bytes(1 + random.next_below(30'000));
        sent.emplace_back(plain, rig.pipeline->submit(7, {std::make_shared<const Bytes>(plain)}));
        if (i % 20 == 19) {
          ASSERT_TRUE(rig.pipeline->commit());
        }
      }
      for (const auto& [plain, ticket] : sent) {
        const auto ref = ticket->wait();
        ASSERT_TRUE(ref);
        const auto back = rig.source->read(*ref, {});
        ASSERT_TRUE(back) << back.error().message();
        ASSERT_EQ(*back, plain);
      }
    });
  }
  writers.clear();
  EXPECT_EQ(rig.pipeline->counters().chunks_new, 120U);
  EXPECT_EQ(rig.pipeline->counters().chunks_known, 120U);
}

TEST(StagePressure, FullStaging_ParksAndGoesOnAfterADrop) {
  IngestRig rig(FakeClock::Sleep::kManual);
  rig.limit_bytes = 400'000;
  rig.pack_target_bytes = 50'000;
  ASSERT_TRUE(rig.open());
  while (rig.pipeline->pressure().admits(20'000)) ASSERT_TRUE(rig.submit(rig.random.bytes(20'000)));
  std::promise<Status> resumed;
  auto answer = resumed.get_future();
  rig.pipeline->pressure().when_relieved([&](Status status) { resumed.set_value(std::move(status)); });
  rig.clock.wait_for_sleepers(1);
  EXPECT_EQ(answer.wait_for(0s), std::future_status::timeout);
  ASSERT_TRUE(rig.stage->close_open_packs());
  for (const StagedPack& pack : rig.stage->closed_packs()) ASSERT_TRUE(rig.stage->drop(pack.number));
  EXPECT_TRUE(answer.get());
  EXPECT_TRUE(rig.pipeline->pressure().admits(20'000));
}

TEST(StagePressure, NoReliefUntilTheDeadline_IsNoSpace) {
  IngestRig rig(FakeClock::Sleep::kManual);
  rig.limit_bytes = 400'000;
  rig.pack_target_bytes = 50'000;
  ASSERT_TRUE(rig.open());
  while (rig.pipeline->pressure().admits(20'000)) ASSERT_TRUE(rig.submit(rig.random.bytes(20'000)));
  std::promise<Status> resumed;
  auto answer = resumed.get_future();
  rig.pipeline->pressure().when_relieved([&](Status status) { resumed.set_value(std::move(status)); });
  rig.clock.wait_for_sleepers(1);
  rig.clock.advance(599s);
  EXPECT_EQ(answer.wait_for(0s), std::future_status::timeout);
  rig.clock.advance(1s);
  const Status status = answer.get();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kNoSpace);
  // Without waiting, the hard limit refuses, and each refused ticket says so; what is staged stays readable.
  Result<ChunkRef> last = rig.submit(rig.random.bytes(20'000));
  for (int i = 0; i < 20 && last; ++i) last = rig.submit(rig.random.bytes(20'000));
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code(), ErrorCode::kNoSpace);
  EXPECT_TRUE(rig.pipeline->put(7, ChunkKind::kTree, rig.random.bytes(100), {}));
}

TEST(StagePressure, ClosingWhileParked_AnswersCancelled) {
  IngestRig rig(FakeClock::Sleep::kManual);
  rig.limit_bytes = 400'000;
  ASSERT_TRUE(rig.open());
  while (rig.pipeline->pressure().admits(20'000)) ASSERT_TRUE(rig.submit(rig.random.bytes(20'000)));
  std::promise<Status> resumed;
  auto answer = resumed.get_future();
  rig.pipeline->pressure().when_relieved([&](Status status) { resumed.set_value(std::move(status)); });
  rig.close();
  EXPECT_EQ(answer.get().error().code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace holdfast
