// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <unordered_set>

#include "core/repo/index_rebuilder.h"
#include "core/repo/repository.h"

namespace holdfast {

/// What a NeedsWalk fills. How much is kept of each chunk is its own affair: verify wants ids and paths, `show` only
/// where they lie.
class NeededChunks {
 public:
  virtual ~NeededChunks() = default;
  /// Whether the chunk was added, as far as that can be said before it was looked for. May always be false.
  [[nodiscard]] virtual bool knows(const ChunkId& id) const = 0;
  /// Takes a chunk that `path` needs ("" for the root). False when it was there already.
  virtual bool add(const ChunkId& id, const ChunkLocation& at, const std::string& path) = 0;
  /// Whether this record of a pack was added: then its base is needed too.
  [[nodiscard]] virtual bool needs(PackNumber pack, const PackEntry& entry) const = 0;
  /// A path that needs an added chunk; its base is needed by the same one.
  [[nodiscard]] virtual std::string path_of(const ChunkId& id) const = 0;
  /// A chunk that `path` needs is in no pack that is known.
  virtual void note_nowhere(const std::string& path) = 0;
  /// A node could not be read: what is below `path` is unknown. An error ends the walk with it.
  virtual Status note_unreadable(const std::string& path, const Error& error) = 0;
  /// Nor could a pack's directory: which bases its records have is unknown. An error ends the walk with it.
  virtual Status note_no_directory(PackNumber pack, const Error& error) = 0;
};

/// Finds everything that a snapshot needs: every chunk of its trees, and the bases of differences, by the directories
/// of their packs. Keeps nothing itself but the numbers of packs, and the ids of nodes that could not be found. One
/// thread.
class NeedsWalk {
 public:
  struct Parts {
    Stage& stage;
    ChunkIndex& index;
    ChunkSource& source;  ///< for the trees
    const IndexRebuilder& directories;
    Clock& clock;
  };
  NeedsWalk(const Parts& parts, NeededChunks& needs) : parts_(parts), needs_(needs) {}

  /// Errors: kDeadlineExceeded, kCancelled, kInternal; those that `needs` returns.
  Status walk(const SnapshotView& snapshot, const CallContext& context);

 private:
  Result<std::optional<ChunkLocation>> locate(const ChunkId& id, const CallContext& context);
  struct Added {
    bool is_new = false;
    std::optional<ChunkLocation> at;  ///< of a new one that was found
  };
  Result<Added> add(const ChunkId& id, const std::string& path, const CallContext& context);
  Status add_bases(const CallContext& context);
  Status add_bases_of(PackNumber number, const CallContext& context);

  const Parts parts_;
  NeededChunks& needs_;
  std::set<PackNumber> grown_;           ///< packs that got a record since their directory was looked at
  std::unordered_set<ChunkId> nowhere_;  ///< so that a node that many paths share is looked for once
};

}  // namespace holdfast
