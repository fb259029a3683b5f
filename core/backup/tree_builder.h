// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/chunk/chunker.h"
#include "core/ingest/chunk_pipeline.h"
#include "core/live/live_tree.h"
#include "core/tree/tree.h"

namespace holdfast {

/// What a backup of paths has done so far; totals are unknown (0) until the walk has ended.
struct BackupProgress {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t files_unchanged = 0;
};

/// Builds the tree of a snapshot from files of this machine or from streams, beside the live tree. Files that an earlier snapshot of the database has with
/// the same size, modification time and inode number are not read again. One thread.
class TreeBuilder {
 public:
  struct Parts {
    ChunkSource& source;
    ChunkPipeline& pipeline;
    Clock& clock;
    const GearTable& gear;
  };
  /// `previous` is the root and link table of an earlier snapshot, for the files that did not change. `judge` may be null.
  TreeBuilder(const LiveTreeOptions& options, Parts parts, std::optional<std::pair<Inode, TreeRoot>> previous,
              CompletenessJudge judge, std::function<void(const BackupProgress&)> progress);
  ~TreeBuilder();

  /// Adds a file or a directory with everything below it, under its own last name. Mounts of Holdfast itself are left out.
  /// Errors: kNotFound, kPermissionDenied, kAlreadyExists (two paths with one name), kInvalidArgument ("/" has no name), those of the pipeline.
  Status add_path(const std::string& path, const CallContext& context);

  /// Adds everything that `descriptor` gives until its end as the file `name`. `whole` says whether the bytes are known to be all (the command that wrote them
  /// succeeded): asked after the end. A plain pipe passes nullptr and is never better than unchecked.
  Status add_stream(const std::string& name, int descriptor, const std::function<Result<bool>()>& whole,
                    const CallContext& context);

  /// The finished tree. Errors: those of the pipeline; kInvalidArgument when nothing was added.
  Result<SealedTree> finish(const CallContext& context);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
