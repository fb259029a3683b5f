// SPDX-License-Identifier: Apache-2.0
#include "core/tree/list_node.h"

#include "core/tree/totals.h"

namespace holdfast {
namespace {

constexpr std::string_view kMagic = "HL";
constexpr std::size_t kExtentMinBytes = 2;
constexpr std::size_t kChildMinBytes = kChunkRefBytes + 4 + 64;

Status decode_items(ByteReader& in, std::size_t count, ListNode& node) {
  for (std::size_t i = 0; i < count; ++i) {
    bool added = false;
    if (node.level == 0) {
      HOLDFAST_ASSIGN(Extent extent, decode_extent(in));
      added = add_counts(node.counts, extent);
      node.extents.push_back(std::move(extent));
    } else {
      HOLDFAST_ASSIGN(NodeRef child, decode_node_ref(in, ChunkKind::kList));
      added = add_counts(node.counts, child.totals);
      node.children.push_back(std::move(child));
    }
    if (!added) return in.corrupt("sizes that exceed 64 bits");
  }
  return in.expect_end();
}

}  // namespace

Result<ListNode> decode_list_node(ByteView plain) {
  ByteReader in(plain, "list node");
  HOLDFAST_ASSIGN(const ByteView magic, in.raw(kMagic.size()));
  if (as_text(magic) != kMagic) return in.corrupt("does not begin with HL");
  HOLDFAST_ASSIGN(const std::uint8_t version, in.u8());
  if (version != kNodeVersion) {
    return Error(ErrorCode::kUnsupported, "list node has format version " + std::to_string(version) + "; this program reads 1");
  }
  ListNode node;
  HOLDFAST_ASSIGN(node.level, in.u8());
  if (node.level > kNodeLevelMax) return in.corrupt("more than 8 levels");
  HOLDFAST_ASSIGN(const std::size_t count, in.count(node.level == 0 ? kExtentMinBytes : kChildMinBytes));
  if (count == 0) return in.corrupt("no items");
  node.counts.chunks = 1;
  HOLDFAST_TRY(decode_items(in, count, node));
  return node;
}

Result<ListNode> load_list_node(ChunkSource& source, const NodeRef& node, std::optional<std::uint8_t> level,
                                const CallContext& context) {
  if (node.ref.kind != ChunkKind::kList) return Error(ErrorCode::kCorrupt, "a list node's reference is of another kind");
  HOLDFAST_ASSIGN(const auto plain, source.read(node.ref, context));
  HOLDFAST_ASSIGN(ListNode decoded, decode_list_node(plain.view()));
  if (level && decoded.level != *level) return Error(ErrorCode::kCorrupt, "a list node of another level than its parent asks for");
  if (!equal_counts(decoded.counts, node.totals)) {
    return Error(ErrorCode::kCorrupt, "a list node whose items don't add up to the totals beside its reference");
  }
  return decoded;
}

}  // namespace holdfast
