// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "core/base/log.h"
#include "core/ingest/source_state.h"

namespace holdfast {
namespace {

constexpr std::size_t kRequestsAtOnce = 8;  ///< of one job, to networks that are not at hand
// What a sequential reader of a far network is worth. While one request is answered, those that go side by side bring kRequestsAtOnce times what one brings; a chain of differences
// is some requests after each other; and plaintext is about three times its records.
constexpr double kWavesAhead = 4;
constexpr double kPlainPerStored = 3;
constexpr std::uint64_t kAheadMinBytes = 16ULL << 20;
constexpr std::uint64_t kAheadMaxBytes = 128ULL << 20;
constexpr std::uint64_t kAheadUnmeasuredBytes = 32ULL << 20;
constexpr std::uint64_t kGapMinBytes = 64ULL << 10;
constexpr std::uint64_t kGapMaxBytes = 512ULL << 10;

std::uint64_t between(double value, std::uint64_t least, std::uint64_t most) {
  return static_cast<std::uint64_t>(std::clamp(value, static_cast<double>(least), static_cast<double>(most)));
}

}  // namespace

/// In jobs of one thread each, so that all threads work on what is read first.
void StoredChunkSource::State::enqueue(Queue& to, std::span<const ChunkRef> refs) {
  if (options.prefetch_threads == 0) return;
  while (!refs.empty()) {
    std::uint64_t size = 0;
    std::size_t count = 0;
    while (count < refs.size() && (count == 0 || size + refs[count].plain_size_bytes <= to.job_bytes)) size += refs[count++].plain_size_bytes;
    {
      const std::lock_guard lock(to.mutex);
      if (to.waiting_bytes + size > to.waiting_max_bytes) return;
      to.waiting_bytes += size;
      to.jobs.emplace_back(refs.begin(), refs.begin() + static_cast<std::ptrdiff_t>(count));
    }
    to.changed.notify_one();
    refs = refs.subspan(count);
  }
}

void StoredChunkSource::State::run_prefetch(Queue& from, const std::stop_token& stop) {
  for (;;) {
    std::vector<ChunkRef> refs;
    {
      std::unique_lock lock(from.mutex);
      if (!from.changed.wait(lock, stop, [&] { return !from.jobs.empty(); })) return;
      if (stop.stop_requested()) return;
      refs = std::move(from.jobs.front());
      from.jobs.pop_front();
    }
    prefetch_now(refs, from.is_far, stop);
    const std::lock_guard lock(from.mutex);
    for (const ChunkRef& ref : refs) from.waiting_bytes -= ref.plain_size_bytes;
  }
}

/// Gathers records wave by wave: those of the chunks, then those of what these lean on, and so on. What is on this machine is read one by one, what is not in ranges,
/// pack by pack. A chunk is opened as soon as its chain is there; nobody is waited for while flights are led, who might wait for one of them.
void StoredChunkSource::State::prefetch_now(const std::vector<ChunkRef>& refs, bool is_far, const std::stop_token& stop) {
  std::vector<Wanted> wanted;
  for (const ChunkRef& ref : refs) {
    if (stop.stop_requested()) break;
    if (parts.plain_cache->get(ref)) continue;
    const ChunkFlights::Place place = flights.join(ref);
    if (place.leads) wanted.push_back({place.flight, RecordClosure(ref), {}});
  }
  while (!wanted.empty() && !stop.stop_requested()) wanted = gather(std::move(wanted), is_far, stop);
  for (const Wanted& each : wanted) give_up(each);
}

/// Whoever reads it does it himself: he finds it nearer than it was, or finds out why it isn't and is told.
void StoredChunkSource::State::give_up(const Wanted& wanted) { flights.land(wanted.flight, std::nullopt); }

/// One wave. Gives those that lean on a further chunk.
std::vector<StoredChunkSource::State::Wanted> StoredChunkSource::State::gather(std::vector<Wanted> wanted, bool is_far, const std::stop_token& stop) {
  Wave wave{.is_far = is_far, .stop = stop, .mutex = {}, .leaning = {}};
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
    std::optional<VerifiedRecord> record = is_staged ? read_staged(each.records.next().id, *at) : read_near(each.records.next(), *at);
    if (record) {
      take(std::move(each), *std::move(record), wave);
    } else if (is_staged) {
      give_up(each);
    } else {
      remote[at->pack].push_back(std::move(each));
    }
  }
  std::vector<Range> far;
  for (auto& [pack, of_pack] : remote) {
    const Result<std::vector<NetworkCopy>> where = copies(pack);
    const bool is_at_hand = where && parts.networks.is_at_hand(*where);
    if (!where || (is_far && is_at_hand)) {
      for (const Wanted& each : of_pack) give_up(each);
      continue;
    }
    RangeLimits limits = options.ranges;
    if (!is_at_hand && worth_gap_bytes > 0) limits.gap_max_bytes = worth_gap_bytes;
    for (Range& range : ranges_of(*where, std::move(of_pack), limits)) {
      if (is_at_hand) {
        fetch_range(std::move(range), wave);
      } else {
        far.push_back(std::move(range));
      }
    }
  }
  fetch_ranges(std::move(far), wave);
  return std::move(wave.leaning);
}

