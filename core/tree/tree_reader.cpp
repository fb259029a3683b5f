// SPDX-License-Identifier: Apache-2.0
#include "core/tree/tree_node.h"

namespace holdfast {
namespace {

constexpr std::size_t kOwnCacheMaxBytes = 4 * 1024 * 1024;
/// Entries that a leaf holds at least on average, to guess how many leaves a listing needs.
constexpr std::size_t kEntriesPerLeaf = 32;
constexpr std::size_t kPrefetchMaxCount = 16;

}  // namespace

std::shared_ptr<NodeCache> make_node_cache(std::size_t size_max_bytes) { return std::make_shared<NodeCache>(size_max_bytes); }

std::string link_name(std::uint64_t ino) {
  Bytes name;
  ByteWriter(name).u64_big_endian(ino);
  return std::string(as_text(name));
}

TreeReader::TreeReader(ChunkSource& source, std::shared_ptr<NodeCache> cache)
    : source_(&source), cache_(cache ? std::move(cache) : make_node_cache(kOwnCacheMaxBytes)) {}

Result<std::optional<Entry>> TreeReader::find(const TreeRoot& root, std::string_view name, const CallContext& context,
                                              TreeForm form) const {
  if (!root) return std::optional<Entry>();
  const NodeLoader loader(*source_, *cache_, form);
  HOLDFAST_ASSIGN(const auto root_node, loader.load_root(*root, context));
  TreeCursor cursor(loader);
  HOLDFAST_TRY(cursor.seek(root_node, 0, name, context));
  const TreeNode& leaf = *cursor.node();
  const std::size_t index = leaf.lower_bound(name);
  if (index == leaf.size() || leaf.name(index) != name) return std::optional<Entry>();
  HOLDFAST_ASSIGN(Entry entry, leaf.entry(index));
  return std::optional<Entry>(std::move(entry));
}

Result<std::vector<Entry>> TreeReader::list(const TreeRoot& root, std::string_view after, std::size_t count_max,
                                            const CallContext& context, TreeForm form) const {
  std::vector<Entry> entries;
  if (!root || count_max == 0) return entries;
  const NodeLoader loader(*source_, *cache_, form);
  HOLDFAST_ASSIGN(const auto root_node, loader.load_root(*root, context));
  TreeCursor cursor(loader);
  HOLDFAST_TRY(cursor.seek(root_node, 0, after, context));
  std::size_t index = cursor.node()->lower_bound(after);
  if (!after.empty() && index < cursor.node()->size() && cursor.node()->name(index) == after) ++index;
  while (true) {
    const TreeNode& leaf = *cursor.node();
    for (; index < leaf.size() && entries.size() < count_max; ++index) {
      HOLDFAST_ASSIGN(Entry entry, leaf.entry(index));
      entries.push_back(std::move(entry));
    }
    if (entries.size() == count_max) return entries;
    cursor.prefetch(std::min((count_max - entries.size()) / kEntriesPerLeaf, kPrefetchMaxCount));
    HOLDFAST_ASSIGN(const bool more, cursor.next(context));
    if (!more) return entries;
    index = 0;
  }
}

Result<std::optional<Inode>> TreeReader::find_link(const TreeRoot& links, std::uint64_t ino, const CallContext& context) const {
  HOLDFAST_ASSIGN(std::optional<Entry> entry, find(links, link_name(ino), context, TreeForm::kLinkTable));
  if (!entry) return std::optional<Inode>();
  return std::optional<Inode>(std::move(entry->inode));
}

}  // namespace holdfast
