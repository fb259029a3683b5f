// SPDX-License-Identifier: Apache-2.0
#include "core/ingest/ingest_pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <unordered_map>

#include "core/base/log.h"
#include "core/chunk/chunk_codec.h"
#include "core/crypto/hash.h"
#include "core/format/chunk_ref.h"
#include "core/ingest/ingest_ticket.h"
#include "core/ingest/stage_pressure.h"

namespace holdfast {
namespace {

/// Enough lanes for a many-lane hasher (16 in libipsec-mb with AVX-512) even where a chunk has one segment.
constexpr std::size_t kBatchMax = 16;

/// What is to become a record.
struct NewChunk {
  std::uint32_t domain = 0;
  ChunkKind kind = ChunkKind::kData;
  ByteView plain;
  std::span<const ChunkId> children;
};

}  // namespace

struct IngestPipeline::State {
  State(const IngestOptions& given, const Parts& given_parts, ByteView fingerprint_key)
      : options(given),
        parts(given_parts),
        key(SecretBytes::copy_of(fingerprint_key)),
        hasher(best_chunk_hasher()),
        pressure(parts.stage, parts.clock, options.relief_deadline),
        trust(parts.stage, parts.placement, parts.clock) {}

  struct Job {
    std::uint32_t domain;
    std::shared_ptr<IngestTicket> ticket;
    std::shared_ptr<IngestTicket> before;  ///< of the chunk before it in its stream; may be null
  };
  /// A chunk on its way from the encoder to its pack.
  struct Fresh {
    const Job* job = nullptr;
    BaseFinder::Subject subject;
    std::vector<ChunkId> bases;
    std::vector<PackNumber> base_packs;
    std::uint8_t version = 0;
  };

  const IngestOptions options;
  const Parts parts;
  const SecretBytes key;
  const ChunkHasher& hasher;
  StagePressure pressure;
  PackTrust trust;

  std::mutex queue_mutex;
  std::condition_variable not_empty;
  std::condition_variable not_full;
  std::deque<Job> queue;
  std::uint64_t queue_bytes = 0;
  bool closing = false;

  std::mutex flight_mutex;
  /// Chunks that some thread is storing, with those who wait for the same one.
  std::unordered_map<Fingerprint, std::vector<std::shared_ptr<IngestTicket>>> in_flight;

  std::mutex encoders_mutex;
  std::vector<std::unique_ptr<ChunkEncoder>> idle_encoders;

  mutable std::shared_mutex domains_mutex;
  std::map<std::uint32_t, DomainHow> domains;

  std::atomic<std::uint64_t> chunks_new{0}, chunks_known{0}, chunks_differences{0}, bytes_in{0}, bytes_new{0}, bytes_stored{0}, bytes_whole{0}, bytes_whole_stored{0};
  std::atomic<bool> committing{false};

  std::vector<std::jthread> workers;

