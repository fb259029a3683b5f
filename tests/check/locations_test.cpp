// SPDX-License-Identifier: Apache-2.0
#include "core/check/snapshot_locations.h"

#include <gmock/gmock.h>

#include "tests/check/world.h"
#include "tests/support/memory_chunks.h"
#include "tests/support/stage_rig.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MadeRecord;
using testing::patient;
using testing::seal;
using testing::SeededRandom;
using testing::StageRig;
using ::testing::UnorderedElementsAreArray;
using testing::World;
using testing::write_file;

/// The walk over records that a test puts into packs itself, so that it knows what leans on what.
struct WalkRig : StageRig {
  WalkRig() {
    EXPECT_TRUE(open());
    auto opened = CatalogView::open(*store, RepositoryId{}, Bytes(32, 0x33));
    EXPECT_TRUE(opened.has_value());
    view = std::move(*opened);
    directories = std::make_unique<IndexRebuilder>(
        IndexRebuilder::Parts{*stage, *index, *view, networks, system_clock(), SecretBytes::copy_of(maintenance_key)});
  }
  MadeRecord add(const std::optional<ChunkId>& base = {}) {
    MadeRecord made = make();
    NewRecord record;
    record.domain = 7;
    record.ref = made.ref;
    record.record = made.record;
    if (base) record.bases = {&*base, 1};
    EXPECT_TRUE(stage->append(record));
    return made;
  }
  PackNumber close_pack() {
    EXPECT_TRUE(stage->close_open_packs());
    return stage->last_number();
  }
  /// How many chunks of each pack a file of these chunks needs.
  std::map<PackNumber, std::uint64_t> needed(const std::vector<MadeRecord>& file) {
    ExtentContent content;
    for (const auto& made : file) content.extents.push_back({made.plain.size(), made.ref});
    SnapshotView snapshot;
    snapshot.root.content = content;
    const auto walked = NeedsWalk({*stage, *index, chunks, *directories, system_clock()}, located)
                            .walk(snapshot, CallContext::unbounded());
    EXPECT_TRUE(walked) << walked.error().message();
    std::map<PackNumber, std::uint64_t> out;
    for (const auto& [number, amount] : located.amounts()) {
      out[number] = amount.chunks;
      EXPECT_EQ(amount.bytes, amount.chunks * file.front().record.size());
    }
    return out;
  }

  testing::MemoryChunks chunks;
  std::unique_ptr<ViewStore> store = make_memory_view_store();
  std::unique_ptr<CatalogView> view;
  NetworkSet networks{{}};
  std::unique_ptr<IndexRebuilder> directories;
  LocatedChunks located;
};

TEST(NeedsWalk, Difference_NeedsTheWholeChainOfItsBases) {
  WalkRig rig;
  const auto whole = rig.add();
  rig.add();  // another one, which nobody needs
  const PackNumber first = rig.close_pack();
  const auto second_step = rig.add(whole.ref.id);
  const PackNumber second = rig.close_pack();
  const auto third_step = rig.add(second_step.ref.id);
  const auto fourth_step = rig.add(third_step.ref.id);
  rig.add();
  const PackNumber third = rig.close_pack();
  EXPECT_EQ(rig.needed({fourth_step, fourth_step}),
            (std::map<PackNumber, std::uint64_t>{{first, 1}, {second, 1}, {third, 2}}));
  EXPECT_THAT(rig.located.problems(), IsEmpty());
}

TEST(NeedsWalk, BasesThatWereStoredLaterThanWhatLeansOnThem_AreFoundToo) {
  WalkRig rig;
  const auto whole = rig.make();
  const auto middle = rig.make();
  const auto top = rig.add(middle.ref.id);
  const PackNumber first = rig.close_pack();
  const auto store_again = [&](const MadeRecord& made, const std::optional<ChunkId>& base) {
    NewRecord record;
    record.domain = 7;
    record.ref = made.ref;
    record.record = made.record;
    if (base) record.bases = {&*base, 1};
    EXPECT_TRUE(rig.stage->append(record));
  };
  // In one pack, and the base behind what leans on it: a pass backwards over the pack has passed it by then.
  store_again(middle, whole.ref.id);
  store_again(whole, std::nullopt);
  const PackNumber second = rig.close_pack();
  EXPECT_EQ(rig.needed({top}), (std::map<PackNumber, std::uint64_t>{{first, 1}, {second, 2}}));
}

