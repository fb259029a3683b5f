// SPDX-License-Identifier: Apache-2.0
#include "core/backup/tree_builder.h"
#include "core/repo/folder_changes.h"
#include "tests/complete/archive_writer.h"
#include "tests/repo/repository_fixture.h"

namespace holdfast {
namespace {

using testing::ArchiveWriter;
using testing::Machine;
using testing::seal;
using testing::two_sites;

constexpr std::string_view kRows = "1\tone\n\\.\n\n\n";

/// What `pg_dump -Fd -Z0` of one table writes first.
Bytes table_of_contents() {
  ArchiveWriter toc(14, 3);
  toc.header(1);
  toc.entry(1, true, "TABLE DATA", "1.dat");
  return toc.bytes;
}

class FolderDump : public ::testing::Test {
 protected:
  void SetUp() override {
    machine_.init();
    ASSERT_TRUE(machine_.open().create_database("orders", {}, 0, 0).has_value());
  }
  LiveTree& live() { return **machine_.repository().live("orders"); }
  std::uint64_t folder(const std::string& name, std::uint64_t parent = LiveTree::kRootIno) {
    NewNode node;
    node.mode = 0040700;
    return live().make_node(parent, name, node, kContext)->ino;
  }
  void file(std::uint64_t parent, const std::string& name, ByteView content) {
    NewNode node;
    node.mode = 0100600;
    const auto made = live().make_node(parent, name, node, kContext);
    ASSERT_TRUE(made.has_value());
    const auto open = live().open_file(made->ino, true, kContext);
    ASSERT_TRUE(open.has_value());
    ASSERT_TRUE((*open)->write(0, content, kContext).has_value());
    ASSERT_TRUE((*open)->flush(kContext).has_value());
  }
  std::uint64_t dump(const std::string& name, bool whole) {
    const auto made = folder(name);
    file(made, "toc.dat", table_of_contents());
    if (whole) file(made, "1.dat", as_bytes(kRows));
    return made;
  }
  SnapshotInfo sealed() { return seal(machine_.repository(), "orders").snapshot; }
  void reopen() {
    machine_.close();
    machine_.open();
  }

  const CallContext kContext = CallContext::unbounded();
  Machine machine_{two_sites()};
};

TEST_F(FolderDump, MovedIncompleteDump_StaysIncomplete) {
  dump("dump", false);
  EXPECT_EQ(sealed().incomplete_paths, std::vector<std::string>{"dump/toc.dat"});
  reopen();
  ASSERT_TRUE(live().rename(LiveTree::kRootIno, "dump", LiveTree::kRootIno, "dump.1", RenameMode::kReplace, kContext).has_value());
  EXPECT_EQ(sealed().incomplete_paths, std::vector<std::string>{"dump.1/toc.dat"});
  reopen();
  // With the folder above it, too.
  const auto above = folder("above");
  ASSERT_TRUE(live().rename(LiveTree::kRootIno, "dump.1", above, "dump.1", RenameMode::kReplace, kContext).has_value());
  EXPECT_EQ(sealed().incomplete_paths, std::vector<std::string>{"above/dump.1/toc.dat"});
  ASSERT_TRUE(live().rename(LiveTree::kRootIno, "above", LiveTree::kRootIno, "other", RenameMode::kReplace, kContext).has_value());
  EXPECT_EQ(sealed().incomplete_paths, std::vector<std::string>{"other/dump.1/toc.dat"});
}

TEST_F(FolderDump, DataFileRemoved_IsIncompleteAndWholeAgainWithIt) {
  const auto dumped = dump("dump", true);
  EXPECT_EQ(sealed().completeness, Completeness::kComplete);
  reopen();
  const auto found = live().lookup(LiveTree::kRootIno, "dump", kContext);
  ASSERT_TRUE(found.has_value());
  ASSERT_EQ(found->ino, dumped);
  ASSERT_TRUE(live().unlink(dumped, "1.dat", kContext).has_value());
  EXPECT_EQ(sealed().incomplete_paths, std::vector<std::string>{"dump/toc.dat"});
  file(dumped, "1.dat", as_bytes(kRows));
  EXPECT_NE(sealed().completeness, Completeness::kIncomplete);
}

TEST_F(FolderDump, FoldedByItselfBeforeAKill_IsJudgedByTheNextSeal) {
  dump("dump", false);
  // What a fold leaves when no seal follows: all in the base, and nothing remembered of what changed.
  ASSERT_TRUE(live().seal(nullptr, kContext).has_value());
  reopen();
  EXPECT_EQ(sealed().completeness, Completeness::kIncomplete);
}

TEST_F(FolderDump, BackupOfPaths_IsJudgedToo) {
  const std::string path = machine_.state() + ".dump";
  std::filesystem::create_directory(path);
  const Bytes toc = table_of_contents();
  std::FILE* out = std::fopen((path + "/toc.dat").c_str(), "wb");
  ASSERT_NE(out, nullptr);
  ASSERT_EQ(std::fwrite(toc.data(), 1, toc.size(), out), toc.size());
  std::fclose(out);
  Repository& repository = machine_.repository();
  TreeBuilder builder(*repository.tree_options("orders"), {repository.source(), repository.pipeline(), system_clock(), repository.gear()}, std::nullopt,
                      repository.completeness_judge("orders"), {});
  ASSERT_TRUE(builder.add_path(path, kContext).has_value());
  const auto tree = builder.finish(kContext);
  ASSERT_TRUE(tree.has_value());
  const auto made = repository.publish_tree("orders", *tree, {}, kContext);
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->snapshot.completeness, Completeness::kIncomplete);
}

TEST_F(FolderDump, CompareFolders_TellsWhatDiffersAndWhatMoved) {
  // Enough names that a directory is more than one node.
  const auto big = folder("big");
  for (int i = 0; i < 3000; ++i) file(big, "file-" + std::to_string(i), as_bytes("x"));
  file(folder("inner", big), "a", as_bytes("1"));
  file(folder("kept"), "a", as_bytes("2"));
  file(folder("old"), "a", as_bytes("3"));
  const auto root_of = [&](const SnapshotInfo& info) {
    const auto view = machine_.repository().open_snapshot(info.id, kContext);
    return TreeRoot(std::get<DirectoryContent>(view->root.content).root);
  };
  const TreeRoot before = root_of(sealed());
  file(live().lookup(big, "inner", kContext)->ino, "b", as_bytes("4"));
  ASSERT_TRUE(live().rename(LiveTree::kRootIno, "old", LiveTree::kRootIno, "new", RenameMode::kReplace, kContext).has_value());
  const TreeRoot after = root_of(sealed());
  const auto changes = compare_folders(machine_.repository().source(), before, after, kContext);
  ASSERT_TRUE(changes.has_value());
  std::map<std::string, std::string> told;
  for (const auto& folder : changes->changed) told[folder.path] = folder.moved_from.value_or("-");
  EXPECT_EQ(told, (std::map<std::string, std::string>{{"", "-"}, {"big", "-"}, {"big/inner", "-"}, {"new", "old"}}));
  const auto all = compare_folders(machine_.repository().source(), std::nullopt, after, kContext);
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->changed.size(), 5U);
  EXPECT_TRUE(compare_folders(machine_.repository().source(), after, after, kContext)->changed.empty());
}

}  // namespace
}  // namespace holdfast