  void push(std::span<Job> jobs);
  bool push_locked(Job& job, std::unique_lock<std::mutex>& lock);
  std::vector<Job> pop();
  void work();
  void run_batch(ChunkEncoder& encoder, const std::vector<Job>& batch);
  bool begin_flight(const Fingerprint& fp, const std::shared_ptr<IngestTicket>& follower);
  void end_flight(const Fingerprint& fp, const Result<ChunkRef>& result);
  class Flight;
  BaseFinder::Subject subject_of(const Job& job) const;
  Result<EncodedChunk> encode_fresh(ChunkEncoder& encoder, const Fingerprint& fp, Fresh& fresh);
  void keep_fresh(const Fresh& fresh, const EncodedChunk& encoded);
  Result<std::optional<ChunkRef>> find_known(const Fingerprint& fp);
  Result<EncodedChunk> encode(ChunkEncoder& encoder, const NewChunk& chunk, const Fingerprint& fp);
  Result<std::optional<EncodedChunk>> encode_difference(ChunkEncoder& encoder, const NewChunk& chunk, const Fingerprint& fp, BaseFinder::Found& found);
  EncodeOptions encode_options(std::uint32_t domain) const;
  Result<ChunkRef> append_record(const EncodedChunk& encoded, const NewRecord& about);
  Result<ChunkRef> store(ChunkEncoder& encoder, const NewChunk& chunk, const Fingerprint& fp);
  Result<ChunkRef> find_or_store(ChunkEncoder& encoder, const NewChunk& chunk, const Fingerprint& fp);
  DomainHow how(std::uint32_t domain) const;
  bool has_differences(std::uint32_t domain) const { return parts.bases != nullptr && !how(domain).stands_alone; }
  void count(const Result<ChunkRef>& result, std::size_t plain_bytes, bool known);
  void commit_when_many();
  Fingerprint fingerprint(std::uint32_t domain, ChunkKind kind, ByteView plain) const;
  std::unique_ptr<ChunkEncoder> borrow_encoder();
  void end_put(std::unique_ptr<ChunkEncoder> encoder, ChunkKind kind, ByteView plain, const Result<ChunkRef>& result);
};

bool IngestPipeline::State::push_locked(Job& job, std::unique_lock<std::mutex>& lock) {
  const std::uint64_t size = job.ticket->plain().size();
  const auto has_room = [&] { return closing || queue_bytes == 0 || queue_bytes + size <= options.queue_max_bytes; };
  if (!has_room()) {
    not_empty.notify_all();  // what this call has put in already is to make the room
    not_full.wait(lock, has_room);
  }
  if (closing) return false;
  queue_bytes += size;
  pressure.add_queued(size);
  queue.push_back(job);
  return true;
}

/// Those that the closing pipeline takes no more are answered.
void IngestPipeline::State::push(std::span<Job> jobs) {
  std::unique_lock lock(queue_mutex);
  std::size_t count = 0;
  while (count < jobs.size() && push_locked(jobs[count], lock)) ++count;
  lock.unlock();
  if (count == 1) {
    not_empty.notify_one();
  } else if (count > 1) {
    not_empty.notify_all();
  }
  for (Job& job : jobs.subspan(count)) job.ticket->answer(Error(ErrorCode::kCancelled, "the repository is being closed"));
}

/// Some jobs, fewer when few wait so that all workers have some; none when the pipeline closes and all is done.
std::vector<IngestPipeline::State::Job> IngestPipeline::State::pop() {
  std::unique_lock lock(queue_mutex);
  not_empty.wait(lock, [this] { return closing || !queue.empty(); });
  const std::size_t count = std::min(queue.size(), std::clamp<std::size_t>(queue.size() / workers.size(), 1, kBatchMax));
  std::vector<Job> batch(std::make_move_iterator(queue.begin()),
                         std::make_move_iterator(queue.begin() + static_cast<std::ptrdiff_t>(count)));
  queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(count));
  return batch;
}

void IngestPipeline::State::work() {
  ChunkEncoder encoder(parts.random);
  for (;;) {
    const std::vector<Job> batch = pop();
    if (batch.empty()) return;
    run_batch(encoder, batch);
  }
}

