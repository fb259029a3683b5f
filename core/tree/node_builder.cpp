// SPDX-License-Identifier: Apache-2.0
#include "core/tree/node_builder.h"

#include <xxhash.h>

namespace holdfast {
namespace {

const std::string& name_of(const Entry& item) { return item.name; }
const std::string& name_of(const ChildItem& item) { return item.first_name; }

void encode_item(const Entry& item, ByteWriter& out) { encode_entry(item, out); }
void encode_item(const ChildItem& item, ByteWriter& out) {
  out.text(item.first_name);
  encode_node_ref(item.node, out);
}

void add_item(TotalsBuilder& totals, const Entry& item) { totals.add(item); }
void add_item(TotalsBuilder& totals, const ChildItem& item) { totals.add(item.node); }

}  // namespace

bool is_tree_cut(std::uint8_t level, std::string_view name) noexcept {
  return XXH3_64bits_withSeed(name.data(), name.size(), level) % kTreeCutOneIn == 0;
}

template <typename Item>
Status NodeBuilder<Item>::add(Item item) {
  ByteWriter out(body_);
  encode_item(item, out);
  items_.push_back(std::move(item));
  return ok_status();
}

template <typename Item>
bool NodeBuilder<Item>::at_cut() const noexcept {
  if (body_.size() >= kTreeNodeSoftMaxBytes) return true;
  return body_.size() >= kTreeNodeMinBytes && is_tree_cut(level_, name_of(items_.back()));
}

template <typename Item>
const std::string& NodeBuilder<Item>::first_name() const noexcept {
  return name_of(items_.front());
}

template <typename Item>
Bytes NodeBuilder<Item>::encoded() const {
  Bytes plain;
  plain.reserve(body_.size() + 16);
  ByteWriter(plain).raw(as_bytes("HT")).u8(kNodeVersion).u8(level_).varint(items_.size()).raw(body_);
  return plain;
}

template <typename Item>
bool NodeBuilder<Item>::encodes_to(ByteView plain) const {
  // The bodies first: they nearly always differ, and need no copy.
  if (plain.size() < body_.size() || !std::equal(body_.rbegin(), body_.rend(), plain.rbegin())) return false;
  return std::ranges::equal(encoded(), plain);
}

template <typename Item>
Result<ChildItem> NodeBuilder<Item>::store(const NodeWriter& writer) {
  auto plain = std::make_shared<const Bytes>(encoded());
  TotalsBuilder totals(level_ == 0 ? TotalsBuilder::Node::kTreeLeaf : TotalsBuilder::Node::kTreeInner);
  for (const Item& item : items_) add_item(totals, item);
  ChildItem stored{first_name(), {}};
  HOLDFAST_ASSIGN(stored.node.ref, writer.sink.put(writer.domain, ChunkKind::kTree, *plain, totals.children()));
  HOLDFAST_ASSIGN(stored.node.totals, totals.finish(stored.node.ref.id));
  // What was written is what the next change or listing reads: it is checked and kept at once.
  HOLDFAST_ASSIGN(auto node, TreeNode::parse(std::move(plain), writer.form));
  writer.cache.insert(stored.node.ref.id, std::move(node));
  clear();
  return stored;
}

template <typename Item>
void NodeBuilder<Item>::clear() {
  items_.clear();
  body_.clear();
}

template class NodeBuilder<Entry>;
template class NodeBuilder<ChildItem>;

}  // namespace holdfast
