// SPDX-License-Identifier: Apache-2.0
#include "core/store/replicated_reader.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>

#include "core/base/log.h"
#include "core/store/pack_sources.h"

namespace holdfast {

namespace {

// How much a fault weighs beside latency: a network with mark m is treated as 1 + m times slower.
constexpr double kMarkCorrupt = 8;
constexpr double kMarkMissing = 4;
constexpr double kMarkUnavailable = 1;
constexpr double kMarkMax = 64;
constexpr double kMarkOfLate = 0.5;  // what one that was unavailable once has after mark_halves_after
// Until it is measured.
constexpr std::chrono::minutes kTellEvery{1};
constexpr std::chrono::nanoseconds kNoCompany = std::chrono::hours(24);
constexpr double kLatencyHereMs = 5;
constexpr double kLatencyElsewhereMs = 200;
constexpr double kSmoothing = 0.2;  // weight of the newest measurement
constexpr std::uint64_t kSmallAnswerBytes = 64ULL << 10;
constexpr std::uint64_t kLargeAnswerBytes = 256ULL << 10;

/// Whether the network, having answered so, may still have the object good.
bool may_have_it(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kCancelled:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kQuotaExceeded:
    case ErrorCode::kNoSpace:
    case ErrorCode::kInternal: return true;
    case ErrorCode::kNotFound:
    case ErrorCode::kOutOfRange:
    case ErrorCode::kCorrupt:
    case ErrorCode::kUntrusted:
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kUnsupported:
    case ErrorCode::kWrongKey:
    case ErrorCode::kConflict:
    case ErrorCode::kRefused:
    case ErrorCode::kIncomplete: return false;
  }
  return false;
}

Error all_failed(const std::vector<Error>& failed, std::size_t missing) {
  ErrorCode code = ErrorCode::kNotFound;
  std::string message = std::to_string(missing) + (missing == 1 ? " object" : " objects") + " could not be read:";
  for (const Error& error : failed) {
    if (may_have_it(error.code())) code = ErrorCode::kUnavailable;
    if (error.code() != ErrorCode::kNotFound && code == ErrorCode::kNotFound) code = ErrorCode::kCorrupt;  // it has something else there
    message += (message.back() == ':' ? " " : "; ") + error.network() + " says: " + error.message();
  }
  return {code, std::move(message)};
}

}  // namespace

/// One or more networks asked for the same thing. Shared by the asking thread and the runners.
struct ReplicatedReader::Race {
  std::mutex mutex;
  std::condition_variable changed;
  int running = 0;                // under mutex
  std::optional<Given> given;     // under mutex; the first that has anything good
  std::vector<Error> failed;      // under mutex
  bool decided = false;           // under mutex; later answers are dropped
  std::stop_source stop;
  std::atomic<int> alive{0};      // runners that still use `this`
};

ReplicatedReader::ReplicatedReader(const NetworkSet& networks, Clock& clock, const ReplicatedOptions& options)
    : networks_(networks), clock_(clock), options_(options) {}

ReplicatedReader::~ReplicatedReader() {
  std::list<Runner> runners;
  {
    const std::lock_guard lock(mutex_);
    runners.swap(runners_);
  }
  for (Runner& runner : runners) runner.race->stop.request_stop();
  runners.clear();  // joins
}

void ReplicatedReader::reap() {
  std::list<Runner> ended;
  const std::lock_guard lock(mutex_);
  for (auto runner = runners_.begin(); runner != runners_.end();) {
    const auto next = std::next(runner);
    if (runner->race->alive == 0) ended.splice(ended.end(), runners_, runner);
    runner = next;
  }
}

double ReplicatedReader::mark_now(const Health& health, MonoTime now) const {
  const double halves = std::chrono::duration<double>(now - health.marked) / options_.mark_halves_after;
  return health.mark * std::exp2(-halves);
}

