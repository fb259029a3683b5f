// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/base/clock.h"
#include "core/chunk/record_closure.h"
#include "core/ingest/pack_trust.h"
#include "core/ingest/pack_windows.h"
#include "core/stage/stage.h"
#include "core/store/object_store.h"

namespace holdfast {

/// Reads what new chunks may lean on, where that costs no more than a disk of this machine: from staging, the chunk cache, or a network at hand. Past the caches of
/// plaintext, since a base is wanted once. Safe from any thread.
class BaseReader {
 public:
  struct Parts {
    Stage& stage;
    ChunkIndex& index;
    ChunkCache& cache;
    const PlacementDirectory& placement;
    const NetworkSet& networks;
    Clock& clock;
  };
  explicit BaseReader(const Parts& parts) : parts_(parts), trust_(parts.stage, parts.placement, parts.clock) {}

  /// A chunk with all that it leans on.
  struct Chain {
    RecordClosure records;
    std::vector<PackNumber> packs;  ///< of its members
  };
  /// Errors: kNotFound when something of it is not at hand, or lies in a pack that nobody should lean on any more, which costs next to nothing to find out; kUnavailable when a disk was asked
  /// in vain; kCorrupt.
  [[nodiscard]] Result<Chain> chain(const ChunkRef& ref) const;

 private:
  [[nodiscard]] std::optional<ChunkLocation> locate(const ChunkId& id) const;
  [[nodiscard]] Result<VerifiedRecord> record_at(const ChunkId& id, const ChunkLocation& at) const;
  [[nodiscard]] Result<VerifiedRecord> from_network(const ChunkId& id, const ChunkLocation& at) const;

  const Parts parts_;
  const PackTrust trust_;
  mutable PackWindows windows_;  ///< of packs on networks at hand
};

}  // namespace holdfast
