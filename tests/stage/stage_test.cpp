// SPDX-License-Identifier: Apache-2.0
#include "core/stage/stage.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/support/stage_rig.h"

namespace holdfast {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::file_bytes;
using testing::MadeRecord;
using testing::StageRig;
using testing::write_file;

TEST(Stage, Append_IsReadableAndKnownBeforeAnyCommit) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  const MadeRecord made = rig.make();
  const auto at = rig.append(made);
  ASSERT_TRUE(at);
  EXPECT_EQ(rig.staged_bytes(made.ref.id), made.record);
  EXPECT_EQ(rig.stage->find_known(made.ref.fp), made.ref);
  EXPECT_TRUE(rig.stage->is_usable(at->pack));
}

TEST(Stage, RestartWithoutCommit_ForgetsTheRecordEverywhere) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  const MadeRecord committed = rig.make();
  const MadeRecord torn = rig.make();
  ASSERT_TRUE(rig.append(committed));
  ASSERT_TRUE(rig.commit());
  ASSERT_TRUE(rig.append(torn));
  ASSERT_TRUE(rig.restart(true));
  EXPECT_EQ(rig.staged_bytes(committed.ref.id), committed.record);
  EXPECT_FALSE(rig.locate(torn.ref.id).has_value());
  EXPECT_FALSE(rig.stage->find_known(torn.ref.fp).has_value());
  EXPECT_FALSE(rig.index->find_known(torn.ref.fp).value().has_value());
  // A third one takes the torn one's place in the file.
  const MadeRecord third = rig.make();
  ASSERT_TRUE(rig.append(third));
  EXPECT_EQ(rig.staged_bytes(third.ref.id), third.record);
}

TEST(Stage, CommittedRecord_IsInTheIndexOnlyAfterTheNextCommitBegan) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  const MadeRecord made = rig.make();
  ASSERT_TRUE(rig.append(made));
  ASSERT_TRUE(rig.commit());
  EXPECT_FALSE(rig.index->find(made.ref.id).value().has_value());
  ASSERT_TRUE(rig.commit());
  EXPECT_TRUE(rig.index->find(made.ref.id).value().has_value());
  EXPECT_EQ(rig.index->find_known(made.ref.fp).value(), made.ref);
  EXPECT_FALSE(rig.stage->find(made.ref.id).has_value());
}

TEST(Stage, PowerLoss_RebuildsIndexEntriesFromTheJournal) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  std::vector<MadeRecord> made;
  for (int i = 0; i < 20; ++i) {
    made.push_back(rig.make());
    ASSERT_TRUE(rig.append(made.back()));
    if (i % 3 == 0) {
      ASSERT_TRUE(rig.commit());
    }
    if (i == 10) {
      ASSERT_TRUE(rig.stage->close_open_packs());
    }
  }
  ASSERT_TRUE(rig.commit());
  const auto report = rig.restart(false);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->records_lost, 0U);
  for (const MadeRecord& each : made) {
    EXPECT_EQ(rig.staged_bytes(each.ref.id), each.record);
    EXPECT_EQ(rig.index->find_known(each.ref.fp).value(), each.ref);
  }
}

TEST(Stage, Close_GivesAPackThatVerifiesUnderItsName) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  const MadeRecord node = rig.make(300, ChunkKind::kTree);
  const MadeRecord data = rig.make();
  ASSERT_TRUE(rig.append(data));
  NewRecord record;
  record.domain = 7;
  record.ref = node.ref;
  record.record = node.record;
  record.children = {&data.ref.id, 1};
  ASSERT_TRUE(rig.stage->append(record));
  std::vector<StagedPack> closed;
  rig.stage->on_pack_closed([&](const StagedPack& pack) { closed.push_back(pack); });
  ASSERT_TRUE(rig.stage->close_open_packs());
  ASSERT_THAT(closed, SizeIs(1));
  EXPECT_EQ(closed[0].path, rig.packs() + "/" + closed[0].id.hex() + ".pack");
  EXPECT_EQ(closed[0].domain, 7U);
  const Bytes pack = file_bytes(closed[0].path);
  EXPECT_EQ(pack.size(), closed[0].size_bytes);
  const auto directory = verify_pack(pack, &closed[0].id, rig.maintenance_key);
  ASSERT_TRUE(directory) << directory.error().message();
  ASSERT_THAT(directory->entries, SizeIs(2));
  EXPECT_EQ(directory->entries[1].children, std::vector<ChunkId>{data.ref.id});
  EXPECT_EQ(rig.staged_bytes(node.ref.id), node.record);
  EXPECT_EQ(rig.stage->table().find(closed[0].number)->state, PackState::kStaged);
}

