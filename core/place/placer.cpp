// SPDX-License-Identifier: Apache-2.0
#include "core/place/placer.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/chunk/chunk_codec.h"
#include "core/format/byte_reader.h"
#include "core/place/placer_state.h"

namespace holdfast {
namespace {

using DeliveryState = PlacementStatus::State;

constexpr double kCacheShareOfBases = 0.6;

std::string pack_name(const PackId& id) { return "pack " + id.hex().substr(0, 16); }

/// Whether other packs would fail alike.
bool concerns_the_network(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kDeadlineExceeded || code == ErrorCode::kQuotaExceeded ||
         code == ErrorCode::kNoSpace || code == ErrorCode::kPermissionDenied;
}

std::vector<std::string> placed_on(const PackWork& work) {
  std::vector<std::string> names;
  for (const auto& [network, delivery] : work.deliveries) {
    if (delivery.state == DeliveryState::kPlaced) names.push_back(network);
  }
  return names;
}

}  // namespace

void Placer::State::changed() {
  work_changed.notify_all();
  timer.wake();
  for (Waker* waker : waiting) waker->wake();
}

void Placer::State::add(const StagedPack& pack, bool staged) {
  add_to_books(work_for(pack, staged, {}));
  drop_if_done(pack.number);
}

void Placer::State::add_to_books(PackWork work) {
  const std::lock_guard lock(mutex);
  const PackNumber number = work.pack.number;
  packs.try_emplace(number, std::move(work));
  changed();
}

/// What is staged, and packs that left staging before each of their networks had them, or were lost on one since.
void Placer::State::add_all() {
  for (const StagedPack& pack : parts.stage.closed_packs()) add(pack, true);
  std::vector<PackRow> remote;
  parts.stage.table().for_each([&](const PackRow& row) {
    if (row.state == PackState::kRemote) remote.push_back(row);
  });
  for (const PackRow& row : remote) look_again({row.number, row.id, row.size_bytes, row.domain, {}}, {});
}

/// Of a pack that is in the books already what was lost is put back among what is to be done.
void Placer::State::look_again(const StagedPack& pack, const std::set<std::string>& gone) {
  if (parts.directory.copies(pack.id).empty()) return;
  PackWork work = work_for(pack, false, gone);
  std::unique_lock lock(mutex);
  // One that is just leaving staging leaves the books with that, in a moment.
  work_changed.wait(lock, [&] {
    const auto leaving = packs.find(pack.number);
    return leaving == packs.end() || !leaving->second.dropping;
  });
  const auto found = packs.find(pack.number);
  if (found == packs.end()) {
    if (placed_on(work).size() < work.deliveries.size()) packs.emplace(pack.number, std::move(work));
  } else {
    auto& old = found->second.deliveries;
    for (const std::string& name : gone) {
      const auto it = old.find(name);
      if (it != old.end() && it->second.shard && !work.deliveries.contains(name)) old.erase(it);
    }
    const auto is_given_elsewhere = [&](const std::string& name, const Delivery& delivery) {
      return delivery.shard && std::ranges::any_of(old, [&](const auto& each) { return each.first != name && each.second.shard == delivery.shard; });
    };
    for (auto& [name, delivery] : work.deliveries) {
      const auto it = old.find(name);
      if (it == old.end() && is_given_elsewhere(name, delivery)) continue;
      if (it == old.end() || (it->second.state == DeliveryState::kPlaced && delivery.state != DeliveryState::kPlaced)) old[name] = std::move(delivery);
    }
  }
  changed();
}

MonoTime Placer::State::backoff(std::uint32_t failures) const {
  auto delay = options.backoff_first;
  for (std::uint32_t i = 1; i < failures && delay < options.backoff_max; ++i) delay *= 2;
  return parts.clock.mono_now() + std::min(delay, options.backoff_max);
}

/// Wakes the workers when a backoff ends.
void Placer::State::run_timer(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    MonoTime next = MonoTime::max();
    {
      const std::lock_guard lock(mutex);
      const MonoTime now = parts.clock.mono_now();
      const auto later = [&](MonoTime when) {
        if (when > now) next = std::min(next, when);
      };
      for (const auto& [number, work] : packs) {
        for (const auto& [name, delivery] : work.deliveries) {
          if (delivery.state == DeliveryState::kFailed) later(delivery.not_before);
        }
      }
      for (const auto& [name, network] : networks) later(network.not_before);
      work_changed.notify_all();
    }
    timer.wait_until(parts.clock, next, stop);
  }
}

