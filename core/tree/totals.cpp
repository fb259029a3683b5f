// SPDX-License-Identifier: Apache-2.0
#include "core/tree/totals.h"

#include "core/tree/content.h"
#include "core/tree/tree.h"

namespace holdfast {
namespace {

// First bytes of what is hashed, FORMAT.md §4 and §6.
constexpr std::uint8_t kNodeMerkle = 0x02;
constexpr std::uint8_t kRootMerkle = 0x05;
constexpr std::uint8_t kExtentsHash = 0x06;
constexpr std::uint8_t kInlineHash = 0x07;
constexpr std::uint8_t kListHash = 0x08;
constexpr std::uint8_t kTreeLeafHash = 0x09;
constexpr std::uint8_t kTreeInnerHash = 0x0a;
constexpr std::uint8_t kSnapshotHash = 0x0b;

Digest hash_with(std::uint8_t prefix, std::initializer_list<ByteView> parts) {
  Sha256 hash;
  hash.update({&prefix, 1});
  for (const ByteView part : parts) hash.update(part);
  return hash.finish();
}

void append_extent_hash_input(const Extent& extent, ByteWriter& out) {
  out.id(extent.chunk ? extent.chunk->fp : Fingerprint{}).u64(extent.size_bytes);
}

std::uint8_t content_prefix(TotalsBuilder::Node node) {
  switch (node) {
    case TotalsBuilder::Node::kTreeLeaf:
      return kTreeLeafHash;
    case TotalsBuilder::Node::kTreeInner:
      return kTreeInnerHash;
    case TotalsBuilder::Node::kListLeaf:
      return kExtentsHash;
    case TotalsBuilder::Node::kListInner:
      return kListHash;
  }
  return 0;
}

bool add_to(std::uint64_t& sum, std::uint64_t more) { return !__builtin_add_overflow(sum, more, &sum); }

}  // namespace

Digest extents_hash(std::span<const Extent> extents) {
  Bytes input;
  ByteWriter writer(input);
  for (const Extent& extent : extents) append_extent_hash_input(extent, writer);
  return hash_with(kExtentsHash, {input});
}

Digest content_hash_of(const Content& content) {
  if (const auto* inlined = std::get_if<InlineContent>(&content)) return hash_with(kInlineHash, {inlined->bytes});
  if (const auto* extents = std::get_if<ExtentContent>(&content)) return extents_hash(extents->extents);
  if (const auto* list = std::get_if<ListContent>(&content)) return list->root.totals.content_hash;
  if (const auto* directory = std::get_if<DirectoryContent>(&content)) return directory->root.totals.content_hash;
  return Digest{};
}

bool add_counts(Totals& sums, const Totals& more) {
  // Not short-circuited on purpose of clarity: after an overflow the sums are not used.
  return add_to(sums.files, more.files) && add_to(sums.directories, more.directories) &&
         add_to(sums.bytes, more.bytes) && add_to(sums.chunks, more.chunks);
}

bool add_counts(Totals& sums, const Extent& extent) {
  return add_to(sums.bytes, extent.size_bytes) && add_to(sums.chunks, extent.chunk ? 1U : 0U);
}

bool add_counts(Totals& sums, const Entry& entry) {
  const Content& content = entry.inode.content;
  if (entry.inode.is_directory()) {
    if (!add_to(sums.directories, 1)) return false;
    const auto* directory = std::get_if<DirectoryContent>(&content);
    return directory == nullptr || add_counts(sums, directory->root.totals);
  }
  if (!add_to(sums.files, 1)) return false;
  if (std::holds_alternative<LinkTableContent>(content)) return true;  // counted once, in the link table
  if (!add_to(sums.bytes, entry.inode.size_bytes)) return false;
  if (const auto* list = std::get_if<ListContent>(&content)) return add_to(sums.chunks, list->root.totals.chunks);
  const auto* extents = std::get_if<ExtentContent>(&content);
  if (extents == nullptr) return true;
  const auto holds_chunk = [](const Extent& extent) { return extent.chunk.has_value(); };
  const auto chunks = std::count_if(extents->extents.begin(), extents->extents.end(), holds_chunk);
  return add_to(sums.chunks, static_cast<std::uint64_t>(chunks));
}

bool equal_counts(const Totals& a, const Totals& b) {
  return a.files == b.files && a.directories == b.directories && a.bytes == b.bytes && a.chunks == b.chunks;
}

TotalsBuilder::TotalsBuilder(Node node) : node_(node) { sums_.chunks = 1; }

void TotalsBuilder::add(const Entry& entry) {
  overflow_ = !add_counts(sums_, entry) || overflow_;
  const Content& content = entry.inode.content;
  if (const auto* extents = std::get_if<ExtentContent>(&content)) {
    for (const Extent& extent : extents->extents) {
      if (!extent.chunk) continue;
      children_.push_back(extent.chunk->id);
      add_merkle(extent.chunk->id.view());
    }
  }
  const auto* list = std::get_if<ListContent>(&content);
  const auto* directory = std::get_if<DirectoryContent>(&content);
  const NodeRef* root = list != nullptr ? &list->root : directory != nullptr ? &directory->root : nullptr;
  if (root != nullptr) {
    children_.push_back(root->ref.id);
    add_merkle(root->totals.merkle.view());
  }
  const Inode& inode = entry.inode;
  ByteWriter out(hashed_);
  out.text(entry.name).varint(inode.mode).varint(inode.uid).varint(inode.gid).i64(inode.mtime);
  out.varint(inode.size_bytes).id(content_hash_of(content));
}

void TotalsBuilder::add(const NodeRef& child) {
  overflow_ = !add_counts(sums_, child.totals) || overflow_;
  children_.push_back(child.ref.id);
  add_merkle(child.totals.merkle.view());
  append(hashed_, child.totals.content_hash.view());
}

void TotalsBuilder::add(const Extent& extent) {
  overflow_ = !add_counts(sums_, extent) || overflow_;
  if (extent.chunk) {
    children_.push_back(extent.chunk->id);
    add_merkle(extent.chunk->id.view());
  }
  ByteWriter out(hashed_);
  append_extent_hash_input(extent, out);
}

Result<Totals> TotalsBuilder::finish(const ChunkId& id) const {
  if (overflow_) return Error(ErrorCode::kCorrupt, "totals of a node that exceed 64 bits");
  Totals totals = sums_;
  totals.merkle = hash_with(kNodeMerkle, {id.view(), merkle_children_});
  totals.content_hash = hash_with(content_prefix(node_), {hashed_});
  return totals;
}

Totals content_totals(const Content& content) {
  Totals totals;
  if (const auto* list = std::get_if<ListContent>(&content)) return list->root.totals;
  totals.content_hash = content_hash_of(content);
  totals.bytes = content_size_bytes(content).value_or(0);
  if (const auto* extents = std::get_if<ExtentContent>(&content)) {
    for (const Extent& extent : extents->extents) totals.chunks += extent.chunk ? 1U : 0U;
  }
  return totals;
}

Digest content_root(const TreeRoot& root, const TreeRoot& links) {
  const Digest root_merkle = root ? root->totals.merkle : Digest{};
  const Digest link_merkle = links ? links->totals.merkle : Digest{};
  return hash_with(kRootMerkle, {root_merkle.view(), link_merkle.view()});
}

Digest snapshot_content_hash(const TreeRoot& root, const TreeRoot& links) {
  const Digest root_hash = root ? root->totals.content_hash : Digest{};
  const Digest link_hash = links ? links->totals.content_hash : Digest{};
  return hash_with(kSnapshotHash, {root_hash.view(), link_hash.view()});
}

}  // namespace holdfast
