// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "core/base/clock.h"
#include "core/ingest/placement_directory.h"
#include "core/ingest/plain_cache.h"
#include "core/stage/stage.h"
#include "core/store/record_ranges.h"
#include "core/store/replicated_reader.h"
#include "core/tree/node_store.h"

namespace holdfast {

struct SourceOptions {
  unsigned prefetch_threads = 2;                     ///< 0: prefetch() and bring_near() do nothing
  std::uint64_t prefetch_max_bytes = 64ULL << 20;    ///< plaintext that waits to be prefetched; hints beyond are dropped
  std::chrono::seconds prefetch_timeout{60};         ///< of one request
  RangeLimits ranges{};                              ///< what one request fetches
};

struct SourceCounters {
  std::uint64_t plain_hits = 0;
  std::uint64_t staged_reads = 0;
  std::uint64_t kept_reads = 0;  ///< nodes of packs that left staging
  std::uint64_t cache_hits = 0;
  std::uint64_t network_reads = 0;   ///< requests for a range of a pack that were answered well
  std::uint64_t network_bytes = 0;   ///< records that came that way
  std::uint64_t staging_faults = 0;  ///< wrong bytes in staging that verification caught; those of networks: ReplicatedReader::faults
};

/// Reads chunks from wherever they are: plaintext in memory, staging, nodes that were kept, the chunk cache, then the
/// networks that the directory names, the best first. Everything is verified against its id before it is opened. One
/// fetch serves all who ask for a chunk at once. Safe from any thread.
class StoredChunkSource final : public ChunkSource {
 public:
  struct Parts {
    Stage& stage;
    ChunkIndex& index;
    ChunkCache& cache;
    PlacementDirectory& placement;
    ReplicatedReader& networks;
    Clock& clock;
    std::shared_ptr<PlainCache> plain_cache;
  };
  StoredChunkSource(const SourceOptions& options, const Parts& parts);
  ~StoredChunkSource() override;

  Result<SharedBytes> read(const ChunkRef& ref, const CallContext& context) override;
  void prefetch(std::span<const ChunkRef> refs) override;
  void bring_near(std::span<const ChunkRef> refs) override;
  [[nodiscard]] std::uint64_t worth_ahead_bytes() const override;

  /// The verified record behind an id, without any key: for verify, heal and re-packing. Errors: as read.
  Result<VerifiedRecord> read_record(const ChunkId& id, const CallContext& context);

  /// The pack that a chunk lies in, and where. Errors: kNotFound (no pack that is known here has it); those of the
  /// index.
  [[nodiscard]] Result<ChunkLocation> locate(const ChunkId& id) const;

  [[nodiscard]] SourceCounters counters() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
