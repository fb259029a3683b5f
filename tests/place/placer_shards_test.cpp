// SPDX-License-Identifier: Apache-2.0
// Packs in shards, and putting back what was lost.
#include <gmock/gmock.h>

#include "tests/place/place_rig.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::FakeClock;
using testing::Fault;
using testing::PlaceRig;
using Kind = Fault::Kind;

struct ShardRig : PlaceRig {
  explicit ShardRig(std::vector<std::string> names, FakeClock::Sleep sleep = FakeClock::Sleep::kJump) : PlaceRig(std::move(names), sleep) {
    catalog.cut = ErasureCode{2, 3};
    catalog.quorum = 3;
  }
  Status wait_all() { return placer->wait_placed(stage->last_number(), {}, {}); }
  /// The shard of each network, by the catalog.
  std::map<std::string, int> shards(const PackId& pack) const {
    std::map<std::string, int> out;
    for (const NetworkCopy& copy : catalog.copies(pack)) out[copy.network] = copy.shard ? copy.shard->plan.index : -1;
    return out;
  }
  /// What is stored of each shard, read and proved whole.
  void expect_whole(const PackId& pack) {
    for (const NetworkCopy& copy : catalog.copies(pack)) {
      const PackBytes read = [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
        Bytes bytes(size);
        HOLDFAST_TRY(networks->find(copy.network)->read(copy.ref, offset, bytes, {}));
        return bytes;
      };
      const auto bad = find_bad_blocks(copy.shard->plan, copy.shard->id, read, 0, copy.shard->plan.block_count() - 1);
      ASSERT_TRUE(bad) << bad.error().message();
      EXPECT_THAT(*bad, IsEmpty());
    }
  }
  std::vector<PackRow> rows() const {
    std::vector<PackRow> out;
    stage->table().for_each([&](const PackRow& row) { out.push_back(row); });
    return out;
  }
  void wait_nothing_pending() {
    while (!placer->pending().empty()) std::this_thread::sleep_for(1ms);
  }
};

TEST(PlacerShards, EachNetworkGetsOneAndTheSpareNone) {
  ShardRig rig({"a", "b", "c", "d"});
  rig.open_all();
  const StagedPack pack = rig.add_pack(200);
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  rig.wait_empty();
  EXPECT_EQ(rig.shards(pack.id), (std::map<std::string, int>{{"a", 0}, {"b", 1}, {"c", 2}}));
  EXPECT_EQ(rig.faulty["d"]->calls(StoreVerb::kPut), 0);
  rig.expect_whole(pack.id);
  std::uint64_t stored = 0;
  for (const NetworkCopy& copy : rig.catalog.copies(pack.id)) stored += copy.ref.size_bytes;
  EXPECT_LT(static_cast<double>(stored), 1.505 * static_cast<double>(pack.size_bytes));
}

TEST(PlacerShards, ShardThatReadsBackWrong_DoesNotCount) {
  ShardRig rig({"a", "b", "c"});
  rig.open_all();
  rig.faulty["b"]->plan(StoreVerb::kPut, {Kind::kFlip, ErrorCode::kUnavailable}, 1);
  rig.faulty["c"]->plan(StoreVerb::kPut, {Kind::kTruncate, ErrorCode::kUnavailable}, 1);
  const StagedPack pack = rig.add_pack(3);
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  rig.expect_whole(pack.id);
  EXPECT_EQ(rig.faulty["b"]->calls(StoreVerb::kPut), 2);
  EXPECT_EQ(rig.faulty["c"]->calls(StoreVerb::kPut), 2);
}

TEST(PlacerShards, NetworkThatGoesOnFailing_LosesItsShardToTheSpare) {
  ShardRig rig({"a", "b", "c", "d"});
  rig.move_after = 60s;
  rig.open_all();
  rig.faulty["b"]->always({Kind::kErrorInstead, ErrorCode::kUnavailable});
  const StagedPack pack = rig.add_pack();
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  EXPECT_EQ(rig.shards(pack.id), (std::map<std::string, int>{{"a", 0}, {"c", 2}, {"d", 1}}));
  rig.expect_whole(pack.id);
  rig.wait_empty();
}

