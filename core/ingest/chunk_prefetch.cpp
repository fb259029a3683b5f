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

/// Gathers records wave by wave: those of the chunks, then those of what these lean on, and so on. What is on this machine is read one by one, what is not in ranges,
/// pack by pack. A chunk is opened as soon as its chain is there; nobody is waited for while flights are led, who might wait for one of them.
void StoredChunkSource::State::prefetch_now(const std::vector<ChunkRef>& refs, const std::stop_token& stop) {
  std::vector<Wanted> wanted;
  for (const ChunkRef& ref : refs) {
    if (stop.stop_requested()) break;
    if (parts.plain_cache->get(ref)) continue;
    const ChunkFlights::Place place = flights.join(ref);
    if (place.leads) wanted.push_back({place.flight, RecordClosure(ref), {}});
  }
  while (!wanted.empty() && !stop.stop_requested()) wanted = gather(std::move(wanted), stop);
  for (const Wanted& each : wanted) give_up(each);
}

/// Whoever reads it finds out why, and is told.
void StoredChunkSource::State::give_up(const Wanted& wanted) { flights.land(wanted.flight, std::nullopt); }

/// One wave. Gives those that lean on a further chunk.
std::vector<StoredChunkSource::State::Wanted> StoredChunkSource::State::gather(std::vector<Wanted> wanted, const std::stop_token& stop) {
  std::vector<Wanted> leaning;
  std::map<PackNumber, std::vector<Wanted>> remote;
  for (Wanted& each : wanted) {
    const Result<ChunkLocation> at = locate(each.records.next().id);
    if (!at) {
      give_up(each);
      continue;
    }
    each.at = *at;
    const auto row = parts.stage.table().find(at->pack);
    const bool is_staged = !row || row->state == PackState::kStaged;  // an open pack has no row yet
    std::optional<Bytes> record = is_staged ? read_staged(*at) : read_near(each.records.next(), *at);
    if (record) {
      take(std::move(each), *std::move(record), leaning);
    } else if (is_staged) {
      give_up(each);
    } else {
      remote[at->pack].push_back(std::move(each));
    }
  }
  for (auto& [pack, of_pack] : remote) fetch_ranges(std::move(of_pack), leaning, stop);
  return leaning;
}

/// Opens the chunk if that was the last record that it needs; else it goes to `leaning`.
void StoredChunkSource::State::take(Wanted wanted, Bytes record, std::vector<Wanted>& leaning) {
  if (!wanted.records.take(std::move(record))) {
    give_up(wanted);
  } else if (wanted.records.is_complete()) {
    land_gathered(wanted);
  } else {
    leaning.push_back(std::move(wanted));
  }
}

void StoredChunkSource::State::land_gathered(const Wanted& wanted) {
  const Result<RecordClosure::Opened> opened = wanted.records.open();
  if (!opened) {  // of this copy alone, perhaps
    give_up(wanted);
    return;
  }
  const Item item{opened->plain, opened->depth};
  parts.plain_cache->put(wanted.records.ref(0), item);
  flights.land(wanted.flight, ChunkFlights::Outcome(item));
}

/// What is wanted of one pack, in ranges that are worth one request each. Two may lean on one record.
void StoredChunkSource::State::fetch_ranges(std::vector<Wanted> wanted, std::vector<Wanted>& leaning, const std::stop_token& stop) {
  std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) { return a.at.offset < b.at.offset; });
  std::vector<RecordRange> records;
  for (const Wanted& each : wanted) {
    if (records.empty() || records.back().offset != each.at.offset) records.push_back({each.records.next().id, each.at.offset, each.at.record_size_bytes});
  }
  auto next = wanted.begin();
  for (const auto& range : split_in_ranges(records, options.ranges)) {
    const std::vector<Bytes> fetched = fetch_range(wanted.front().at.pack, range, stop);
    for (std::size_t i = 0; i < range.size(); ++i) {
      for (; next != wanted.end() && next->at.offset == range[i].offset; ++next) {
        if (fetched.empty()) {
          give_up(*next);
        } else {
          take(std::move(*next), fetched[i], leaning);
        }
      }
    }
  }
}

/// Empty when no network gave them.
std::vector<Bytes> StoredChunkSource::State::fetch_range(PackNumber pack, std::span<const RecordRange> ranges, const std::stop_token& stop) {
  CallContext context{MonoTime::max(), stop};
  context = with_timeout(context, parts.clock, options.prefetch_timeout);
  const Result<std::vector<NetworkCopy>> where = copies(pack);
  Result<std::vector<Bytes>> records =
      where ? parts.networks.read_records(*where, ranges, context) : Result<std::vector<Bytes>>(where.error());
  if (!records) {
    log_debug("prefetching: " + records.error().message());
    return {};
  }
  ++network_reads;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    network_bytes += (*records)[i].size();
    parts.cache.put(ranges[i].id, (*records)[i]);
  }
  return *std::move(records);
}

}  // namespace holdfast
