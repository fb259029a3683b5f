// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/tree/totals.h"
#include "core/tree/tree_node.h"

namespace holdfast {

/// A node below this size is not ended by a name, so that few nodes are tiny and an inner node has at least 8 children.
inline constexpr std::size_t kTreeNodeMinBytes = 4 * 1024;
/// A node is ended by the item that brings it here: with kEntryMaxBytes it stays below 1 MiB.
inline constexpr std::size_t kTreeNodeSoftMaxBytes = 256 * 1024;
/// One name in so many may end a node (a power of two).
inline constexpr std::uint64_t kTreeCutOneIn = 64;

/// Where finished nodes go.
struct NodeWriter {
  ChunkSink& sink;
  NodeCache& cache;
  std::uint32_t domain;
  TreeForm form;
};

/// Whether the item called `name` may end a node of `level`. Levels are drawn apart, since the first names of nodes
/// follow names that were drawn in the level below.
[[nodiscard]] bool is_tree_cut(std::uint8_t level, std::string_view name) noexcept;

/// Collects the items of one node after the other; Item is Entry (level 0) or ChildItem. One thread.
template <typename Item>
class NodeBuilder {
 public:
  explicit NodeBuilder(std::uint8_t level) : level_(level) {}
  Status add(Item item);
  /// Whether the node ends after what was added last: decided by the items since the last cut alone.
  [[nodiscard]] bool at_cut() const noexcept;
  [[nodiscard]] bool empty() const noexcept { return items_.empty(); }
  [[nodiscard]] const std::string& first_name() const noexcept;
  /// Whether the node would be stored as these bytes.
  [[nodiscard]] bool encodes_to(ByteView plain) const;
  /// Stores the node and starts the next one. Errors: the sink's; kCorrupt for totals over 64 bits.
  Result<ChildItem> store(const NodeWriter& writer);
  void clear();

 private:
  [[nodiscard]] Bytes encoded() const;
  std::uint8_t level_;
  std::vector<Item> items_;
  Bytes body_;
};

}  // namespace holdfast
