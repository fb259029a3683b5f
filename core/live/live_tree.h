// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/chunk/chunker.h"
#include "core/ingest/chunk_pipeline.h"
#include "core/journal/journal.h"
#include "core/tree/tree.h"

namespace holdfast {

/// What stat shows of a live inode.
struct LiveAttributes {
  std::uint64_t ino = 0;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t nlink = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t allocated_bytes = 0;  ///< holes not counted
  std::uint64_t rdev = 0;
  WallNanos atime = 0;
  WallNanos mtime = 0;
  WallNanos ctime = 0;
};

/// What an inode of a tree shows; for lists of extents that are chunks themselves as if it had no holes.
LiveAttributes shown_attributes(const Inode& inode);

struct SetAttributes {
  std::optional<std::uint32_t> mode;  ///< permission bits only
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  std::optional<std::uint64_t> size_bytes;
  std::optional<WallNanos> atime;
  std::optional<WallNanos> mtime;
  std::optional<WallNanos> ctime;  ///< nullopt: now
  bool clear_suid = false;         ///< as write, truncate and chown by an unprivileged caller demand
};

struct NewNode {
  std::uint32_t mode = 0;  ///< type and permissions, umask applied
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t rdev = 0;
  std::string symlink_target;
};

struct LiveItem {
  std::string name;
  LiveAttributes attributes;
};

enum class RenameMode : std::uint8_t { kReplace, kNoReplace, kExchange };

/// An open file of a live tree. Safe from any thread; reads and writes of one file are ordered by a lock of its own.
/// Data lies in memory (bounded), then in packs; nothing is sent to a network by any of these calls.
class LiveFile {
 public:
  virtual ~LiveFile() = default;
  /// Bytes read; fewer than out.size() only at the end of the file.
  virtual Result<std::size_t> read(std::uint64_t offset, MutableByteView out, const CallContext& context) = 0;
  /// Takes all of `data`. Errors: kNoSpace; kInvalidArgument past the largest size (2^62).
  virtual Status write(std::uint64_t offset, const LentBytes& data, const CallContext& context) = 0;
  /// At the end of the file, atomically; returns the offset at which it was put.
  virtual Result<std::uint64_t> append(ByteView data, const CallContext& context) = 0;
  /// What close(2) asks: everything written is cut, in packs, and in the journal's queue (in staging, not synced).
  virtual Status flush(const CallContext& context) = 0;
  /// fsync: flush, then a commit. Never needs a network.
  virtual Status sync(const CallContext& context) = 0;
  virtual Status punch_hole(std::uint64_t offset, std::uint64_t size, const CallContext& context) = 0;
  virtual Status zero_range(std::uint64_t offset, std::uint64_t size, bool keep_size, const CallContext& context) = 0;
  /// posix_fallocate: grows the size where needed (space is never really reserved). 
  virtual Status allocate(std::uint64_t offset, std::uint64_t size, bool keep_size, const CallContext& context) = 0;
  /// SEEK_DATA and SEEK_HOLE as lseek(2). Errors: kOutOfRange (ENXIO).
  virtual Result<std::uint64_t> seek_data(std::uint64_t offset, const CallContext& context) = 0;
  virtual Result<std::uint64_t> seek_hole(std::uint64_t offset, const CallContext& context) = 0;
  virtual std::uint64_t ino() const noexcept = 0;
};

/// What a fold of a live tree gave: immutable and complete.
struct SealedTree {
  Inode root;       ///< content: empty or DirectoryContent
  TreeRoot links;   ///< the link table
  std::uint64_t open_writers = 0;               ///< files with a name that were open for writing, whether flushed or not
  std::vector<std::string> open_paths;          ///< theirs; at most 100
  std::vector<std::string> incomplete_paths;    ///< at most 100
  Completeness completeness = Completeness::kUnchecked;
};

struct LiveTreeOptions {
  DatabaseId database;
  std::uint32_t domain = 0;
  ChunkSizes chunk_sizes;
  std::uint64_t dirty_bytes_max_per_file = 8U << 20;  ///< random overwrites kept in memory before they are re-chunked; four times that where bytes came before their turn
  std::uint64_t dirty_bytes_max = 64U << 20;          ///< of all files: beyond it a file keeps an eighth, and waits for no earlier bytes
  std::uint64_t dirty_inodes_max = 50'000;            ///< beyond it, or dirty_memory_max_bytes, the tree folds by itself
  std::uint64_t dirty_memory_max_bytes = 64U << 20;
};

/// Judges a closed file (core/complete): called outside all locks with the inode and its path within the database.
using CompletenessJudge = std::function<Completeness(const std::string& path, const Inode& inode)>;

/// The writable tree of one database: a sealed tree as base, and over it what changed since, in memory, bounded by folds and written ahead
/// in the journal. Behaves like a local filesystem: POSIX rules for names, links, times, open-unlinked files. Access rights are the caller's affair.
/// Every operation is atomic towards others and towards a crash. Safe from any thread; no lock is held while a network is waited for.
/// Inodes that are handed out are kept (pinned) until forgotten.
/// Errors of all: kNotFound (ENOENT), kAlreadyExists (EEXIST), kInvalidArgument, and the errno classes that LiveError (live_error.h) names; those of source and pipeline.
class LiveTree {
 public:
  struct Parts {
    ChunkSource& source;
    ChunkPipeline& pipeline;
    Journal& journal;
    Clock& clock;
    const GearTable& gear;
  };
  /// A tree over the sealed `root` and `links`, or a new one (root with empty content). What the journal holds is replayed over it: any base
  /// that its records name replaces the given one. All files must be closed before the tree goes. Errors: kInvalidArgument (root, chunk sizes).
  static Result<std::unique_ptr<LiveTree>> open(const LiveTreeOptions& options, Parts parts, Inode root, TreeRoot links,
                                                std::uint64_t next_ino);
  virtual ~LiveTree() = default;