TEST(PlacerShards, WithoutASpare_TheNetworkIsWaitedFor) {
  ShardRig rig({"a", "b", "c"});
  rig.move_after = 60s;
  rig.open_all();
  rig.faulty["b"]->plan(StoreVerb::kPut, {Kind::kErrorInstead, ErrorCode::kUnavailable}, 12);
  const StagedPack pack = rig.add_pack();
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  EXPECT_EQ(rig.shards(pack.id), (std::map<std::string, int>{{"a", 0}, {"b", 1}, {"c", 2}}));
}

TEST(PlacerShards, Restart_GoesOnWithTheSameShards) {
  ShardRig rig({"a", "b", "c"}, FakeClock::Sleep::kManual);
  rig.open_all();
  rig.faulty["a"]->always({Kind::kErrorInstead, ErrorCode::kUnavailable});
  const StagedPack pack = rig.add_pack();
  rig.placer->start();
  while (rig.catalog.copies(pack.id).size() < 2) std::this_thread::sleep_for(1ms);
  rig.placer.reset();
  ASSERT_TRUE(rig.commit());
  ASSERT_TRUE(rig.restart(true));
  rig.faulty["a"]->clear();
  rig.make_placer();
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  EXPECT_EQ(rig.shards(pack.id), (std::map<std::string, int>{{"a", 0}, {"b", 1}, {"c", 2}}));
  EXPECT_EQ(rig.faulty["b"]->calls(StoreVerb::kPut), 1);
  rig.expect_whole(pack.id);
}

/// Each shard in turn: removed, or damaged, and found so.
TEST(PlacerShards, LostShard_IsRebuiltFromTheOthers) {
  for (const bool is_damaged : {false, true}) {
    for (const std::string name : {"a", "b", "c"}) {
      ShardRig rig({"a", "b", "c"});
      rig.open_all();
      const StagedPack pack = rig.add_pack(100);
      rig.placer->start();
      ASSERT_TRUE(rig.wait_all());
      rig.wait_empty();
      for (const NetworkCopy& copy : rig.catalog.copies(pack.id)) {
        if (copy.network != name) continue;
        const auto store = rig.networks->find(name);
        ASSERT_TRUE(store->remove(copy.ref, {}));
        if (!is_damaged) continue;
        ASSERT_TRUE(store->put(copy.ref.locator, Bytes(copy.ref.size_bytes, 9), {}));
      }
      rig.catalog.spoil(pack.id, name);
      rig.placer->look_again(rig.rows(), {});
      rig.wait_nothing_pending();
      EXPECT_THAT(rig.catalog.held_copies(pack.id), SizeIs(3));
      rig.expect_whole(pack.id);
    }
  }
}

TEST(PlacerShards, NetworkThatIsGone_IsReplacedByTheSpare) {
  ShardRig rig({"a", "b", "c", "d"});
  rig.open_all();
  const StagedPack pack = rig.add_pack(100);
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  rig.wait_empty();
  rig.faulty["a"]->always({Kind::kErrorInstead, ErrorCode::kUnavailable});
  rig.placer->look_again(rig.rows(), {"a"});
  rig.wait_nothing_pending();
  EXPECT_EQ(rig.shards(pack.id), (std::map<std::string, int>{{"b", 1}, {"c", 2}, {"d", 0}}));
  rig.expect_whole(pack.id);
  // Nothing is left to do, also when it is looked at again.
  rig.placer->look_again(rig.rows(), {"a"});
  EXPECT_THAT(rig.placer->pending(), IsEmpty());
}

