// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "core/ingest/ingest_pipeline.h"
#include "core/ingest/stored_chunk_source.h"
#include "core/live/live_tree.h"

namespace holdfast {

/// What local truth needs to be local: the nodes that live trees stand on lie in staging or among the kept nodes
/// (core/stage), never in the chunk cache or on networks alone. New nodes do by themselves; this sees to those that a
/// fold finds known, and finds out which kept ones are needed. Safe from any thread.
class LiveNodes {
 public:
  struct Parts {
    Stage& stage;
    ChunkCache& cache;
    StoredChunkSource& source;
    ChunkSource& waiting_source;  ///< waits for a chunk index that is being rebuilt
    IngestPipeline& pipeline;
  };
  explicit LiveNodes(const Parts& parts) : parts_(parts) {}

  /// The pipeline that live trees write through: a node that it gives is on this machine. An old one that is not is
  /// taken from the cache, or else stored again: a fold waits for no network.
  std::unique_ptr<ChunkPipeline> make_pipeline();

  /// Looks through all live trees: fetches nodes that are not here, and frees kept ones that no tree needs any more.
  /// `bases` gives the trees' bases, after their folds under way; what it gives must be durable before it returns.
  /// Errors: those of reading a node that is not here (nothing is freed then), kCancelled.
  Status look_through(const std::function<Result<std::vector<LiveTree::Base>>()>& bases, const CallContext& context);

 private:
  Parts parts_;
};

}  // namespace holdfast
