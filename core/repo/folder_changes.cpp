// SPDX-License-Identifier: Apache-2.0
#include "core/repo/folder_changes.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/tree/tree_node.h"

namespace holdfast {
namespace {

constexpr std::size_t kNodeCacheBytes = 4U << 20;

using NodePtr = std::shared_ptr<const TreeNode>;
using Folders = std::map<std::string, NodeRef>;  ///< by name within one directory

class Comparison {
 public:
  Comparison(ChunkSource& source, const CallContext& context)
      : context_(context), cache_(kNodeCacheBytes), loader_(source, cache_, TreeForm::kDirectory) {}

  Result<FolderChanges> run(const TreeRoot& earlier, const TreeRoot& later) {
    pairs_.push_back({"", earlier, later});
    while (!pairs_.empty()) HOLDFAST_TRY(next_pair());
    // Only now is it known what went from where.
    while (!fresh_.empty()) HOLDFAST_TRY(next_fresh());
    FolderChanges out;
    for (auto& [path, root] : changed_) {
      const auto from = earlier_roots_.find(root.ref.id);
      out.changed.push_back({std::move(path), from == earlier_roots_.end() ? std::nullopt : std::optional(from->second)});
    }
    return out;
  }

 private:
  struct Pair {
    std::string path;
    TreeRoot earlier;
    TreeRoot later;
  };
  struct Folder {
    std::string path;
    NodeRef root;
  };
  static std::string below(const std::string& path, const std::string& name) { return path.empty() ? name : path + "/" + name; }

  Status next_pair() {
    const Pair pair = std::move(pairs_.back());
    pairs_.pop_back();
    if (pair.earlier && pair.later && pair.earlier->ref.id == pair.later->ref.id) return ok_status();
    if (pair.earlier) earlier_roots_.emplace(pair.earlier->ref.id, pair.path);
    if (pair.later) changed_.push_back({pair.path, *pair.later});
    Folders earlier;
    Folders later;
    HOLDFAST_TRY(differing_folders(pair.earlier, pair.later, earlier, later));
    for (const auto& [name, root] : later) {
      const auto before = earlier.find(name);
      if (before == earlier.end()) {
        fresh_.push_back({below(pair.path, name), root});
      } else {
        pairs_.push_back({below(pair.path, name), before->second, root});
      }
    }
    for (const auto& [name, root] : earlier) {
      if (!later.contains(name)) earlier_roots_.emplace(root.ref.id, below(pair.path, name));
    }
    return ok_status();
  }

  Status next_fresh() {
    const Folder folder = std::move(fresh_.back());
    fresh_.pop_back();
    changed_.push_back(folder);
    if (earlier_roots_.contains(folder.root.ref.id)) return ok_status();
    Folders none;
    Folders later;
    HOLDFAST_TRY(differing_folders(std::nullopt, folder.root, none, later));
    for (const auto& [name, root] : later) fresh_.push_back({below(folder.path, name), root});
    return ok_status();
  }

  /// Folders named in the leaves that only one of two directories has; what both have in equal leaves is left out.
  Status differing_folders(const TreeRoot& earlier, const TreeRoot& later, Folders& earlier_out, Folders& later_out) {
    std::vector<NodePtr> left;
    std::vector<NodePtr> right;
    if (earlier) {
      HOLDFAST_ASSIGN(NodePtr node, loader_.load_root(*earlier, context_));
      left.push_back(std::move(node));
    }
    if (later) {
      HOLDFAST_ASSIGN(NodePtr node, loader_.load_root(*later, context_));
      right.push_back(std::move(node));
    }
    for (;;) {
      const int left_level = left.empty() ? 0 : left.front()->level();
      const int right_level = right.empty() ? 0 : right.front()->level();
      if (left_level == 0 && right_level == 0) break;
      if (context_.stop.stop_requested()) return Error(ErrorCode::kCancelled, "comparing trees was called off");
      const int level = std::max(left_level, right_level);
      std::set<ChunkId> left_ids;
      std::set<ChunkId> both;
      if (left_level == right_level) {
        HOLDFAST_TRY(for_each_child(left, [&](const ChildItem& child) { left_ids.insert(child.node.ref.id); }));
        HOLDFAST_TRY(for_each_child(right, [&](const ChildItem& child) {
          if (left_ids.contains(child.node.ref.id)) both.insert(child.node.ref.id);
        }));
      }
      if (left_level == level) HOLDFAST_TRY(descend(left, both));
      if (right_level == level) HOLDFAST_TRY(descend(right, both));
    }
    HOLDFAST_TRY(take_folders(left, earlier_out));
    return take_folders(right, later_out);
  }

  template <typename Visit>
  static Status for_each_child(const std::vector<NodePtr>& nodes, Visit visit) {
    for (const NodePtr& node : nodes) {
      for (std::size_t i = 0; i < node->size(); ++i) {
        HOLDFAST_ASSIGN(const ChildItem child, node->child(i));
        visit(child);
      }
    }
    return ok_status();
  }

  Status descend(std::vector<NodePtr>& nodes, const std::set<ChunkId>& without) {
    std::vector<NodePtr> next;
    for (const NodePtr& node : nodes) {
      for (std::size_t i = 0; i < node->size(); ++i) {
        HOLDFAST_ASSIGN(const ChildItem child, node->child(i));
        if (without.contains(child.node.ref.id)) continue;
        HOLDFAST_ASSIGN(NodePtr below, loader_.load_child(*node, i, context_));
        next.push_back(std::move(below));
      }
    }
    nodes = std::move(next);
    return ok_status();
  }

  static Status take_folders(const std::vector<NodePtr>& leaves, Folders& out) {
    for (const NodePtr& leaf : leaves) {
      for (std::size_t i = 0; i < leaf->size(); ++i) {
        HOLDFAST_ASSIGN(const Entry entry, leaf->entry(i));
        if (const auto* folder = std::get_if<DirectoryContent>(&entry.inode.content)) out.emplace(entry.name, folder->root);
      }
    }
    return ok_status();
  }

  const CallContext& context_;
  NodeCache cache_;
  const NodeLoader loader_;
  std::vector<Pair> pairs_;
  std::vector<Folder> fresh_;  ///< only the later tree has them
  std::vector<Folder> changed_;
  std::map<ChunkId, std::string> earlier_roots_;  ///< what folders were that changed or went
};

}  // namespace

Result<FolderChanges> compare_folders(ChunkSource& source, const TreeRoot& earlier, const TreeRoot& later, const CallContext& context) {
  return Comparison(source, context).run(earlier, later);
}

}  // namespace holdfast
