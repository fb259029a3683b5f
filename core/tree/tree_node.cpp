// SPDX-License-Identifier: Apache-2.0
#include "core/tree/tree_node.h"

#include "core/tree/totals.h"

namespace holdfast {
namespace {

constexpr std::string_view kMagic = "HT";
constexpr std::size_t kEntryMinBytes = 26;  // a name of one byte and the smallest inode
constexpr std::size_t kChildMinBytes = 2 + kChunkRefBytes + 4 + 64;

}  // namespace

std::string_view entry_fault(const Entry& entry, TreeForm form) {
  const bool in_link_table = std::holds_alternative<LinkTableContent>(entry.inode.content);
  if (form == TreeForm::kLinkTable) {
    if (entry.name != link_name(entry.inode.ino)) return "an entry of the link table under another number than its inode's";
    if (entry.inode.is_directory() || in_link_table) return "an entry of the link table that is a directory or has no content of its own";
    return inode_fault(entry.inode);
  }
  if (!is_valid_entry_name(entry.name)) return "a name that can't be in a directory";
  if (!entry.inode.is_directory() && entry.inode.nlink > 1 && !in_link_table) {
    return "an inode with several links that is not in the link table";
  }
  return inode_fault(entry.inode);
}

Result<std::shared_ptr<const TreeNode>> TreeNode::parse(SharedBytes plain, TreeForm form) {
  if (plain.size() > kChunkPlainMaxBytes) return Error(ErrorCode::kCorrupt, "a tree node that is too big");
  std::shared_ptr<TreeNode> node(new TreeNode(std::move(plain), form));
  HOLDFAST_TRY(node->parse_items());
  return std::shared_ptr<const TreeNode>(std::move(node));
}

Status TreeNode::parse_items() {
  ByteReader in(plain_.view(), "tree node");
  HOLDFAST_ASSIGN(const ByteView magic, in.raw(kMagic.size()));
  if (as_text(magic) != kMagic) return in.corrupt("does not begin with HT");
  HOLDFAST_ASSIGN(const std::uint8_t version, in.u8());
  if (version != kNodeVersion) {
    return Error(ErrorCode::kUnsupported, "tree node has format version " + std::to_string(version) + "; this program reads 1");
  }
  HOLDFAST_ASSIGN(level_, in.u8());
  if (level_ > kNodeLevelMax) return in.corrupt("more than 8 levels");
  HOLDFAST_ASSIGN(const std::size_t count, in.count(level_ == 0 ? kEntryMinBytes : kChildMinBytes));
  if (count == 0) return in.corrupt("no items");
  items_.reserve(count);
  counts_.chunks = 1;
  for (std::size_t i = 0; i < count; ++i) HOLDFAST_TRY(parse_item(in));
  return in.expect_end();
}

Status TreeNode::parse_item(ByteReader& in) {
  HOLDFAST_ASSIGN(const std::string_view item_name, in.text(kNameMaxBytes));
  const auto* name_begin = as_bytes(item_name).data();
  if (!items_.empty() && name(items_.size() - 1) >= item_name) return in.corrupt("names out of order");
  bool added = false;
  if (level_ == 0) {
    Entry entry{std::string(item_name), {}};
    HOLDFAST_ASSIGN(entry.inode, decode_inode(in));
    if (const auto fault = entry_fault(entry, form_); !fault.empty()) return in.corrupt(fault);
    added = add_counts(counts_, entry);
  } else {
    if (item_name.empty()) return in.corrupt("an empty name");
    HOLDFAST_ASSIGN(const NodeRef child, decode_node_ref(in, ChunkKind::kTree));
    added = add_counts(counts_, child.totals);
  }
  if (!added) return in.corrupt("totals that exceed 64 bits");
  items_.push_back({static_cast<std::uint32_t>(name_begin - plain_.view().data()), static_cast<std::uint32_t>(item_name.size())});
  return ok_status();
}

std::string_view TreeNode::name(std::size_t index) const noexcept {
  const Span& span = items_[index];
  return as_text(plain_.view().subspan(span.name_offset, span.name_size));
}

std::size_t TreeNode::lower_bound(std::string_view wanted) const noexcept {
  std::size_t low = 0;
  std::size_t high = items_.size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (name(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

ByteView TreeNode::body(std::size_t index) const noexcept {
  const Span& span = items_[index];
  return plain_.view().subspan(std::size_t{span.name_offset} + span.name_size);
}

Result<Entry> TreeNode::entry(std::size_t index) const {
  HOLDFAST_CHECK(level_ == 0 && index < items_.size());
  ByteReader in(body(index), "tree node");
  Entry entry{std::string(name(index)), {}};
  HOLDFAST_ASSIGN(entry.inode, decode_inode(in));
  return entry;
}

Result<ChildItem> TreeNode::child(std::size_t index) const {
  HOLDFAST_CHECK(level_ > 0 && index < items_.size());
  ByteReader in(body(index), "tree node");
  ChildItem item{std::string(name(index)), {}};
  HOLDFAST_ASSIGN(item.node, decode_node_ref(in, ChunkKind::kTree));
  return item;
}

Result<Totals> TreeNode::totals(const ChunkId& id) const {
  TotalsBuilder builder(level_ == 0 ? TotalsBuilder::Node::kTreeLeaf : TotalsBuilder::Node::kTreeInner);
  for (std::size_t i = 0; i < size(); ++i) {
    if (level_ == 0) {
      HOLDFAST_ASSIGN(const Entry item, entry(i));
      builder.add(item);
    } else {
      HOLDFAST_ASSIGN(const ChildItem item, child(i));
      builder.add(item.node);
    }
  }
  return builder.finish(id);
}

std::shared_ptr<const TreeNode> NodeCache::find(const ChunkId& id, TreeForm form) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  // The same bytes may be good in one form and bad in the other.
  if (found == by_id_.end() || found->second->node->form() != form) return nullptr;
  slots_.splice(slots_.begin(), slots_, found->second);
  return found->second->node;
}

void NodeCache::insert(const ChunkId& id, std::shared_ptr<const TreeNode> node) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_id_.find(id); found != by_id_.end()) {
    size_bytes_ -= found->second->node->plain().size();
    slots_.erase(found->second);
    by_id_.erase(found);
  }
  size_bytes_ += node->plain().size();
  slots_.push_front({id, std::move(node)});
  by_id_[id] = slots_.begin();
  while (size_bytes_ > size_max_bytes_ && slots_.size() > 1) {
    size_bytes_ -= slots_.back().node->plain().size();
    by_id_.erase(slots_.back().id);
    slots_.pop_back();
  }
}

Result<std::shared_ptr<const TreeNode>> NodeLoader::load(const NodeRef& node, const CallContext& context) const {
  std::shared_ptr<const TreeNode> loaded = cache_.find(node.ref.id, form_);
  if (!loaded) {
    if (node.ref.kind != ChunkKind::kTree) return Error(ErrorCode::kCorrupt, "a tree node's reference is of another kind");
    HOLDFAST_ASSIGN(SharedBytes plain, source_.read(node.ref, context));
    HOLDFAST_ASSIGN(loaded, TreeNode::parse(std::move(plain), form_));
    cache_.insert(node.ref.id, loaded);
  }
  if (!equal_counts(loaded->counts(), node.totals)) {
    return Error(ErrorCode::kCorrupt, "a tree node whose items don't add up to the totals beside its reference");
  }
  return loaded;
}

Result<std::shared_ptr<const TreeNode>> NodeLoader::load_root(const NodeRef& root, const CallContext& context) const {
  return load(root, context);
}

Result<std::shared_ptr<const TreeNode>> NodeLoader::load_child(const TreeNode& parent, std::size_t index,
                                                               const CallContext& context) const {
  HOLDFAST_ASSIGN(const ChildItem item, parent.child(index));
  HOLDFAST_ASSIGN(std::shared_ptr<const TreeNode> node, load(item.node, context));
  if (node->level() + 1 != parent.level()) return Error(ErrorCode::kCorrupt, "a tree node of another level than its parent asks for");
  if (node->name(0) != item.first_name) return Error(ErrorCode::kCorrupt, "a tree node that begins with another name than its parent says");
  return node;
}

void NodeLoader::prefetch_children(const TreeNode& parent, std::size_t index, std::size_t count_max) const {
  std::vector<ChunkRef> refs;
  for (std::size_t i = index; i < parent.size() && refs.size() < count_max; ++i) {
    const Result<ChildItem> item = parent.child(i);
    if (item && !cache_.find(item->node.ref.id, form_)) refs.push_back(item->node.ref);
  }
  if (!refs.empty()) source_.prefetch(refs);
}

}  // namespace holdfast
