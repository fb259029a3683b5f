// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <mutex>
#include <unordered_map>

#include "core/tree/codec.h"
#include "core/tree/node_store.h"
#include "core/tree/tree.h"

namespace holdfast {

/// An item of an inner node: a node of the level below and the first name in it.
struct ChildItem {
  std::string first_name;
  NodeRef node;
};

/// A tree node, checked on the way in and kept as its bytes: an entry is decoded when it is asked for. Unchangeable, so safe from any thread.
class TreeNode {
 public:
  /// Checks all of a node (FORMAT.md §4): layout, order of names, names and inodes that may stand in a tree of this form.
  /// Errors: kCorrupt; kUnsupported for a newer version.
  static Result<std::shared_ptr<const TreeNode>> parse(SharedBytes plain, TreeForm form);

  [[nodiscard]] TreeForm form() const noexcept { return form_; }
  [[nodiscard]] std::uint8_t level() const noexcept { return level_; }
  [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
  [[nodiscard]] ByteView plain() const noexcept { return plain_.view(); }
  /// Counts of what is below and of the node itself; the hashes are not computed.
  [[nodiscard]] const Totals& counts() const noexcept { return counts_; }
  [[nodiscard]] std::string_view name(std::size_t index) const noexcept;
  /// Index of the first item whose name is not before `name` (size() when there is none).
  [[nodiscard]] std::size_t lower_bound(std::string_view name) const noexcept;
  /// Level 0 only.
  Result<Entry> entry(std::size_t index) const;
  /// Other levels only.
  Result<ChildItem> child(std::size_t index) const;
  /// All totals, hashes included, of this node stored as `id`.
  Result<Totals> totals(const ChunkId& id) const;

 private:
  struct Span {
    std::uint32_t name_offset;
    std::uint32_t name_size;
  };
  TreeNode(SharedBytes plain, TreeForm form) : plain_(std::move(plain)), form_(form) {}
  Status parse_items();
  Status parse_item(ByteReader& in);
  [[nodiscard]] ByteView body(std::size_t index) const noexcept;

  SharedBytes plain_;
  TreeForm form_;
  std::uint8_t level_ = 0;
  std::vector<Span> items_;
  Totals counts_;
};

/// What keeps `entry` out of a tree of this form, in words; empty when nothing does.
std::string_view entry_fault(const Entry& entry, TreeForm form);

/// Nodes that were read lately, checked, by chunk id; the least recently used go first. Safe from any thread.
class NodeCache {
 public:
  explicit NodeCache(std::size_t size_max_bytes) : size_max_bytes_(size_max_bytes) {}
  std::shared_ptr<const TreeNode> find(const ChunkId& id, TreeForm form);
  void insert(const ChunkId& id, std::shared_ptr<const TreeNode> node);

 private:
  struct Slot {
    ChunkId id;
    std::shared_ptr<const TreeNode> node;
  };
  const std::size_t size_max_bytes_;
  std::mutex mutex_;
  std::list<Slot> slots_;  ///< most recently used first
  std::unordered_map<ChunkId, std::list<Slot>::iterator> by_id_;
  std::size_t size_bytes_ = 0;
};

/// Reads nodes through the cache and checks each against what its parent says of it. Safe from any thread.
class NodeLoader {
 public:
  NodeLoader(ChunkSource& source, NodeCache& cache, TreeForm form) : source_(source), cache_(cache), form_(form) {}
  Result<std::shared_ptr<const TreeNode>> load_root(const NodeRef& root, const CallContext& context) const;
  /// The child behind item `index` of `parent`: a level below it, beginning with the name that the item says.
  Result<std::shared_ptr<const TreeNode>> load_child(const TreeNode& parent, std::size_t index, const CallContext& context) const;
  /// Hints that the children from `index` on will be read, as many as the count says.
  void prefetch_children(const TreeNode& parent, std::size_t index, std::size_t count_max) const;
  [[nodiscard]] TreeForm form() const noexcept { return form_; }

 private:
  Result<std::shared_ptr<const TreeNode>> load(const NodeRef& node, const CallContext& context) const;
  ChunkSource& source_;
  NodeCache& cache_;
  TreeForm form_;
};

/// A place in one level of a tree, moved along by reading only the nodes on its way. One thread.
class TreeCursor {
 public:
  explicit TreeCursor(const NodeLoader& loader) : loader_(loader) {}
  /// To the node of `level` (at most the root's) that holds `name` or would: the last whose first name is not after it, else the first.
  Status seek(const std::shared_ptr<const TreeNode>& root, std::uint8_t level, std::string_view name, const CallContext& context);
  /// To the next node of the level; false at the end, where the cursor stays.
  Result<bool> next(const CallContext& context);
  [[nodiscard]] const std::shared_ptr<const TreeNode>& node() const noexcept { return path_.back().node; }
  /// First name of the next node of the level; nullopt at the end.
  [[nodiscard]] std::optional<std::string_view> next_first_name() const noexcept;
  /// Hints at the nodes after this one.
  void prefetch(std::size_t count_max) const;

 private:
  struct Step {
    std::shared_ptr<const TreeNode> node;
    std::size_t index = 0;  ///< of the child taken
  };
  Status step_down(const CallContext& context);
  const NodeLoader& loader_;
  std::vector<Step> path_;
};

}  // namespace holdfast
