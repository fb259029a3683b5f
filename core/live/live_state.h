// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "core/live/live_record.h"

namespace holdfast {

class OpenFile;

/// What changed in a tree since a freeze. Every directory above a change has an entry for the child that leads to it, up to the root, so
/// that a fold (and a replay) finds its way without reading the base.
struct Memtable {
  static constexpr std::uint64_t kNoName = 0;
  using Names = std::map<std::string, std::uint64_t, std::less<>>;  ///< name to ino, or kNoName where the name went
  std::unordered_map<std::uint64_t, LiveInodePtr> inodes;           ///< holds every ino that `names` refers to
  std::unordered_map<std::uint64_t, Names> names;                   ///< by directory
  std::unordered_set<std::uint64_t> links;                          ///< inodes of the link table that changed or went
  std::unordered_set<std::uint64_t> gone;
  std::uint64_t fold = 0;                                           ///< of a frozen one: its number
  std::size_t bytes = 0;                                            ///< about what it takes
  [[nodiscard]] bool empty() const noexcept { return inodes.empty() && names.empty() && links.empty() && gone.empty(); }
  /// Takes `older` under itself: what is in both stays as it is here.
  void merge_under(Memtable&& older);
};

/// What a fold made of a frozen memtable.
struct FoldOutcome {
  Inode root;
  TreeRoot links;
  std::unordered_map<std::uint64_t, Content> directories;
  struct File {
    LiveInodePtr before;
    LiveInodePtr after;
  };
  std::vector<File> files;  ///< whose content was condensed or whose completeness was judged
  std::vector<LiveBase::Judgement> judgements;
};

/// The tree as it is in memory: inodes that are pinned or changed, the memtables over the sealed base. Does no I/O and takes no lock: the tree's
/// mutex is held around every call. Changes are recorded as primitives in the caller's batch.
class LiveState final : public LiveBatchVisitor {
 public:
  struct Node {
    LiveInodePtr value;
    std::uint64_t parent = 0;   ///< 0: in the link table, the root, or without a name
    std::string name;           ///< under which `parent` has it
    std::uint64_t pins = 0;
    std::uint64_t children = 0; ///< nodes whose parent this is
    std::weak_ptr<OpenFile> file;
    [[nodiscard]] const Inode& inode() const noexcept { return value->inode; }
    [[nodiscard]] bool is_orphan() const noexcept { return value->inode.nlink == 0; }
  };

  LiveState(Inode root, TreeRoot links, std::uint64_t next_ino);

  // The table.
  [[nodiscard]] Node* find(std::uint64_t ino);
  [[nodiscard]] const Node* find(std::uint64_t ino) const;
  /// Adds a node that is not there; parent 0 for one of the link table.
  Node& insert(LiveInode value, std::uint64_t parent, std::string_view name);
  void pin(std::uint64_t ino, std::uint64_t count);
  /// Unpins and drops what nobody needs any more.
  void unpin(std::uint64_t ino, std::uint64_t count);
  /// Whether it is a file or link that stays only until it is unpinned, and has one name.
  [[nodiscard]] bool is_held_only(const Node& node) const;
  [[nodiscard]] const std::unordered_map<std::uint64_t, Node>& nodes() const noexcept { return nodes_; }
  [[nodiscard]] std::uint64_t take_ino() noexcept { return next_ino_++; }
  [[nodiscard]] std::uint64_t take_serial() noexcept { return ++serial_; }

  // Names.
  struct Peek {
    bool known = false;     ///< else the base has to be asked
    std::uint64_t ino = 0;  ///< kNoName: no such name
  };
  [[nodiscard]] Peek peek(std::uint64_t directory, std::string_view name) const;
  /// The sealed tree that a directory's changes lie over.
  [[nodiscard]] TreeRoot base_of(std::uint64_t directory) const;
  /// Changes to a directory's names, newest first; null where there are none.
  [[nodiscard]] std::array<const Memtable::Names*, 2> names_over_base(std::uint64_t directory) const;
  [[nodiscard]] const TreeRoot& links() const noexcept { return links_; }
  /// Grows with each change to any name and each fold.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

  // Changes.
  void put(LiveBatch& batch, LiveInode value);
  void put_content(LiveBatch& batch, LiveInode value, const ContentUpdate& update);
  void set_name(LiveBatch& batch, std::uint64_t directory, std::string_view name, std::uint64_t ino);
  void delete_name(LiveBatch& batch, std::uint64_t directory, std::string_view name);
  /// Forgets the place of a node that got further names (it lives in the link table now) or lost its last.
  void detach(std::uint64_t ino);
  /// The last name went: it lives on in the table until it is unpinned.
  void drop(LiveBatch& batch, LiveInode value);

  // Folds.
  /// Begins fold number fold(); null when nothing changed.
  [[nodiscard]] const Memtable* begin_fold(LiveBatch& batch);
  [[nodiscard]] LiveBase finish_fold(const FoldOutcome& outcome);
  void abandon_fold();
  [[nodiscard]] std::uint64_t fold() const noexcept { return fold_; }
  [[nodiscard]] const Inode& base_root() const noexcept { return base_root_; }
  [[nodiscard]] const Memtable& active() const noexcept { return active_; }
  [[nodiscard]] const Memtable* frozen() const noexcept { return frozen_.get(); }
  [[nodiscard]] std::size_t node_count() const noexcept { return nodes_.size(); }
  struct Judged {
    Completeness completeness = Completeness::kNotApplicable;
    std::string path;
  };
  /// Files known as incomplete or unchecked.
  [[nodiscard]] const std::map<std::uint64_t, Judged>& judged() const noexcept { return judged_; }

  // Replay (LiveBatchVisitor). What refers to unknown inodes is passed over: a history may begin before its reset.
  Status put_inode(LiveInode value) override;
  Status put_attributes(LiveInode value) override;
  Status extend(std::uint64_t ino, std::uint64_t keep, std::vector<Extent> extents, ByteView tail) override;
  Status set_name(std::uint64_t directory, std::string_view name, std::uint64_t ino) override;
  Status delete_name(std::uint64_t directory, std::string_view name) override;
  Status gone(std::uint64_t ino) override;
  Status freeze(std::uint64_t fold) override;
  Status next_ino(std::uint64_t ino) override;
  Status reset() override;
  void replay_base(LiveBase base);
  /// All of it as records, beginning with one that voids what came before.
  [[nodiscard]] std::vector<Bytes> checkpoint(const DatabaseId& database) const;

 private:
  void set_parent(std::uint64_t ino, std::uint64_t parent, std::string_view name);
  void leave_parent(Node& node);
  void mark(LiveBatch& batch, std::uint64_t ino);
  void remember(LiveBatch& batch, std::uint64_t ino, LiveInodePtr value, bool whole);
  void evict(std::uint64_t ino);
  [[nodiscard]] bool is_changed(std::uint64_t ino) const;
  LiveBase swap_base(const FoldOutcome& outcome);
  void note_judgements(const std::vector<LiveBase::Judgement>& judgements);

  std::unordered_map<std::uint64_t, Node> nodes_;
  Memtable active_;
  std::unique_ptr<Memtable> frozen_;
  Inode base_root_;
  TreeRoot links_;
  std::map<std::uint64_t, Judged> judged_;
  std::uint64_t next_ino_;
  std::uint64_t serial_ = 0;
  std::uint64_t version_ = 0;
  std::uint64_t fold_ = 0;
};

}  // namespace holdfast
