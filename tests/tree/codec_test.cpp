// SPDX-License-Identifier: Apache-2.0
#include "core/tree/codec.h"

#include "core/tree/list_node.h"
#include "core/tree/tree_node.h"
#include "tests/tree/tree_samples.h"

namespace holdfast {
namespace {

using namespace testing;  // NOLINT: the helpers of this folder

Bytes encoded(const Inode& inode) {
  Bytes out;
  encode_inode(inode, out);
  return out;
}

Result<Inode> decoded(const Bytes& bytes) {
  ByteView view(bytes);
  auto inode = decode_inode(view);
  if (inode && !view.empty()) return Error(ErrorCode::kCorrupt, "bytes left over");
  return inode;
}

NodeRef node_ref(SeededRandom& random, ChunkKind kind, std::uint64_t bytes) {
  NodeRef node;
  node.ref = MemoryChunks::reference(kind, random.bytes(9));
  node.totals = {random.next_below(1000), random.next_below(1000), bytes, random.next_below(1000), {}, {}};
  node.totals.merkle = sha256(as_bytes("m"));
  node.totals.content_hash = sha256(as_bytes("c"));
  return node;
}

/// One inode of every kind and with every optional field.
std::vector<Inode> samples() {
  SeededRandom random(11);
  std::vector<Inode> all{inline_inode(""), inline_inode("some bytes"), file_inode(random, 1), file_inode(random, 8)};
  Inode list = file_inode(random, 0);
  list.size_bytes = 1ULL << 50U;
  list.content = ListContent{node_ref(random, ChunkKind::kList, list.size_bytes)};
  all.push_back(list);
  all.push_back(directory_inode(std::nullopt));
  all.push_back(directory_inode(node_ref(random, ChunkKind::kTree, 77)));
  Inode symlink = inline_inode("../target");
  symlink.mode = 0120777;
  all.push_back(symlink);
  Inode device = inline_inode("");
  device.mode = 0060660;
  device.rdev = 0x800001;
  all.push_back(device);
  device.mode = 0020666;
  device.rdev = 0;
  all.push_back(device);
  Inode linked = inline_inode("");
  linked.nlink = 3;
  linked.content = LinkTableContent{};
  all.push_back(linked);
  Inode full = file_inode(random, 2);
  full.atime = full.mtime - 1;
  full.xattrs = {{"user.a", ""}, {"user.b", std::string("\0v", 2)}};
  full.completeness = Completeness::kIncomplete;
  full.uid = full.gid = 0xffffffff;
  full.mode = 0107777;
  all.push_back(full);
  return all;
}

TEST(InodeCodec, EveryKind_RoundTrips) {
  for (const Inode& inode : samples()) {
    const auto again = decoded(encoded(inode));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(*again, inode);
  }
}

TEST(InodeCodec, KnownInode_HasTheBytesOfTheFormat) {
  Inode inode;
  inode.ino = 300;
  inode.mode = 0100644;
  inode.uid = 1;
  inode.gid = 2;
  inode.mtime = 3;
  inode.atime = 3;
  inode.ctime = -1;
  inode.completeness = Completeness::kComplete;
  inode.size_bytes = 2;
  inode.content = InlineContent{{'h', 'i'}};
  // ino 300; mode 0x81a4; uid; gid; mtime; ctime; nlink; flags; completeness; size; tag 1, length, bytes
  EXPECT_EQ(to_hex(encoded(inode)), "ac02" "a48302" "01" "02" "0300000000000000" "ffffffffffffffff" "01" "08" "01" "02" "01" "02" "6869");
}

TEST(InodeCodec, EveryPrefix_IsRefused) {
  for (const Inode& inode : samples()) {
    const Bytes whole = encoded(inode);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(decoded(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)))) << size;
    }
  }
}

