// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/tree/codec.h"
#include "core/tree/node_store.h"

namespace holdfast {

/// A list node (FORMAT.md §4), decoded.
struct ListNode {
  std::uint8_t level = 0;
  std::vector<Extent> extents;    ///< level 0
  std::vector<NodeRef> children;  ///< other levels
  Totals counts;                  ///< sums over the items and the node itself; no hashes
};

/// Checks and decodes a whole list node. Errors: kCorrupt; kUnsupported for a newer version.
Result<ListNode> decode_list_node(ByteView plain);

/// Reads and decodes the node behind `node`, which must add up to the totals beside it and, when `level` is given, be of that level.
/// Errors: kCorrupt; the source's.
Result<ListNode> load_list_node(ChunkSource& source, const NodeRef& node, std::optional<std::uint8_t> level,
                                const CallContext& context);

}  // namespace holdfast
