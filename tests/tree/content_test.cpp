// SPDX-License-Identifier: Apache-2.0
#include "core/tree/content.h"

#include "core/tree/list_node.h"
#include "core/tree/totals.h"
#include "tests/tree/tree_samples.h"

namespace holdfast {
namespace {

using namespace testing;  // NOLINT: the helpers of this folder

/// A file as its extents and, beside them, as its bytes.
struct Sample {
  std::vector<Extent> extents;
  Bytes bytes;

  void add_chunk(MemoryChunks& chunks, ByteView plain) {
    const ChunkRef ref = *chunks.put(1, ChunkKind::kData, plain, {});
    extents.push_back({plain.size(), ref});
    append(bytes, plain);
  }
  void add_hole(std::size_t size) {
    extents.push_back({size, std::nullopt});
    bytes.insert(bytes.end(), size, 0);
  }
};

Sample random_sample(MemoryChunks& chunks, SeededRandom& random, std::size_t count) {
  Sample sample;
  for (std::size_t i = 0; i < count; ++i) {
    if (random.next_below(10) == 0) {
      sample.add_hole(1 + random.next_below(50));
    } else {
      sample.add_chunk(chunks, random.bytes(1 + random.next_below(40)));
    }
  }
  return sample;
}

Inode file_of(const Content& content, std::size_t size) {
  Inode inode = inline_inode("");
  inode.content = content;
  inode.size_bytes = size;
  return inode;
}

TEST(Content, RandomReads_EqualTheNaiveModel) {
  const std::uint64_t seed = 31;
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  for (const std::size_t count : {1U, 2U, 8U, 9U, 40U, 500U, 9'000U}) {
    MemoryChunks chunks;
    const Sample sample = random_sample(chunks, random, count);
    const auto content = build_content(sample.extents, chunks, 1);
    ASSERT_TRUE(content);
    if (count > 100) {
      EXPECT_TRUE(std::holds_alternative<ListContent>(*content));
    }
    EXPECT_EQ(content_size_bytes(*content), sample.bytes.size());
    const ContentReader reader(chunks);
    const Inode inode = file_of(*content, sample.bytes.size());
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t offset = random.next_below(sample.bytes.size() + 20);
      Bytes out(random.next_below(i % 10 == 0 ? sample.bytes.size() + 50 : 200), 0xee);
      const auto size = reader.read(inode, offset, out, no_limit());
      ASSERT_TRUE(size) << size.error().message();
      const std::size_t expected = offset >= sample.bytes.size() ? 0 : std::min(out.size(), sample.bytes.size() - offset);
      ASSERT_EQ(*size, expected);
      const auto from = sample.bytes.begin() + static_cast<std::ptrdiff_t>(std::min(offset, sample.bytes.size()));
      EXPECT_TRUE(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(expected), from));
      EXPECT_TRUE(std::all_of(out.begin() + static_cast<std::ptrdiff_t>(expected), out.end(), [](auto byte) { return byte == 0xee; }));
    }
    const auto all = reader.extents(*content, 0, sample.bytes.size(), no_limit());
    ASSERT_TRUE(all);
    std::uint64_t offset = 0;
    for (const auto& located : *all) {
      EXPECT_EQ(located.offset, offset);
      offset += located.extent.size_bytes;
    }
    EXPECT_EQ(offset, sample.bytes.size());
  }
}

TEST(Content, EmptyAndInline) {
  MemoryChunks chunks;
  EXPECT_EQ(*build_content({}, chunks, 1), Content(EmptyContent{}));
  const ContentReader reader(chunks);
  Bytes out(3);
  EXPECT_EQ(*reader.read(inline_inode(""), 0, out, no_limit()), 0U);
  EXPECT_EQ(*reader.read(inline_inode("hello"), 1, out, no_limit()), 3U);
  EXPECT_EQ(as_text(out), "ell");
  EXPECT_EQ(*reader.read(inline_inode("hello"), 4, out, no_limit()), 1U);
  EXPECT_TRUE(reader.extents(inline_inode("hello").content, 0, 5, no_limit())->empty());
  Inode linked = inline_inode("");
  linked.content = LinkTableContent{};
  EXPECT_EQ(reader.read(linked, 0, out, no_limit()).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Content, NeighbouringAndEmptyHoles_BecomeOne) {
  MemoryChunks chunks;
  Sample sample;
  sample.add_hole(5);
  sample.add_hole(7);
  sample.add_chunk(chunks, as_bytes("data"));
  std::vector<Extent> extents = sample.extents;
  extents.push_back({0, std::nullopt});
  const Content content = *build_content(extents, chunks, 1);
  EXPECT_EQ(std::get<ExtentContent>(content).extents, (std::vector<Extent>{{12, std::nullopt}, sample.extents[2]}));
}

TEST(Content, WrongExtents_AreRefused) {
  MemoryChunks chunks;
  Sample sample;
  sample.add_chunk(chunks, as_bytes("data"));
  Extent wrong = sample.extents[0];
  wrong.size_bytes = 3;
  EXPECT_EQ(build_content({wrong}, chunks, 1).error().code(), ErrorCode::kInvalidArgument);
  const Extent half{1ULL << 63U, std::nullopt};
  EXPECT_EQ(build_content({half, sample.extents[0], half}, chunks, 1).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Content, SmallChangeInALongList_WritesFewNodes) {
  MemoryChunks chunks;
  SeededRandom random(32);
  Sample sample = random_sample(chunks, random, 20'000);
  const Content before = *build_content(sample.extents, chunks, 1);
  EXPECT_EQ(*build_content(sample.extents, chunks, 1), before);
  Sample more;
  more.add_chunk(chunks, as_bytes("one more"));
  sample.extents.insert(sample.extents.begin() + 10'000, more.extents[0]);
  chunks.reset_counts();
  ASSERT_TRUE(build_content(sample.extents, chunks, 1));
  EXPECT_LE(chunks.new_puts(), 5U);
  EXPECT_GT(chunks.puts(), 50U);
}

TEST(Content, ReadInTheMiddleOfALongList_ReadsItsPath) {
  MemoryChunks chunks;
  SeededRandom random(33);
  const Sample sample = random_sample(chunks, random, 20'000);
  const Content content = *build_content(sample.extents, chunks, 1);
  const ContentReader reader(chunks);
  chunks.reset_counts();
  Bytes out(1);
  ASSERT_EQ(*reader.read(file_of(content, sample.bytes.size()), sample.bytes.size() / 2, out, no_limit()), 1U);
  EXPECT_LE(chunks.reads(), 4U);
}

TEST(Content, Totals_CountWhatIsThere) {
  MemoryChunks chunks;
  SeededRandom random(34);
  for (const std::size_t count : {3U, 3'000U}) {
    const Sample sample = random_sample(chunks, random, count);
    std::size_t data = 0;
    for (const Extent& extent : sample.extents) data += extent.chunk ? 1U : 0U;
    chunks.reset_counts();
    const Content content = *build_content(sample.extents, chunks, 1);
    const Totals totals = content_totals(content);
    EXPECT_EQ(totals.bytes, sample.bytes.size());
    EXPECT_EQ(totals.chunks, data + chunks.puts());
    EXPECT_EQ(totals.files, 0U);
    const TreeRoot root = built(chunks, {{"f", file_of(content, sample.bytes.size())}});
    EXPECT_EQ(root->totals.chunks, totals.chunks + 1);
    EXPECT_TRUE(verify_tree(chunks, root, TreeForm::kDirectory, no_limit()));
  }
}

TEST(Content, DamagedListNodes_AreErrors) {
  MemoryChunks chunks;
  SeededRandom random(35);
  const Sample sample = random_sample(chunks, random, 3'000);
  const Content content = *build_content(sample.extents, chunks, 1);
  const ChunkRef root = std::get<ListContent>(content).root.ref;
  const Inode inode = file_of(content, sample.bytes.size());
  const ContentReader reader(chunks);
  Bytes out(sample.bytes.size());
  const auto stored = chunks.all()[root.id];
  const Bytes good(stored.plain.view().begin(), stored.plain.view().end());
  for (std::size_t at = 0; at < 8; ++at) {
    Bytes bad = good;
    bad[at] ^= 0x40U;
    chunks.replace(root.id, bad);
    EXPECT_FALSE(reader.read(inode, 0, out, no_limit())) << at;
  }
  // A node that says other sizes than stand beside its reference.
  ListNode short_node = *decode_list_node(good);
  short_node.children.pop_back();
  Bytes plain;
  ByteWriter writer(plain);
  writer.raw(as_bytes("HL")).u8(1).u8(short_node.level).varint(short_node.children.size());
  for (const NodeRef& child : short_node.children) encode_node_ref(child, writer);
  chunks.replace(root.id, plain);
  EXPECT_EQ(reader.read(inode, 0, out, no_limit()).error().code(), ErrorCode::kCorrupt);
  chunks.replace(root.id, good);
  chunks.replace(sample.extents[0].chunk ? sample.extents[0].chunk->id : sample.extents[1].chunk->id, Bytes(1000));
  EXPECT_EQ(reader.read(inode, 0, out, no_limit()).error().code(), ErrorCode::kCorrupt);
}

TEST(ContentHash, OneInlineFile_AsTheFormatSays) {
  // Put together by hand from FORMAT.md §4, not by the code under test.
  const Bytes inline_hash_input{0x07, 'h', 'i'};
  const Digest content = sha256(inline_hash_input);
  MemoryChunks chunks;
  Inode inode = inline_inode("hi");
  const TreeRoot root = built(chunks, {{"f", inode}});
  Bytes leaf{0x09, 1, 'f'};
  for (const int byte : {0x80, 0x83, 0x02, 0, 0}) leaf.push_back(static_cast<std::uint8_t>(byte));  // mode 0100600, uid, gid
  leaf.insert(leaf.end(), 8, 0);                                                                   // mtime
  leaf.push_back(2);                                                                               // size
  append(leaf, content.view());
  EXPECT_EQ(root->totals.content_hash, sha256(leaf));
  Bytes merkle{0x02};
  append(merkle, root->ref.id.view());
  EXPECT_EQ(root->totals.merkle, sha256(merkle));
  Bytes snapshot{0x05};
  append(snapshot, root->totals.merkle.view());
  snapshot.insert(snapshot.end(), 32, 0);
  EXPECT_EQ(content_root(root, std::nullopt), sha256(snapshot));
  Bytes whole{0x0b};
  append(whole, root->totals.content_hash.view());
  whole.insert(whole.end(), 32, 0);
  EXPECT_EQ(snapshot_content_hash(root, std::nullopt), sha256(whole));
}

}  // namespace
}  // namespace holdfast