TEST(InodeCodec, EveryChangedByte_IsRefusedOrAnotherInodeInItsOneForm) {
  for (const Inode& inode : samples()) {
    const Bytes whole = encoded(inode);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        Bytes changed = whole;
        changed[at] = static_cast<std::uint8_t>(changed[at] ^ (1U << bit));
        const auto result = decoded(changed);
        if (result) {
          EXPECT_EQ(encoded(*result), changed) << at;
        }
        if (!result) {
          EXPECT_EQ(result.error().code(), ErrorCode::kCorrupt);
        }
      }
    }
  }
}

TEST(InodeCodec, ContradictionsOfFields_AreRefused) {
  const auto refused = [](Inode inode, auto change) {
    change(inode);
    const auto result = decoded(encoded(inode));
    return !result && result.error().code() == ErrorCode::kCorrupt;
  };
  SeededRandom random(12);
  const Inode file = file_inode(random, 2);
  const Inode directory = directory_inode(std::nullopt);
  EXPECT_FALSE(refused(file, [](Inode&) {}));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.ino = 0; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.nlink = 0; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.mode = 0644; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.mode |= 0200000; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.size_bytes += 1; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.rdev = 5; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.xattrs[""] = "v"; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.xattrs["user.v"] = std::string(65'537, 'v'); }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.xattrs[std::string("a\0b", 3)] = "v"; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.completeness = static_cast<Completeness>(4); }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.content = LinkTableContent{}; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.content = EmptyContent{}; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.content = ExtentContent{}; inode.size_bytes = 0; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.content = InlineContent{}; inode.size_bytes = 0; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { inode.content = InlineContent{Bytes(4097)}; inode.size_bytes = 4097; }));
  EXPECT_FALSE(refused(file, [](Inode& inode) { inode.content = InlineContent{Bytes(4096)}; inode.size_bytes = 4096; }));
  EXPECT_TRUE(refused(file, [](Inode& inode) { std::get<ExtentContent>(inode.content).extents[0].chunk = ChunkRef{}; }));
  EXPECT_TRUE(refused(file, [&](Inode& inode) { inode.content = DirectoryContent{node_ref(random, ChunkKind::kTree, 1)}; }));
  EXPECT_TRUE(refused(file, [&](Inode& inode) {
    inode.content = ListContent{node_ref(random, ChunkKind::kTree, inode.size_bytes)};  // a list of the wrong kind
  }));
  EXPECT_TRUE(refused(file, [](Inode& inode) {
    const Extent hole{1ULL << 63U, std::nullopt};
    inode.content = ExtentContent{{hole, hole}};  // adds up to 2^64
    inode.size_bytes = 0;
  }));
  EXPECT_TRUE(refused(directory, [](Inode& inode) { inode.size_bytes = 4096; }));
  EXPECT_TRUE(refused(directory, [](Inode& inode) { inode.content = InlineContent{{'x'}}; }));
  EXPECT_TRUE(refused(inline_inode("to"), [](Inode& inode) { inode.mode = 0120777; inode.size_bytes = 3; }));
  EXPECT_TRUE(refused(inline_inode(std::string_view("t\0o", 3)), [](Inode& inode) { inode.mode = 0120777; }));
  EXPECT_TRUE(refused(inline_inode("fifo"), [](Inode& inode) { inode.mode = 0010644; }));
}

TEST(InodeCodec, OptionalFieldsThatSayNothing_AreRefused) {
  Inode inode = inline_inode("");
  inode.atime = 1;
  Bytes bytes = encoded(inode);
  ASSERT_TRUE(decoded(bytes));
  // ino, mode (3), uid, gid, mtime (8), ctime (8), nlink, flags, atime: made equal to mtime.
  const std::size_t atime_offset = 1 + 3 + 1 + 1 + 8 + 8 + 1 + 1;
  ASSERT_EQ(bytes[atime_offset], 1);
  bytes[atime_offset] = 0;
  EXPECT_EQ(decoded(bytes).error().code(), ErrorCode::kCorrupt);
  Bytes unknown_flag = encoded(inline_inode(""));
  unknown_flag[atime_offset - 1] = 16;
  EXPECT_EQ(decoded(unknown_flag).error().code(), ErrorCode::kCorrupt);
}

TEST(EntryName, Bounds_AsInADirectory) {
  EXPECT_TRUE(is_valid_entry_name("..."));
  EXPECT_TRUE(is_valid_entry_name("new\nline \xff"));
  EXPECT_TRUE(is_valid_entry_name(std::string(255, 'n')));
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("/"),
                                  std::string("a\0", 2), std::string(256, 'n')}) {
    EXPECT_FALSE(is_valid_entry_name(name)) << name;
  }
}