TEST(Stage, PackAtItsTarget_ClosesByItselfAndDomainsStayApart) {
  StageRig rig;
  rig.options.pack_target_bytes = 3'000;
  ASSERT_TRUE(rig.open());
  rig.stage->set_pack_target(8, 6'000);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(rig.append(rig.make(), 7));
    ASSERT_TRUE(rig.append(rig.make(), 8));
  }
  const auto closed = rig.stage->closed_packs();
  ASSERT_THAT(closed, SizeIs(1));
  EXPECT_EQ(closed[0].domain, 7U);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(rig.append(rig.make(), 8));
  ASSERT_THAT(rig.stage->closed_packs(), SizeIs(2));
  EXPECT_EQ(rig.stage->closed_packs()[1].domain, 8U);
}

TEST(Stage, OpenFileShorterThanCommitted_LosesOnlyWhatIsMissing) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  const MadeRecord first = rig.make();
  const MadeRecord second = rig.make();
  ASSERT_TRUE(rig.append(first));
  ASSERT_TRUE(rig.append(second));
  ASSERT_TRUE(rig.commit());
  rig.stage.reset();
  ASSERT_THAT(rig.files(".open"), SizeIs(1));
  const std::string path = rig.files(".open")[0];
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  const auto report = rig.restart(false);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->records_lost, 1U);
  EXPECT_EQ(rig.staged_bytes(first.ref.id), first.record);
  EXPECT_THAT(rig.staged_bytes(second.ref.id), IsEmpty());
}

TEST(Stage, PackThatLostItsEnd_GoesOnAndIsReplayedAgain) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  const MadeRecord first = rig.make();
  const MadeRecord lost = rig.make();
  ASSERT_TRUE(rig.append(first));
  ASSERT_TRUE(rig.append(lost));
  ASSERT_TRUE(rig.commit());
  ASSERT_TRUE(rig.commit());
  ASSERT_TRUE(rig.index->find(lost.ref.id).value().has_value());
  rig.stage.reset();
  const std::string path = rig.files(".open").at(0);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  ASSERT_TRUE(rig.restart(true));
  ASSERT_TRUE(rig.commit());
  const auto place = rig.locate(lost.ref.id);
  ASSERT_TRUE(place);
  EXPECT_FALSE(rig.stage->is_usable(place->pack));
  const MadeRecord third = rig.make();
  ASSERT_TRUE(rig.append(third));
  ASSERT_TRUE(rig.commit());
  for (const bool index_survives : {true, false}) {
    const auto report = rig.restart(index_survives);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->records_lost, 0U);
    EXPECT_EQ(rig.staged_bytes(first.ref.id), first.record);
    EXPECT_EQ(rig.staged_bytes(third.ref.id), third.record);
    EXPECT_THAT(rig.staged_bytes(lost.ref.id), IsEmpty());
  }
  ASSERT_TRUE(rig.stage->close_open_packs());
  const StagedPack pack = rig.stage->closed_packs().at(0);
  EXPECT_TRUE(verify_pack(file_bytes(pack.path), &pack.id, rig.maintenance_key));
}

/// An index that can refuse.
class RefusingIndex final : public ChunkIndex {
 public:
  Result<std::optional<ChunkLocation>> find(const ChunkId& id) const override { return inner_->find(id); }
  Result<std::optional<ChunkRef>> find_known(const Fingerprint& fp) const override { return inner_->find_known(fp); }
  Status add(std::span<const IndexEntry> batch) override {
    if (refuses) return Error(ErrorCode::kCorrupt, "a block that does not open");
    return inner_->add(batch);
  }
  Status sync(std::uint64_t position) override { return inner_->sync(position); }
  std::uint64_t position() const noexcept override { return inner_->position(); }
  Status clear() override {
    refuses = false;
    return inner_->clear();
  }
  Stats stats() const override { return inner_->stats(); }
  bool refuses = false;

 private:
  std::unique_ptr<ChunkIndex> inner_ = make_memory_chunk_index();
};

struct RefusingRig : StageRig {
  RefusingRig() {
    auto made = std::make_unique<RefusingIndex>();
    refusing = made.get();
    index = std::move(made);
  }
  RefusingIndex* refusing;  ///< until a restart without it
};

