// SPDX-License-Identifier: Apache-2.0
#include "core/tree/codec.h"

namespace holdfast {
namespace {

enum class ContentTag : std::uint8_t { kEmpty = 0, kInline = 1, kExtents = 2, kList = 3, kDirectory = 4, kLinkTable = 5 };
constexpr std::uint8_t kExtentChunk = 0;
constexpr std::uint8_t kExtentHole = 1;
constexpr std::size_t kExtentMinBytes = 2;

Result<Content> decode_extents(ByteReader& in) {
  HOLDFAST_ASSIGN(const std::size_t count, in.count(kExtentMinBytes));
  if (count == 0) return in.corrupt("an extent list without extents");
  ExtentContent content;
  content.extents.reserve(std::min<std::size_t>(count, 64));
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(Extent extent, decode_extent(in));
    content.extents.push_back(std::move(extent));
  }
  return Content(std::move(content));
}

}  // namespace

void encode_totals(const Totals& totals, ByteWriter& out) {
  out.varint(totals.files).varint(totals.directories).varint(totals.bytes).varint(totals.chunks);
  out.id(totals.merkle).id(totals.content_hash);
}

Result<Totals> decode_totals(ByteReader& in) {
  Totals totals;
  HOLDFAST_ASSIGN(totals.files, in.varint());
  HOLDFAST_ASSIGN(totals.directories, in.varint());
  HOLDFAST_ASSIGN(totals.bytes, in.varint());
  HOLDFAST_ASSIGN(totals.chunks, in.varint());
  HOLDFAST_ASSIGN(totals.merkle, in.id<Digest>());
  HOLDFAST_ASSIGN(totals.content_hash, in.id<Digest>());
  return totals;
}

void encode_node_ref(const NodeRef& node, ByteWriter& out) {
  encode_chunk_ref(node.ref, out);
  encode_totals(node.totals, out);
}

Result<NodeRef> decode_node_ref(ByteReader& in, ChunkKind kind) {
  NodeRef node;
  HOLDFAST_ASSIGN(node.ref, decode_chunk_ref(in, kind));
  HOLDFAST_ASSIGN(node.totals, decode_totals(in));
  return node;
}

void encode_extent(const Extent& extent, ByteWriter& out) {
  if (extent.chunk) {
    out.u8(kExtentChunk);
    encode_chunk_ref(*extent.chunk, out);
  } else {
    out.u8(kExtentHole).varint(extent.size_bytes);
  }
}

Result<Extent> decode_extent(ByteReader& in) {
  HOLDFAST_ASSIGN(const std::uint8_t tag, in.u8());
  Extent extent;
  if (tag == kExtentChunk) {
    HOLDFAST_ASSIGN(extent.chunk, decode_chunk_ref(in, ChunkKind::kData));
    extent.size_bytes = extent.chunk->plain_size_bytes;
    return extent;
  }
  if (tag != kExtentHole) return in.corrupt("an extent of unknown kind");
  HOLDFAST_ASSIGN(extent.size_bytes, in.varint());
  if (extent.size_bytes == 0) return in.corrupt("a hole of no size");
  return extent;
}

void encode_content(const Content& content, ByteWriter& out) {
  out.u8(static_cast<std::uint8_t>(content.index()));
  if (const auto* inlined = std::get_if<InlineContent>(&content)) {
    out.bytes(inlined->bytes);
  } else if (const auto* extents = std::get_if<ExtentContent>(&content)) {
    out.varint(extents->extents.size());
    for (const Extent& extent : extents->extents) encode_extent(extent, out);
  } else if (const auto* list = std::get_if<ListContent>(&content)) {
    encode_node_ref(list->root, out);
  } else if (const auto* directory = std::get_if<DirectoryContent>(&content)) {
    encode_node_ref(directory->root, out);
  }
}

Result<Content> decode_content(ByteReader& in) {
  HOLDFAST_ASSIGN(const std::uint8_t tag, in.u8());
  if (tag > static_cast<std::uint8_t>(ContentTag::kLinkTable)) return in.corrupt("a content of unknown kind");
  switch (static_cast<ContentTag>(tag)) {
    case ContentTag::kEmpty:
      return Content(EmptyContent{});
    case ContentTag::kInline: {
      HOLDFAST_ASSIGN(const ByteView bytes, in.bytes(kInlineReadMaxBytes));
      if (bytes.empty()) return in.corrupt("an inline content of no bytes");
      return Content(InlineContent{Bytes(bytes.begin(), bytes.end())});
    }
    case ContentTag::kExtents:
      return decode_extents(in);
    case ContentTag::kList: {
      HOLDFAST_ASSIGN(NodeRef root, decode_node_ref(in, ChunkKind::kList));
      return Content(ListContent{std::move(root)});
    }
    case ContentTag::kDirectory: {
      HOLDFAST_ASSIGN(NodeRef root, decode_node_ref(in, ChunkKind::kTree));
      return Content(DirectoryContent{std::move(root)});
    }
    case ContentTag::kLinkTable:
      return Content(LinkTableContent{});
  }
  return in.corrupt("a content of unknown kind");
}

std::optional<std::uint64_t> content_size_bytes(const Content& content) {
  if (std::holds_alternative<EmptyContent>(content)) return 0;
  if (const auto* inlined = std::get_if<InlineContent>(&content)) return inlined->bytes.size();
  if (const auto* list = std::get_if<ListContent>(&content)) return list->root.totals.bytes;
  const auto* extents = std::get_if<ExtentContent>(&content);
  if (extents == nullptr) return std::nullopt;
  std::uint64_t sum = 0;
  for (const Extent& extent : extents->extents) {
    if (__builtin_add_overflow(sum, extent.size_bytes, &sum)) return std::nullopt;
  }
  return sum;
}

}  // namespace holdfast
