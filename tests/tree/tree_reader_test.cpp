// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "core/tree/tree_node.h"
#include "tests/tree/tree_samples.h"

namespace holdfast {
namespace {

using namespace testing;  // NOLINT: the helpers of this folder

constexpr std::uint64_t kEntries = 6'000;

class BigDirectory : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::uint64_t i = 0; i < kEntries; ++i) model_[number_name(2 * i)] = file_inode(random_, 1);
    root_ = built(chunks_, model_);
    chunks_.reset_counts();
  }
  SeededRandom random_{21};
  MemoryChunks chunks_;
  Model model_;
  TreeRoot root_;
};

TEST_F(BigDirectory, Find_GivesWhatIsThereAndReadsOneNodeALevel) {
  for (int i = 0; i < 200; ++i) {
    const TreeReader reader(chunks_);
    chunks_.reset_counts();
    const std::uint64_t number = random_.next_below(2 * kEntries + 10);
    const auto found = reader.find(root_, number_name(number), no_limit());
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->has_value(), number % 2 == 0 && number < 2 * kEntries);
    if (found->has_value()) {
      EXPECT_EQ((*found)->inode, model_[number_name(number)]);
    }
    EXPECT_LE(chunks_.reads(), 4U);
  }
  const TreeReader reader(chunks_);
  EXPECT_FALSE(reader.find(root_, "", no_limit())->has_value());
  EXPECT_FALSE(reader.find(std::nullopt, "a", no_limit())->has_value());
}

TEST_F(BigDirectory, FindAgain_ReadsNothing) {
  const TreeReader reader(chunks_);
  ASSERT_TRUE(*reader.find(root_, number_name(100), no_limit()));
  chunks_.reset_counts();
  ASSERT_TRUE(*reader.find(root_, number_name(100), no_limit()));
  EXPECT_EQ(chunks_.reads(), 0U);
}