std::vector<NetworkCopy> ReplicatedReader::in_order(const std::vector<NetworkCopy>& copies) const {
  struct Scored {
    double score;
    const NetworkCopy* copy;
  };
  std::vector<Scored> scored;
  const MonoTime now = clock_.mono_now();
  {
    const std::lock_guard lock(mutex_);
    for (const NetworkCopy& copy : copies) {
      const auto network = networks_.find(copy.network);
      if (!network) continue;
      double latency_ms = network->traits().site == "this-host" ? kLatencyHereMs : kLatencyElsewhereMs;
      double mark = 0;
      if (const auto found = health_.find(copy.network); found != health_.end()) {
        if (found->second.faults.latency_ms > 0) latency_ms = found->second.faults.latency_ms;
        mark = mark_now(found->second, now);
      }
      scored.push_back({latency_ms * (1 + mark), &copy});
    }
  }
  std::ranges::stable_sort(scored, {}, &Scored::score);
  std::vector<NetworkCopy> order;
  for (const Scored& one : scored) order.push_back(*one.copy);
  return order;
}

/// Whole copies first: one request gives all of a range, and nothing has to be rebuilt.
std::vector<ReplicatedReader::Source> ReplicatedReader::sources_of(const std::vector<NetworkCopy>& copies) const {
  std::vector<Source> sources;
  const std::vector<NetworkCopy> order = in_order(copies);
  for (const NetworkCopy& copy : order) {
    if (!copy.shard) sources.push_back({copy});
  }
  if (Source shards = shards_among(order); !shards.empty()) sources.push_back(std::move(shards));
  return sources;
}

bool ReplicatedReader::is_at_hand(const std::vector<NetworkCopy>& copies) const {
  const MonoTime now = clock_.mono_now();
  return std::ranges::any_of(copies, [&](const NetworkCopy& copy) {
    const auto network = networks_.find(copy.network);
    if (!network || !network->traits().is_at_hand || copy.shard) return false;
    const std::lock_guard lock(mutex_);
    const auto health = health_.find(copy.network);
    return health == health_.end() || mark_now(health->second, now) < kMarkOfLate;
  });
}

std::map<std::string, NetworkFaults> ReplicatedReader::faults() const {
  std::map<std::string, NetworkFaults> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, health] : health_) all[name] = health.faults;
  return all;
}

void ReplicatedReader::note_latency(const std::string& network, std::chrono::nanoseconds took) {
  const double took_ms = std::max(0.001, std::chrono::duration<double, std::milli>(took).count());
  const std::lock_guard lock(mutex_);
  NetworkFaults& faults = health_[network].faults;
  faults.latency_ms = faults.latency_ms == 0 ? took_ms : faults.latency_ms + kSmoothing * (took_ms - faults.latency_ms);
}

void ReplicatedReader::note_pace(const std::string& network, std::chrono::nanoseconds took, std::uint64_t size_bytes) {
  const double took_ns = std::max(1.0, static_cast<double>(took.count()));
  const auto smoothed = [](double known, double measured) { return known == 0 ? measured : known + kSmoothing * (measured - known); };
  const std::lock_guard lock(mutex_);
  NetworkPace& pace = health_[network].pace;
  if (size_bytes <= kSmallAnswerBytes) {
    pace.round_trip = std::chrono::nanoseconds(static_cast<std::int64_t>(smoothed(static_cast<double>(pace.round_trip.count()), took_ns)));
  } else if (size_bytes >= kLargeAnswerBytes) {
    pace.bytes_per_second = smoothed(pace.bytes_per_second, static_cast<double>(size_bytes) * 1e9 / took_ns);
  }
}

std::optional<NetworkPace> ReplicatedReader::pace(const std::vector<NetworkCopy>& copies) const {
  const std::vector<NetworkCopy> order = in_order(copies);
  const std::lock_guard lock(mutex_);
  const auto found = order.empty() ? health_.end() : health_.find(order.front().network);
  if (found == health_.end() || found->second.pace.round_trip.count() == 0 || found->second.pace.bytes_per_second == 0) return std::nullopt;
  return found->second.pace;
}

std::optional<std::string> ReplicatedReader::to_tell(Health& health, const Error& error, MonoTime now) {
  const bool goes_on = health.told && health.told_code == error.code();
  if (goes_on && now - *health.told < kTellEvery) {
    ++health.untold;
    return std::nullopt;
  }
  const std::uint64_t before = std::exchange(health.untold, 0);
  health.told = now;
  health.told_code = error.code();
  return " failed a read: " + error.message() + (before > 0 ? " (and " + std::to_string(before) + " times since the last such line)" : "");
}

