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

Result<std::vector<ContentReader::Piece>> ContentReader::pieces(const Inode& inode, std::uint64_t offset, std::uint64_t size,
                                                                const CallContext& context) const {
  if (std::holds_alternative<LinkTableContent>(inode.content) || std::holds_alternative<DirectoryContent>(inode.content)) {
    return Error(ErrorCode::kInvalidArgument, "reading an entry that has no bytes of its own");
  }
  std::vector<Piece> pieces;
  if (offset >= inode.size_bytes || size == 0) return pieces;
  const std::uint64_t end = offset + std::min(size, inode.size_bytes - offset);
  if (const auto* inlined = std::get_if<InlineContent>(&inode.content)) {
    if (inlined->bytes.size() != inode.size_bytes) return Error(ErrorCode::kCorrupt, "an inline content of another size than its file");
    pieces.push_back({SharedBytes::copy_of(ByteView(inlined->bytes).subspan(offset, end - offset)), 0});
    return pieces;
  }
  HOLDFAST_ASSIGN(const std::vector<Located> located, extents(inode.content, offset, end - offset, context));
  std::vector<ChunkRef> refs;
  for (const Located& each : located) {
    if (each.extent.chunk) refs.push_back(*each.extent.chunk);
  }
  if (refs.size() > 1) source_.prefetch(refs);
  std::uint64_t covered = offset;
  for (const Located& each : located) {
    const std::uint64_t until = std::min(each.offset + each.extent.size_bytes, end);
    if (each.offset > covered || until <= covered) break;
    if (each.extent.chunk) {
      HOLDFAST_ASSIGN(const SharedBytes plain, source_.read(*each.extent.chunk, context));
      if (plain.size() != each.extent.size_bytes) return Error(ErrorCode::kCorrupt, "a chunk of another size than its reference says");
      pieces.push_back({plain.part(covered - each.offset, until - covered), 0});
    } else {
      pieces.push_back({{}, static_cast<std::size_t>(until - covered)});
    }
    covered = until;
  }
  if (covered != end) return Error(ErrorCode::kCorrupt, "a content that ends before its file does");
  return pieces;
}

Result<std::size_t> ContentReader::read(const Inode& inode, std::uint64_t offset, MutableByteView out, const CallContext& context) const {
  HOLDFAST_ASSIGN(const std::vector<Piece> found, pieces(inode, offset, out.size(), context));
  std::size_t done = 0;
  for (const Piece& piece : found) {
    const std::size_t size = piece.bytes.size() + piece.zeros;
    if (piece.zeros > 0) {
      std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(done), size, std::uint8_t{0});
    } else {
      std::ranges::copy(piece.bytes.view(), out.begin() + static_cast<std::ptrdiff_t>(done));
    }
    done += size;
  }
  return done;
}

}  // namespace holdfast