/// A leaf of these entries in this order, right or not.
Bytes leaf(const std::vector<Entry>& entries, std::uint8_t level = 0, std::uint8_t version = 1) {
  Bytes plain;
  ByteWriter out(plain);
  out.raw(as_bytes("HT")).u8(version).u8(level).varint(entries.size());
  for (const Entry& entry : entries) encode_entry(entry, out);
  return plain;
}

ErrorCode parse_error(const Bytes& plain, TreeForm form = TreeForm::kDirectory) {
  const auto node = TreeNode::parse(std::make_shared<const Bytes>(plain), form);
  EXPECT_FALSE(node);
  return node ? ErrorCode::kInternal : node.error().code();
}

TEST(TreeNode, Refusals) {
  const Inode file = inline_inode("x");
  ASSERT_TRUE(TreeNode::parse(std::make_shared<const Bytes>(leaf({{"a", file}, {"b", file}})), TreeForm::kDirectory));
  EXPECT_EQ(parse_error(leaf({{"b", file}, {"a", file}})), ErrorCode::kCorrupt);
  EXPECT_EQ(parse_error(leaf({{"a", file}, {"a", file}})), ErrorCode::kCorrupt);
  EXPECT_EQ(parse_error(leaf({})), ErrorCode::kCorrupt);
  EXPECT_EQ(parse_error({}), ErrorCode::kCorrupt);
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("\0", 1),
                                  std::string(256, 'n')}) {
    EXPECT_EQ(parse_error(leaf({{name, file}})), ErrorCode::kCorrupt);
  }
  EXPECT_EQ(parse_error(leaf({{"a", file}}, 0, 2)), ErrorCode::kUnsupported);
  EXPECT_EQ(parse_error(leaf({{"a", file}}, 8)), ErrorCode::kCorrupt);
  EXPECT_EQ(parse_error(leaf({{"a", file}}, 1)), ErrorCode::kCorrupt);
  Bytes left_over = leaf({{"a", file}});
  left_over.push_back(0);
  EXPECT_EQ(parse_error(left_over), ErrorCode::kCorrupt);
  Bytes magic = leaf({{"a", file}});
  magic[1] = 'L';
  EXPECT_EQ(parse_error(magic), ErrorCode::kCorrupt);
  Bytes absurd_count;
  ByteWriter(absurd_count).raw(as_bytes("HT")).u8(1).u8(0).varint(1ULL << 62U);
  EXPECT_EQ(parse_error(absurd_count), ErrorCode::kCorrupt);
  Inode linked = file;
  linked.nlink = 2;
  EXPECT_EQ(parse_error(leaf({{"a", linked}})), ErrorCode::kCorrupt);
}

TEST(TreeNode, LinkTable_TakesOnlyFilesUnderTheirNumbers) {
  Inode file = inline_inode("x");
  file.ino = 0x0102;
  file.nlink = 2;
  EXPECT_EQ(to_hex(as_bytes(link_name(0x0102))), "0000000000000102");
  EXPECT_TRUE(TreeNode::parse(std::make_shared<const Bytes>(leaf({{link_name(0x0102), file}})), TreeForm::kLinkTable));
  EXPECT_EQ(parse_error(leaf({{link_name(0x0102), file}})), ErrorCode::kCorrupt);
  EXPECT_EQ(parse_error(leaf({{link_name(0x0103), file}}), TreeForm::kLinkTable), ErrorCode::kCorrupt);
  EXPECT_EQ(parse_error(leaf({{"a", file}}), TreeForm::kLinkTable), ErrorCode::kCorrupt);
  Inode pointing = file;
  pointing.content = LinkTableContent{};
  pointing.size_bytes = 0;
  EXPECT_EQ(parse_error(leaf({{link_name(0x0102), pointing}}), TreeForm::kLinkTable), ErrorCode::kCorrupt);
  Inode directory = directory_inode(std::nullopt);
  directory.ino = 0x0102;
  EXPECT_EQ(parse_error(leaf({{link_name(0x0102), directory}}), TreeForm::kLinkTable), ErrorCode::kCorrupt);
}

