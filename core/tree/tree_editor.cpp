// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "core/tree/node_builder.h"

namespace holdfast {
namespace {

constexpr std::size_t kOwnCacheMaxBytes = 4 * 1024 * 1024;

/// What changed in one level, as the level above sees it: by first name, a node that is new there, or none any more.
using ChildEdits = std::map<std::string, std::optional<NodeRef>, std::less<>>;

template <typename Item>
Result<Item> item_of(const TreeNode& node, std::size_t index) {
  if constexpr (std::is_same_v<Item, Entry>) {
    return node.entry(index);
  } else {
    return node.child(index);
  }
}

/// Edits of one level in order, whatever they are kept in.
struct EntryEdits {
  using Item = Entry;
  std::span<const TreeEdit> edits;
  std::size_t at = 0;
  [[nodiscard]] bool done() const { return at == edits.size(); }
  [[nodiscard]] std::string_view name() const { return edits[at].name; }
  [[nodiscard]] std::optional<Entry> item() const {
    if (!edits[at].inode) return std::nullopt;
    return Entry{edits[at].name, *edits[at].inode};
  }
  void advance() { ++at; }
};

struct InnerEdits {
  using Item = ChildItem;
  ChildEdits::const_iterator at;
  ChildEdits::const_iterator end;
  [[nodiscard]] bool done() const { return at == end; }
  [[nodiscard]] std::string_view name() const { return at->first; }
  [[nodiscard]] std::optional<ChildItem> item() const {
    if (!at->second) return std::nullopt;
    return ChildItem{at->first, *at->second};
  }
  void advance() { ++at; }
};

/// Calls `take` with the items of `node` and the edits before `bound` merged, in order.
template <typename Edits, typename Take>
Status merge(const TreeNode& node, Edits& edits, std::optional<std::string_view> bound, const Take& take) {
  using Item = typename Edits::Item;
  const auto in_bound = [&] { return !edits.done() && (!bound || edits.name() < *bound); };
  for (std::size_t i = 0; i < node.size(); ++i) {
    for (; in_bound() && edits.name() < node.name(i); edits.advance()) {
      if (auto item = edits.item()) HOLDFAST_TRY(take(std::move(*item)));
    }
    if (in_bound() && edits.name() == node.name(i)) {
      if (auto item = edits.item()) HOLDFAST_TRY(take(std::move(*item)));
      edits.advance();
      continue;
    }
    HOLDFAST_ASSIGN(Item item, item_of<Item>(node, i));
    HOLDFAST_TRY(take(std::move(item)));
  }
  for (; in_bound(); edits.advance()) {
    if (auto item = edits.item()) HOLDFAST_TRY(take(std::move(*item)));
  }
  return ok_status();
}

/// One run of apply(). One thread.
class Application {
 public:
  Application(const NodeLoader& loader, const NodeWriter& writer, const CallContext& context)
      : loader_(loader), writer_(writer), context_(context) {}

  Result<TreeRoot> run(const TreeRoot& root, std::span<const TreeEdit> edits) {
    if (!root) return create(edits);
    HOLDFAST_ASSIGN(root_node_, loader_.load_root(*root, context_));
    ChildEdits changes;
    HOLDFAST_TRY(change_level(0, EntryEdits{edits}, changes));
    for (std::uint8_t level = 1; level < root_node_->level(); ++level) {
      ChildEdits above;
      HOLDFAST_TRY(change_level(level, InnerEdits{changes.cbegin(), changes.cend()}, above));
      changes = std::move(above);
    }
    if (changes.empty()) return root;
    if (root_node_->level() == 0) {
      // The old root itself may have stayed as it was, with new nodes after it.
      changes.try_emplace(std::string(root_node_->name(0)), *root);
      return grow(items_of(changes), 1);
    }
    std::vector<ChildItem> items;
    InnerEdits top{changes.cbegin(), changes.cend()};
    HOLDFAST_TRY(merge(*root_node_, top, std::nullopt, [&](ChildItem item) {
      items.push_back(std::move(item));
      return ok_status();
    }));
    return grow(std::move(items), root_node_->level());
  }

 private:
  static std::vector<ChildItem> items_of(const ChildEdits& changes) {
    std::vector<ChildItem> items;
    for (const auto& [name, node] : changes) {
      if (node) items.push_back({name, *node});
    }
    return items;
  }

  Result<TreeRoot> create(std::span<const TreeEdit> edits) {
    std::vector<ChildItem> nodes;
    NodeBuilder<Entry> builder(0);
    for (const TreeEdit& edit : edits) {
      if (!edit.inode) continue;
      HOLDFAST_TRY(builder.add(Entry{edit.name, *edit.inode}));
      if (builder.at_cut()) HOLDFAST_TRY(flush(builder, nodes));
    }
    if (!builder.empty()) HOLDFAST_TRY(flush(builder, nodes));
    return grow(std::move(nodes), 1);
  }