/// Fingerprints and ids of a batch are computed side by side, which costs a fraction of one after the other.
void IngestPipeline::State::run_batch(ChunkEncoder& encoder, const std::vector<Job>& batch) {
  std::vector<ChunkHasher::FingerprintInput> inputs;
  inputs.reserve(batch.size());
  for (const Job& job : batch) inputs.push_back({job.domain, ChunkKind::kData, job.ticket->plain().view()});
  std::vector<Fingerprint> fps(batch.size());
  hasher.fingerprints(key.view(), inputs, fps);
  for (std::size_t i = 0; i < batch.size(); ++i) batch[i].ticket->set_fingerprint(fps[i]);
  std::vector<EncodedChunk> encoded;
  std::vector<Fresh> fresh;
  std::uint64_t plain_bytes = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const ByteView plain = batch[i].ticket->plain().view();
    plain_bytes += plain.size();
    if (!begin_flight(fps[i], batch[i].ticket)) continue;
    const Result<std::optional<ChunkRef>> known = find_known(fps[i]);
    if (!known || *known) {
      const Result<ChunkRef> result = known ? Result<ChunkRef>(**known) : Result<ChunkRef>(known.error());
      batch[i].ticket->set_like(fps[i]);
      count(result, plain.size(), true);
      end_flight(fps[i], result);
      continue;
    }
    Fresh one{&batch[i], {}, {}, {}, 0};
    Result<EncodedChunk> record = encode_fresh(encoder, fps[i], one);
    if (!record) {
      end_flight(fps[i], record.error());
      continue;
    }
    encoded.push_back(*std::move(record));
    fresh.push_back(std::move(one));
  }
  name_chunks(encoded);
  for (std::size_t i = 0; i < encoded.size(); ++i) keep_fresh(fresh[i], encoded[i]);
  {
    const std::lock_guard lock(queue_mutex);
    queue_bytes -= plain_bytes;
  }
  not_full.notify_all();
  pressure.remove_queued(plain_bytes);
  commit_when_many();
}

BaseFinder::Subject IngestPipeline::State::subject_of(const Job& job) const {
  BaseFinder::Subject subject;
  subject.domain = job.domain;
  subject.size_bytes = job.ticket->plain().size();
  subject.similarity = job.ticket->chunk().similarity;
  if (!subject.similarity) subject.similarity = parts.bases->similarity(job.ticket->plain().view());
  if (job.before) {
    const IngestTicket::Traits before = job.before->traits();
    subject.before = before.fp;
    subject.before_like = before.like;
  }
  return subject;
}

/// As a difference, where there is something to lean on and that pays.
Result<EncodedChunk> IngestPipeline::State::encode_fresh(ChunkEncoder& encoder, const Fingerprint& fp, Fresh& fresh) {
  const NewChunk chunk{fresh.job->domain, ChunkKind::kData, fresh.job->ticket->plain().view(), {}};
  if (!has_differences(chunk.domain)) return encode(encoder, chunk, fp);
  fresh.subject = subject_of(*fresh.job);
  std::optional<BaseFinder::Found> found = parts.bases->find(fresh.subject);
  if (!found) return encode(encoder, chunk, fp);
  fresh.job->ticket->set_like(found->like);
  HOLDFAST_ASSIGN(std::optional<EncodedChunk> difference, encode_difference(encoder, chunk, fp, *found));
  parts.bases->note(chunk.domain, difference.has_value());
  if (!difference) return encode(encoder, chunk, fp);
  for (const ChunkRef& base : found->base.refs) fresh.bases.push_back(base.id);
  fresh.base_packs = found->packs;
  fresh.version = found->version;
  return *std::move(difference);
}

/// To what was found, or to that and a second base where one leaves much to say; `found` becomes what was taken.
Result<std::optional<EncodedChunk>> IngestPipeline::State::encode_difference(ChunkEncoder& encoder, const NewChunk& chunk, const Fingerprint& fp, BaseFinder::Found& found) {
  const EncodeOptions how = encode_options(chunk.domain);
  HOLDFAST_ASSIGN(std::optional<EncodedChunk> best, encoder.encode_difference(chunk.kind, chunk.plain, fp, how, found.base));
  if (best ? best->record.size() <= found.poor_bytes : found.is_probe) return best;
  const BaseFinder::Found one = found;
  for (const auto side : {BaseFinder::Side::kBehind, BaseFinder::Side::kBefore}) {
    auto wider = parts.bases->widen(chunk.domain, one, side);
    if (!wider) continue;
    // A second base is one more to read: it has to save a fifth.
    if (best) wider->base.record_max_bytes = std::min(wider->base.record_max_bytes, static_cast<std::uint32_t>(best->record.size() / 5 * 4));
    HOLDFAST_ASSIGN(std::optional<EncodedChunk> two, encoder.encode_difference(chunk.kind, chunk.plain, fp, how, wider->base));
    if (!two) continue;
    best = std::move(two);
    found = *std::move(wider);
  }
  return best;
}

