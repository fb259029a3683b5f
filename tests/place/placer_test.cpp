// SPDX-License-Identifier: Apache-2.0
#include "core/place/placer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "tests/place/place_rig.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::FakeClock;
using testing::Fault;
using testing::MadeRecord;
using testing::PlaceRig;
using Kind = Fault::Kind;

TEST(Placer, ClosedPacks_GoToEveryNetworkOldestFirstAndLeaveStaging) {
  PlaceRig rig({"a", "b", "c"});
  rig.open_all();
  const StagedPack first = rig.add_pack();
  const StagedPack second = rig.add_pack();
  rig.placer->start();
  const StagedPack third = rig.add_pack();  // closed while it runs
  ASSERT_TRUE(rig.wait_all());
  rig.wait_empty();
  for (const StagedPack& pack : {first, second, third}) {
    EXPECT_EQ(rig.catalog.holders(pack.id), (std::set<std::string>{"a", "b", "c"}));
    EXPECT_EQ(rig.stage->table().find(pack.number)->state, PackState::kRemote);
  }
  for (const std::string name : {"a", "b", "c"}) {
    EXPECT_THAT(rig.catalog.order(name), ElementsAre(first.number, second.number, third.number));
    EXPECT_EQ(rig.faulty[name]->calls(StoreVerb::kPut), 3);
  }
  rig.placer->stop();
  EXPECT_THAT(rig.placer->pending(), IsEmpty());
}

TEST(Placer, CopyOnTheNetwork_IsTheWholePack) {
  PlaceRig rig({"a"});
  rig.open_all();
  const StagedPack pack = rig.add_pack();
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  const NetworkCopy copy = rig.catalog.copies(pack.id).at(0);
  Bytes object(pack.size_bytes);
  ASSERT_TRUE(rig.networks->find("a")->read(copy.ref, 0, object, {}));
  EXPECT_TRUE(verify_pack(object, &pack.id, rig.maintenance_key));
}

TEST(Placer, NetworkThatFails_IsTriedAgainUntilItTakesThePack) {
  PlaceRig rig({"a", "b"});
  rig.open_all();
  rig.faulty["b"]->plan(StoreVerb::kPut, {Kind::kErrorInstead, ErrorCode::kUnavailable}, 4);
  rig.add_pack();
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  EXPECT_EQ(rig.faulty["b"]->calls(StoreVerb::kPut), 5);
  EXPECT_EQ(rig.faulty["a"]->calls(StoreVerb::kPut), 1);
}

TEST(Placer, NetworkThatIsDown_StopsNeitherTheOthersNorTheQuorum) {
  PlaceRig rig({"a", "b", "c"}, FakeClock::Sleep::kManual);
  rig.open_all();
  rig.faulty["b"]->always({Kind::kErrorInstead, ErrorCode::kUnavailable});
  rig.placer->start();
  const StagedPack pack = rig.add_pack();
  ASSERT_TRUE(rig.placer->wait_placed(pack.number, {}, {}));
  EXPECT_EQ(rig.catalog.holders(pack.id), (std::set<std::string>{"a", "c"}));
  // Not all have it and there is room: the file stays for the one that is down.
  EXPECT_THAT(rig.stage->closed_packs(), SizeIs(1));
  CallContext called_off;
  std::stop_source stop;
  stop.request_stop();
  called_off.stop = stop.get_token();
  while (rig.placer->pending().empty() || rig.placer->pending()[0].failures == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto pending = rig.placer->pending();
  ASSERT_THAT(pending, SizeIs(1));
  EXPECT_EQ(pending[0].network, "b");
  EXPECT_EQ(pending[0].state, PlacementStatus::State::kFailed);
  const Status missing = rig.wait_all(called_off);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kCancelled);
  EXPECT_THAT(missing.error().message(), HasSubstr("on b ("));
  rig.faulty["b"]->clear();
  rig.placer->retry_now();
  ASSERT_TRUE(rig.wait_all());
  rig.wait_empty();
}

TEST(Placer, SampleThatReadsBackWrong_DoesNotCount) {
  PlaceRig rig({"a"});
  rig.catalog.quorum = 1;
  rig.open_all();
  rig.faulty["a"]->plan(StoreVerb::kRead, {Kind::kFlip, ErrorCode::kUnavailable}, 1);
  const StagedPack pack = rig.add_pack();
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  EXPECT_EQ(rig.catalog.copies(pack.id).size(), 1U);
  EXPECT_EQ(rig.faulty["a"]->calls(StoreVerb::kPut), 2);  // put again, since what it had was wrong
}

