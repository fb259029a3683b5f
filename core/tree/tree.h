// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/tree/inode.h"
#include "core/tree/node_store.h"

namespace holdfast {

/// A directory (or link table) as it is stored: the root node, or nothing when it is empty.
using TreeRoot = std::optional<NodeRef>;

/// What a tree is for: the two differ in which names and inodes may stand in it (FORMAT.md §4).
enum class TreeForm : std::uint8_t { kDirectory, kLinkTable };

class NodeCache;

/// Decoded nodes that several readers and editors share; bounded by the plaintext of the nodes in it (the objects take about as much again).
/// Safe from any thread.
std::shared_ptr<NodeCache> make_node_cache(std::size_t size_max_bytes);

/// Reads sorted trees of entries. Keeps the nodes read last in its node cache (its own of 4 MiB, unless it is given one), so a
/// long-lived reader is faster than many short ones. Copies share the cache. Safe from any thread.
class TreeReader {
 public:
  explicit TreeReader(ChunkSource& source, std::shared_ptr<NodeCache> cache = nullptr);
  /// The entry called `name`, or nullopt. Reads one node a level. Errors: kCorrupt; those of the source.
  Result<std::optional<Entry>> find(const TreeRoot& root, std::string_view name, const CallContext& context,
                                    TreeForm form = TreeForm::kDirectory) const;
  /// Up to `count_max` entries with names after `after` (from the first one when `after` is empty), ascending; fewer only at the end.
  /// Reads only the nodes that hold them and those above. Errors: as find.
  Result<std::vector<Entry>> list(const TreeRoot& root, std::string_view after, std::size_t count_max,
                                  const CallContext& context, TreeForm form = TreeForm::kDirectory) const;
  /// An inode of the link table.
  Result<std::optional<Inode>> find_link(const TreeRoot& links, std::uint64_t ino, const CallContext& context) const;

 private:
  ChunkSource* source_;
  std::shared_ptr<NodeCache> cache_;
};

/// A change to a tree: an entry that is put, or (inode empty) a name that goes.
struct TreeEdit {
  std::string name;
  std::optional<Inode> inode;
};

/// An entry may take so much when it is encoded; only extended attributes can make one that big.
inline constexpr std::size_t kEntryMaxBytes = 512 * 1024;

/// Writes trees by changing stored ones: costs the nodes on the way to the changed entries, not the tree. The result depends on
/// the resulting entries alone, not on the edits that led there, so that equal directories share nodes. Safe from any thread.
class TreeEditor {
 public:
  TreeEditor(ChunkSource& source, ChunkSink& sink, std::uint32_t domain, std::shared_ptr<NodeCache> cache = nullptr);
  /// Applies `edits` (ascending by name, each name once) to `root`; nullopt when no entry is left. Removing an absent name changes nothing.
  /// Of an entry whose inode is in the link table (LinkTableContent) only name, ino and nlink are kept: the rest is set to
  /// zero, so that a change to the inode leaves the directories alone.
  /// Errors: kInvalidArgument (edits out of order, an entry that may not stand in this form of tree or is too big); those of source and sink.
  /// On failure nothing that was stored before has changed.
  Result<TreeRoot> apply(const TreeRoot& root, std::span<const TreeEdit> edits, const CallContext& context,
                         TreeForm form = TreeForm::kDirectory) const;

 private:
  ChunkSource* source_;
  ChunkSink* sink_;
  std::uint32_t domain_;
  std::shared_ptr<NodeCache> cache_;
};

/// The name under which the link table holds `ino`: 8 bytes, big-endian.
std::string link_name(std::uint64_t ino);

/// Walks everything below a directory in depth-first order of names, directories before what is in them. `visit` gets the path relative to the start
/// ("a/b") and the inode, hard links resolved through `links`; returning an error ends the walk with it. Paths may be of any depth.
/// Errors: kCorrupt (also for a hard link that the link table lacks); those of source and `visit`.
Status walk_tree(ChunkSource& source, const TreeRoot& root, const TreeRoot& links,
                 const std::function<Status(const std::string& path, const Inode& inode)>& visit,
                 const CallContext& context);

/// Proves a whole tree: reads every tree and list node below `root` and recomputes all totals, Merkle values and content hashes.
/// Data chunks are not read. Errors: kCorrupt naming what does not add up; those of the source.
Status verify_tree(ChunkSource& source, const TreeRoot& root, TreeForm form, const CallContext& context);

/// Content root and content hash of a snapshot (FORMAT.md §4, §6).
Digest content_root(const TreeRoot& root, const TreeRoot& links);
Digest snapshot_content_hash(const TreeRoot& root, const TreeRoot& links);

}  // namespace holdfast
