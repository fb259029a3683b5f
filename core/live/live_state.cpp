// SPDX-License-Identifier: Apache-2.0
#include "core/live/live_state.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr std::uint64_t kRoot = 1;
// About what an inode takes in the table and a memtable without its extents: estimated from the sizes of the structures.
constexpr std::size_t kInodeCostBytes = 1100;
// And what a name takes in a memtable, beside its letters: removed names count too, or removing a large tree would have no bound.
constexpr std::size_t kNameCostBytes = 120;

std::size_t cost_of(const LiveInode& value) {
  std::size_t bytes = kInodeCostBytes + (value.tail ? value.tail->size() : 0);
  if (const auto* extents = std::get_if<ExtentContent>(&value.inode.content)) bytes += extents->extents.size() * sizeof(Extent);
  if (const auto* inlined = std::get_if<InlineContent>(&value.inode.content)) bytes += inlined->bytes.size();
  for (const auto& [name, attribute] : value.inode.xattrs) bytes += name.size() + attribute.size();
  return bytes;
}

}  // namespace

void Memtable::merge_under(Memtable&& older) {
  for (auto& [ino, value] : older.inodes) {
    if (!gone.contains(ino)) inodes.try_emplace(ino, std::move(value));
  }
  for (auto& [directory, older_names] : older.names) {
    if (gone.contains(directory)) continue;
    Names& here = names[directory];
    for (auto& [name, ino] : older_names) here.try_emplace(name, ino);
  }
  links.merge(older.links);
  gone.merge(older.gone);
  bytes += older.bytes;
}

LiveState::LiveState(Inode root, TreeRoot links, std::uint64_t next_ino)
    : base_root_(std::move(root)), links_(std::move(links)), next_ino_(std::max<std::uint64_t>(next_ino, kRoot + 1)) {
  base_root_.ino = kRoot;
  nodes_[kRoot].value = std::make_shared<const LiveInode>(LiveInode{base_root_, nullptr, false, take_serial()});
}

LiveState::Node* LiveState::find(std::uint64_t ino) {
  const auto found = nodes_.find(ino);
  return found == nodes_.end() ? nullptr : &found->second;
}

const LiveState::Node* LiveState::find(std::uint64_t ino) const {
  const auto found = nodes_.find(ino);
  return found == nodes_.end() ? nullptr : &found->second;
}

LiveState::Node& LiveState::insert(LiveInode value, std::uint64_t parent, std::string_view name) {
  const std::uint64_t ino = value.inode.ino;
  if (value.content_serial == 0) value.content_serial = take_serial();
  Node& node = nodes_[ino];
  node.value = std::make_shared<const LiveInode>(std::move(value));
  if (parent != 0) set_parent(ino, parent, name);
  return node;
}

void LiveState::leave_parent(Node& node) {
  if (node.parent == 0) return;
  const std::uint64_t parent = std::exchange(node.parent, 0);
  node.name.clear();
  if (Node* above = find(parent)) {
    --above->children;
    evict(parent);
  }
}

void LiveState::set_parent(std::uint64_t ino, std::uint64_t parent, std::string_view name) {
  Node* const above = find(parent);
  Node* const node = find(ino);
  if (above == nullptr || node == nullptr) return;
  ++above->children;
  const std::string kept(name);  // it may be the node's own
  leave_parent(*node);
  node->parent = parent;
  node->name = kept;
}

void LiveState::pin(std::uint64_t ino, std::uint64_t count) {
  if (Node* node = find(ino)) node->pins += count;
}

void LiveState::unpin(std::uint64_t ino, std::uint64_t count) {
  Node* const node = find(ino);
  if (node == nullptr) return;
  node->pins -= std::min(node->pins, count);
  evict(ino);
}

bool LiveState::is_changed(std::uint64_t ino) const {
  return active_.inodes.contains(ino) || (frozen_ && frozen_->inodes.contains(ino));
}

bool LiveState::is_held_only(const Node& node) const {
  return node.pins > 0 && node.children == 0 && node.parent != 0 && !node.inode().is_directory() && node.file.expired() && !is_changed(node.inode().ino);
}

/// Drops a node that nobody holds and that the base (or nobody) knows as it is, and then those above it that were kept for it.
void LiveState::evict(std::uint64_t ino) {
  while (ino != 0 && ino != kRoot) {
    const auto found = nodes_.find(ino);
    if (found == nodes_.end()) return;
    const Node& node = found->second;
    if (node.pins > 0 || node.children > 0 || (!node.is_orphan() && is_changed(ino))) return;
    const std::uint64_t above = node.parent;
    nodes_.erase(found);
    if (Node* parent = find(above)) --parent->children;
    ino = above;
  }
}