std::optional<PackNumber> Placer::State::next_for(const std::string& network, MonoTime now) {
  const NetworkState& about = networks.at(network);
  if (about.not_before > now) return std::nullopt;
  for (const auto& [number, work] : packs) {
    if (work.dropping) continue;
    const auto found = work.deliveries.find(network);
    if (found == work.deliveries.end()) continue;
    const Delivery& delivery = found->second;
    const bool waits = delivery.state == DeliveryState::kWaiting || delivery.state == DeliveryState::kFailed;
    if (waits && delivery.not_before <= now) return number;
  }
  return std::nullopt;
}

void Placer::State::run_network(const std::string& name, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Job job;
    {
      std::unique_lock lock(mutex);
      std::optional<PackNumber> number;
      work_changed.wait(lock, stop, [&] {
        number = next_for(name, parts.clock.mono_now());
        return number.has_value();
      });
      if (!number || stop.stop_requested()) return;
      PackWork& work = packs.at(*number);
      Delivery& delivery = work.deliveries.at(name);
      delivery.state = DeliveryState::kPutting;
      job = {work.pack, delivery.shard, delivery.bad, networks.at(name).store};
    }
    CallContext context{MonoTime::max(), stop};
    context = with_timeout(context, parts.clock, options.put_timeout);
    finish(job.pack.number, name, deliver(job, context));
    drop_if_done(job.pack.number);
    if (is_over_soft_limit()) drop_under_pressure();
  }
}

void Placer::State::note_checking(PackNumber number, const std::string& network) {
  const std::lock_guard lock(mutex);
  const auto found = packs.find(number);
  if (found == packs.end()) return;
  if (const auto delivery = found->second.deliveries.find(network); delivery != found->second.deliveries.end()) delivery->second.state = DeliveryState::kChecking;
}

void Placer::State::finish(PackNumber number, const std::string& network, const Status& outcome) {
  const std::lock_guard lock(mutex);
  const auto found = packs.find(number);
  if (found == packs.end()) return;
  const auto known = found->second.deliveries.find(network);
  if (known == found->second.deliveries.end()) return;  // given to another network meanwhile
  Delivery& delivery = known->second;
  NetworkState& about = networks.at(network);
  const MonoTime now = parts.clock.mono_now();
  if (outcome) {
    if (delivery.bad) log_info(pack_name(found->second.pack.id) + " was put on " + network + " again");
    delivery.state = DeliveryState::kPlaced;
    delivery.bad.reset();
    about.failures = 0;
    about.not_before = MonoTime::min();
  } else if (outcome.error().code() == ErrorCode::kCancelled) {
    delivery.state = DeliveryState::kWaiting;
  } else {
    delivery.state = DeliveryState::kFailed;
    delivery.last_error = outcome.error().message();
    if (delivery.failures == 0) {
      delivery.failing_since = parts.clock.wall_now();
      delivery.failing_from = now;
    }
    delivery.not_before = backoff(++delivery.failures);
    // Workers that fail together count once.
    if (concerns_the_network(outcome.error().code()) && now >= about.not_before) {
      about.not_before = backoff(++about.failures);
    }
    log_warning("placing " + pack_name(found->second.pack.id) + " on " + network + ": " + delivery.last_error);
    if (delivery.shard && now - delivery.failing_from >= options.move_after) move_to_spare(found->second, network);
  }
  changed();
}

bool Placer::State::is_over_soft_limit() const {
  const Stage::Usage usage = parts.stage.usage();
  return usage.bytes > usage.soft_limit_bytes;
}

/// Makes room with packs that a network which fails keeps here.
void Placer::State::drop_under_pressure() {
  std::vector<PackNumber> staged;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [number, work] : packs) {
      if (work.staged) staged.push_back(number);
    }
  }
  for (const PackNumber number : staged) {
    if (!is_over_soft_limit()) return;
    drop_if_done(number);
  }
}