TEST(TreeNode, EveryChangedByte_NeverCrashesAndStaysInOneForm) {
  std::vector<Entry> entries;
  for (const Inode& inode : samples()) entries.push_back({number_name(entries.size()), inode});
  const Bytes whole = leaf(entries);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const unsigned flip : {0x01U, 0x80U, 0xffU}) {
      Bytes changed = whole;
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ flip);
      const auto node = TreeNode::parse(std::make_shared<const Bytes>(changed), TreeForm::kDirectory);
      if (!node) continue;
      std::vector<Entry> again;
      for (std::size_t i = 0; i < (*node)->size(); ++i) again.push_back(*(*node)->entry(i));
      EXPECT_EQ(leaf(again), changed) << at;
    }
  }
}

TEST(ListNode, Refusals) {
  const auto list = [](std::uint8_t version, std::uint8_t level, std::uint64_t count, const std::function<void(ByteWriter&)>& items) {
    Bytes plain;
    ByteWriter out(plain);
    out.raw(as_bytes("HL")).u8(version).u8(level).varint(count);
    items(out);
    const auto node = decode_list_node(plain);
    return node ? std::optional<ErrorCode>() : node.error().code();
  };
  SeededRandom random(13);
  const Extent chunk{5, MemoryChunks::reference(ChunkKind::kData, as_bytes("12345"))};
  const Extent of_tree{5, MemoryChunks::reference(ChunkKind::kTree, as_bytes("12345"))};
  const auto one = [&](ByteWriter& out) { encode_extent(chunk, out); };
  EXPECT_EQ(list(1, 0, 1, one), std::nullopt);
  EXPECT_EQ(list(2, 0, 1, one), ErrorCode::kUnsupported);
  EXPECT_EQ(list(1, 8, 1, one), ErrorCode::kCorrupt);
  EXPECT_EQ(list(1, 1, 1, one), ErrorCode::kCorrupt);
  EXPECT_EQ(list(1, 0, 0, [](ByteWriter&) {}), ErrorCode::kCorrupt);
  EXPECT_EQ(list(1, 0, 2, one), ErrorCode::kCorrupt);
  EXPECT_EQ(list(1, 0, 1ULL << 60U, one), ErrorCode::kCorrupt);
  EXPECT_EQ(list(1, 0, 1, [&](ByteWriter& out) { one(out); out.u8(0); }), ErrorCode::kCorrupt);
  EXPECT_EQ(list(1, 0, 1, [&](ByteWriter& out) { encode_extent(of_tree, out); }), ErrorCode::kCorrupt);
  EXPECT_EQ(list(1, 0, 1, [](ByteWriter& out) { out.u8(1).varint(0); }), ErrorCode::kCorrupt);
  EXPECT_EQ(list(1, 0, 1, [](ByteWriter& out) { out.u8(2).varint(9); }), ErrorCode::kCorrupt);
  EXPECT_EQ(list(1, 0, 1, [](ByteWriter& out) { out.u8(1).u8(0x81).u8(0); }), ErrorCode::kCorrupt);  // a long varint
  const NodeRef half = node_ref(random, ChunkKind::kList, 1ULL << 63U);
  EXPECT_EQ(list(1, 1, 1, [&](ByteWriter& out) { encode_node_ref(half, out); }), std::nullopt);
  EXPECT_EQ(list(1, 1, 2, [&](ByteWriter& out) { encode_node_ref(half, out); encode_node_ref(half, out); }), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace holdfast
