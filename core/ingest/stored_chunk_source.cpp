// SPDX-License-Identifier: Apache-2.0
#include "core/ingest/stored_chunk_source.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/ingest/source_state.h"

namespace holdfast {
namespace {

std::string name_of(const ChunkId& id) { return "chunk " + id.hex().substr(0, 16); }

/// Reads bases through the source, one step deeper.
class SourceResolver final : public BaseResolver {
 public:
  using Read = std::function<Result<PlainCache::Item>(const ChunkRef&)>;
  explicit SourceResolver(Read read) : read_(std::move(read)) {}
  Result<Base> resolve(const ChunkRef& base) override {
    HOLDFAST_ASSIGN(PlainCache::Item item, read_(base));
    return Base{std::move(item.plain), item.depth};
  }

 private:
  Read read_;
};

constexpr unsigned kFarThreads = 2;  // each has several requests under way

bool is_of_the_caller(ErrorCode code) { return code == ErrorCode::kCancelled || code == ErrorCode::kDeadlineExceeded; }

}  // namespace

Result<PlainCache::Item> StoredChunkSource::State::read(const ChunkRef& ref, Way& way, const CallContext& context) {
  for (;;) {
    if (auto known = parts.plain_cache->get(ref)) {
      ++plain_hits;
      return std::move(*known);
    }
    HOLDFAST_TRY(check_context(context, parts.clock, "reading " + name_of(ref.id)));
    const ChunkFlights::Place place = flights.join(ref);
    if (!place.flight) return load(ref, way, context);
    if (place.leads) {
      // Somebody may have landed it between the two questions.
      const auto landed = parts.plain_cache->get(ref);
      Result<Item> item = landed ? Result<Item>(*landed) : load(ref, way, context);
      // That this caller ran out of time is no answer for the others.
      const bool gave_up = !item && is_of_the_caller(item.error().code());
      flights.land(place.flight, gave_up ? std::nullopt : std::optional(item));
      return item;
    }
    HOLDFAST_ASSIGN(std::optional<ChunkFlights::Outcome> outcome, ChunkFlights::wait(*place.flight, parts.clock, context));
    if (outcome) return std::move(*outcome);
  }
}

Result<PlainCache::Item> StoredChunkSource::State::load(const ChunkRef& ref, Way& way, const CallContext& context) {
  HOLDFAST_ASSIGN(const ChunkLocation at, locate(ref.id));
  if (const auto staged = read_staged(ref.id, at)) return open(ref, *staged, way, context);
  if (const auto near = read_near(ref, at)) return open(ref, *near, way, context);
  HOLDFAST_ASSIGN(const VerifiedRecord record, fetch_far(ref.id, at, context));
  return open(ref, record, way, context);
}

Result<PlainCache::Item> StoredChunkSource::State::open(const ChunkRef& ref, const VerifiedRecord& record, Way& way,
                                                        const CallContext& context) {
  SourceResolver bases([&](const ChunkRef& base) -> Result<Item> {
    const auto known = std::find_if(way.bases.begin(), way.bases.end(), [&](const auto& each) { return each.first == base; });
    if (known != way.bases.end()) return known->second;
    if (way.steps >= kDifferenceDepthMax || way.bases.size() >= kLeansOnMax) return Error(ErrorCode::kCorrupt, "it leans on too many chunks");
    ++way.steps;
    HOLDFAST_ASSIGN(Item item, read(base, way, context));
    --way.steps;
    way.bases.emplace_back(base, item);
    return item;
  });
  Result<DecodedChunk> decoded = open_chunk(ref, record, &bases);
  if (!decoded) return std::move(decoded).error().with_context("opening " + name_of(ref.id));
  Item item{std::move(decoded->plain), decoded->depth};
  parts.plain_cache->put(ref, item);
  return item;
}

Result<ChunkLocation> StoredChunkSource::State::locate(const ChunkId& id) const {
  if (const auto pending = parts.stage.find(id)) return *pending;
  const Result<std::optional<ChunkLocation>> indexed = parts.index.find(id);
  if (!indexed) {
    if (indexed.error().code() == ErrorCode::kCorrupt) parts.stage.report_index_damage();
    return indexed.error();
  }
  if (*indexed) return **indexed;
  // It may have moved from the stage to the index between the two questions.
  if (const auto pending = parts.stage.find(id)) return *pending;
  return Error(ErrorCode::kNotFound, name_of(id) + " is in no pack that is known here");
}

/// From staging; nullopt when it is not there, can't be read, or is damaged.
std::optional<VerifiedRecord> StoredChunkSource::State::read_staged(const ChunkId& id, const ChunkLocation& at) {
  Result<std::optional<Bytes>> staged = parts.stage.read(at);
  if (!staged) {
    ++staging_faults;
    log_error("reading from staging: " + staged.error().message());
    return std::nullopt;
  }
  if (!*staged) return std::nullopt;
  ++staged_reads;
  auto verified = VerifiedRecord::check(id, SharedBytes::of(**std::move(staged)));
  if (verified) return verified;
  ++staging_faults;
  log_error(name_of(id) + " is damaged in staging; asking elsewhere");
  return std::nullopt;
}

/// The verified record, where it left staging and is on this machine all the same: kept with the nodes of its pack, read a moment ago, or cached.
std::optional<VerifiedRecord> StoredChunkSource::State::read_near(const ChunkRef& ref, const ChunkLocation& at) {
  if (ref.kind != ChunkKind::kData) {
    const auto row = parts.stage.table().find(at.pack);
    auto kept = row ? parts.stage.kept_nodes().read(row->id, ref.id, at) : std::nullopt;
    if (kept) {
      ++kept_reads;
      return kept;
    }
  }
  if (auto read_before = recent.get(ref.id)) return read_before;
  auto cached = parts.cache.get(ref.id);
  if (cached) ++cache_hits;
  return cached;
}

Result<std::vector<NetworkCopy>> StoredChunkSource::State::copies(PackNumber pack) const {
  const auto row = parts.stage.table().find(pack);
  if (!row) return Error(ErrorCode::kNotFound, "pack number " + std::to_string(pack) + " is not known here");
  std::vector<NetworkCopy> copies = parts.placement.copies(row->id);
  if (copies.empty()) return Error(ErrorCode::kNotFound, "no network is known to have pack " + row->id.hex().substr(0, 16));
  return copies;
}

/// The verified record from the cache or a network.
Result<VerifiedRecord> StoredChunkSource::State::fetch(const ChunkId& id, const ChunkLocation& at, const CallContext& context) {
  if (auto cached = parts.cache.get(id)) {
    ++cache_hits;
    return std::move(*cached);
  }
  return fetch_far(id, at, context);
}

Result<VerifiedRecord> StoredChunkSource::State::fetch_far(const ChunkId& id, const ChunkLocation& at,
                                                  const CallContext& context) {
  Result<std::vector<NetworkCopy>> where = copies(at.pack);
  if (!where) return std::move(where).error().with_context("reading " + name_of(id));
  const RecordRange range{id, at.offset, at.record_size_bytes};
  Result<VerifiedRecord> record = parts.networks.read_record(*where, range, context);
  if (!record) return std::move(record).error().with_context("reading " + name_of(id));
  ++network_reads;
  keep({&*record, 1}, *where);
  return record;
}

/// What a network at hand has would only be written to this machine's disk a second time.
void StoredChunkSource::State::keep(std::span<const VerifiedRecord> records, const std::vector<NetworkCopy>& copies) {
  for (const VerifiedRecord& record : records) network_bytes += record.size();
  if (parts.networks.is_at_hand(copies)) {
    worth_ahead_bytes = 0;
    for (const VerifiedRecord& record : records) recent.put(record);
    return;
  }
  for (const VerifiedRecord& record : records) parts.cache.put(record.id(), record.view());
  learn_pace(copies);
}

StoredChunkSource::StoredChunkSource(const SourceOptions& options, const Parts& parts)
    : state_(std::make_unique<State>(options, parts)) {
  HOLDFAST_CHECK(parts.plain_cache != nullptr);
  const auto start = [this](State::Queue& queue) {
    state_->threads.emplace_back([state = state_.get(), &queue](const std::stop_token& stop) { state->run_prefetch(queue, stop); });
  };
  for (unsigned i = 0; i < options.prefetch_threads; ++i) start(state_->near_queue);
  for (unsigned i = 0; i < std::min(options.prefetch_threads, kFarThreads); ++i) start(state_->far_queue);
}

StoredChunkSource::~StoredChunkSource() {
  for (std::jthread& thread : state_->threads) thread.request_stop();
  for (std::jthread& thread : state_->threads) thread.join();
}

Result<SharedBytes> StoredChunkSource::read(const ChunkRef& ref, const CallContext& context) {
  State::Way way;
  HOLDFAST_ASSIGN(PlainCache::Item item, state_->read(ref, way, context));
  return std::move(item.plain);
}

void StoredChunkSource::prefetch(std::span<const ChunkRef> refs) { state_->enqueue(state_->near_queue, refs); }
void StoredChunkSource::bring_near(std::span<const ChunkRef> refs) { state_->enqueue(state_->far_queue, refs); }
std::uint64_t StoredChunkSource::worth_ahead_bytes() const { return state_->worth_ahead_bytes; }

Result<ChunkLocation> StoredChunkSource::locate(const ChunkId& id) const { return state_->locate(id); }

Result<VerifiedRecord> StoredChunkSource::read_record(const ChunkId& id, const CallContext& context) {
  HOLDFAST_ASSIGN(const ChunkLocation at, state_->locate(id));
  if (auto staged = state_->read_staged(id, at)) return *std::move(staged);
  return state_->fetch(id, at, context);
}

SourceCounters StoredChunkSource::counters() const noexcept {
  SourceCounters counters;
  counters.plain_hits = state_->plain_hits.load();
  counters.staged_reads = state_->staged_reads.load();
  counters.kept_reads = state_->kept_reads.load();
  counters.cache_hits = state_->cache_hits.load();
  counters.network_reads = state_->network_reads.load();
  counters.network_bytes = state_->network_bytes.load();
  counters.staging_faults = state_->staging_faults.load();
  return counters;
}

}  // namespace holdfast