TEST(NeedsWalk, ChunkInNoPack_IsAProblemThatIsNamed) {
  WalkRig rig;
  const auto there = rig.add();
  const auto lost = rig.make();
  const PackNumber first = rig.close_pack();
  EXPECT_EQ(rig.needed({there, lost}), (std::map<PackNumber, std::uint64_t>{{first, 1}}));
  EXPECT_THAT(rig.located.problems(), ::testing::ElementsAre(HasSubstr("is in no pack")));
}

struct Found {
  std::set<std::string> locators;
  SnapshotLocations all;
};

Found locations_on(World& world, const SnapshotId& id, const std::string& network) {
  Found out;
  auto found = world.machine->repository().locations(id, patient());
  EXPECT_TRUE(found.has_value()) << (found ? "" : found.error().message());
  if (!found) return out;
  out.all = std::move(*found);
  for (const auto& pack : out.all.packs) {
    if (!pack.id) continue;
    for (const auto& copy : world.machine->repository().pack_copies(*pack.id)) {
      if (copy.network != network) continue;
      EXPECT_EQ(copy.size_bytes, pack.size_bytes);
      out.locators.insert(copy.locator);
    }
  }
  return out;
}

/// What lies on a network, as locators.
std::set<std::string> stored_on(const World& world, const std::string& network) {
  std::set<std::string> out;
  for (const auto& file : world.packs(network))
    out.insert(std::filesystem::relative(file, world.folder.path() + "/" + network).string());
  return out;
}

TEST(SnapshotLocations, AreThePacksThatItsTreesLeanOn_AndNoOthers) {
  World world;  // the first snapshot has dump.sql
  Repository& repository = world.machine->repository();
  const auto after_first = stored_on(world, "beta");
  write_file(repository, "orders", "more", SeededRandom(5).bytes(300'000));
  const auto second = seal(repository, "orders").snapshot.id;
  ASSERT_TRUE(repository.settle(true, patient()));
  const auto after_second = stored_on(world, "beta");
  write_file(repository, "orders", "dump.sql", SeededRandom(6).bytes(1000));
  const auto third = seal(repository, "orders").snapshot.id;
  ASSERT_TRUE(repository.settle(true, patient()));
  const auto after_third = stored_on(world, "beta");
  ASSERT_LT(after_first.size(), after_second.size());
  ASSERT_LT(after_second.size(), after_third.size());

  EXPECT_THAT(locations_on(world, world.id, "beta").locators, UnorderedElementsAreArray(after_first));
  EXPECT_THAT(locations_on(world, second, "beta").locators, UnorderedElementsAreArray(after_second));
  // The file that the first pack holds went; what was added second is still there.
  auto expected = after_third;
  for (const auto& locator : after_first) expected.erase(locator);
  const auto found = locations_on(world, third, "beta");
  EXPECT_THAT(found.locators, UnorderedElementsAreArray(expected));
  EXPECT_THAT(found.all.problems, IsEmpty());
  for (const auto& pack : found.all.packs) {
    EXPECT_GT(pack.chunks, 0U);
    EXPECT_LT(pack.chunk_bytes, pack.size_bytes);
  }
}

TEST(SnapshotLocations, WhatIsInAnOpenPack_IsStagedAndHasNoName) {
  World world;
  Repository& repository = world.machine->repository();
  write_file(repository, "orders", "more", SeededRandom(5).bytes(300'000));
  const auto id = seal(repository, "orders").snapshot.id;
  const auto found = locations_on(world, id, "alpha");
  EXPECT_EQ(found.locators, stored_on(world, "alpha"));
  ASSERT_EQ(found.all.packs.size(), 2U);
  EXPECT_TRUE(found.all.packs[0].id && !found.all.packs[0].is_staged);
  EXPECT_TRUE(!found.all.packs[1].id && found.all.packs[1].is_staged);
  EXPECT_GT(found.all.packs[1].size_bytes, 300'000U);
}

TEST(SnapshotLocations, WhatVerifyFoundMissing_IsSaidOfTheCopy) {
  World world;
  for (const auto& pack : world.packs("beta")) std::filesystem::remove(pack);
  world.verify(VerifyLevel::kAvailability);
  const auto found = locations_on(world, world.id, "beta");
  ASSERT_EQ(found.all.packs.size(), 1U);
  for (const auto& copy : world.machine->repository().pack_copies(*found.all.packs[0].id))
    EXPECT_EQ(copy.is_bad(), copy.network == "beta");
}

}  // namespace
}  // namespace holdfast