void ReplicatedReader::note_fault(const NetworkCopy& copy, const Error& error) {
  const std::string& network = copy.network;
  std::optional<std::string> told;
  {
    const std::lock_guard lock(mutex_);
    Health& health = health_[network];
    double weight = kMarkUnavailable;
    if (error.code() == ErrorCode::kCorrupt) {
      ++health.faults.corrupt;
      weight = kMarkCorrupt;
    } else if (error.code() == ErrorCode::kNotFound || error.code() == ErrorCode::kOutOfRange) {
      ++health.faults.missing;
      weight = kMarkMissing;
    } else {
      ++health.faults.unavailable;
    }
    const MonoTime now = clock_.mono_now();
    health.mark = std::min(kMarkMax, mark_now(health, now) + weight);
    health.marked = now;
    health.faults.last_fault = error.message();
    told = to_tell(health, error, now);
  }
  if (told) log_warning("network " + network + *told);
  if (listener_) listener_(network, copy.ref.locator, error.code());
}

std::chrono::nanoseconds ReplicatedReader::hedge_delay(const NetworkCopy& copy) const {
  const std::lock_guard lock(mutex_);
  const auto found = health_.find(copy.network);
  if (found == health_.end() || found->second.faults.latency_ms == 0) return options_.hedge_max;
  const std::chrono::duration<double, std::milli> usual(found->second.faults.latency_ms * options_.hedge_factor);
  return std::clamp<std::chrono::nanoseconds>(std::chrono::duration_cast<std::chrono::nanoseconds>(usual),
                                              options_.hedge_min, options_.hedge_max);
}

void ReplicatedReader::note_answer(const std::string& network, std::chrono::nanoseconds took, std::uint64_t size_bytes, bool is_good) {
  note_latency(network, took);
  note_pace(network, took, size_bytes);
  const std::lock_guard lock(mutex_);
  health_[network].faults.reads += is_good ? 1 : 0;
}

Result<ReplicatedReader::Answer> ReplicatedReader::ask(const Source& source, const Wanted& wanted, VerifyingReader::Place place, const CallContext& context) {
  return source.front().shard ? ask_shards(source, wanted, context) : ask_network(source.front(), wanted, place, context);
}

ShardWatch ReplicatedReader::watch_shards() {
  return {.answered = [this](const std::string& network, std::chrono::nanoseconds took, std::uint64_t size_bytes) { note_answer(network, took, size_bytes, true); },
          .failed = [this](const NetworkCopy& shard, const Error& error) { note_fault(shard, error); },
          .called_off = [this](const std::string& network, std::chrono::nanoseconds took) { note_latency(network, took); },
          .patience = [this](const NetworkCopy& copy) { return options_.hedge_max.count() == 0 ? kNoCompany : hedge_delay(copy); }};
}

/// The records through shards, going around those that lie. An answer has at least one good part.
Result<ReplicatedReader::Answer> ReplicatedReader::ask_shards(const std::vector<NetworkCopy>& shards, const Wanted& wanted, const CallContext& context) {
  if (wanted.object) return Error(ErrorCode::kInvalidArgument, "only packs lie in shards");
  ShardedObject object(networks_, clock_, shards, watch_shards());
  VerifyingReader reader(object);
  Answer parts;
  const Status read = read_shards(object, context, [&]() -> Status {
    HOLDFAST_ASSIGN(auto records, reader.read_records(object.ref(), wanted.records, context));
    parts.assign(records.size(), std::nullopt);
    std::size_t bad = 0;
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (records[i]) parts[i] = *std::move(records[i]);
      if (!parts[i]) ++bad;
    }
    if (bad == 0) return ok_status();
    return Error(ErrorCode::kCorrupt, std::to_string(bad) + " of " + std::to_string(records.size()) + " records of " + object.ref().locator + " do not verify");
  });
  const bool has_good = std::ranges::any_of(parts, [](const auto& part) { return part.has_value(); });
  if (read || has_good) return parts;
  return Error(read.error()).on_network(object.traits().name);
}