void IngestPipeline::State::keep_fresh(const Fresh& fresh, const EncodedChunk& encoded) {
  const Result<ChunkRef> result = append_record(encoded, {.domain = fresh.job->domain, .bases = fresh.bases, .base_packs = fresh.base_packs});
  count(result, encoded.ref.plain_size_bytes, false);
  if (result && !fresh.bases.empty()) ++chunks_differences;
  if (result && fresh.bases.empty()) {
    bytes_whole += encoded.ref.plain_size_bytes;
    bytes_whole_stored += encoded.record.size();
  }
  if (result && has_differences(fresh.job->domain)) parts.bases->learn(fresh.subject, encoded.ref.fp, fresh.version);
  end_flight(encoded.ref.fp, result);
}

/// True when the caller is to store it; `ticket` is answered with the others at the end of the flight.
bool IngestPipeline::State::begin_flight(const Fingerprint& fp, const std::shared_ptr<IngestTicket>& ticket) {
  const std::lock_guard lock(flight_mutex);
  auto& waiting = in_flight[fp];
  waiting.push_back(ticket);
  return waiting.size() == 1;
}

void IngestPipeline::State::end_flight(const Fingerprint& fp, const Result<ChunkRef>& result) {
  std::vector<std::shared_ptr<IngestTicket>> waiting;
  {
    const std::lock_guard lock(flight_mutex);
    const auto found = in_flight.find(fp);
    waiting = std::move(found->second);
    in_flight.erase(found);
  }
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if (i > 0) count(result, result ? result->plain_size_bytes : 0, true);
    waiting[i]->answer(result);
  }
}

/// Ends a flight even where memory runs out within it: who waits for the same chunk would wait for ever.
class IngestPipeline::State::Flight {
 public:
  Flight(State& state, const Fingerprint& fp) : state_(state), fp_(fp) {}
  ~Flight() {
    if (!landed_) state_.end_flight(fp_, Error(ErrorCode::kInternal, "storing the chunk was broken off"));
  }
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;
  void land(const Result<ChunkRef>& result) {
    landed_ = true;
    state_.end_flight(fp_, result);
  }

 private:
  State& state_;
  const Fingerprint& fp_;
  bool landed_ = false;
};

Result<std::optional<ChunkRef>> IngestPipeline::State::find_known(const Fingerprint& fp) {
  if (const auto fresh = parts.stage.find_known(fp)) return fresh;
  // A damaged index costs space until it is rebuilt, not the backup.
  const auto nothing_is_known = [this] {
    parts.stage.report_index_damage();
    return std::optional<ChunkRef>();
  };
  const Result<std::optional<ChunkRef>> known = parts.index.find_known(fp);
  if (!known && known.error().code() == ErrorCode::kCorrupt) return nothing_is_known();
  if (!known || !*known) return known;
  const Result<std::optional<ChunkLocation>> found = parts.index.find((*known)->id);
  if (!found && found.error().code() == ErrorCode::kCorrupt) return nothing_is_known();
  if (!found) return found.error();
  if (*found && trust.can_lean_on((*found)->pack)) return known;
  // Its pack is lost: the chunk is stored anew under a new id, which replaces the reference.
  return std::optional<ChunkRef>();
}

/// Ids are left to name_chunks().
EncodeOptions IngestPipeline::State::encode_options(std::uint32_t domain) const {
  EncodeOptions chosen;
  chosen.zstd_level = how(domain).zstd_level;
  chosen.leave_unnamed = true;
  return chosen;
}

Result<EncodedChunk> IngestPipeline::State::encode(ChunkEncoder& encoder, const NewChunk& chunk, const Fingerprint& fp) {
  return encoder.encode(chunk.kind, chunk.plain, fp, encode_options(chunk.domain));
}