TEST(PlacerShards, TooFewLeft_SaysSoAndLosesNothing) {
  ShardRig rig({"a", "b", "c"}, FakeClock::Sleep::kManual);
  rig.open_all();
  const StagedPack pack = rig.add_pack();
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  rig.wait_empty();
  for (const std::string name : {"a", "b"}) {
    for (const NetworkCopy& copy : rig.catalog.copies(pack.id)) {
      if (copy.network != name) continue;
      ASSERT_TRUE(rig.networks->find(name)->remove(copy.ref, {}));
    }
    rig.catalog.spoil(pack.id, name);
  }
  rig.placer->look_again(rig.rows(), {});
  while (rig.placer->pending().size() < 2 || rig.placer->pending()[0].failures == 0) std::this_thread::sleep_for(1ms);
  EXPECT_THAT(rig.placer->pending()[0].last_error, HasSubstr("fetching pack"));
  EXPECT_THAT(rig.catalog.held_copies(pack.id), SizeIs(1));
}

TEST(Placer, LostCopy_ComesBackFromTheOtherNetwork) {
  for (const bool is_damaged : {false, true}) {
    PlaceRig rig({"a", "b"});
    rig.open_all();
    const StagedPack pack = rig.add_pack(50);
    rig.placer->start();
    ASSERT_TRUE(rig.wait_all());
    rig.wait_empty();
    const NetworkCopy copy = rig.catalog.copies(pack.id)[0];
    const auto store = rig.networks->find(copy.network);
    ASSERT_TRUE(store->remove(copy.ref, {}));
    if (is_damaged) {
      ASSERT_TRUE(store->put(copy.ref.locator, Bytes(copy.ref.size_bytes, 9), {}));
    }
    rig.catalog.spoil(pack.id, copy.network);
    std::vector<PackRow> rows{*rig.stage->table().find(pack.number)};
    rig.placer->look_again(rows, {});
    while (!rig.placer->pending().empty()) std::this_thread::sleep_for(1ms);
    EXPECT_THAT(rig.catalog.held_copies(pack.id), SizeIs(2));
    Bytes object(pack.size_bytes);
    ASSERT_TRUE(store->read(copy.ref, 0, object, {}));
    EXPECT_TRUE(verify_pack(object, &pack.id, rig.maintenance_key));
  }
}

/// The other copy is bad too: what is left of the first must not be removed for what can't be had.
TEST(Placer, DamagedCopyWithoutAGoodOne_StaysWhereItIs) {
  PlaceRig rig({"a", "b"}, FakeClock::Sleep::kManual);
  rig.open_all();
  const StagedPack pack = rig.add_pack();
  rig.placer->start();
  ASSERT_TRUE(rig.wait_all());
  rig.wait_empty();
  for (const NetworkCopy& copy : rig.catalog.copies(pack.id)) {
    const auto store = rig.networks->find(copy.network);
    Bytes object(pack.size_bytes);
    ASSERT_TRUE(store->read(copy.ref, 0, object, {}));
    object[100] ^= 1U;
    ASSERT_TRUE(store->remove(copy.ref, {}));
    ASSERT_TRUE(store->put(copy.ref.locator, object, {}));
    rig.catalog.spoil(pack.id, copy.network);
  }
  const int removals = rig.faulty["a"]->calls(StoreVerb::kRemove) + rig.faulty["b"]->calls(StoreVerb::kRemove);
  std::vector<PackRow> rows{*rig.stage->table().find(pack.number)};
  rig.placer->look_again(rows, {});
  const auto all_failed = [&] {
    const auto pending = rig.placer->pending();
    return pending.size() == 2 && std::ranges::all_of(pending, [](const auto& each) { return each.failures > 0; });
  };
  while (!all_failed()) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(rig.faulty["a"]->calls(StoreVerb::kRemove) + rig.faulty["b"]->calls(StoreVerb::kRemove), removals);
}

}  // namespace
}  // namespace holdfast
