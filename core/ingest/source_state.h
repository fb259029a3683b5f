// SPDX-License-Identifier: Apache-2.0
#pragma once

// Inside of core/ingest; included by stored_chunk_source.cpp and chunk_prefetch.cpp alone.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <thread>

#include "core/chunk/chunk_codec.h"
#include "core/ingest/base_reader.h"
#include "core/ingest/chunk_flights.h"
#include "core/ingest/recent_records.h"
#include "core/ingest/stored_chunk_source.h"

namespace holdfast {

struct StoredChunkSource::State {
  State(const SourceOptions& given, const Parts& given_parts) : options(given), parts(given_parts) {}

  const SourceOptions options;
  const Parts parts;
  ChunkFlights flights;
  RecentRecords recent;
  std::atomic<std::uint64_t> plain_hits{0}, staged_reads{0}, kept_reads{0}, cache_hits{0}, network_reads{0},
      network_bytes{0}, staging_faults{0};

  // Reading (stored_chunk_source.cpp).
  using Item = PlainCache::Item;
  /// What one call has read of bases. Each is opened once, however many lean on it and whatever memory has forgotten meanwhile: ways through bases that share bases are many.
  struct Way {
    int steps = 0;  ///< down from the chunk that was asked for
    std::vector<std::pair<ChunkRef, Item>> bases;
  };
  Result<Item> read(const ChunkRef& ref, Way& way, const CallContext& context);
  Result<Item> load(const ChunkRef& ref, Way& way, const CallContext& context);
  Result<Item> open(const ChunkRef& ref, const VerifiedRecord& record, Way& way, const CallContext& context);
  Result<ChunkLocation> locate(const ChunkId& id) const;
  std::optional<VerifiedRecord> read_staged(const ChunkId& id, const ChunkLocation& at);
  std::optional<VerifiedRecord> read_near(const ChunkRef& ref, const ChunkLocation& at);
  Result<VerifiedRecord> fetch(const ChunkId& id, const ChunkLocation& at, const CallContext& context);
  Result<VerifiedRecord> fetch_far(const ChunkId& id, const ChunkLocation& at, const CallContext& context);
  Result<std::vector<NetworkCopy>> copies(PackNumber pack) const;
  void keep(std::span<const VerifiedRecord> records, const std::vector<NetworkCopy>& copies);

  // Prefetching (chunk_prefetch.cpp).
  /// Of jobs for threads of its own: those of prefetch(), which open chunks, and those of bring_near(), which wait for networks and only keep what comes.
  struct Queue {
    const bool is_far;
    const std::uint64_t job_bytes;  ///< of plaintext, unless a chunk alone is larger
    const std::uint64_t waiting_max_bytes;
    std::mutex mutex;
    std::condition_variable_any changed;
    std::deque<std::vector<ChunkRef>> jobs;
    std::uint64_t waiting_bytes = 0;
  };
  Queue near_queue{.is_far = false, .job_bytes = 2ULL << 20, .waiting_max_bytes = options.prefetch_max_bytes, .mutex = {}, .changed = {}, .jobs = {}};
  Queue far_queue{.is_far = true, .job_bytes = 32ULL << 20, .waiting_max_bytes = 4 * options.prefetch_max_bytes, .mutex = {}, .changed = {}, .jobs = {}};
  /// As the network was that gave something far last.
  std::atomic<std::uint64_t> worth_ahead_bytes{0};
  std::atomic<std::uint64_t> worth_gap_bytes{0};
  /// A chunk whose record, and those of what it leans on, are being gathered for a flight that this thread leads.
  struct Wanted {
    std::shared_ptr<ChunkFlights::Flight> flight;
    RecordClosure records;  ///< what is there
    ChunkLocation at;       ///< of records.next()
  };
  /// One wave of a job.
  struct Wave {
    const bool is_far;
    const std::stop_token& stop;
    std::mutex mutex;
    std::vector<Wanted> leaning;  ///< under mutex; those that lean on a further chunk
  };
  /// Wanted of one pack, near each other: one request.
  struct Range {
    std::vector<NetworkCopy> copies;
    std::vector<RecordRange> records;  ///< what is asked for
    std::vector<Wanted> wanted;        ///< two may lean on one record
  };
  void enqueue(Queue& to, std::span<const ChunkRef> refs);
  void run_prefetch(Queue& from, const std::stop_token& stop);
  void prefetch_now(const std::vector<ChunkRef>& refs, bool is_far, const std::stop_token& stop);
  std::vector<Wanted> gather(std::vector<Wanted> wanted, bool is_far, const std::stop_token& stop);
  void take(Wanted wanted, VerifiedRecord record, Wave& wave);
  void give_up(const Wanted& wanted);
  void land_gathered(const Wanted& wanted);
  static std::vector<Range> ranges_of(const std::vector<NetworkCopy>& copies, std::vector<Wanted> wanted, const RangeLimits& limits);
  void fetch_ranges(std::vector<Range> ranges, Wave& wave);
  void fetch_range(Range range, Wave& wave);
  void learn_pace(const std::vector<NetworkCopy>& copies);

  std::vector<std::jthread> threads;
};

}  // namespace holdfast