TEST(Placer, NetworkThatKeptOtherBytes_HasThemRemovedAndGetsThePackAgain) {
  for (const Kind kind : {Kind::kFlip, Kind::kTruncate}) {
    PlaceRig rig({"a"});
    rig.open_all();
    rig.faulty["a"]->plan(StoreVerb::kPut, {kind, ErrorCode::kUnavailable}, 1);
    const StagedPack pack = rig.add_pack(1);  // so that the sample is all of it
    rig.placer->start();
    ASSERT_TRUE(rig.wait_all());
    Bytes object(pack.size_bytes);
    ASSERT_TRUE(rig.networks->find("a")->read(rig.catalog.copies(pack.id).at(0).ref, 0, object, {}));
    EXPECT_TRUE(verify_pack(object, &pack.id, rig.maintenance_key));
  }
}

TEST(Placer, AnswerOfANetworkThatForgetsAtOnce_DoesNotCount) {
  PlaceRig rig({"a"}, FakeClock::Sleep::kManual);
  rig.open_all();
  rig.faulty["a"]->always(StoreVerb::kRead, {Kind::kErrorInstead, ErrorCode::kNotFound});
  const StagedPack pack = rig.add_pack();
  rig.placer->start();
  while (rig.placer->pending().empty() || rig.placer->pending()[0].failures == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_THAT(rig.catalog.copies(pack.id), IsEmpty());
  EXPECT_THAT(rig.stage->closed_packs(), SizeIs(1));
}

TEST(Placer, CrashBetweenPutAndRecord_DoesNotPayTwice) {
  PlaceRig rig({"a"}, FakeClock::Sleep::kManual);
  rig.open_all();
  rig.catalog.fail_next = 1;
  const StagedPack pack = rig.add_pack();
  rig.placer->start();
  while (rig.placer->pending().empty() || rig.placer->pending()[0].failures == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  rig.placer.reset();
  ASSERT_TRUE(rig.commit());
  ASSERT_TRUE(rig.restart(false));
  rig.make_placer();
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  EXPECT_EQ(rig.faulty["a"]->calls(StoreVerb::kPut), 1);
  EXPECT_EQ(rig.faulty["a"]->calls(StoreVerb::kProbe), 1);
  EXPECT_EQ(rig.catalog.copies(pack.id).size(), 1U);
}

TEST(Placer, Restart_GoesOnWithWhatIsNotPlaced) {
  PlaceRig rig({"a", "b"}, FakeClock::Sleep::kManual);
  rig.open_all();
  rig.faulty["b"]->always({Kind::kErrorInstead, ErrorCode::kUnavailable});
  const StagedPack pack = rig.add_pack();
  rig.placer->start();
  while (rig.catalog.copies(pack.id).empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  rig.placer.reset();
  ASSERT_TRUE(rig.commit());
  ASSERT_TRUE(rig.restart(true));
  rig.faulty["b"]->clear();
  rig.make_placer();
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  EXPECT_EQ(rig.faulty["a"]->calls(StoreVerb::kPut), 1);
  rig.wait_empty();
}

TEST(Placer, DamagedStagedFile_IsNotSpreadToNetworks) {
  PlaceRig rig({"a"}, FakeClock::Sleep::kManual);
  rig.open_all();
  const StagedPack pack = rig.add_pack();
  Bytes content = testing::file_bytes(pack.path);
  content[200] ^= 1;
  testing::write_file(pack.path, content);
  rig.placer->start();
  while (rig.placer->pending().empty() || rig.placer->pending()[0].failures == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_THAT(rig.placer->pending()[0].last_error, HasSubstr("damaged in staging"));
  EXPECT_EQ(rig.faulty["a"]->calls(StoreVerb::kPut), 0);
}

TEST(Placer, FullStaging_DropsWhatTheQuorumHoldsAndFillsTheRestLater) {
  PlaceRig rig({"a", "b", "c"}, FakeClock::Sleep::kManual);
  rig.options.limit_bytes = 40'000;
  rig.open_all();
  rig.faulty["c"]->always({Kind::kErrorInstead, ErrorCode::kUnavailable});
  rig.placer->start();
  std::vector<StagedPack> packs;
  for (int i = 0; i < 6; ++i) packs.push_back(rig.add_pack());  // each about 5,700 bytes; the soft limit is 30,625
  ASSERT_TRUE(rig.placer->wait_placed(rig.stage->last_number(), {}, {}));
  while (rig.stage->staged_bytes() > rig.stage->usage().soft_limit_bytes) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_FALSE(rig.stage->closed_packs().empty());  // only what was too much went
  rig.placer.reset();
  ASSERT_TRUE(rig.commit());
  ASSERT_TRUE(rig.restart(false));
  rig.faulty["c"]->clear();
  rig.make_placer();
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  rig.wait_empty();
  for (const StagedPack& pack : packs) EXPECT_EQ(rig.catalog.holders(pack.id).size(), 3U);
}

TEST(Placer, BeforeADrop_NodesAreOfferedToTheCacheFirst) {
  PlaceRig rig({"a"});
  rig.open_all();
  rig.cache = make_memory_chunk_cache(1 << 20);
  rig.make_placer();
  const MadeRecord node = rig.make(500, ChunkKind::kTree);
  ASSERT_TRUE(rig.append(node));
  rig.add_pack(3);
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  rig.wait_empty();
  EXPECT_EQ(rig.cache->get(node.ref.id), node.record);
  EXPECT_EQ(rig.cache->get(rig.made.back().ref.id), rig.made.back().record);
}

/// The share of 0.6 MiB in 4 MiB is 0.15: of 200 about 30, with a standard deviation of 5.
TEST(Placer, WholeChunksThatTheCacheCannotAllHold_AreOfferedInPart) {
  PlaceRig rig({"a"});
  rig.open_all();
  rig.placer->start();
  const auto kept = [&](std::uint64_t expected_bytes) {
    rig.placer->expect_bases(expected_bytes);
    const std::size_t first = rig.made.size();
    for (int i = 0; i < 200; ++i) rig.made.push_back(rig.make(1'000));
    for (std::size_t i = first; i < rig.made.size(); ++i) EXPECT_TRUE(rig.append(rig.made[i]));
    const ChunkId difference = rig.append_difference(rig.made.back());
    EXPECT_TRUE(rig.stage->close_open_packs());
    EXPECT_TRUE(rig.wait_all());
    rig.wait_empty();
    EXPECT_TRUE(rig.cache->get(difference)) << "differences are small";
    return std::count_if(rig.made.begin() + static_cast<std::ptrdiff_t>(first), rig.made.end(), [&](const MadeRecord& made) { return rig.cache->get(made.ref.id).has_value(); });
  };
  EXPECT_EQ(kept(500'000), 200);
  const auto part = kept(4U << 20U);
  EXPECT_GT(part, 5);
  EXPECT_LT(part, 55);
}

TEST(Placer, PutEverywhere_AnswersPerNetworkAndReadsBack) {
  PlaceRig rig({"a", "b", "c"});
  rig.open_all();
  rig.faulty["b"]->always({Kind::kErrorInstead, ErrorCode::kQuotaExceeded});
  rig.faulty["c"]->plan(StoreVerb::kPut, {Kind::kFlip, ErrorCode::kUnavailable}, 1);
  const Bytes object = rig.random.bytes(3'000);
  const auto outcomes = rig.placer->put_everywhere("meta/abc", object, {"a", "b", "c", "d"}, {});
  ASSERT_THAT(outcomes, SizeIs(4));
  ASSERT_TRUE(outcomes[0].ref);
  Bytes back(object.size());
  ASSERT_TRUE(rig.networks->find("a")->read(*outcomes[0].ref, 0, back, {}));
  EXPECT_EQ(back, object);
  EXPECT_EQ(outcomes[1].ref.error().code(), ErrorCode::kQuotaExceeded);
  EXPECT_EQ(outcomes[1].ref.error().network(), "b");
  EXPECT_EQ(outcomes[2].ref.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(outcomes[3].ref.error().code(), ErrorCode::kUnavailable);
}

TEST(Placer, StopDuringAnUpload_LosesNothing) {
  PlaceRig rig({"a"}, FakeClock::Sleep::kManual);
  rig.open_all();
  rig.faulty["a"]->always(StoreVerb::kPut, {Kind::kDelay, ErrorCode::kUnavailable, 1h});
  const StagedPack pack = rig.add_pack();
  rig.placer->start();
  rig.clock.wait_for_sleepers(1);
  rig.placer->stop();
  EXPECT_THAT(rig.stage->closed_packs(), SizeIs(1));
  rig.faulty["a"]->clear();
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  EXPECT_EQ(rig.catalog.copies(pack.id).size(), 1U);
}

}  // namespace
}  // namespace holdfast