/// Drops the staged file when it is no longer needed here, and forgets the pack when all is done.
void Placer::State::drop_if_done(PackNumber number) {
  StagedPack pack;
  std::vector<std::string> placed;
  bool all = true;
  bool rest_fails = true;
  {
    const std::lock_guard lock(mutex);
    const auto found = packs.find(number);
    if (found == packs.end() || found->second.dropping) return;
    for (const auto& [name, delivery] : found->second.deliveries) {
      if (delivery.state == DeliveryState::kPlaced) continue;
      all = false;
      const auto network = networks.find(name);
      rest_fails = rest_fails && (delivery.state == DeliveryState::kFailed || network == networks.end() ||
                                  network->second.failures > 0);
    }
    placed = placed_on(found->second);
    if (all && !found->second.staged) {
      packs.erase(found);
      changed();
      return;
    }
    if (!found->second.staged || placed.empty()) return;
    pack = found->second.pack;
  }
  if (!all && (!rest_fails || !is_over_soft_limit() || !parts.policy.is_safe(pack.domain, placed))) return;
  {
    const std::lock_guard lock(mutex);
    const auto found = packs.find(number);
    if (found == packs.end() || std::exchange(found->second.dropping, true)) return;
  }
  offer_to_cache(pack);
  Status dropped = parts.stage.drop(number);
  if (!dropped && dropped.error().code() != ErrorCode::kNotFound) log_warning("removing " + pack_name(pack.id) + " from staging: " + dropped.error().message());
  const std::lock_guard lock(mutex);
  if (all) {
    packs.erase(number);
  } else if (const auto found = packs.find(number); found != packs.end()) {
    found->second.dropping = false;
    found->second.staged = parts.stage.closed_pack(number).has_value();
  }
  changed();
}

/// Differences and nodes are small. Of whole chunks as many as have room: ids are hashes, so the first bytes of one are as good as a throw of dice.
bool Placer::State::is_worth_caching(const PackEntry& entry, std::uint64_t cache_bytes) const {
  if (entry.kind != ChunkKind::kData || !entry.bases.empty()) return true;
  // The rest is for what is read, and for what comes anew before the old goes.
  const double room = kCacheShareOfBases * static_cast<double>(cache_bytes);
  const auto expected = static_cast<double>(expected_bases_bytes.load(std::memory_order_relaxed));
  return expected <= room || static_cast<double>(load_le<std::uint32_t>(entry.id.view())) * expected < room * 0x1p32;
}

/// What is likely to be read soon stays in the cache: nodes, also of trees that are no longer live, then the newest data, which the next versions will lean on, unless
/// a network at hand has it as near.
void Placer::State::offer_to_cache(const StagedPack& pack) {
  const auto copies = parts.directory.copies(pack.id);
  const bool data_is_near = std::ranges::any_of(copies, [&](const NetworkCopy& copy) {
    const auto store = parts.networks.find(copy.network);
    return !copy.shard && store && store->traits().is_at_hand;
  });
  const auto read = [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    HOLDFAST_ASSIGN(std::optional<Bytes> bytes, parts.stage.read(pack.number, offset, size));
    if (!bytes) return Error(ErrorCode::kNotFound, "the pack left staging");
    return std::move(*bytes);
  };
  Result<PackDirectory> directory = read_pack_directory(read, pack.size_bytes, &pack.id, maintenance_key.view());
  if (!directory) return;
  std::vector<PackEntry>& entries = directory->entries;
  std::reverse(entries.begin(), entries.end());
  std::stable_partition(entries.begin(), entries.end(), [](const PackEntry& e) { return e.kind != ChunkKind::kData; });
  std::uint64_t offered = 0;
  const std::uint64_t cache_bytes = parts.cache.stats().limit_bytes;
  for (const PackEntry& entry : entries) {
    if (data_is_near && entry.kind == ChunkKind::kData) return;
    if (!is_worth_caching(entry, cache_bytes)) continue;
    offered += entry.record_size_bytes;
    if (offered > options.cache_on_drop_max_bytes) return;
    const Result<Bytes> record = read(entry.offset, entry.record_size_bytes);
    if (record && verify_record(entry.id, *record)) parts.cache.put(entry.id, *record);
  }
}

Placer::Placer(const PlacerOptions& options, const Parts& parts, ByteView maintenance_key)
    : state_(std::make_shared<State>(options, parts, maintenance_key)) {
  for (const auto& store : parts.networks.all()) state_->networks[store->traits().name].store = store;
  parts.stage.on_pack_closed([weak = std::weak_ptr(state_)](const StagedPack& pack) {
    if (const auto state = weak.lock()) state->add(pack, true);
  });
}

