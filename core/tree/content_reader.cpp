// SPDX-License-Identifier: Apache-2.0
#include "core/tree/content.h"
#include "core/tree/list_node.h"

namespace holdfast {
namespace {

/// What is asked for, and what was found of it. One call of extents().
struct Search {
  ChunkSource& source;
  const CallContext& context;
  std::uint64_t begin;
  std::uint64_t end;  ///< exclusive
  std::vector<ContentReader::Located> found;

  void take(std::uint64_t offset, const Extent& extent) {
    if (offset < end && extent.size_bytes > begin - std::min(begin, offset)) found.push_back({offset, extent});
  }
};

/// At most 8 deep, since a child is of the level below (load_list_node checks it).
Status search_list(Search& search, const NodeRef& root, std::optional<std::uint8_t> level, std::uint64_t offset) {
  HOLDFAST_ASSIGN(const ListNode node, load_list_node(search.source, root, level, search.context));
  for (const Extent& extent : node.extents) {
    if (offset >= search.end) break;
    search.take(offset, extent);
    offset += extent.size_bytes;
  }
  for (const NodeRef& child : node.children) {
    if (offset >= search.end) break;
    const std::uint64_t child_end = offset + child.totals.bytes;
    if (child_end > search.begin) {
      HOLDFAST_TRY(search_list(search, child, static_cast<std::uint8_t>(node.level - 1), offset));
    }
    offset = child_end;
  }
  return ok_status();
}

void copy_part(ByteView from, std::uint64_t from_offset, MutableByteView out, std::uint64_t out_offset) {
  const std::uint64_t begin = std::max(from_offset, out_offset);
  const std::uint64_t end = std::min(from_offset + from.size(), out_offset + out.size());
  if (begin >= end) return;
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(begin - from_offset), end - begin,
              out.begin() + static_cast<std::ptrdiff_t>(begin - out_offset));
}

}  // namespace

Result<std::vector<ContentReader::Located>> ContentReader::extents(const Content& content, std::uint64_t offset, std::uint64_t size,
                                                                   const CallContext& context) const {
  std::uint64_t end = 0;
  if (__builtin_add_overflow(offset, size, &end)) end = std::numeric_limits<std::uint64_t>::max();
  Search search{source_, context, offset, end, {}};
  if (size == 0) return search.found;
  if (const auto* few = std::get_if<ExtentContent>(&content)) {
    if (!content_size_bytes(content)) return Error(ErrorCode::kCorrupt, "extents whose sizes exceed 64 bits");
    std::uint64_t at = 0;
    for (const Extent& extent : few->extents) {
      search.take(at, extent);
      at += extent.size_bytes;
    }
  } else if (const auto* list = std::get_if<ListContent>(&content)) {
    HOLDFAST_TRY(search_list(search, list->root, std::nullopt, 0));
  }
  return std::move(search.found);
}

Result<std::size_t> ContentReader::read(const Inode& inode, std::uint64_t offset, MutableByteView out, const CallContext& context) const {
  if (std::holds_alternative<LinkTableContent>(inode.content) || std::holds_alternative<DirectoryContent>(inode.content)) {
    return Error(ErrorCode::kInvalidArgument, "reading an entry that has no bytes of its own");
  }
  if (offset >= inode.size_bytes) return std::size_t{0};
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), inode.size_bytes - offset));
  const MutableByteView wanted = out.first(size);
  if (const auto* inlined = std::get_if<InlineContent>(&inode.content)) {
    if (inlined->bytes.size() != inode.size_bytes) return Error(ErrorCode::kCorrupt, "an inline content of another size than its file");
    copy_part(inlined->bytes, 0, wanted, offset);
    return size;
  }
  HOLDFAST_ASSIGN(const std::vector<Located> located, extents(inode.content, offset, size, context));
  std::vector<ChunkRef> refs;
  for (const Located& part : located) {
    if (part.extent.chunk) refs.push_back(*part.extent.chunk);
  }
  if (refs.size() > 1) source_.prefetch(refs);
  std::uint64_t covered = offset;
  for (const Located& part : located) {
    const std::uint64_t end = std::min(part.offset + part.extent.size_bytes, offset + size);
    if (part.offset > covered) break;
    if (part.extent.chunk) {
      HOLDFAST_ASSIGN(const auto plain, source_.read(*part.extent.chunk, context));
      if (plain.size() != part.extent.size_bytes) return Error(ErrorCode::kCorrupt, "a chunk of another size than its reference says");
      copy_part(plain.view(), part.offset, wanted, offset);
    } else {
      const std::uint64_t begin = std::max(part.offset, offset);
      std::fill_n(wanted.begin() + static_cast<std::ptrdiff_t>(begin - offset), end - begin, std::uint8_t{0});
    }
    covered = end;
  }
  if (covered != offset + size) return Error(ErrorCode::kCorrupt, "a content that ends before its file does");
  return size;
}

}  // namespace holdfast
