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
#include "core/ingest/stored_chunk_source.h"

namespace holdfast {

struct StoredChunkSource::State {
  State(const SourceOptions& given, const Parts& given_parts) : options(given), parts(given_parts) {}

  const SourceOptions options;
  const Parts parts;
  ChunkFlights flights;
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
  Result<Item> open(const ChunkRef& ref, ByteView record, Way& way, const CallContext& context);
  Result<ChunkLocation> locate(const ChunkId& id) const;
  std::optional<Bytes> read_staged(const ChunkLocation& at);
  std::optional<Bytes> read_near(const ChunkRef& ref, const ChunkLocation& at);
  Result<Bytes> fetch(const ChunkId& id, const ChunkLocation& at, const CallContext& context);
  Result<Bytes> fetch_far(const ChunkId& id, const ChunkLocation& at, const CallContext& context);
  Result<std::vector<NetworkCopy>> copies(PackNumber pack) const;

  // Prefetching (chunk_prefetch.cpp).
  /// A chunk whose record, and those of what it leans on, are being gathered for a flight that this thread leads.
  struct Wanted {
    std::shared_ptr<ChunkFlights::Flight> flight;
    RecordClosure records;  ///< what is there
    ChunkLocation at;       ///< of records.next()
  };
  std::mutex queue_mutex;
  std::condition_variable_any queue_changed;
  std::deque<std::vector<ChunkRef>> queue;
  std::uint64_t queue_bytes = 0;
  void enqueue(std::span<const ChunkRef> refs);
  void run_prefetch(const std::stop_token& stop);
  void prefetch_now(const std::vector<ChunkRef>& refs, const std::stop_token& stop);
  std::vector<Wanted> gather(std::vector<Wanted> wanted, const std::stop_token& stop);
  void take(Wanted wanted, Bytes record, std::vector<Wanted>& leaning);
  void give_up(const Wanted& wanted);
  void land_gathered(const Wanted& wanted);
  void fetch_ranges(std::vector<Wanted> wanted, std::vector<Wanted>& leaning, const std::stop_token& stop);
  std::vector<Bytes> fetch_range(PackNumber pack, std::span<const RecordRange> ranges, const std::stop_token& stop);

  std::vector<std::jthread> threads;
};

}  // namespace holdfast