TEST(Stage, DamagedIndex_StopsNoCommitAndIsFilledAgain) {
  RefusingRig rig;
  ASSERT_TRUE(rig.open());
  const MadeRecord before = rig.make();
  ASSERT_TRUE(rig.append(before));
  ASSERT_TRUE(rig.commit());
  ASSERT_TRUE(rig.commit());
  ASSERT_TRUE(rig.index->find(before.ref.id).value().has_value());
  EXPECT_FALSE(rig.stage->index_is_damaged());
  rig.refusing->refuses = true;
  const MadeRecord after = rig.make();
  ASSERT_TRUE(rig.append(after));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(rig.commit());
  EXPECT_TRUE(rig.stage->index_is_damaged());
  EXPECT_EQ(rig.staged_bytes(after.ref.id), after.record);
  ASSERT_TRUE(rig.index->clear());
  ASSERT_TRUE(rig.stage->reindex());
  EXPECT_FALSE(rig.stage->index_is_damaged());
  ASSERT_TRUE(rig.commit());
  for (const MadeRecord* made : {&before, &after}) {
    EXPECT_TRUE(rig.index->find(made->ref.id).value().has_value());
    EXPECT_EQ(rig.staged_bytes(made->ref.id), made->record);
  }
}

TEST(Stage, ClosedPackThatTheIndexRefused_OutlivesACheckpoint) {
  for (const bool recovers : {false, true}) {
    RefusingRig rig;
    ASSERT_TRUE(rig.open());
    const MadeRecord made = rig.make();
    ASSERT_TRUE(rig.append(made));
    rig.refusing->refuses = true;
    ASSERT_TRUE(rig.stage->close_open_packs());
    ASSERT_TRUE(rig.commit());
    EXPECT_EQ(rig.staged_bytes(made.ref.id), made.record);
    // A checkpoint: the index is synced without the pack, which it takes only afterwards, and the older files go.
    rig.journal.clear();
    rig.stage->restate_at_next_commit();
    rig.refusing->refuses = !recovers;
    ASSERT_TRUE(rig.commit());
    ASSERT_TRUE(rig.restart(false));
    EXPECT_EQ(rig.staged_bytes(made.ref.id), made.record);
  }
}

TEST(Stage, FlippedByteInStaging_NeverVerifies) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  const MadeRecord made = rig.make();
  const auto at = rig.append(made);
  ASSERT_TRUE(at);
  const std::string path = rig.files(".open")[0];
  Bytes content = file_bytes(path);
  content[at->offset + 500] ^= 1;
  write_file(path, content);
  EXPECT_FALSE(verify_record(made.ref.id, rig.staged_bytes(made.ref.id)));
}

TEST(Stage, FullStaging_RefusesDataBeforeNodesAndGoesOnAfterADrop) {
  StageRig rig;
  rig.options.limit_bytes = 80'000;
  rig.options.pack_target_bytes = 20'000;
  ASSERT_TRUE(rig.open());
  int freed = 0;
  rig.stage->on_space_freed([&] { ++freed; });
  Status full;
  std::vector<MadeRecord> taken;
  while (full) {
    taken.push_back(rig.make());
    if (auto at = rig.append(taken.back()); !at) full = std::move(at).error();
    ASSERT_LT(taken.size(), 100U);
  }
  EXPECT_EQ(full.error().code(), ErrorCode::kNoSpace);
  taken.pop_back();
  EXPECT_LE(rig.stage->staged_bytes(), 70'000U);
  EXPECT_TRUE(rig.append(rig.make(1000, ChunkKind::kTree)));
  ASSERT_TRUE(rig.stage->drop(rig.stage->closed_packs().front().number));
  EXPECT_EQ(freed, 1);
  EXPECT_TRUE(rig.append(rig.make()));
  EXPECT_EQ(rig.staged_bytes(taken.back().ref.id), taken.back().record);
}

TEST(Stage, DroppedPack_IsRemoteAndStaysSoAfterARestart) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  const MadeRecord made = rig.make();
  ASSERT_TRUE(rig.append(made));
  ASSERT_TRUE(rig.stage->close_open_packs());
  const StagedPack pack = rig.stage->closed_packs().at(0);
  ASSERT_TRUE(rig.commit());
  ASSERT_TRUE(rig.stage->drop(pack.number));
  EXPECT_EQ(rig.stage->drop(pack.number).error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(rig.files(".pack"), IsEmpty());
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(rig.stage->read(pack.number, 32, 10)->has_value());
    EXPECT_EQ(rig.stage->table().find(pack.number)->state, PackState::kRemote);
    EXPECT_TRUE(rig.stage->is_usable(pack.number));
    EXPECT_EQ(rig.stage->staged_bytes(), 0U);
    EXPECT_EQ(rig.stage->last_number(), pack.number);
    ASSERT_TRUE(rig.commit());
    rig.journal.clear();  // as a checkpoint does
    ASSERT_TRUE(rig.restart(false));
  }
  ASSERT_TRUE(rig.stage->table().set_state(pack.number, PackState::kLost));
  EXPECT_FALSE(rig.stage->is_usable(pack.number));
}