  /// Builds levels from `level` on over all `items` of the level below it, until one node is left.
  Result<TreeRoot> grow(std::vector<ChildItem> items, std::uint8_t level) {
    for (; items.size() > 1; ++level) {
      if (level > kNodeLevelMax) return Error(ErrorCode::kInternal, "a tree of more than 8 levels");
      std::vector<ChildItem> nodes;
      NodeBuilder<ChildItem> builder(level);
      for (ChildItem& item : items) {
        HOLDFAST_TRY(builder.add(std::move(item)));
        if (builder.at_cut()) HOLDFAST_TRY(flush(builder, nodes));
      }
      if (!builder.empty()) HOLDFAST_TRY(flush(builder, nodes));
      items = std::move(nodes);
    }
    if (items.empty()) return TreeRoot();
    return drop_single_levels(std::move(items.front().node));
  }

  /// A root with a single child is none: its child is. Only a change that removes much gets here with one.
  Result<TreeRoot> drop_single_levels(NodeRef root) {
    while (true) {
      HOLDFAST_ASSIGN(const auto node, loader_.load_root(root, context_));
      if (node->level() == 0 || node->size() > 1) return TreeRoot(std::move(root));
      HOLDFAST_ASSIGN(ChildItem only, node->child(0));
      root = std::move(only.node);
    }
  }

  template <typename Item>
  Status flush(NodeBuilder<Item>& builder, std::vector<ChildItem>& nodes) {
    HOLDFAST_ASSIGN(ChildItem node, builder.store(writer_));
    nodes.push_back(std::move(node));
    return ok_status();
  }

  /// Changes the nodes of one level. Cuts depend only on the items since the last cut, so from the start of a node that holds an edit new
  /// cuts are found until one falls where an old node ends; the old nodes from there to the next edit stay.
  template <typename Edits>
  Status change_level(std::uint8_t level, Edits edits, ChildEdits& above) {
    NodeBuilder<typename Edits::Item> builder(level);
    TreeCursor cursor(loader_);
    while (!edits.done()) {
      HOLDFAST_TRY(cursor.seek(root_node_, level, edits.name(), context_));
      bool more = true;
      while (more) {
        const std::shared_ptr<const TreeNode> old = cursor.node();
        above.try_emplace(std::string(old->name(0)), std::nullopt);
        const auto take = [&](typename Edits::Item item) -> Status {
          HOLDFAST_TRY(builder.add(std::move(item)));
          return builder.at_cut() ? emit(builder, *old, above) : ok_status();
        };
        HOLDFAST_TRY(merge(*old, edits, cursor.next_first_name(), take));
        if (builder.empty()) break;
        HOLDFAST_ASSIGN(more, cursor.next(context_));
      }
      if (!builder.empty()) HOLDFAST_TRY(emit(builder, *cursor.node(), above));
    }
    return ok_status();
  }

  template <typename Item>
  Status emit(NodeBuilder<Item>& builder, const TreeNode& old, ChildEdits& above) {
    if (builder.first_name() == old.name(0) && builder.encodes_to(old.plain())) {
      above.erase(builder.first_name());
      builder.clear();
      return ok_status();
    }
    HOLDFAST_ASSIGN(ChildItem node, builder.store(writer_));
    above[node.first_name] = std::move(node.node);
    return ok_status();
  }

  const NodeLoader& loader_;
  const NodeWriter& writer_;
  const CallContext& context_;
  std::shared_ptr<const TreeNode> root_node_;
};

/// `edits` as they are stored, or why they can't be.
Result<std::vector<TreeEdit>> checked(std::span<const TreeEdit> edits, TreeForm form) {
  std::vector<TreeEdit> good(edits.begin(), edits.end());
  for (std::size_t i = 0; i < good.size(); ++i) {
    TreeEdit& edit = good[i];
    if (i > 0 && good[i - 1].name >= edit.name) return Error(ErrorCode::kInvalidArgument, "edits of a tree that are out of order");
    if (!edit.inode) continue;
    if (std::holds_alternative<LinkTableContent>(edit.inode->content)) {
      Inode link;
      link.ino = edit.inode->ino;
      link.nlink = edit.inode->nlink;
      link.mode = edit.inode->mode & 0170000U;
      link.content = LinkTableContent{};
      edit.inode = std::move(link);
    }
    const Entry entry{edit.name, *edit.inode};
    if (const auto fault = entry_fault(entry, form); !fault.empty()) {
      return Error(ErrorCode::kInvalidArgument, "writing a tree: " + std::string(fault));
    }
    Bytes encoded;
    ByteWriter writer(encoded);
    encode_entry(entry, writer);
    if (encoded.size() > kEntryMaxBytes) return Error(ErrorCode::kInvalidArgument, "an entry with too many extended attributes");
  }
  return good;
}

}  // namespace

TreeEditor::TreeEditor(ChunkSource& source, ChunkSink& sink, std::uint32_t domain, std::shared_ptr<NodeCache> cache)
    : source_(&source), sink_(&sink), domain_(domain), cache_(cache ? std::move(cache) : make_node_cache(kOwnCacheMaxBytes)) {}

Result<TreeRoot> TreeEditor::apply(const TreeRoot& root, std::span<const TreeEdit> edits, const CallContext& context,
                                   TreeForm form) const {
  HOLDFAST_ASSIGN(const std::vector<TreeEdit> good, checked(edits, form));
  const NodeLoader loader(*source_, *cache_, form);
  const NodeWriter writer{*sink_, *cache_, domain_, form};
  return Application(loader, writer, context).run(root, good);
}

}  // namespace holdfast
