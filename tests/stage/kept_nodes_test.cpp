// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "tests/support/stage_rig.h"

namespace holdfast {
namespace {

using testing::file_bytes;
using testing::MadeRecord;
using testing::StageRig;
using testing::write_file;

std::uint64_t disk_bytes(const std::string& path) {
  struct stat about {};
  EXPECT_EQ(::stat(path.c_str(), &about), 0);
  return static_cast<std::uint64_t>(about.st_blocks) * 512;
}

/// A pack of two nodes among data, dropped.
struct KeptNodesTest : ::testing::Test {
  StageRig rig;
  MadeRecord first, second, data;
  PackId pack;
  ChunkLocation first_at, second_at, data_at;

  void SetUp() override {
    ASSERT_TRUE(rig.open());
    first = rig.make(3000, ChunkKind::kTree);
    data = rig.make(400'000);
    second = rig.make(3000, ChunkKind::kList);
    first_at = *rig.append(first);
    data_at = *rig.append(data);
    second_at = *rig.append(second);
    ASSERT_TRUE(rig.stage->close_open_packs());
    ASSERT_TRUE(rig.commit());
    pack = rig.stage->closed_packs().front().id;
  }
  KeptNodes& kept() { return rig.stage->kept_nodes(); }
  std::string path() const { return rig.folder / "nodes/" + pack.hex() + ".nodes"; }
  std::string mark() const { return rig.folder / "nodes/whole"; }
  PackRow row() { return *rig.stage->table().find(pack); }
  void drop() { ASSERT_TRUE(rig.stage->drop(first_at.pack)); }
  Bytes read(const MadeRecord& made, const ChunkLocation& at) {
    const auto record = kept().read(pack, made.ref.id, at);
    return record ? Bytes(record->view().begin(), record->view().end()) : Bytes();
  }
};

TEST_F(KeptNodesTest, DroppedPack_LeavesItsNodesAndItsDirectory) {
  drop();
  EXPECT_TRUE(rig.files(".pack").empty());
  EXPECT_EQ(read(first, first_at), first.record);
  EXPECT_EQ(read(second, second_at), second.record);
  EXPECT_FALSE(kept().read(pack, data.ref.id, data_at));
  EXPECT_LT(disk_bytes(path()), 100'000U);
  EXPECT_EQ(kept().bytes(), disk_bytes(path()));
  const auto bytes = [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    HOLDFAST_ASSIGN(auto range, kept().read_range(pack, {offset, size}));
    return std::move(*range);
  };
  const auto directory = read_pack_directory(bytes, std::filesystem::file_size(path()), &pack, rig.maintenance_key);
  ASSERT_TRUE(directory) << directory.error().message();
  EXPECT_EQ(directory->entries.size(), 3U);
  ASSERT_TRUE(rig.restart(true));
  EXPECT_EQ(read(first, first_at), first.record);
  EXPECT_EQ(kept().bytes(), disk_bytes(path()));
}

TEST_F(KeptNodesTest, PackOfDataAlone_LeavesNothing) {
  drop();
  const auto at = rig.append(rig.make());
  ASSERT_TRUE(at);
  ASSERT_TRUE(rig.stage->close_open_packs());
  ASSERT_TRUE(rig.stage->drop(at->pack));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(rig.folder / "nodes"), {}), 1);
}

TEST_F(KeptNodesTest, DropCutOffBeforeItsNodesWereCopied_IsFinishedByARestart) {
  ASSERT_TRUE(rig.stage->table().set_state(first_at.pack, PackState::kRemote));
  ASSERT_TRUE(rig.restart(true));
  EXPECT_TRUE(rig.files(".pack").empty());
  EXPECT_EQ(read(first, first_at), first.record);
}

TEST_F(KeptNodesTest, DamagedRecord_IsAbsentAndNotedAsALackOnce) {
  drop();
  ASSERT_TRUE(kept().note_whole(kept().lacks()));
  Bytes bytes = file_bytes(path());
  bytes[first_at.offset + 40] ^= 1;
  write_file(path(), bytes);
  EXPECT_FALSE(kept().read(pack, first.ref.id, first_at));
  EXPECT_FALSE(kept().is_whole());
  EXPECT_FALSE(std::filesystem::exists(mark()));
  EXPECT_EQ(read(second, second_at), second.record);
  EXPECT_FALSE(kept().read(pack, first.ref.id, first_at));
  EXPECT_EQ(kept().lacks(), 1U);
  // It may be had from elsewhere.
  ASSERT_TRUE(kept().keep(row(), first_at, first.record));
  EXPECT_EQ(read(first, first_at), first.record);
}

TEST_F(KeptNodesTest, Mark_IsDurableAndGoesWithALack) {
  drop();
  EXPECT_FALSE(kept().is_whole());
  const std::uint64_t lacks = kept().lacks();
  ASSERT_TRUE(kept().note_whole(lacks));
  ASSERT_TRUE(rig.restart(true));
  EXPECT_TRUE(kept().is_whole());
  const std::uint64_t before = kept().lacks();
  kept().note_lack();
  EXPECT_FALSE(kept().is_whole());
  ASSERT_TRUE(kept().note_whole(before));  // a look that began before
  EXPECT_FALSE(kept().is_whole());
  ASSERT_TRUE(rig.restart(true));
  EXPECT_FALSE(kept().is_whole());
  write_file(mark(), Bytes(5, 1));  // cut off
  ASSERT_TRUE(rig.restart(true));
  EXPECT_FALSE(kept().is_whole());
}

TEST_F(KeptNodesTest, Sweep_FreesWhatIsNeitherLiveNorClaimedNorNew) {
  drop();
  kept().begin_sweep();
  KeptNodes::Live live;
  live[pack][second_at.offset] = second_at.record_size_bytes;
  ASSERT_TRUE(kept().finish_sweep(live));
  EXPECT_FALSE(kept().read(pack, first.ref.id, first_at));
  EXPECT_EQ(read(second, second_at), second.record);
  EXPECT_FALSE(kept().claim(pack, first.ref.id, first_at));

  kept().begin_sweep();
  EXPECT_TRUE(kept().claim(pack, second.ref.id, second_at));
  ASSERT_TRUE(kept().keep(row(), first_at, first.record));
  const MadeRecord late = rig.make(3000, ChunkKind::kTree);
  const auto late_at = rig.append(late);
  ASSERT_TRUE(late_at);
  ASSERT_TRUE(rig.stage->close_open_packs());
  const PackId late_pack = rig.stage->closed_packs().front().id;
  ASSERT_TRUE(rig.stage->drop(late_at->pack));
  ASSERT_TRUE(kept().finish_sweep({}));
  EXPECT_EQ(read(second, second_at), second.record);
  EXPECT_EQ(read(first, first_at), first.record);
  EXPECT_EQ(kept().read(late_pack, late.ref.id, *late_at), std::optional(late.record));

  kept().begin_sweep();
  ASSERT_TRUE(kept().finish_sweep({}));
  EXPECT_FALSE(std::filesystem::exists(path()));
  EXPECT_EQ(kept().bytes(), 0U);
}

TEST_F(KeptNodesTest, AbandonedSweep_FreesNothing) {
  drop();
  kept().begin_sweep();
  kept().abandon_sweep();
  EXPECT_EQ(read(first, first_at), first.record);
}

TEST_F(KeptNodesTest, FilesystemWithoutHoles_KeepsTheSame) {
  const std::string staged = rig.stage->closed_packs().front().path;
  const auto other = KeptNodes::open(rig.folder / "other", SecretBytes::copy_of(rig.maintenance_key), false);
  ASSERT_TRUE(other);
  (*other)->take(pack, staged);
  EXPECT_EQ((*other)->read(pack, first.ref.id, first_at), std::optional(first.record));
  (*other)->begin_sweep();
  KeptNodes::Live live;
  live[pack][second_at.offset] = second_at.record_size_bytes;
  ASSERT_TRUE((*other)->finish_sweep(live));
  EXPECT_FALSE((*other)->read(pack, first.ref.id, first_at));
  EXPECT_EQ((*other)->read(pack, second.ref.id, second_at), std::optional(second.record));
}

TEST_F(KeptNodesTest, PackThatIsNone_IsALackAndNothingElse) {
  write_file(rig.folder / "none", Bytes(300, 7));
  kept().take(pack, rig.folder / "none");
  EXPECT_EQ(kept().lacks(), 1U);
  EXPECT_FALSE(std::filesystem::exists(path()));
  EXPECT_TRUE(std::filesystem::exists(rig.folder / "none"));
}

}  // namespace
}  // namespace holdfast