/// Asks one network; notes what it was worth. An answer has at least one good part.
Result<ReplicatedReader::Answer> ReplicatedReader::ask_network(const NetworkCopy& copy, const Wanted& wanted,
                                                               VerifyingReader::Place place, const CallContext& context) {
  const auto network = networks_.find(copy.network);
  if (!network) return Error(ErrorCode::kUnavailable, "not configured in this run").on_network(copy.network);
  VerifyingReader reader(*network, place);
  const MonoTime start = clock_.mono_now();
  const auto attempt = [&]() -> Result<Answer> {
    Answer parts;
    if (wanted.object) {
      HOLDFAST_ASSIGN(Bytes object, reader.read_object(copy.ref, *wanted.object, context));
      parts.emplace_back(std::move(object));
      return parts;
    }
    HOLDFAST_ASSIGN(auto records, reader.read_records(copy.ref, wanted.records, context));
    for (auto& record : records) {
      parts.emplace_back();
      if (record) parts.back() = *std::move(record);
    }
    return parts;
  };
  Result<Answer> answer = attempt();
  const std::chrono::nanoseconds took = clock_.mono_now() - start;
  if (!answer) {
    // Called off: by the caller, which says nothing, or because another was faster, which says how slow this one is.
    if (answer.error().code() == ErrorCode::kCancelled) {
      note_latency(copy.network, took);
    } else if (place == VerifyingReader::Place::kUsual || answer.error().code() != ErrorCode::kUnsupported) {
      note_fault(copy, answer.error());
    }
    return std::move(answer).error().on_network(copy.network);
  }
  const auto good = static_cast<std::size_t>(std::ranges::count_if(*answer, [](const auto& part) { return part.has_value(); }));
  std::uint64_t size_bytes = 0;
  for (const auto& part : *answer) {
    if (part) size_bytes += std::visit([](const auto& bytes) { return bytes.size(); }, *part);
  }
  note_answer(copy.network, took, size_bytes, good > 0);
  if (good == answer->size()) return answer;
  Error wrong(ErrorCode::kCorrupt, std::to_string(answer->size() - good) + " of " + std::to_string(answer->size()) +
                                       " records of " + copy.ref.locator + " do not verify");
  note_fault(copy, wrong);
  if (good == 0) return std::move(wrong).on_network(copy.network);
  return answer;
}

std::optional<ReplicatedReader::Given> ReplicatedReader::race(const std::vector<Source>& order,
                                                              std::size_t& next, const Wanted& wanted,
                                                              const CallContext& context,
                                                              std::vector<Error>& failed) {
  if (next + 1 == order.size() || options_.hedge_max.count() == 0) {
    const Source& source = order[next++];
    Result<Answer> answer = ask(source, wanted, VerifyingReader::Place::kUsual, context);
    if (answer) return Given{source.front().network, std::move(*answer)};
    failed.push_back(std::move(answer).error());
    return std::nullopt;
  }
  reap();
  const auto shared = std::make_shared<Race>();
  const auto start_one = [&] {
    shared->running += 1;
    shared->alive += 1;
    const CallContext inner{.deadline = context.deadline, .stop = shared->stop.get_token()};
    std::jthread thread([this, shared, source = order[next], wanted, inner] {
      Result<Answer> answer = ask(source, wanted, VerifyingReader::Place::kUsual, inner);
      {
        const std::lock_guard lock(shared->mutex);
        --shared->running;
        if (!shared->decided && answer && !shared->given) shared->given = Given{source.front().network, std::move(*answer)};
        if (!answer) shared->failed.push_back(std::move(answer).error());
      }
      shared->changed.notify_all();
      --shared->alive;
    });
    const std::lock_guard lock(mutex_);
    runners_.push_back({std::move(thread), shared});
  };
  const std::stop_callback forward(context.stop, [&] { shared->stop.request_stop(); });
  // Slices, since the moments are on our clock and the condition is on the machine's.
  constexpr std::chrono::milliseconds kSlice(10);
  MonoTime hedge_at{};
  std::size_t failures_seen = 0;
  std::unique_lock lock(shared->mutex);
  while (true) {
    // Company for one that is late; at once when the company itself has failed.
    const bool wants_company = shared->running > 0 && (shared->failed.size() > failures_seen || clock_.mono_now() >= hedge_at);
    failures_seen = shared->failed.size();
    if (hedge_at == MonoTime{} || (wants_company && next < order.size())) {
      hedge_at = clock_.mono_now() + std::chrono::duration_cast<MonoTime::duration>(hedge_delay(order[next].front()));
      start_one();
      ++next;
    }
    if (shared->given || shared->running == 0 || !check_context(context, clock_, "")) break;
    shared->changed.wait_for(lock, kSlice);
  }
  shared->decided = true;
  std::ranges::copy(shared->failed, std::back_inserter(failed));
  std::optional<Given> given = std::move(shared->given);
  lock.unlock();
  shared->stop.request_stop();
  return given;
}