/// Opens the chunk if that was the last record that it needs; else it goes to those that lean.
void StoredChunkSource::State::take(Wanted wanted, VerifiedRecord record, Wave& wave) {
  if (!wanted.records.take(std::move(record))) {
    give_up(wanted);
  } else if (!wanted.records.is_complete()) {
    const std::lock_guard lock(wave.mutex);
    wave.leaning.push_back(std::move(wanted));
  } else if (wave.is_far) {
    give_up(wanted);
  } else {
    land_gathered(wanted);
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

/// What is wanted of one pack, in ranges that are worth one request each: the whole pack where most of it is wanted.
std::vector<StoredChunkSource::State::Range> StoredChunkSource::State::ranges_of(const std::vector<NetworkCopy>& copies, std::vector<Wanted> wanted, const RangeLimits& limits) {
  std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) { return a.at.offset < b.at.offset; });
  std::vector<RecordRange> records;
  for (const Wanted& each : wanted) {
    if (records.empty() || records.back().offset != each.at.offset) records.push_back({each.records.next().id, each.at.offset, each.at.record_size_bytes});
  }
  std::vector<Range> all;
  auto next = wanted.begin();
  for (const auto& run : split_in_ranges(records, limits)) {
    const auto end = std::find_if(next, wanted.end(), [&](const Wanted& each) { return each.at.offset > run.back().offset; });
    all.push_back({copies, {run.begin(), run.end()}, {std::make_move_iterator(next), std::make_move_iterator(end)}});
    next = end;
  }
  return all;
}

/// Several at once: what takes time is the way there and back.
void StoredChunkSource::State::fetch_ranges(std::vector<Range> ranges, Wave& wave) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < ranges.size(); i = next++) fetch_range(std::move(ranges[i]), wave);
  };
  std::vector<std::jthread> company;
  for (std::size_t i = 1; i < std::min(ranges.size(), kRequestsAtOnce); ++i) {
    try {
      company.emplace_back(work);
    } catch (const std::system_error&) {
      break;  // those that are there do it all
    }
  }
  work();
}

/// What no network gave is given up.
void StoredChunkSource::State::fetch_range(Range range, Wave& wave) {
  const CallContext context = with_timeout({MonoTime::max(), wave.stop}, parts.clock, options.prefetch_timeout);
  const Result<std::vector<VerifiedRecord>> fetched = parts.networks.read_records(range.copies, range.records, context);
  if (!fetched) {
    log_debug("prefetching: " + fetched.error().message());
    for (const Wanted& each : range.wanted) give_up(each);
    return;
  }
  ++network_reads;
  keep(*fetched, range.copies);
  std::size_t i = 0;
  for (Wanted& each : range.wanted) {
    while (range.records[i].offset != each.at.offset) ++i;
    take(std::move(each), (*fetched)[i], wave);
  }
}

/// Asked of the network that gives what is far now: networks differ, and change.
void StoredChunkSource::State::learn_pace(const std::vector<NetworkCopy>& copies) {
  const std::optional<NetworkPace> pace = parts.networks.pace(copies);
  if (!pace) {
    if (worth_ahead_bytes == 0) worth_ahead_bytes = kAheadUnmeasuredBytes;
    return;
  }
  const double per_round_trip = pace->bytes_per_second * std::chrono::duration<double>(pace->round_trip).count();
  worth_ahead_bytes = between(per_round_trip * static_cast<double>(kRequestsAtOnce) * kWavesAhead * kPlainPerStored, kAheadMinBytes, kAheadMaxBytes);
  worth_gap_bytes = between(per_round_trip, kGapMinBytes, kGapMaxBytes);
}

}  // namespace holdfast
