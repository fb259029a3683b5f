// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/live/live_error.h"
#include "tests/support/live_fixture.h"

namespace holdfast {
namespace {

using testing::LiveFixture;

constexpr std::uint64_t kRoot = LiveTree::kRootIno;
const CallContext kContext;

class LiveNamesTest : public ::testing::Test {
 protected:
  LiveAttributes make(std::uint64_t parent, const std::string& name, std::uint32_t mode = 0100644) {
    auto made = live_->make_node(parent, name, {mode, 10, 20, 0, {}}, kContext);
    EXPECT_TRUE(made) << (made ? "" : made.error().message());
    return made ? *made : LiveAttributes{};
  }
  LiveAttributes directory(std::uint64_t parent, const std::string& name) { return make(parent, name, 0040755); }
  LiveAttributes look(std::uint64_t parent, const std::string& name) {
    auto found = live_->lookup(parent, name, kContext);
    EXPECT_TRUE(found) << name;
    return found ? *found : LiveAttributes{};
  }
  ErrorCode look_error(std::uint64_t parent, const std::string& name) {
    const auto found = live_->lookup(parent, name, kContext);
    return found ? ErrorCode::kInternal : found.error().code();
  }
  std::vector<std::string> names(std::uint64_t parent, std::size_t page = 1000) {
    std::vector<std::string> all;
    for (std::string after;;) {
      const auto items = live_->list(parent, after, page, false, kContext);
      EXPECT_TRUE(items);
      if (!items || items->empty()) return all;
      for (const auto& item : *items) all.push_back(item.name);
      after = all.back();
    }
  }
  void tick() { live_.clock().advance(std::chrono::seconds(1)); }
  void seal() {
    const auto sealed = live_->seal(nullptr, kContext);
    ASSERT_TRUE(sealed) << sealed.error().message();
  }
  using Names = std::vector<std::string>;
  LiveFixture live_;
};

TEST_F(LiveNamesTest, NewNode_HasWhatWasAskedAndMovesTheParentsTimes) {
  tick();
  const auto made = live_->make_node(kRoot, "a", {0100640, 3, 4, 0, {}}, kContext);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->mode, 0100640U);
  EXPECT_EQ(made->uid, 3U);
  EXPECT_EQ(made->gid, 4U);
  EXPECT_EQ(made->nlink, 1U);
  EXPECT_EQ(made->mtime, live_.clock().wall_now());
  const auto root = live_->attributes(kRoot, kContext);
  EXPECT_EQ(root->mtime, live_.clock().wall_now());
  EXPECT_EQ(root->ctime, live_.clock().wall_now());
}

TEST_F(LiveNamesTest, NamesOutOfBounds_AreRefusedByKind) {
  const NewNode file{0100644, 0, 0, 0, {}};
  EXPECT_EQ(name_refusal(live_->make_node(kRoot, std::string(256, 'x'), file, kContext).error()), NameRefusal::kNameTooLong);
  EXPECT_TRUE(live_->make_node(kRoot, std::string(255, '\xff'), file, kContext));
  EXPECT_EQ(live_->make_node(kRoot, "a/b", file, kContext).error().code(), ErrorCode::kInvalidArgument);
  make(kRoot, "f");
  EXPECT_EQ(live_->make_node(kRoot, "f", file, kContext).error().code(), ErrorCode::kAlreadyExists);
  const auto f = look(kRoot, "f");
  EXPECT_EQ(name_refusal(live_->make_node(f.ino, "x", file, kContext).error()), NameRefusal::kNotDirectory);
  EXPECT_EQ(name_refusal(live_->lookup(f.ino, "x", kContext).error()), NameRefusal::kNotDirectory);
}

TEST_F(LiveNamesTest, Subdirectories_CountInLinks) {
  const auto d = directory(kRoot, "d");
  EXPECT_EQ(d.nlink, 2U);
  EXPECT_EQ(live_->attributes(kRoot, kContext)->nlink, 3U);
  directory(d.ino, "e");
  EXPECT_EQ(live_->attributes(d.ino, kContext)->nlink, 3U);
  EXPECT_EQ(name_refusal(live_->remove_directory(kRoot, "d", kContext).error()), NameRefusal::kNotEmpty);
  EXPECT_TRUE(live_->remove_directory(d.ino, "e", kContext));
  EXPECT_EQ(live_->attributes(d.ino, kContext)->nlink, 2U);
  EXPECT_TRUE(live_->remove_directory(kRoot, "d", kContext));
  EXPECT_EQ(look_error(kRoot, "d"), ErrorCode::kNotFound);
  EXPECT_EQ(look_error(d.ino, "e"), ErrorCode::kNotFound);
  EXPECT_EQ(live_->make_node(d.ino, "x", {0100644, 0, 0, 0, {}}, kContext).error().code(), ErrorCode::kNotFound);
}

TEST_F(LiveNamesTest, WrongKindOfRemoval_IsRefused) {
  directory(kRoot, "d");
  make(kRoot, "f");
  EXPECT_EQ(name_refusal(live_->unlink(kRoot, "d", kContext).error()), NameRefusal::kIsDirectory);
  EXPECT_EQ(name_refusal(live_->remove_directory(kRoot, "f", kContext).error()), NameRefusal::kNotDirectory);
  EXPECT_EQ(live_->unlink(kRoot, "none", kContext).error().code(), ErrorCode::kNotFound);
}

TEST_F(LiveNamesTest, HardLinks_ShareTheInodeAlsoOverSealsAndRemounts) {
  const auto a = make(kRoot, "a");
  const auto d = directory(kRoot, "d");
  tick();
  const auto linked = live_->link(a.ino, d.ino, "b", kContext);
  ASSERT_TRUE(linked);
  EXPECT_EQ(linked->ino, a.ino);
  EXPECT_EQ(linked->nlink, 2U);
  EXPECT_EQ(linked->ctime, live_.clock().wall_now());
  seal();
  live_.remount();
  const auto dir = look(kRoot, "d");
  SetAttributes changes;
  changes.mode = 0600;
  ASSERT_TRUE(live_->set_attributes(look(dir.ino, "b").ino, changes, kContext));
  EXPECT_EQ(look(kRoot, "a").mode, 0100600U);
  tick();
  EXPECT_TRUE(live_->unlink(kRoot, "a", kContext));
  EXPECT_EQ(look(dir.ino, "b").nlink, 1U);
  EXPECT_EQ(look(dir.ino, "b").ctime, live_.clock().wall_now());
  seal();
  EXPECT_EQ(look(dir.ino, "b").mode, 0100600U);
  EXPECT_TRUE(live_->unlink(dir.ino, "b", kContext));
  const auto sealed = live_->seal(nullptr, kContext);
  ASSERT_TRUE(sealed);
  EXPECT_FALSE(sealed->links);
}

TEST_F(LiveNamesTest, LinksOfSpecialFilesAndSymlinks_AreKept) {
  const auto fifo = make(kRoot, "fifo", 0010644);
  const auto link = live_->make_node(kRoot, "s", {0120777, 0, 0, 0, "target"}, kContext);
  ASSERT_TRUE(link);
  ASSERT_TRUE(live_->link(fifo.ino, kRoot, "fifo2", kContext));
  ASSERT_TRUE(live_->link(link->ino, kRoot, "s2", kContext));
  seal();
  live_.remount();
  EXPECT_EQ(look(kRoot, "fifo2").nlink, 2U);
  EXPECT_EQ(look(kRoot, "fifo2").mode, 0010644U);
  EXPECT_EQ(*live_->read_link(look(kRoot, "s2").ino, kContext), "target");
}

TEST_F(LiveNamesTest, LinkRefusals) {
  const auto d = directory(kRoot, "d");
  const auto f = make(kRoot, "f");
  EXPECT_EQ(name_refusal(live_->link(d.ino, kRoot, "e", kContext).error()), NameRefusal::kNotPermitted);
  EXPECT_EQ(live_->link(f.ino, kRoot, "d", kContext).error().code(), ErrorCode::kAlreadyExists);
  const auto open = live_->open_file(f.ino, true, kContext);
  ASSERT_TRUE(live_->unlink(kRoot, "f", kContext));
  EXPECT_EQ(live_->link(f.ino, kRoot, "again", kContext).error().code(), ErrorCode::kNotFound);
}

TEST_F(LiveNamesTest, RenameOver_ReplacesAndMovesTimes) {
  const auto a = make(kRoot, "a");
  const auto b = make(kRoot, "b");
  const auto d = directory(kRoot, "d");
  tick();
  ASSERT_TRUE(live_->rename(kRoot, "a", d.ino, "a", RenameMode::kReplace, kContext));
  EXPECT_EQ(look_error(kRoot, "a"), ErrorCode::kNotFound);
  EXPECT_EQ(look(d.ino, "a").ino, a.ino);
  EXPECT_EQ(look(d.ino, "a").ctime, live_.clock().wall_now());
  EXPECT_EQ(live_->attributes(d.ino, kContext)->mtime, live_.clock().wall_now());
  EXPECT_EQ(live_->attributes(kRoot, kContext)->mtime, live_.clock().wall_now());
  ASSERT_TRUE(live_->rename(d.ino, "a", kRoot, "b", RenameMode::kReplace, kContext));
  EXPECT_EQ(look(kRoot, "b").ino, a.ino);
  EXPECT_EQ(live_->attributes(b.ino, kContext)->nlink, 0U);
  EXPECT_EQ(names(d.ino), Names{});
  EXPECT_EQ(live_->rename(kRoot, "b", kRoot, "d", RenameMode::kNoReplace, kContext).error().code(), ErrorCode::kAlreadyExists);
}

TEST_F(LiveNamesTest, RenameOfDirectories_FollowsPosix) {
  const auto d = directory(kRoot, "d");
  const auto e = directory(d.ino, "e");
  const auto f = directory(kRoot, "f");
  make(kRoot, "file");
  EXPECT_EQ(name_refusal(live_->rename(kRoot, "d", e.ino, "x", RenameMode::kReplace, kContext).error()), NameRefusal::kIntoItself);
  EXPECT_EQ(name_refusal(live_->rename(kRoot, "d", d.ino, "x", RenameMode::kReplace, kContext).error()), NameRefusal::kIntoItself);
  EXPECT_EQ(name_refusal(live_->rename(kRoot, "f", kRoot, "d", RenameMode::kReplace, kContext).error()), NameRefusal::kNotEmpty);
  EXPECT_EQ(name_refusal(live_->rename(kRoot, "file", kRoot, "d", RenameMode::kReplace, kContext).error()), NameRefusal::kIsDirectory);
  EXPECT_EQ(name_refusal(live_->rename(kRoot, "d", kRoot, "file", RenameMode::kReplace, kContext).error()), NameRefusal::kNotDirectory);
  ASSERT_TRUE(live_->rename(d.ino, "e", kRoot, "f", RenameMode::kReplace, kContext));
  EXPECT_EQ(look(kRoot, "f").ino, e.ino);
  EXPECT_EQ(live_->attributes(kRoot, kContext)->nlink, 4U);
  EXPECT_EQ(live_->attributes(d.ino, kContext)->nlink, 2U);
  EXPECT_EQ(live_->attributes(f.ino, kContext)->nlink, 0U);
  EXPECT_EQ(*live_->parent_of(e.ino), kRoot);
}

TEST_F(LiveNamesTest, RenameOntoAnotherLinkOfTheSameFile_DoesNothing) {
  const auto a = make(kRoot, "a");
  ASSERT_TRUE(live_->link(a.ino, kRoot, "b", kContext));
  ASSERT_TRUE(live_->rename(kRoot, "a", kRoot, "b", RenameMode::kReplace, kContext));
  EXPECT_EQ(names(kRoot), (Names{"a", "b"}));
}

TEST_F(LiveNamesTest, Exchange_SwapsNamesAndCounts) {
  const auto d = directory(kRoot, "d");
  const auto sub = directory(d.ino, "sub");
  const auto f = make(kRoot, "f");
  ASSERT_TRUE(live_->rename(kRoot, "f", d.ino, "sub", RenameMode::kExchange, kContext));
  EXPECT_EQ(look(kRoot, "f").ino, sub.ino);
  EXPECT_EQ(look(d.ino, "sub").ino, f.ino);
  EXPECT_EQ(live_->attributes(kRoot, kContext)->nlink, 4U);
  EXPECT_EQ(live_->attributes(d.ino, kContext)->nlink, 2U);
  EXPECT_EQ(live_->rename(kRoot, "f", kRoot, "none", RenameMode::kExchange, kContext).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(name_refusal(live_->rename(d.ino, "sub", kRoot, "d", RenameMode::kExchange, kContext).error()), NameRefusal::kIntoItself);
}

TEST_F(LiveNamesTest, Listing_MergesBaseAndChangesInPagesOfAnySize) {
  const auto d = directory(kRoot, "d");
  Names expected;
  for (int i = 0; i < 700; ++i) make(d.ino, "f" + std::to_string(10000 + i));
  seal();
  for (int i = 0; i < 700; i += 3) ASSERT_TRUE(live_->unlink(d.ino, "f" + std::to_string(10000 + i), kContext));
  for (int i = 0; i < 50; ++i) make(d.ino, "f" + std::to_string(10000 + i * 7) + "x");
  for (int i = 0; i < 700; ++i) {
    if (i % 3 != 0) expected.push_back("f" + std::to_string(10000 + i));
    if (i % 7 == 0 && i < 350) expected.push_back("f" + std::to_string(10000 + i) + "x");
  }
  for (const std::size_t page : {1UL, 7UL, 512UL, 5000UL}) EXPECT_EQ(names(d.ino, page), expected) << page;
  seal();
  EXPECT_EQ(names(d.ino, 100), expected);
  live_.remount();
  EXPECT_EQ(names(look(kRoot, "d").ino, 100), expected);
}

TEST_F(LiveNamesTest, DirectoryEmptiedOverABase_CanBeRemoved) {
  const auto d = directory(kRoot, "d");
  for (int i = 0; i < 600; ++i) make(d.ino, std::to_string(i));
  seal();
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(live_->unlink(d.ino, std::to_string(i), kContext));
  EXPECT_TRUE(live_->remove_directory(kRoot, "d", kContext));
  EXPECT_EQ(names(kRoot), Names{});
}

TEST_F(LiveNamesTest, InodeNumbers_StayOverRemountsAndAreNeverReused) {
  const auto a = make(kRoot, "a");
  const auto b = make(kRoot, "b");
  ASSERT_TRUE(live_->unlink(kRoot, "b", kContext));
  seal();
  ASSERT_TRUE(live_->sync());
  live_.crash();
  EXPECT_EQ(look(kRoot, "a").ino, a.ino);
  EXPECT_GT(make(kRoot, "c").ino, b.ino);
}

TEST_F(LiveNamesTest, Crash_KeepsWhatWasSyncedAndNothingElse) {
  const auto d = directory(kRoot, "d");
  make(d.ino, "kept");
  ASSERT_TRUE(live_->sync());
  make(d.ino, "lost");
  live_.crash();
  EXPECT_EQ(names(look(kRoot, "d").ino), Names{"kept"});
}

TEST_F(LiveNamesTest, Checkpoint_StandsForTheWholeTree) {
  const auto d = directory(kRoot, "d");
  make(d.ino, "sealed");
  seal();
  make(d.ino, "after");
  ASSERT_TRUE(live_->unlink(d.ino, "sealed", kContext));
  ASSERT_TRUE(live_.journal().begin_checkpoint());
  live_->append_checkpoint();
  ASSERT_TRUE(live_.journal().finish_checkpoint());
  make(d.ino, "later");
  ASSERT_TRUE(live_->sync());
  live_.crash();
  EXPECT_EQ(names(look(kRoot, "d").ino), (Names{"after", "later"}));
}

TEST_F(LiveNamesTest, HeldNames_AreThoseThatOnlyThePinKeeps) {
  const auto folder = directory(kRoot, "folder");
  const auto file = make(folder.ino, "file");
  const auto linked = make(folder.ino, "linked");
  ASSERT_TRUE(live_->link(linked.ino, folder.ino, "linked too", kContext));
  const auto names_held = [&] {
    std::vector<std::string> all;
    for (const auto& each : live_->held_names(10)) {
      EXPECT_EQ(each.parent, folder.ino);
      all.push_back(each.name);
    }
    return all;
  };
  EXPECT_EQ(names_held(), Names());  // changed: they stay, whoever lets go
  seal();
  EXPECT_EQ(names_held(), Names{"file"});  // not folders, nor what has several names
  {
    const auto open = live_->open_file(file.ino, false, kContext);
    ASSERT_TRUE(open);
    EXPECT_EQ(names_held(), Names());
  }
  EXPECT_EQ(names_held(), Names{"file"});
  EXPECT_TRUE(live_->held_names(0).empty());
  const std::uint64_t before = live_->stats().inodes_in_memory;
  live_->forget(file.ino, 1);
  EXPECT_EQ(names_held(), Names());
  EXPECT_EQ(live_->stats().inodes_in_memory, before - 1);
  EXPECT_EQ(look(folder.ino, "file").ino, file.ino);
}

TEST_F(LiveNamesTest, UnpinnedCleanInodes_AreDropped) {
  const auto d = directory(kRoot, "d");
  for (int i = 0; i < 10; ++i) live_->forget(make(d.ino, std::to_string(i)).ino, 1);
  live_->forget(d.ino, 1);
  EXPECT_EQ(live_->stats().pinned_inodes, 0U);
  EXPECT_EQ(live_->stats().dirty_inodes, 12U);
  seal();
  EXPECT_EQ(live_->stats().dirty_inodes, 0U);
  EXPECT_FALSE(live_->attributes(d.ino, kContext));
  EXPECT_EQ(names(look(kRoot, "d").ino).size(), 10U);
}

TEST_F(LiveNamesTest, FailedSeal_LeavesTheTreeAsItWas) {
  const auto d = directory(kRoot, "d");
  make(d.ino, "a");
  live_.chunks().fail_puts(true);
  EXPECT_EQ(live_->seal(nullptr, kContext).error().code(), ErrorCode::kNoSpace);
  live_.chunks().fail_puts(false);
  make(d.ino, "b");
  EXPECT_EQ(names(d.ino), (Names{"a", "b"}));
  EXPECT_TRUE(live_->stats().changed_since_seal);
  const auto sealed = live_->seal(nullptr, kContext);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(live_.walk(*sealed).size(), 3U);
  ASSERT_TRUE(live_->sync());
  live_.crash();
  EXPECT_EQ(names(look(kRoot, "d").ino), (Names{"a", "b"}));
}

TEST(LiveFolds, AutomaticFoldThatFails_IsTriedAgainAndBoundsWhatWaits) {
  LiveTreeOptions options = LiveFixture::default_options();
  options.dirty_inodes_max = 10;
  LiveFixture live(options);
  live.chunks().fail_puts(true);
  int made = 0;
  Status status;
  while (status && made < 1000) {
    const auto node = live->make_node(kRoot, std::to_string(made), {0100644, 0, 0, 0, {}}, kContext);
    if (node) {
      live->forget(node->ino, 1);
      ++made;
    } else {
      status = node.error();
    }
  }
  // Thrice the bound; the root may count twice while a fold is at work.
  EXPECT_GE(made, 25);
  EXPECT_LE(made, 31);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kNoSpace);
  live.chunks().fail_puts(false);
  // The next attempt makes room: nobody has to seal.
  for (int i = 0; i < 100; ++i) {
    const auto node = live->make_node(kRoot, "again" + std::to_string(i), {0100644, 0, 0, 0, {}}, kContext);
    ASSERT_TRUE(node) << node.error().message();
    live->forget(node->ino, 1);
  }
}

TEST_F(LiveNamesTest, SealOfAnUnchangedTree_StoresNothing) {
  directory(kRoot, "d");
  const auto first = live_->seal(nullptr, kContext);
  ASSERT_TRUE(first);
  EXPECT_FALSE(live_->stats().changed_since_seal);
  live_.chunks().reset_counts();
  const auto second = live_->seal(nullptr, kContext);
  ASSERT_TRUE(second);
  EXPECT_EQ(live_.chunks().puts(), 0U);
  EXPECT_EQ(live_.chunks().reads(), 0U);
  EXPECT_EQ(second->root, first->root);
}

TEST_F(LiveNamesTest, BaseThatCountedNoSubdirectories_KeepsItsDirectories) {
  const auto inode_of = [](std::uint64_t ino, std::uint32_t mode) {
    Inode inode;
    inode.ino = ino;
    inode.mode = mode;
    inode.nlink = 1;
    return inode;
  };
  const TreeEditor editor(live_.pipeline(), live_.pipeline(), 0);
  const auto folder_of = [&](Inode inode, const std::vector<TreeEdit>& edits) {
    const auto root = editor.apply(std::nullopt, edits, kContext);
    EXPECT_TRUE(root && *root);
    inode.content = DirectoryContent{**root};
    return inode;
  };
  const Inode d = folder_of(inode_of(10, 0040755), {{"a", inode_of(11, 0040755)}, {"b", inode_of(12, 0040755)}, {"f", inode_of(13, 0100644)}});
  const Inode root = folder_of(inode_of(kRoot, 0040755), {{"d", d}, {"x", inode_of(14, 0040755)}, {"y", inode_of(15, 0040755)}});
  const auto opened = LiveTree::open(LiveFixture::default_options(), {live_.pipeline(), live_.pipeline(), live_.journal(), live_.clock(), live_.gear()},
                                     root, std::nullopt, 20);
  ASSERT_TRUE(opened);
  LiveTree& tree = **opened;

  ASSERT_TRUE(tree.lookup(kRoot, "d", kContext));
  for (const char* name : {"a", "b"}) ASSERT_TRUE(tree.remove_directory(10, name, kContext)) << name;
  for (const char* name : {"x", "y"}) ASSERT_TRUE(tree.remove_directory(kRoot, name, kContext)) << name;
  EXPECT_TRUE(tree.lookup(kRoot, "d", kContext));
  EXPECT_TRUE(tree.lookup(10, "f", kContext));
  EXPECT_EQ(name_refusal(tree.remove_directory(kRoot, "d", kContext).error()), NameRefusal::kNotEmpty);
  const auto sealed = tree.seal(nullptr, kContext);
  ASSERT_TRUE(sealed);
  const auto found = live_.walk(*sealed);
  EXPECT_EQ(found.size(), 2U);
  EXPECT_TRUE(found.contains("d/f"));
}

TEST_F(LiveNamesTest, MarkChanged_LastsUntilTheNextSeal) {
  make(kRoot, "f");
  const auto first = live_->seal(nullptr, kContext);
  ASSERT_TRUE(first);
  EXPECT_EQ(live_->base_root(), first->root);
  EXPECT_EQ(live_->base_links(), first->links);
  const MonoTime last_change = live_->stats().last_change;
  tick();
  live_->mark_changed();
  EXPECT_TRUE(live_->stats().changed_since_seal);
  EXPECT_EQ(live_->stats().last_change, last_change);
  const auto second = live_->seal(nullptr, kContext);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->root, first->root);
  EXPECT_FALSE(live_->stats().changed_since_seal);
}