Placer::~Placer() { stop(); }

void Placer::expect_bases(std::uint64_t bytes) { state_->expected_bases_bytes.store(bytes, std::memory_order_relaxed); }

void Placer::start() {
  const std::lock_guard running(state_->run_mutex);
  if (!state_->threads.empty()) return;
  state_->add_all();
  State* state = state_.get();
  state->threads.emplace_back([state](const std::stop_token& stop) { state->run_timer(stop); });
  for (const auto& store : state->parts.networks.all()) {
    const StoreTraits& traits = store->traits();
    const std::uint32_t count = std::clamp(traits.calls_in_flight_max, 1U, std::max(1U, state->options.uploads_per_network_max));
    for (std::uint32_t i = 0; i < count; ++i) {
      state->threads.emplace_back([state, name = traits.name](const std::stop_token& stop) { state->run_network(name, stop); });
    }
  }
}

void Placer::look_again(const std::vector<PackRow>& packs, const std::set<std::string>& gone) {
  for (const PackRow& row : packs) {
    if (row.state == PackState::kRemote) {
      state_->look_again({row.number, row.id, row.size_bytes, row.domain, {}}, gone);
    } else if (const auto staged = state_->parts.stage.closed_pack(row.number)) {
      state_->look_again(*staged, gone);
    }
  }
}

void Placer::stop() {
  const std::lock_guard running(state_->run_mutex);
  for (std::jthread& thread : state_->threads) thread.request_stop();
  for (std::jthread& thread : state_->threads) thread.join();
  state_->threads.clear();
}

void Placer::retry_now() {
  const std::lock_guard lock(state_->mutex);
  for (auto& [number, work] : state_->packs) {
    for (auto& [name, delivery] : work.deliveries) delivery.not_before = MonoTime::min();
  }
  for (auto& [name, network] : state_->networks) network.not_before = MonoTime::min();
  state_->changed();
}

Status Placer::wait_placed(PackNumber up_to, const Enough& enough, const CallContext& context) {
  State& state = *state_;
  for (const StagedPack& pack : state.parts.stage.closed_packs()) {
    if (pack.number <= up_to) state.add(pack, true);
  }
  Waker waker;
  {
    const std::lock_guard lock(state.mutex);
    state.waiting.push_back(&waker);
  }
  Status outcome;
  for (;;) {
    std::vector<PackWork> looked_at;
    {
      const std::lock_guard lock(state.mutex);
      for (const auto& [number, work] : state.packs) {
        if (number <= up_to) looked_at.push_back(work);
      }
    }
    const auto missing = std::find_if(looked_at.begin(), looked_at.end(), [&](const PackWork& work) {
      const std::vector<std::string> placed = placed_on(work);
      return enough ? !enough(work.pack.domain, placed) : !state.parts.policy.is_safe(work.pack.domain, placed);
    });
    if (missing == looked_at.end()) break;
    if (Status in_time = check_context(context, state.parts.clock, "waiting for networks"); !in_time) {
      std::string reasons = pack_name(missing->pack.id) + " is missing";
      for (const auto& [name, delivery] : missing->deliveries) {
        if (delivery.state == DeliveryState::kPlaced) continue;
        reasons += " on " + name + (delivery.last_error.empty() ? " (not yet tried);" : " (" + delivery.last_error + ");");
      }
      reasons.pop_back();
      outcome = std::move(in_time).error().with_context(reasons);
      break;
    }
    waker.wait_until(state.parts.clock, context.deadline, context.stop);
  }
  const std::lock_guard lock(state.mutex);
  std::erase(state.waiting, &waker);
  return outcome;
}

std::vector<PlacementStatus> Placer::pending() const {
  std::vector<PlacementStatus> out;
  const std::lock_guard lock(state_->mutex);
  for (const auto& [number, work] : state_->packs) {
    for (const auto& [name, delivery] : work.deliveries) {
      if (delivery.state == DeliveryState::kPlaced) continue;
      out.push_back({number, work.pack.id, work.pack.size_bytes, name, delivery.state, delivery.failures,
                     delivery.last_error, delivery.failing_since});
    }
  }
  return out;
}

}  // namespace holdfast