/// `about` is the record but for what `encoded` says.
Result<ChunkRef> IngestPipeline::State::append_record(const EncodedChunk& encoded, const NewRecord& about) {
  NewRecord record = about;
  record.ref = encoded.ref;
  record.record = encoded.record;
  HOLDFAST_TRY(parts.stage.append(record));
  bytes_stored += encoded.record.size();
  return encoded.ref;
}

Result<ChunkRef> IngestPipeline::State::find_or_store(ChunkEncoder& encoder, const NewChunk& chunk, const Fingerprint& fp) {
  HOLDFAST_ASSIGN(const std::optional<ChunkRef> known, find_known(fp));
  if (known) {
    count(*known, chunk.plain.size(), true);
    return *known;
  }
  return store(encoder, chunk, fp);
}

Result<ChunkRef> IngestPipeline::State::store(ChunkEncoder& encoder, const NewChunk& chunk, const Fingerprint& fp) {
  HOLDFAST_ASSIGN(EncodedChunk encoded, encode(encoder, chunk, fp));
  name_chunks({&encoded, 1});
  Result<ChunkRef> result = append_record(encoded, {.domain = chunk.domain, .children = chunk.children});
  count(result, chunk.plain.size(), false);
  return result;
}

IngestPipeline::DomainHow IngestPipeline::State::how(std::uint32_t domain) const {
  const std::shared_lock lock(domains_mutex);
  const auto found = domains.find(domain);
  return found == domains.end() ? DomainHow() : found->second;
}

void IngestPipeline::State::count(const Result<ChunkRef>& result, std::size_t plain_bytes, bool known) {
  if (!result) return;
  bytes_in += plain_bytes;
  if (known) {
    ++chunks_known;
  } else {
    ++chunks_new;
    bytes_new += plain_bytes;
  }
}

/// Bounds what the stage keeps in memory for the next commit.
void IngestPipeline::State::commit_when_many() {
  if (parts.stage.uncommitted_records() < options.uncommitted_records_max) return;
  if (committing.exchange(true)) return;
  // A failure stays with the journal, and whoever asks for durability is told.
  if (Status done = parts.journal.commit(); !done) log_error("a commit failed: " + done.error().message());
  committing = false;
}

Fingerprint IngestPipeline::State::fingerprint(std::uint32_t domain, ChunkKind kind, ByteView plain) const {
  Fingerprint fp;
  const ChunkHasher::FingerprintInput input{domain, kind, plain};
  hasher.fingerprints(key.view(), {&input, 1}, {&fp, 1});
  return fp;
}

void IngestPipeline::State::end_put(std::unique_ptr<ChunkEncoder> encoder, ChunkKind kind, ByteView plain,
                                    const Result<ChunkRef>& result) {
  {
    const std::lock_guard lock(encoders_mutex);
    idle_encoders.push_back(std::move(encoder));
  }
  if (result && kind != ChunkKind::kData && parts.plain_cache) {
    parts.plain_cache->put(*result, {std::make_shared<const Bytes>(plain.begin(), plain.end()), 0});
  }
  commit_when_many();
}

std::unique_ptr<ChunkEncoder> IngestPipeline::State::borrow_encoder() {
  const std::lock_guard lock(encoders_mutex);
  if (idle_encoders.empty()) return std::make_unique<ChunkEncoder>(parts.random);
  auto encoder = std::move(idle_encoders.back());
  idle_encoders.pop_back();
  return encoder;
}

IngestPipeline::IngestPipeline(const IngestOptions& options, const Parts& parts, ByteView fingerprint_key)
    : state_(std::make_unique<State>(options, parts, fingerprint_key)) {
  const unsigned threads = options.threads != 0 ? options.threads : std::max(2U, std::thread::hardware_concurrency());
  parts.stage.on_space_freed([state = state_.get()] { state->pressure.look_again(); });
  const std::lock_guard lock(state_->queue_mutex);  // workers look at their own number
  for (unsigned i = 0; i < threads; ++i) {
    state_->workers.emplace_back([state = state_.get()] { state->work(); });
  }
}

