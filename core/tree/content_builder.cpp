// SPDX-License-Identifier: Apache-2.0
#include "core/tree/content.h"
#include "core/tree/list_node.h"
#include "core/tree/totals.h"

namespace holdfast {
namespace {

/// A list node has so many items at least (but for the last of a level), so that a level is at most a 32nd of the one below …
constexpr std::size_t kListNodeMinCount = 32;
/// … and at most so many: 172 KiB of references with totals.
constexpr std::size_t kListNodeMaxCount = 1024;
/// One item in so many may end a node (a power of two).
constexpr std::uint8_t kListCutOneIn = 128;

// Items carry keyed hashes of what they stand for, whose bits are as good as random: one byte of them decides.
bool is_cut(const Extent& extent) { return extent.chunk && extent.chunk->fp.bytes[15] % kListCutOneIn == 0; }
bool is_cut(const NodeRef& node) { return node.totals.content_hash.bytes[31] % kListCutOneIn == 0; }

void encode_item(const Extent& extent, ByteWriter& out) { encode_extent(extent, out); }
void encode_item(const NodeRef& node, ByteWriter& out) { encode_node_ref(node, out); }

template <typename Item>
Result<NodeRef> store_node(std::uint8_t level, std::span<const Item> items, ChunkSink& sink, std::uint32_t domain) {
  Bytes plain;
  ByteWriter out(plain);
  out.raw(as_bytes("HL")).u8(kNodeVersion).u8(level).varint(items.size());
  TotalsBuilder totals(level == 0 ? TotalsBuilder::Node::kListLeaf : TotalsBuilder::Node::kListInner);
  for (const Item& item : items) {
    encode_item(item, out);
    totals.add(item);
  }
  NodeRef node;
  HOLDFAST_ASSIGN(node.ref, sink.put(domain, ChunkKind::kList, plain, totals.children()));
  HOLDFAST_ASSIGN(node.totals, totals.finish(node.ref.id));
  return node;
}

template <typename Item>
Result<std::vector<NodeRef>> store_level(std::uint8_t level, std::span<const Item> items, ChunkSink& sink, std::uint32_t domain) {
  std::vector<NodeRef> nodes;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::size_t count = i + 1 - begin;
    const bool ends = i + 1 == items.size() || count == kListNodeMaxCount || (count >= kListNodeMinCount && is_cut(items[i]));
    if (!ends) continue;
    HOLDFAST_ASSIGN(NodeRef node, store_node(level, items.subspan(begin, count), sink, domain));
    nodes.push_back(std::move(node));
    begin = i + 1;
  }
  return nodes;
}

/// One list of extents has one form: neighbouring holes are one hole, and there are none of no size.
Result<std::vector<Extent>> tidied(const std::vector<Extent>& extents) {
  std::vector<Extent> tidy;
  tidy.reserve(extents.size());
  std::uint64_t sum = 0;
  for (const Extent& extent : extents) {
    if (extent.chunk && (extent.chunk->kind != ChunkKind::kData || extent.chunk->plain_size_bytes != extent.size_bytes)) {
      return Error(ErrorCode::kInvalidArgument, "an extent that is not a whole data chunk");
    }
    if (__builtin_add_overflow(sum, extent.size_bytes, &sum)) {
      return Error(ErrorCode::kInvalidArgument, "extents whose sizes exceed 64 bits");
    }
    if (extent.size_bytes == 0) continue;
    if (!extent.chunk && !tidy.empty() && !tidy.back().chunk) {
      tidy.back().size_bytes += extent.size_bytes;
    } else {
      tidy.push_back(extent);
    }
  }
  return tidy;
}

}  // namespace

Result<Content> build_content(const std::vector<Extent>& extents, ChunkSink& sink, std::uint32_t domain) {
  HOLDFAST_ASSIGN(std::vector<Extent> tidy, tidied(extents));
  if (tidy.empty()) return Content(EmptyContent{});
  if (tidy.size() <= kExtentContentMaxCount) return Content(ExtentContent{std::move(tidy)});
  HOLDFAST_ASSIGN(std::vector<NodeRef> nodes, store_level(0, std::span<const Extent>(tidy), sink, domain));
  for (std::uint8_t level = 1; nodes.size() > 1; ++level) {
    if (level > kNodeLevelMax) return Error(ErrorCode::kInternal, "an extent list of more than 8 levels");
    HOLDFAST_ASSIGN(nodes, store_level(level, std::span<const NodeRef>(nodes), sink, domain));
  }
  return Content(ListContent{std::move(nodes.front())});
}

}  // namespace holdfast
