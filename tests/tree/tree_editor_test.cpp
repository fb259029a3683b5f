// SPDX-License-Identifier: Apache-2.0
#include "core/tree/tree_node.h"
#include "tests/tree/tree_samples.h"

namespace holdfast {
namespace {

using namespace testing;  // NOLINT: the helpers of this folder

std::size_t levels(MemoryChunks& chunks, const TreeRoot& root) {
  NodeCache cache(1);
  return (*NodeLoader(chunks, cache, TreeForm::kDirectory).load_root(*root, no_limit()))->level() + 1U;
}

TEST(TreeEditor, NothingAndRemovedAgain_GivesNoRoot) {
  MemoryChunks chunks;
  SeededRandom random(1);
  EXPECT_EQ(built(chunks, {}), TreeRoot());
  const TreeEditor editor(chunks, chunks, 1);
  const TreeRoot one = built(chunks, {{"a", file_inode(random)}});
  ASSERT_TRUE(one);
  const std::vector<TreeEdit> removal{{"a", std::nullopt}, {"b", std::nullopt}};
  EXPECT_EQ(*editor.apply(one, removal, no_limit()), TreeRoot());
  EXPECT_EQ(*editor.apply(std::nullopt, removal, no_limit()), TreeRoot());
}

/// Changes model and edits alike.
std::vector<TreeEdit> random_edits(SeededRandom& random, Model& model, std::uint64_t names, std::uint64_t count, std::uint64_t removals) {
  std::map<std::string, std::optional<Inode>> changes;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto& change = changes[number_name(random.next_below(names))];
    change.reset();
    if (random.next_below(100) >= removals) change = file_inode(random, random.next_below(9));
  }
  std::vector<TreeEdit> edits;
  for (const auto& [name, inode] : changes) {
    edits.push_back({name, inode});
    if (inode) {
      model[name] = *inode;
    } else {
      model.erase(name);
    }
  }
  return edits;
}

TEST(TreeEditor, RandomEdits_EqualATreeBuiltAtOnce) {
  const std::uint64_t seed = 20'261'123;
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  for (unsigned round = 0; round < 4; ++round) {
    MemoryChunks chunks;
    const TreeEditor editor(chunks, chunks, 1);
    Model model;
    TreeRoot root;
    const std::uint64_t names = 20U << (2 * round);
    for (int step = 0; step < 30; ++step) {
      // Steps of one edit and of many, which grow the tree and then shrink it.
      const std::uint64_t count = step % 3 == 0 ? 1 + random.next_below(names / 2) : 1 + random.next_below(8);
      const auto edits = random_edits(random, model, names, count, step < 15 ? 20 : 75);
      const auto changed = editor.apply(root, edits, no_limit());
      ASSERT_TRUE(changed) << changed.error().message();
      root = *changed;
      ASSERT_EQ(root, built(chunks, model)) << "round " << round << " step " << step;
    }
    EXPECT_EQ(listed(chunks, root, 100), model);
    EXPECT_TRUE(verify_tree(chunks, root, TreeForm::kDirectory, no_limit()));
    ASSERT_FALSE(model.empty());
    std::vector<TreeEdit> all;
    for (const auto& [name, inode] : model) all.push_back({name, std::nullopt});
    all.pop_back();
    root = *editor.apply(root, all, no_limit());
    EXPECT_EQ(root, built(chunks, {*model.rbegin()}));
  }
}

TEST(TreeEditor, AppendedInOrder_EqualsATreeBuiltAtOnce) {
  MemoryChunks chunks;
  SeededRandom random(9);
  const TreeEditor editor(chunks, chunks, 1);
  Model model;
  TreeRoot root;
  for (std::uint64_t i = 0; i < 250; ++i) {
    const Inode inode = file_inode(random);
    model[number_name(i)] = inode;
    const std::vector<TreeEdit> edit{{number_name(i), inode}};
    root = *editor.apply(root, edit, no_limit());
    ASSERT_EQ(root, built(chunks, model)) << i;
  }
}

TEST(TreeEditor, OneChangeInManyEntries_CostsItsPathOnly) {
  MemoryChunks chunks;
  SeededRandom random(3);
  Model model;
  for (std::uint64_t i = 0; i < 100'000; ++i) model[number_name(i)] = file_inode(random, 1);
  TreeRoot root = built(chunks, model);
  const std::size_t depth = levels(chunks, root);
  EXPECT_GE(depth, 3U);
  EXPECT_LE(depth, 4U);
  for (int i = 0; i < 50; ++i) {
    const TreeEditor editor(chunks, chunks, 1);  // a new one: its node cache is empty
    const std::vector<TreeEdit> change{{number_name(random.next_below(100'000)), file_inode(random, 1)}};
    chunks.reset_counts();
    root = *editor.apply(root, change, no_limit());
    EXPECT_LE(chunks.puts(), depth + 1);
    EXPECT_LE(chunks.reads(), depth + 1);
  }
  std::size_t puts = 0;
  std::size_t reads = 0;
  for (int i = 0; i < 100; ++i) {
    const TreeEditor editor(chunks, chunks, 1);
    const std::string name = number_name(random.next_below(100'000));
    const std::vector<TreeEdit> removal{{name, std::nullopt}};
    const std::vector<TreeEdit> insertion{{name + "x", file_inode(random, 1)}};
    chunks.reset_counts();
    root = *editor.apply(root, removal, no_limit());
    root = *editor.apply(root, insertion, no_limit());
    puts += chunks.puts();
    reads += chunks.reads();
  }
  // Two changes a time; a removal may join two nodes, an insertion may part one, rarely more.
  EXPECT_LE(puts, 100 * 2 * (depth + 1));
  EXPECT_LE(reads, 100 * 2 * (depth + 1));
}

TEST(TreeEditor, NoChange_WritesNothing) {
  MemoryChunks chunks;
  SeededRandom random(4);
  Model model;
  for (std::uint64_t i = 0; i < 2'000; ++i) model[number_name(i)] = file_inode(random, 1);
  const TreeRoot root = built(chunks, model);
  chunks.reset_counts();
  const TreeEditor editor(chunks, chunks, 1);
  const std::vector<TreeEdit> same{{"absent", std::nullopt}, {number_name(77), model[number_name(77)]}, {"zzz", std::nullopt}};
  EXPECT_EQ(*editor.apply(root, same, no_limit()), root);
  EXPECT_EQ(chunks.puts(), 0U);
  EXPECT_EQ(*editor.apply(root, {}, no_limit()), root);
}

TEST(TreeEditor, BigEntries_StayInNodesBelowOneMebibyte) {
  MemoryChunks chunks;
  SeededRandom random(5);
  Model model;
  for (std::uint64_t i = 0; i < 40; ++i) {
    Inode inode = file_inode(random, 8);
    for (int x = 0; x < 7; ++x) {
      inode.xattrs["user.big" + std::to_string(x)] = std::string(static_cast<std::size_t>(random.next_below(65'537)), 'v');
    }
    model[number_name(i)] = inode;
  }
  const TreeRoot root = built(chunks, model);
  for (const auto& [id, stored] : chunks.all()) EXPECT_LT(stored.plain.size(), 1U << 20U);
  EXPECT_EQ(listed(chunks, root, 3), model);
  Inode huge = file_inode(random);
  for (int x = 0; x < 9; ++x) huge.xattrs["user.huge" + std::to_string(x)] = std::string(65'536, 'v');
  const TreeEditor editor(chunks, chunks, 1);
  const std::vector<TreeEdit> edit{{"huge", huge}};
  EXPECT_EQ(editor.apply(root, edit, no_limit()).error().code(), ErrorCode::kInvalidArgument);
}

TEST(TreeEditor, BadEdits_AreRefusedAndChangeNothing) {
  MemoryChunks chunks;
  SeededRandom random(6);
  const TreeEditor editor(chunks, chunks, 1);
  const Inode file = file_inode(random);
  Inode linked = file;
  linked.nlink = 2;
  const std::vector<std::vector<TreeEdit>> bad{
      {{"b", file}, {"a", file}}, {{"a", file}, {"a", file}}, {{"", file}},  {{".", file}}, {{"..", file}},
      {{"a/b", file}},            {{std::string("a\0b", 3), file}},          {{std::string(256, 'n'), file}},
      {{"a", linked}}};
  for (const auto& edits : bad) {
    const auto result = editor.apply(std::nullopt, edits, no_limit());
    ASSERT_FALSE(result) << edits.front().name;
    EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(chunks.puts(), 0U);
  const std::vector<TreeEdit> long_name{{std::string(255, '\xff'), file}};
  EXPECT_TRUE(editor.apply(std::nullopt, long_name, no_limit()));
}

TEST(TreeEditor, FullSink_PassesItsErrorOn) {
  MemoryChunks chunks;
  SeededRandom random(7);
  const TreeRoot root = built(chunks, {{"a", file_inode(random)}});
  chunks.fail_puts(true);
  const TreeEditor editor(chunks, chunks, 1);
  const std::vector<TreeEdit> edit{{"b", file_inode(random)}};
  EXPECT_EQ(editor.apply(root, edit, no_limit()).error().code(), ErrorCode::kNoSpace);
  EXPECT_EQ(listed(chunks, root).size(), 1U);
}

TEST(TreeEditor, Children_AreWhatTheNodeRefersTo) {
  MemoryChunks chunks;
  SeededRandom random(8);
  const TreeRoot below = built(chunks, {{"x", inline_inode("x")}});
  Inode file = inline_inode("");
  const Extent first{10, MemoryChunks::reference(ChunkKind::kData, as_bytes("0123456789"))};
  const Extent hole{100, std::nullopt};
  const Extent last{3, MemoryChunks::reference(ChunkKind::kData, as_bytes("abc"))};
  file.content = ExtentContent{{first, hole, last}};
  file.size_bytes = 113;
  const TreeRoot root = built(chunks, {{"a", file}, {"b", directory_inode(below)}, {"c", inline_inode("c")}});
  const std::vector<ChunkId> expected{first.chunk->id, last.chunk->id, below->ref.id};
  EXPECT_EQ(chunks.all()[root->ref.id].children, expected);
  EXPECT_EQ(root->totals.files, 3U);
  EXPECT_EQ(root->totals.directories, 1U);
  EXPECT_EQ(root->totals.bytes, 115U);
  EXPECT_EQ(root->totals.chunks, 4U);  // two of data, the node below, the node itself
}

}  // namespace
}  // namespace holdfast