TEST_F(BigDirectory, ListFromTheMiddle_ReadsFewNodes) {
  const TreeReader reader(chunks_);
  const auto page = reader.list(root_, number_name(4'000), 100, no_limit());
  ASSERT_TRUE(page);
  ASSERT_EQ(page->size(), 100U);
  EXPECT_EQ(page->front().name, number_name(4'002));
  EXPECT_EQ(page->back().name, number_name(4'200));
  EXPECT_LE(chunks_.reads(), 10U);
}

TEST_F(BigDirectory, ListFromAnyName_EqualsTheModel) {
  const TreeReader reader(chunks_);
  for (int i = 0; i < 100; ++i) {
    const std::string after = number_name(random_.next_below(2 * kEntries + 10));
    const std::size_t count = random_.next_below(300);
    const auto page = reader.list(root_, after, count, no_limit());
    ASSERT_TRUE(page);
    auto expected = model_.upper_bound(after);
    for (const Entry& entry : *page) {
      ASSERT_NE(expected, model_.end());
      EXPECT_EQ(entry.name, expected->first);
      ++expected;
    }
    if (page->size() < count) {
      EXPECT_EQ(expected, model_.end());
    }
  }
  EXPECT_TRUE(listed(chunks_, root_, 4'096) == model_);
}

TEST_F(BigDirectory, ManyThreads_ShareOneReader) {
  const TreeReader reader(chunks_, make_node_cache(64 * 1024));  // so small that nodes come and go
  std::vector<std::jthread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      SeededRandom random(t);
      for (int i = 0; i < 200; ++i) {
        const std::string name = number_name(2 * random.next_below(kEntries));
        const auto found = reader.find(root_, name, no_limit());
        EXPECT_TRUE(found && found->has_value() && (*found)->inode == model_.at(name));
      }
    });
  }
}

TEST_F(BigDirectory, LostNode_FailsOnlyWhatLiesInIt) {
  NodeCache cache(1);
  const NodeLoader loader(chunks_, cache, TreeForm::kDirectory);
  const auto root_node = *loader.load_root(*root_, no_limit());
  const auto below = *loader.load_child(*root_node, 0, no_limit());
  const TreeNode& parent_of_leaf = below->level() > 0 ? *below : *root_node;
  const ChildItem lost = *parent_of_leaf.child(1);
  chunks_.lose(lost.node.ref.id);
  const TreeReader reader(chunks_);
  EXPECT_EQ(reader.find(root_, lost.first_name, no_limit()).error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(reader.find(root_, number_name(0), no_limit())->has_value());
  EXPECT_EQ(verify_tree(chunks_, root_, TreeForm::kDirectory, no_limit()).error().code(), ErrorCode::kNotFound);
}

/// A tree of one inner node over the given children, with totals that add up.
TreeRoot inner(MemoryChunks& chunks, std::uint8_t level, const std::vector<ChildItem>& children) {
  Bytes plain;
  ByteWriter out(plain);
  out.raw(as_bytes("HT")).u8(1).u8(level).varint(children.size());
  NodeRef root;
  root.totals.chunks = 1;
  for (const ChildItem& child : children) {
    out.text(child.first_name);
    encode_node_ref(child.node, out);
    root.totals.files += child.node.totals.files;
    root.totals.bytes += child.node.totals.bytes;
    root.totals.chunks += child.node.totals.chunks;
  }
  root.ref = *chunks.put(1, ChunkKind::kTree, plain, {});
  return root;
}

TEST(TreeReader, ChildrenThatDontFitTheirParent_AreCorrupt) {
  MemoryChunks chunks;
  const TreeReader reader(chunks);
  const TreeRoot ab = built(chunks, {{"a", inline_inode("1")}, {"b", inline_inode("2")}});
  const TreeRoot cd = built(chunks, {{"c", inline_inode("3")}, {"d", inline_inode("4")}});
  const auto names = [&](const TreeRoot& root) { return reader.list(root, "", 100, no_limit()); };
  EXPECT_EQ(names(inner(chunks, 1, {{"a", *ab}, {"c", *cd}}))->size(), 4U);
  const auto code = [&](const TreeRoot& root) {
    const auto result = names(root);
    return result ? std::optional<ErrorCode>() : result.error().code();
  };
  EXPECT_EQ(code(inner(chunks, 1, {{"a", *ab}, {"b", *cd}})), ErrorCode::kCorrupt);   // begins with another name
  EXPECT_EQ(code(inner(chunks, 2, {{"a", *ab}, {"c", *cd}})), ErrorCode::kCorrupt);   // a level is missing
  const TreeRoot across = built(chunks, {{"a", inline_inode("1")}, {"x", inline_inode("2")}});
  EXPECT_EQ(code(inner(chunks, 1, {{"a", *across}, {"c", *cd}})), ErrorCode::kCorrupt);  // reaches into the next
  const TreeRoot left = inner(chunks, 1, {{"a", *across}});
  const TreeRoot right = inner(chunks, 1, {{"c", *cd}});
  EXPECT_EQ(code(inner(chunks, 2, {{"a", *left}, {"c", *right}})), ErrorCode::kCorrupt);  // the same, two levels up
  NodeRef more_files = *ab;
  more_files.totals.files += 1;
  EXPECT_EQ(code(inner(chunks, 1, {{"a", more_files}, {"c", *cd}})), ErrorCode::kCorrupt);
  NodeRef other_hash = *ab;
  other_hash.totals.content_hash = cd->totals.content_hash;
  EXPECT_EQ(verify_tree(chunks, other_hash, TreeForm::kDirectory, no_limit()).error().code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(verify_tree(chunks, ab, TreeForm::kDirectory, no_limit()));
}

TEST(WalkTree, NestedAndLinked_VisitsInOrderWithPaths) {
  MemoryChunks chunks;
  Inode linked = inline_inode("shared");
  linked.ino = 99;
  linked.nlink = 2;
  const TreeRoot links = built(chunks, {{link_name(99), linked}}, TreeForm::kLinkTable);
  Inode pointer = linked;
  pointer.content = LinkTableContent{};
  const TreeRoot below = built(chunks, {{"x", inline_inode("x")}, {"y", pointer}});
  const TreeRoot root = built(chunks, {{"a", pointer}, {"d", directory_inode(below)}, {"e", directory_inode(std::nullopt)}, {"f", inline_inode("f")}});
  std::vector<std::string> paths;
  const auto visit = [&](const std::string& path, const Inode& inode) {
    paths.push_back(path);
    if (path == "a" || path == "d/y") {
      EXPECT_EQ(inode, linked);
    }
    return ok_status();
  };
  ASSERT_TRUE(walk_tree(chunks, root, links, visit, no_limit()));
  EXPECT_EQ(paths, (std::vector<std::string>{"a", "d", "d/x", "d/y", "e", "f"}));
  EXPECT_EQ(walk_tree(chunks, root, std::nullopt, visit, no_limit()).error().code(), ErrorCode::kCorrupt);
  const auto stop = [&](const std::string& path, const Inode&) {
    return path == "d/x" ? Status(Error(ErrorCode::kCancelled, "enough")) : ok_status();
  };
  EXPECT_EQ(walk_tree(chunks, root, links, stop, no_limit()).error().code(), ErrorCode::kCancelled);
  const TreeReader reader(chunks);
  EXPECT_EQ(**reader.find_link(links, 99, no_limit()), linked);
  EXPECT_FALSE(reader.find_link(links, 98, no_limit())->has_value());
  // In the directory the entry of a linked file says nothing of the inode, so a change to that leaves it alone.
  EXPECT_EQ((*reader.find(root, "a", no_limit()))->inode.size_bytes, 0U);
  EXPECT_EQ(root->totals.bytes, 2U);
  EXPECT_EQ(links->totals.bytes, 6U);
}

TEST(WalkTree, FiveThousandLevels_AreNoProblem) {
  MemoryChunks chunks;
  TreeRoot root = built(chunks, {{"file", inline_inode("deep")}});
  for (int i = 0; i < 5'000; ++i) root = built(chunks, {{"d", directory_inode(root)}});
  std::size_t visited = 0;
  std::size_t longest = 0;
  const auto visit = [&](const std::string& path, const Inode&) {
    ++visited;
    longest = std::max(longest, path.size());
    return ok_status();
  };
  ASSERT_TRUE(walk_tree(chunks, root, std::nullopt, visit, no_limit()));
  EXPECT_EQ(visited, 5'001U);
  EXPECT_EQ(longest, 5'000U * 2 + 4);
  EXPECT_EQ(root->totals.directories, 5'000U);
  EXPECT_TRUE(verify_tree(chunks, root, TreeForm::kDirectory, no_limit()));
}

TEST(WalkTree, WideDirectory_IsListedInPages) {
  MemoryChunks chunks;
  SeededRandom random(22);
  Model model;
  for (std::uint64_t i = 0; i < 1'000; ++i) model[number_name(i)] = file_inode(random, 0);
  std::vector<std::string> paths;
  const auto visit = [&](const std::string& path, const Inode&) {
    paths.push_back(path);
    return ok_status();
  };
  ASSERT_TRUE(walk_tree(chunks, built(chunks, model), std::nullopt, visit, no_limit()));
  ASSERT_EQ(paths.size(), model.size());
  EXPECT_TRUE(std::equal(paths.begin(), paths.end(), model.begin(), [](const auto& path, const auto& entry) { return path == entry.first; }));
}

}  // namespace
}  // namespace holdfast