TEST(Stage, DropDuringReads_GivesTheBytesOrNothing) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  const MadeRecord made = rig.make(60'000);
  const auto at = rig.append(made);
  ASSERT_TRUE(at);
  std::atomic<int> good{0};
  std::atomic<bool> done{false};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        const auto bytes = rig.stage->read(*at);
        ASSERT_TRUE(bytes.has_value()) << bytes.error().message();
        if (!bytes->has_value()) return;
        ASSERT_EQ(**bytes, made.record);
        ++good;
      }
    });
  }
  while (good < 10) std::this_thread::yield();
  ASSERT_TRUE(rig.stage->close_open_packs());
  const int before = good;
  while (good < before + 10) std::this_thread::yield();
  ASSERT_TRUE(rig.stage->drop(at->pack));
  readers.clear();  // each saw the drop and ended by itself
  EXPECT_FALSE(rig.stage->read(*at)->has_value());
}

TEST(Stage, PackFileThatNoRowNames_IsAdopted) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  const MadeRecord made = rig.make();
  ASSERT_TRUE(rig.append(made));
  ASSERT_TRUE(rig.stage->close_open_packs());
  rig.stage.reset();
  std::filesystem::remove(rig.folder / "packs.hft");
  write_file(rig.packs() + "/" + std::string(64, 'a') + ".pack", Bytes(500, 1));  // no pack: left alone
  const auto report = rig.restart(false);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->packs_adopted, 1U);
  EXPECT_EQ(rig.staged_bytes(made.ref.id), made.record);
  EXPECT_THAT(rig.files(".pack"), SizeIs(2));
}

TEST(Stage, RestateAtNextCommit_MakesTheOlderJournalUnneeded) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  std::vector<MadeRecord> made;
  const auto add = [&](std::uint32_t domain) {
    made.push_back(rig.make());
    ASSERT_TRUE(rig.append(made.back(), domain));
  };
  add(7);
  add(8);
  add(9);
  ASSERT_TRUE(rig.commit());
  // A checkpoint begins here; commits and closes go on before the stage restates.
  rig.journal.clear();
  ASSERT_TRUE(rig.index->sync(0));
  add(7);
  ASSERT_TRUE(rig.commit());
  add(8);
  ASSERT_TRUE(rig.stage->close_open_pack(8));
  rig.stage->restate_at_next_commit();
  add(7);
  ASSERT_TRUE(rig.commit());
  add(7);
  ASSERT_TRUE(rig.commit());
  const auto report = rig.restart(false);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->records_lost, 0U);
  EXPECT_EQ(report->packs_reopened, 2U);
  for (const MadeRecord& each : made) EXPECT_EQ(rig.staged_bytes(each.ref.id), each.record);
}

TEST(Stage, CheckpointRecords_StandForAllThatIsCommitted) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  const MadeRecord first = rig.make();
  ASSERT_TRUE(rig.append(first));
  ASSERT_TRUE(rig.commit());
  const MadeRecord second = rig.make();
  ASSERT_TRUE(rig.append(second));
  rig.journal = rig.stage->checkpoint_records();
  ASSERT_TRUE(rig.commit());
  ASSERT_TRUE(rig.restart(false));
  EXPECT_EQ(rig.staged_bytes(first.ref.id), first.record);
  EXPECT_EQ(rig.staged_bytes(second.ref.id), second.record);
}

TEST(Stage, ChunksOfAPackThatIsGone_AreCountedAsLost) {
  StageRig rig;
  ASSERT_TRUE(rig.open());
  ASSERT_TRUE(rig.append(rig.make()));
  ASSERT_TRUE(rig.append(rig.make()));
  ASSERT_TRUE(rig.commit());
  rig.stage.reset();
  std::filesystem::remove(rig.files(".open").at(0));
  const auto report = rig.restart(false);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->records_lost, 2U);
  EXPECT_EQ(rig.stage->staged_bytes(), 0U);
  EXPECT_TRUE(rig.append(rig.make()));
}

}  // namespace
}  // namespace holdfast
