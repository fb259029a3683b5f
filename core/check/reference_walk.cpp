// SPDX-License-Identifier: Apache-2.0
#include "core/check/reference_walk.h"

#include "core/tree/list_node.h"
#include "core/tree/tree_node.h"

namespace holdfast {
namespace {

class Walker {
 public:
  Walker(ChunkSource& source, const ReferenceWalk& walk, const CallContext& context) : source_(source), walk_(walk), context_(context) {}

  Status content(const Content& content, const std::string& path) {
    if (const auto* extents = std::get_if<ExtentContent>(&content)) return this->extents(extents->extents, path);
    if (const auto* list = std::get_if<ListContent>(&content)) return node(list->root.ref, path, TreeForm::kDirectory);
    if (const auto* directory = std::get_if<DirectoryContent>(&content)) return node(directory->root.ref, path, TreeForm::kDirectory);
    return ok_status();
  }

  Status node(const ChunkRef& ref, const std::string& path, TreeForm form) {
    HOLDFAST_ASSIGN(const bool goes_on, walk_.visit(ref, path));
    if (!goes_on) return ok_status();
    auto plain = source_.read(ref, context_);
    if (!plain) return walk_.unreadable(ref, path, plain.error());
    if (ref.kind == ChunkKind::kList) {
      const auto list = decode_list_node(plain->view());
      return list ? list_node(*list, path) : walk_.unreadable(ref, path, list.error());
    }
    const auto tree = TreeNode::parse(std::move(*plain), form);
    return tree ? tree_node(**tree, path, form) : walk_.unreadable(ref, path, tree.error());
  }

 private:
  Status extents(const std::vector<Extent>& extents, const std::string& path) {
    for (const auto& extent : extents) {
      if (extent.chunk) HOLDFAST_TRY(walk_.visit(*extent.chunk, path));
    }
    return ok_status();
  }

  Status list_node(const ListNode& list, const std::string& path) {
    HOLDFAST_TRY(extents(list.extents, path));
    for (const auto& child : list.children) HOLDFAST_TRY(node(child.ref, path, TreeForm::kDirectory));
    return ok_status();
  }

  Status tree_node(const TreeNode& tree, const std::string& path, TreeForm form) {
    for (std::size_t i = 0; i < tree.size(); ++i) {
      if (tree.level() > 0) {
        HOLDFAST_ASSIGN(const ChildItem child, tree.child(i));
        HOLDFAST_TRY(node(child.node.ref, path, form));
        continue;
      }
      HOLDFAST_ASSIGN(const Entry entry, tree.entry(i));
      const std::string name = form == TreeForm::kLinkTable ? "inode " + std::to_string(entry.inode.ino) : entry.name;
      HOLDFAST_TRY(content(entry.inode.content, path.empty() ? name : path + "/" + name));
    }
    return ok_status();
  }

  ChunkSource& source_;
  const ReferenceWalk& walk_;
  const CallContext& context_;
};

}  // namespace

Status walk_references(ChunkSource& source, const Inode& root, const TreeRoot& links, const ReferenceWalk& walk, const CallContext& context) {
  Walker walker(source, walk, context);
  HOLDFAST_TRY(walker.content(root.content, ""));
  if (links) HOLDFAST_TRY(walker.node(links->ref, "", TreeForm::kLinkTable));
  return ok_status();
}

}  // namespace holdfast