void ReplicatedReader::settle(Answer& answer, Wanted& wanted, std::vector<std::size_t>& open,
                              Answer& results) {
  Wanted rest{.records = {}, .object = wanted.object};
  std::vector<std::size_t> still_open;
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (answer[i]) {
      results[open[i]] = *std::move(answer[i]);
      continue;
    }
    still_open.push_back(open[i]);
    if (!wanted.object) rest.records.push_back(wanted.records[i]);
  }
  open = std::move(still_open);
  wanted = std::move(rest);
}

Result<std::vector<ReplicatedReader::Part>> ReplicatedReader::read(const std::vector<NetworkCopy>& copies, Wanted wanted,
                                                  const CallContext& context) {
  const std::size_t count = wanted.object ? 1 : wanted.records.size();
  Answer results(count);
  std::vector<std::size_t> open(count);  // which result each part of `wanted` is for
  for (std::size_t i = 0; i < count; ++i) open[i] = i;
  if (open.empty()) return std::vector<Part>();
  const std::vector<Source> order = sources_of(copies);
  if (order.empty()) return Error(ErrorCode::kNotFound, "no network of this run has a copy");
  std::vector<Error> failed;
  for (std::size_t next = 0; next < order.size() && !open.empty();) {
    HOLDFAST_TRY(check_context(context, clock_, "reading from networks"));
    std::optional<Given> given = race(order, next, wanted, context, failed);
    if (!given) continue;
    settle(given->answer, wanted, open, results);
    if (!open.empty()) failed.push_back(Error(ErrorCode::kCorrupt, "some of its records do not verify").on_network(given->network));
  }
  for (std::size_t i = 0; i < order.size() && !open.empty(); ++i) {
    const bool lied = std::ranges::any_of(failed, [&](const Error& error) {
      return error.network() == order[i].front().network && error.code() == ErrorCode::kCorrupt;
    });
    if (!lied) continue;
    HOLDFAST_TRY(check_context(context, clock_, "reading from networks"));
    Result<Answer> answer = ask(order[i], wanted, VerifyingReader::Place::kElsewhere, context);
    if (answer) settle(*answer, wanted, open, results);
  }
  if (!open.empty()) {
    HOLDFAST_TRY(check_context(context, clock_, "reading from networks"));
    return all_failed(failed, open.size());
  }
  std::vector<Part> parts;
  for (auto& result : results) parts.push_back(*std::move(result));
  return parts;
}

Result<std::vector<VerifiedRecord>> ReplicatedReader::read_records(const std::vector<NetworkCopy>& copies,
                                                          std::span<const RecordRange> records,
                                                          const CallContext& context) {
  HOLDFAST_ASSIGN(std::vector<Part> parts, read(copies, {.records = {records.begin(), records.end()}, .object = {}}, context));
  std::vector<VerifiedRecord> verified;
  verified.reserve(parts.size());
  for (Part& part : parts) verified.push_back(std::get<VerifiedRecord>(std::move(part)));
  return verified;
}

Result<VerifiedRecord> ReplicatedReader::read_record(const std::vector<NetworkCopy>& copies, const RecordRange& record,
                                            const CallContext& context) {
  HOLDFAST_ASSIGN(std::vector<VerifiedRecord> records, read_records(copies, {&record, 1}, context));
  return std::move(records.front());
}

Result<Bytes> ReplicatedReader::read_object(const std::vector<NetworkCopy>& copies, const Digest& sha256,
                                            const CallContext& context) {
  HOLDFAST_ASSIGN(std::vector<Part> objects, read(copies, {.records = {}, .object = sha256}, context));
  return std::get<Bytes>(std::move(objects.front()));
}

}  // namespace holdfast
