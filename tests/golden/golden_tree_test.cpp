// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/tree/list_node.h"
#include "core/tree/totals.h"
#include "core/tree/tree_node.h"
#include "tests/golden/golden_vectors.h"

namespace holdfast::golden {
namespace {

Status check_inode(const Vector& v) {
  ByteReader in(v.data, "inode");
  HOLDFAST_ASSIGN(const Inode inode, decode_inode(in));
  HOLDFAST_TRY(in.expect_end());
  Bytes again;
  encode_inode(inode, again);
  EXPECT_EQ(to_hex(again), to_hex(v.data)) << v.name();
  return ok_status();
}

TEST(Golden, Inodes_AreReadAndWrittenAgain) {
  for (const Vector& v : vectors_of("inode")) EXPECT_EQ(judge(v, check_inode(v)), "") << v.name();
}

void expect_totals(const Vector& v, const Totals& totals) {
  EXPECT_EQ((std::vector{totals.files, totals.directories, totals.bytes, totals.chunks}), v.row.at("counts").get<std::vector<std::uint64_t>>()) << v.name();
  EXPECT_EQ(totals.merkle.hex(), v.text("merkle")) << v.name();
  EXPECT_EQ(totals.content_hash.hex(), v.text("content_hash")) << v.name();
}

Status check_tree(const Vector& v) {
  const TreeForm form = v.row.at("links").get<bool>() ? TreeForm::kLinkTable : TreeForm::kDirectory;
  HOLDFAST_ASSIGN(const auto node, TreeNode::parse(std::make_shared<const Bytes>(v.data), form));
  if (!v.refused().empty()) return ok_status();
  HOLDFAST_ASSIGN(const Totals totals, node->totals(v.id<ChunkId>("id")));
  expect_totals(v, totals);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < node->size(); ++i) names.push_back(to_hex(as_bytes(node->name(i))));
  EXPECT_EQ(names, v.row.at("names").get<std::vector<std::string>>()) << v.name();
  return ok_status();
}

TEST(Golden, TreeNodes) {
  for (const Vector& v : vectors_of("tree_node")) EXPECT_EQ(judge(v, check_tree(v)), "") << v.name();
}

Status check_list(const Vector& v) {
  HOLDFAST_ASSIGN(const ListNode node, decode_list_node(v.data));
  if (!v.refused().empty()) return ok_status();
  TotalsBuilder builder(node.level == 0 ? TotalsBuilder::Node::kListLeaf : TotalsBuilder::Node::kListInner);
  for (const Extent& extent : node.extents) builder.add(extent);
  for (const NodeRef& child : node.children) builder.add(child);
  HOLDFAST_ASSIGN(const Totals totals, builder.finish(v.id<ChunkId>("id")));
  expect_totals(v, totals);
  return ok_status();
}

TEST(Golden, ListNodes) {
  for (const Vector& v : vectors_of("list_node")) EXPECT_EQ(judge(v, check_list(v)), "") << v.name();
}

}  // namespace
}  // namespace holdfast::golden
