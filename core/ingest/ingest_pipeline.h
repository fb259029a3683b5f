// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>

#include "core/base/clock.h"
#include "core/base/secret_bytes.h"
#include "core/ingest/base_finder.h"
#include "core/ingest/chunk_pipeline.h"
#include "core/ingest/placement_directory.h"
#include "core/ingest/plain_cache.h"
#include "core/journal/journal.h"
#include "core/stage/stage.h"

namespace holdfast {

struct IngestOptions {
  unsigned threads = 0;                              ///< 0: one a core, at least 2
  std::uint64_t queue_max_bytes = 32ULL << 20;       ///< plaintext that waits for a worker; submit() waits above it
  std::chrono::seconds relief_deadline{600};         ///< how long a writer is held back before it gets kNoSpace
  std::uint64_t uncommitted_records_max = 16'384;    ///< a commit is made by itself then, which bounds memory
};

struct IngestCounters {
  std::uint64_t chunks_new = 0;
  std::uint64_t chunks_known = 0;
  std::uint64_t bytes_in = 0;       ///< plaintext of both
  std::uint64_t chunks_differences = 0;  ///< of the new ones
  std::uint64_t bytes_new = 0;      ///< plaintext of new chunks
  std::uint64_t bytes_stored = 0;   ///< records of new chunks
  std::uint64_t bytes_whole = 0;    ///< plaintext of new data chunks that are no differences
  std::uint64_t bytes_whole_stored = 0;  ///< their records
};

/// The ChunkPipeline over a Stage. A few threads take chunks from a bounded queue: fingerprints (several at once), a look-up among those under way, in the
/// stage and in the index, else compress, seal, append. Safe from any thread.
class IngestPipeline final : public ChunkPipeline {
 public:
  struct Parts {
    Stage& stage;
    ChunkIndex& index;
    Journal& journal;
    Clock& clock;
    RandomSource& random;
    const PlacementDirectory& placement;  ///< a known chunk whose pack left staging is reused while a good copy of the pack is known
    std::shared_ptr<PlainCache> plain_cache;  ///< nodes go here as they are put, for the source to find; may be null
    BaseFinder* bases = nullptr;              ///< null: every chunk is stored whole
  };
  IngestPipeline(const IngestOptions& options, const Parts& parts, ByteView fingerprint_key);
  /// Finishes what was submitted, then joins.
  ~IngestPipeline() override;

  struct DomainHow {
    int zstd_level = 1;
    bool stands_alone = false;  ///< no chunk becomes a difference
  };
  /// How chunks of a domain are stored from now on.
  void set_domain(std::uint32_t domain, const DomainHow& how);

  std::vector<std::shared_ptr<ChunkTicket>> submit_all(std::uint32_t domain, std::span<const PlainChunk> chunks, const std::shared_ptr<ChunkTicket>& before) override;
  Result<ChunkRef> put(std::uint32_t domain, ChunkKind kind, ByteView plain,
                       std::span<const ChunkId> children) override;
  /// As put, but stores the chunk whether it is known or not, under a new id: for a node that is known and lies where
  /// it must not. Later puts of it find this one.
  Result<ChunkRef> put_again(std::uint32_t domain, ChunkKind kind, ByteView plain, std::span<const ChunkId> children);
  Status commit() override;
  Pressure& pressure() noexcept override;

  /// Since construction. A difference of two gives what a snapshot cost.
  [[nodiscard]] IngestCounters counters() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