LiveState::Peek LiveState::peek(std::uint64_t directory, std::string_view name) const {
  const Node* const node = find(directory);
  if (node == nullptr || node->is_orphan()) return {true, Memtable::kNoName};
  for (const Memtable::Names* names : names_over_base(directory)) {
    if (names == nullptr) continue;
    const auto found = names->find(name);
    if (found != names->end()) return {true, found->second};
  }
  if (!std::holds_alternative<DirectoryContent>(node->inode().content)) return {true, Memtable::kNoName};
  return {};
}

TreeRoot LiveState::base_of(std::uint64_t directory) const {
  const Node* const node = find(directory);
  if (node == nullptr) return std::nullopt;
  const auto* content = std::get_if<DirectoryContent>(&node->inode().content);
  return content == nullptr ? TreeRoot() : TreeRoot(content->root);
}

std::array<const Memtable::Names*, 2> LiveState::names_over_base(std::uint64_t directory) const {
  std::array<const Memtable::Names*, 2> names{};
  if (const auto found = active_.names.find(directory); found != active_.names.end()) names[0] = &found->second;
  if (frozen_) {
    if (const auto found = frozen_->names.find(directory); found != frozen_->names.end()) names[1] = &found->second;
  }
  return names;
}

/// Makes `value` the inode's newest. `whole` tells the batch what to write; the first change after a freeze is always whole.
void LiveState::remember(LiveBatch& batch, std::uint64_t ino, LiveInodePtr value, bool whole) {
  Node& node = nodes_[ino];
  node.value = value;
  if (value->inode.nlink == 0) return;
  const auto [place, is_new] = active_.inodes.insert_or_assign(ino, value);
  if (is_new) active_.bytes += cost_of(*place->second);
  if (whole || is_new) {
    batch.put_inode(*value);
  } else {
    batch.put_attributes(*value);
  }
  mark(batch, ino);
}

/// Sees to it that the memtable has the way from the root to the inode.
void LiveState::mark(LiveBatch& batch, std::uint64_t ino) {
  if (nodes_[ino].value->linked) {
    active_.links.insert(ino);
    return;
  }
  for (;;) {
    const Node& node = nodes_[ino];
    if (node.parent == 0) return;
    auto& names = active_.names[node.parent];
    const auto found = names.find(node.name);
    if (found != names.end() && found->second == ino) return;
    const LiveInodePtr& above = nodes_[node.parent].value;
    if (active_.inodes.try_emplace(node.parent, above).second) {
      active_.bytes += cost_of(*above);
      batch.put_inode(*above);
    }
    names[node.name] = ino;
    batch.set_name(node.parent, node.name, ino);
    ino = node.parent;
  }
}

void LiveState::put(LiveBatch& batch, LiveInode value) {
  const std::uint64_t ino = value.inode.ino;
  if (value.content_serial == 0) value.content_serial = take_serial();
  remember(batch, ino, std::make_shared<const LiveInode>(std::move(value)), false);
}

void LiveState::put_content(LiveBatch& batch, LiveInode value, const ContentUpdate& update) {
  const std::uint64_t ino = value.inode.ino;
  const bool goes_on = update.base_serial != 0 && nodes_[ino].value->content_serial == update.base_serial && active_.inodes.contains(ino);
  const auto pointer = std::make_shared<const LiveInode>(std::move(value));
  active_.bytes += update.added.size() * sizeof(Extent);
  remember(batch, ino, pointer, !goes_on);
  if (!goes_on || pointer->inode.nlink == 0) return;
  const ByteView tail = update.tail ? ByteView(*update.tail) : ByteView();
  batch.extend(ino, update.keep, update.added, tail.subspan(std::min(update.tail_from, tail.size())));
}

void LiveState::set_name(LiveBatch& batch, std::uint64_t directory, std::string_view name, std::uint64_t ino) {
  ++version_;
  if (!nodes_[ino].value->linked) set_parent(ino, directory, name);
  active_.names[directory][std::string(name)] = ino;
  active_.bytes += kNameCostBytes + name.size();
  batch.set_name(directory, name, ino);
}

void LiveState::delete_name(LiveBatch& batch, std::uint64_t directory, std::string_view name) {
  ++version_;
  active_.names[directory][std::string(name)] = Memtable::kNoName;
  active_.bytes += kNameCostBytes + name.size();
  batch.delete_name(directory, name);
}

void LiveState::detach(std::uint64_t ino) {
  if (Node* node = find(ino)) leave_parent(*node);
}

void LiveState::drop(LiveBatch& batch, LiveInode value) {
  const std::uint64_t ino = value.inode.ino;
  value.inode.nlink = 0;
  detach(ino);
  if (value.linked) active_.links.insert(ino);
  active_.inodes.erase(ino);
  active_.names.erase(ino);
  active_.gone.insert(ino);
  batch.gone(ino);
  nodes_[ino].value = std::make_shared<const LiveInode>(std::move(value));
  evict(ino);
}

}  // namespace holdfast