IngestPipeline::~IngestPipeline() {
  {
    const std::lock_guard lock(state_->queue_mutex);
    state_->closing = true;
  }
  state_->not_empty.notify_all();
  state_->not_full.notify_all();
  for (std::jthread& worker : state_->workers) worker.join();
  state_->parts.stage.on_space_freed({});
}

void IngestPipeline::set_domain(std::uint32_t domain, const DomainHow& how) {
  const std::unique_lock lock(state_->domains_mutex);
  state_->domains[domain] = how;
}

std::vector<std::shared_ptr<ChunkTicket>> IngestPipeline::submit_all(std::uint32_t domain, std::span<const PlainChunk> chunks,
                                                                     const std::shared_ptr<ChunkTicket>& before) {
  std::vector<State::Job> jobs;
  jobs.reserve(chunks.size());
  for (const auto& chunk : chunks) {
    HOLDFAST_CHECK(!chunk.plain.empty() && chunk.plain.size() <= kChunkPlainMaxBytes);
    auto follows = jobs.empty() ? std::static_pointer_cast<IngestTicket>(before) : jobs.back().ticket;
    jobs.push_back({domain, std::make_shared<IngestTicket>(chunk), std::move(follows)});
  }
  std::vector<std::shared_ptr<ChunkTicket>> tickets;
  tickets.reserve(jobs.size());
  for (const State::Job& job : jobs) tickets.push_back(job.ticket);
  state_->push(jobs);
  return tickets;
}

Result<ChunkRef> IngestPipeline::put(std::uint32_t domain, ChunkKind kind, ByteView plain,
                                     std::span<const ChunkId> children) {
  HOLDFAST_CHECK(!plain.empty() && plain.size() <= kChunkPlainMaxBytes);
  State& state = *state_;
  const Fingerprint fp = state.fingerprint(domain, kind, plain);
  const auto ticket = std::make_shared<IngestTicket>(PlainChunk());
  if (state.begin_flight(fp, ticket)) {
    State::Flight flight(state, fp);
    std::unique_ptr<ChunkEncoder> encoder = state.borrow_encoder();
    const Result<ChunkRef> result = state.find_or_store(*encoder, {domain, kind, plain, children}, fp);
    flight.land(result);
    state.end_put(std::move(encoder), kind, plain, result);
  }
  return ticket->wait();
}

Result<ChunkRef> IngestPipeline::put_again(std::uint32_t domain, ChunkKind kind, ByteView plain,
                                           std::span<const ChunkId> children) {
  HOLDFAST_CHECK(!plain.empty() && plain.size() <= kChunkPlainMaxBytes);
  State& state = *state_;
  std::unique_ptr<ChunkEncoder> encoder = state.borrow_encoder();
  Result<ChunkRef> result =
      state.store(*encoder, {domain, kind, plain, children}, state.fingerprint(domain, kind, plain));
  state.end_put(std::move(encoder), kind, plain, result);
  return result;
}

Status IngestPipeline::commit() { return state_->parts.journal.commit(); }

Pressure& IngestPipeline::pressure() noexcept { return state_->pressure; }

IngestCounters IngestPipeline::counters() const noexcept {
  IngestCounters counters;
  counters.chunks_new = state_->chunks_new.load();
  counters.chunks_known = state_->chunks_known.load();
  counters.chunks_differences = state_->chunks_differences.load();
  counters.bytes_in = state_->bytes_in.load();
  counters.bytes_new = state_->bytes_new.load();
  counters.bytes_stored = state_->bytes_stored.load();
  counters.bytes_whole = state_->bytes_whole.load();
  counters.bytes_whole_stored = state_->bytes_whole_stored.load();
  return counters;
}

}  // namespace holdfast