  /// Applies a journal record of kind kLiveBatch or kLiveBase of this database, in order, before any other use.
  virtual Status replay(ByteView payload) = 0;
  /// Ends replay: tails of files that travelled as bytes become chunks, or stay as they are while there is no space. The pipeline must work by then. Errors: the
  /// pipeline's, except kNoSpace.
  virtual Status finish_replay() = 0;
  /// Records that stand for the whole tree, base included, and void earlier ones: for Journal::checkpoint, when nothing is changed meanwhile.
  virtual std::vector<Bytes> checkpoint_records() = 0;
  /// Appends them to the journal under the tree's lock, between Journal::begin_checkpoint and finish_checkpoint: operations may go on.
  virtual void append_checkpoint() = 0;

  static constexpr std::uint64_t kRootIno = 1;

  // Names. lookup, make_node and link pin the inode they give once.
  virtual Result<LiveAttributes> lookup(std::uint64_t parent, std::string_view name, const CallContext& context) = 0;
  virtual void forget(std::uint64_t ino, std::uint64_t count) = 0;
  /// A pinned file or link that is in memory for the pin's sake alone: could the caller let go of it, it would be read again when it is wanted.
  struct HeldName {
    std::uint64_t parent = 0;
    std::string name;
  };
  /// Some of them, at most `count_max`.
  virtual std::vector<HeldName> held_names(std::size_t count_max) const = 0;
  virtual Result<LiveAttributes> make_node(std::uint64_t parent, std::string_view name, const NewNode& node,
                                           const CallContext& context) = 0;
  virtual Result<LiveAttributes> link(std::uint64_t ino, std::uint64_t parent, std::string_view name,
                                      const CallContext& context) = 0;
  virtual Status unlink(std::uint64_t parent, std::string_view name, const CallContext& context) = 0;
  virtual Status remove_directory(std::uint64_t parent, std::string_view name, const CallContext& context) = 0;
  virtual Status rename(std::uint64_t parent, std::string_view name, std::uint64_t new_parent,
                        std::string_view new_name, RenameMode mode, const CallContext& context) = 0;
  /// Names after `after` in ascending order (from the first when empty), without "." and "..". When `pin`, each inode is pinned once.
  virtual Result<std::vector<LiveItem>> list(std::uint64_t directory, std::string_view after, std::size_t count_max,
                                             bool pin, const CallContext& context) = 0;
  /// The inode number of the directory above (of the root: its own).
  virtual Result<std::uint64_t> parent_of(std::uint64_t directory) = 0;