TEST_F(LiveNamesTest, XattrsAndTimes_FollowPosix) {
  const auto f = make(kRoot, "f");
  tick();
  ASSERT_TRUE(live_->set_xattr(f.ino, "user.a", "1", LiveTree::XattrMode::kCreate, kContext));
  EXPECT_EQ(live_->attributes(f.ino, kContext)->ctime, live_.clock().wall_now());
  EXPECT_LT(live_->attributes(f.ino, kContext)->mtime, live_.clock().wall_now());
  EXPECT_EQ(live_->set_xattr(f.ino, "user.a", "1", LiveTree::XattrMode::kCreate, kContext).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(name_refusal(live_->set_xattr(f.ino, "user.b", "1", LiveTree::XattrMode::kReplace, kContext).error()), NameRefusal::kNoAttribute);
  EXPECT_EQ(name_refusal(live_->set_xattr(f.ino, "user.big", std::string(65536, 'x'), LiveTree::XattrMode::kSet, kContext).error()),
            NameRefusal::kAttributeSize);
  EXPECT_EQ(*live_->get_xattr(f.ino, "user.a", kContext), "1");
  EXPECT_EQ(live_->list_xattrs(f.ino, kContext)->size(), 1U);
  ASSERT_TRUE(live_->remove_xattr(f.ino, "user.a", kContext));
  EXPECT_EQ(name_refusal(live_->get_xattr(f.ino, "user.a", kContext).error()), NameRefusal::kNoAttribute);
  SetAttributes changes;
  changes.mode = 06755;
  changes.atime = 5;
  changes.mtime = -7;
  ASSERT_TRUE(live_->set_attributes(f.ino, changes, kContext));
  SetAttributes clear;
  clear.clear_suid = true;
  const auto after = live_->set_attributes(f.ino, clear, kContext);
  EXPECT_EQ(after->mode, 0100755U);
  EXPECT_EQ(after->atime, 5);
  EXPECT_EQ(after->mtime, -7);
}

}  // namespace
}  // namespace holdfast
