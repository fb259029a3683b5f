// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/random_source.h"
#include "core/tree/tree.h"

namespace holdfast {

struct RestoreProgress {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t files_skipped = 0;  ///< already there with the same size and time: a resumed run
};

struct RestoreOptions {
  std::string target;       ///< an existing or new directory
  bool verify_full = false; ///< read back from the disk what was written, and what was skipped
  bool as_root = false;     ///< give files to their owners; needs the right to
  unsigned workers = 4;
  std::function<void(const RestoreProgress&)> progress;  ///< called from several threads, one at a time
};

/// One thing that could not be restored.
struct RestoreFailure {
  std::string path;
  Error error;
};

struct RestoreReport {
  RestoreProgress done;
  std::vector<RestoreFailure> failures;  ///< at most 100; the others are counted
  std::uint64_t failure_count = 0;
};

/// Writes a directory's content (`root`, with hard links through `links`), or the single inode `only` under the name `only_name`, below options.target, in
/// parallel: ownership, modes, times, links, extended attributes and holes as they were. A file appears under its final name only when all of it is written;
/// what is there already with the same size and modification time is left, so that an interrupted run can be repeated. Symbolic links on the way are not followed.
/// Failures of single files and directories are in the report. Errors: the target can't be used; kCancelled.
Result<RestoreReport> restore_tree(ChunkSource& source, const TreeRoot& root, const TreeRoot& links,
                                   const RestoreOptions& options, RandomSource& random, const CallContext& context);
Result<RestoreReport> restore_single(ChunkSource& source, const std::string& only_name, const Inode& only,
                                     const TreeRoot& links, const RestoreOptions& options, RandomSource& random,
                                     const CallContext& context);

}  // namespace holdfast