  // Inodes, which must be pinned.
  virtual Result<LiveAttributes> attributes(std::uint64_t ino, const CallContext& context) = 0;
  virtual Result<LiveAttributes> set_attributes(std::uint64_t ino, const SetAttributes& changes,
                                                const CallContext& context) = 0;
  virtual Result<std::string> read_link(std::uint64_t ino, const CallContext& context) = 0;
  virtual Result<std::shared_ptr<LiveFile>> open_file(std::uint64_t ino, bool for_writing,
                                                      const CallContext& context) = 0;
  virtual Result<std::string> get_xattr(std::uint64_t ino, const std::string& name, const CallContext& context) = 0;
  virtual Result<std::vector<std::string>> list_xattrs(std::uint64_t ino, const CallContext& context) = 0;
  enum class XattrMode : std::uint8_t { kSet, kCreate, kReplace };
  virtual Status set_xattr(std::uint64_t ino, const std::string& name, std::string value, XattrMode mode,
                           const CallContext& context) = 0;
  virtual Status remove_xattr(std::uint64_t ino, const std::string& name, const CallContext& context) = 0;
  /// The inode's completeness as last judged, and its content's description (for user.holdfast.* xattrs).
  virtual Result<Inode> inode(std::uint64_t ino, const CallContext& context) = 0;

  /// What a judgement of a file's content is about.
  struct FileVersion {
    std::string name;                  ///< empty where it has several, or none any more
    std::uint64_t parent = 0;          ///< the directory that has it under this name; 0 where there is no name
    std::uint64_t content_serial = 0;  ///< differs whenever the content does; a number of this run of the tree
    bool is_open_for_writing = false;
    bool has_unpublished = false;  ///< more was written than flush, fsync or the last close made visible
  };
  virtual Result<FileVersion> file_version(std::uint64_t ino) = 0;

  /// fsync of a directory, and syncfs: everything of this tree that was closed or flushed becomes durable.
  virtual Status sync() = 0;

  /// A short barrier that freezes what is closed or flushed, then folds it into the base while operations go on. One at a time;
  /// a second caller waits. The returned tree is what the tree was at one moment between call and return. On failure the live tree is
  /// as before. `judge` may be null. Cost: what changed.
  virtual Result<SealedTree> seal(const CompletenessJudge& judge, const CallContext& context) = 0;
  /// The judge of folds that the tree makes by itself, when much has changed, and of seals without one. Set before use.
  virtual void set_judge(CompletenessJudge judge) = 0;

  struct Stats {
    std::uint64_t dirty_inodes = 0;
    std::uint64_t pinned_inodes = 0;
    std::uint64_t inodes_in_memory = 0;
    std::uint64_t open_for_writing = 0;
    std::uint64_t dirty_bytes = 0;  ///< written and not in chunks yet: overwrites, and what came before its turn
    std::uint64_t chunks_cut = 0;   ///< since open: a counter for tests and metrics
    MonoTime last_change{};
    bool changed_since_seal = false;
  };
  virtual Stats stats() const = 0;
  /// Sets Stats::changed_since_seal again: for callers whose seal became no snapshot, or who find at opening that the newest snapshot is not of this base.
  virtual void mark_changed() = 0;
  /// The tree as last folded, which a seal of an unchanged tree gives.
  virtual Inode base_root() const = 0;
  virtual TreeRoot base_links() const = 0;
  struct Base {
    Inode root;
    TreeRoot links;
  };
  /// Both of one moment, after whatever fold was under way when this was called: what a fold that begins later leans on
  /// is this or what it writes itself.
  virtual Base settled_base() = 0;
};

}  // namespace holdfast
