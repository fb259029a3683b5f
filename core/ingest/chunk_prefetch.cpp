// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "core/base/log.h"
#include "core/ingest/source_state.h"

namespace holdfast {

void StoredChunkSource::State::enqueue(std::span<const ChunkRef> refs) {
  if (options.prefetch_threads == 0 || refs.empty()) return;
  std::uint64_t size = 0;
  std::vector<ChunkRef> wanted;
  for (const ChunkRef& ref : refs) {
    if (size + ref.plain_size_bytes > options.prefetch_max_bytes) break;
    size += ref.plain_size_bytes;
    wanted.push_back(ref);
  }
  {
    const std::lock_guard lock(queue_mutex);
    if (wanted.empty() || queue_bytes + size > options.prefetch_max_bytes) return;
    queue_bytes += size;
    queue.push_back(std::move(wanted));
  }
  queue_changed.notify_one();
}

void StoredChunkSource::State::run_prefetch(const std::stop_token& stop) {
  for (;;) {
    std::vector<ChunkRef> refs;
    {
      std::unique_lock lock(queue_mutex);
      if (!queue_changed.wait(lock, stop, [this] { return !queue.empty(); })) return;
      if (stop.stop_requested()) return;
      refs = std::move(queue.front());
      queue.pop_front();
    }
    prefetch_now(refs, stop);
    const std::lock_guard lock(queue_mutex);
    for (const ChunkRef& ref : refs) queue_bytes -= ref.plain_size_bytes;
  }
}

/// What is on this machine is opened one by one; what is not is fetched in ranges, pack by pack.
void StoredChunkSource::State::prefetch_now(const std::vector<ChunkRef>& refs, const std::stop_token& stop) {
  std::map<PackNumber, std::vector<Wanted>> remote;
  for (const ChunkRef& ref : refs) {
    if (stop.stop_requested()) break;
    if (parts.plain_cache->get(ref)) continue;
    const Result<ChunkLocation> at = locate(ref.id);
    if (!at) continue;  // whoever reads it is told
    const CallContext context{MonoTime::max(), stop};
    const auto row = parts.stage.table().find(at->pack);
    const bool staged = !row || row->state == PackState::kStaged;  // an open pack has no row yet
    const std::optional<Bytes> near = staged ? std::nullopt : read_near(ref, *at);
    const ChunkFlights::Place place = flights.join(ref);
    if (!place.leads) continue;
    if (!staged && !near) {
      remote[at->pack].push_back({place.flight, *at});
    } else if (near) {
      land_fetched({place.flight, *at}, *near, context);
    } else if (const auto bytes = read_staged(*at)) {
      land_fetched({place.flight, *at}, *bytes, context);
    } else {
      flights.land(place.flight, std::nullopt);
    }
  }
  for (auto& [pack, wanted] : remote) fetch_ranges(std::move(wanted), stop);
}

/// What is wanted of one pack, in ranges that are worth one request each.
void StoredChunkSource::State::fetch_ranges(std::vector<Wanted> wanted, const std::stop_token& stop) {
  std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) { return a.at.offset < b.at.offset; });
  std::vector<RecordRange> records;
  for (const Wanted& each : wanted) records.push_back({each.flight->ref.id, each.at.offset, each.at.record_size_bytes});
  std::size_t first = 0;
  for (const auto& range : split_in_ranges(records, options.ranges)) {
    fetch_range(std::span(wanted).subspan(first, range.size()), range, stop);
    first += range.size();
  }
}

void StoredChunkSource::State::fetch_range(std::span<const Wanted> wanted, std::span<const RecordRange> ranges,
                                           const std::stop_token& stop) {
  CallContext context{MonoTime::max(), stop};
  context = with_timeout(context, parts.clock, options.prefetch_timeout);
  const Result<std::vector<NetworkCopy>> where = copies(wanted.front().at.pack);
  Result<std::vector<Bytes>> records =
      where ? parts.networks.read_records(*where, ranges, context) : Result<std::vector<Bytes>>(where.error());
  if (!records) {
    log_debug("prefetching: " + records.error().message());
    for (const Wanted& each : wanted) flights.land(each.flight, std::nullopt);
    return;
  }
  ++network_reads;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    network_bytes += (*records)[i].size();
    parts.cache.put(ranges[i].id, (*records)[i]);
    land_fetched(wanted[i], (*records)[i], context);
  }
}

/// Opens a record that was fetched for a flight that this thread leads. A difference is left to who wants it: waiting for its base while leading
/// several flights could wait for somebody who waits for one of them.
void StoredChunkSource::State::land_fetched(const Wanted& wanted, const Bytes& record, const CallContext& context) {
  const Result<RecordHeader> header = decode_record_header(record);
  if (!header || header->codec == ChunkCodec::kDifference) {
    flights.land(wanted.flight, std::nullopt);
    return;
  }
  Result<Item> item = open(wanted.flight->ref, record, 0, context);
  // A failure may be of this copy alone; the reader finds out.
  flights.land(wanted.flight, item ? std::optional<ChunkFlights::Outcome>(std::move(item)) : std::nullopt);
}

}  // namespace holdfast
