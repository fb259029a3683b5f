// SPDX-License-Identifier: Apache-2.0
#include "core/tree/list_node.h"
#include "core/tree/totals.h"
#include "core/tree/tree_node.h"

namespace holdfast {
namespace {

constexpr std::size_t kCacheMaxBytes = 1024 * 1024;

Status expect_equal(const Totals& computed, const Totals& stated, std::string_view what) {
  if (computed == stated) return ok_status();
  return Error(ErrorCode::kCorrupt, std::string(what) + " whose totals are not those beside its reference");
}

/// At most 8 deep.
Status verify_list(ChunkSource& source, const NodeRef& root, std::optional<std::uint8_t> level, const CallContext& context) {
  HOLDFAST_ASSIGN(const ListNode node, load_list_node(source, root, level, context));
  TotalsBuilder totals(node.level == 0 ? TotalsBuilder::Node::kListLeaf : TotalsBuilder::Node::kListInner);
  for (const Extent& extent : node.extents) totals.add(extent);
  for (const NodeRef& child : node.children) totals.add(child);
  HOLDFAST_ASSIGN(const Totals computed, totals.finish(root.ref.id));
  HOLDFAST_TRY(expect_equal(computed, root.totals, "a list node"));
  for (const NodeRef& child : node.children) {
    HOLDFAST_TRY(verify_list(source, child, static_cast<std::uint8_t>(node.level - 1), context));
  }
  return ok_status();
}

/// Directories found and not yet proved: a list instead of recursion, since paths may be of any depth.
using Waiting = std::vector<NodeRef>;

Status verify_leaf(ChunkSource& source, const TreeNode& leaf, Waiting& waiting, const CallContext& context) {
  for (std::size_t i = 0; i < leaf.size(); ++i) {
    HOLDFAST_ASSIGN(const Entry entry, leaf.entry(i));
    if (const auto* list = std::get_if<ListContent>(&entry.inode.content)) {
      HOLDFAST_TRY(verify_list(source, list->root, std::nullopt, context));
    }
    if (const auto* directory = std::get_if<DirectoryContent>(&entry.inode.content)) waiting.push_back(directory->root);
  }
  return ok_status();
}

/// One directory: every node of it. Each level is walked by a cursor, which also proves the order of names across nodes.
Status verify_directory(ChunkSource& source, const NodeRef& root, TreeForm form, Waiting& waiting, const CallContext& context) {
  NodeCache cache(kCacheMaxBytes);
  const NodeLoader loader(source, cache, form);
  HOLDFAST_ASSIGN(const auto root_node, loader.load_root(root, context));
  HOLDFAST_ASSIGN(const Totals computed, root_node->totals(root.ref.id));
  HOLDFAST_TRY(expect_equal(computed, root.totals, "a tree node"));
  for (std::uint8_t level = root_node->level(); level > 0; --level) {
    TreeCursor cursor(loader);
    HOLDFAST_TRY(cursor.seek(root_node, level, "", context));
    for (bool more = true; more;) {
      const TreeNode& parent = *cursor.node();
      for (std::size_t i = 0; i < parent.size(); ++i) {
        HOLDFAST_ASSIGN(const ChildItem item, parent.child(i));
        HOLDFAST_ASSIGN(const auto child, loader.load_child(parent, i, context));
        HOLDFAST_ASSIGN(const Totals totals, child->totals(item.node.ref.id));
        HOLDFAST_TRY(expect_equal(totals, item.node.totals, "a tree node"));
      }
      HOLDFAST_ASSIGN(more, cursor.next(context));
    }
  }
  TreeCursor cursor(loader);
  HOLDFAST_TRY(cursor.seek(root_node, 0, "", context));
  for (bool more = true; more;) {
    HOLDFAST_TRY(verify_leaf(source, *cursor.node(), waiting, context));
    HOLDFAST_ASSIGN(more, cursor.next(context));
  }
  return ok_status();
}

}  // namespace

Status verify_tree(ChunkSource& source, const TreeRoot& root, TreeForm form, const CallContext& context) {
  if (!root) return ok_status();
  Waiting waiting{*root};
  while (!waiting.empty()) {
    const NodeRef next = waiting.back();
    waiting.pop_back();
    HOLDFAST_TRY(verify_directory(source, next, form, waiting, context));
    form = TreeForm::kDirectory;
  }
  return ok_status();
}

}  // namespace holdfast
