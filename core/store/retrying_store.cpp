// SPDX-License-Identifier: Apache-2.0
#include "core/store/retrying_store.h"

#include <algorithm>
#include <cstring>

#include "core/base/log.h"

namespace holdfast {

namespace {

/// `first` doubled `times` times, at most `max`.
std::chrono::milliseconds doubled(std::chrono::milliseconds first, int times, std::chrono::milliseconds max) {
  for (int i = 0; i < times && first < max; ++i) first *= 2;
  return std::min(first, max);
}

}  // namespace

RetryingStore::RetryingStore(std::shared_ptr<ObjectStore> inner, Clock& clock, RandomSource& random,
                             const RetryOptions& options)
    : StoreDecorator(std::move(inner)), clock_(clock), random_(random), options_(options) {
  HOLDFAST_CHECK(options.attempts_max >= 1 && options.trip_after >= 1);
}

RetryingStore::Breaker RetryingStore::breaker() const {
  const std::lock_guard lock(mutex_);
  if (!reads_.open && !others_.open) return Breaker::kClosed;
  const bool is_tried = (!reads_.open || reads_.trial_under_way) && (!others_.open || others_.trial_under_way);
  return is_tried ? Breaker::kTrying : Breaker::kOpen;
}

void RetryingStore::reset() {
  const std::lock_guard lock(mutex_);
  for (Circuit* circuit : {&reads_, &others_}) {
    circuit->failures_in_a_row = 0;
    circuit->openings = 0;
    circuit->open = false;
  }
}

Result<StoreHealth> RetryingStore::health(const CallContext& context) {
  Result<StoreHealth> found = StoreDecorator::health(context);
  if (!found || !found->reachable) return found;
  const std::lock_guard lock(mutex_);
  for (Circuit* circuit : {&reads_, &others_}) circuit->open_until = std::min(circuit->open_until, clock_.mono_now());
  return found;
}

RetryingStore::Circuit& RetryingStore::circuit_of(StoreVerb verb) {
  const bool is_read = verb == StoreVerb::kRead || verb == StoreVerb::kResolveHead || verb == StoreVerb::kFetchHead;
  return is_read ? reads_ : others_;
}

Status RetryingStore::admit(StoreVerb verb, bool& is_trial) {
  const std::lock_guard lock(mutex_);
  Circuit& circuit = circuit_of(verb);
  is_trial = false;
  if (!circuit.open) return ok_status();
  if (!circuit.trial_under_way && clock_.mono_now() >= circuit.open_until) {
    circuit.trial_under_way = true;
    is_trial = true;
    return ok_status();
  }
  return Error(ErrorCode::kUnavailable, "network " + traits().name + " keeps failing and is left alone for a while; last: " + circuit.last_error)
      .on_network(traits().name);
}

void RetryingStore::note(StoreVerb verb, const Status& status, const CallContext& context, bool is_trial) {
  const std::lock_guard lock(mutex_);
  Circuit& circuit = circuit_of(verb);
  if (is_trial) circuit.trial_under_way = false;
  const bool cancelled = !status && status.error().code() == ErrorCode::kCancelled;
  if (cancelled || context.stop.stop_requested()) return;  // says nothing about the network
  if (status || retry_advice(status.error().code()) != RetryAdvice::kSameSource) {
    // It answered, if only to refuse.
    if (circuit.open) log_info("network " + traits().name + " answers again");
    circuit.failures_in_a_row = 0;
    circuit.openings = 0;
    circuit.open = false;
    return;
  }
  ++circuit.failures_in_a_row;
  circuit.last_error = status.error().message();
  if (circuit.failures_in_a_row < options_.trip_after && !is_trial) return;
  if (circuit.open && !is_trial) return;  // a call that was under way when the breaker opened
  circuit.open_until = clock_.mono_now() + doubled(options_.open_first, circuit.openings, options_.open_max);
  if (!circuit.open) log_warning("network " + traits().name + " keeps failing: " + circuit.last_error);
  ++circuit.openings;
  circuit.open = true;
}

Result<std::chrono::nanoseconds> RetryingStore::draw_delay(int attempt) {
  std::array<std::uint8_t, 8> bytes{};
  HOLDFAST_TRY(random_.fill(bytes));
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data(), bytes.size());
  const std::chrono::nanoseconds bound = doubled(options_.delay_first, attempt, options_.delay_max);
  const double share = static_cast<double>(word >> 11U) * 0x1p-53;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(bound.count()) * share));
}

Status RetryingStore::around(const StoreCall& call, const CallContext& context, const Attempt& attempt) {
  if (call.verb == StoreVerb::kHealth) return attempt(context);
  const std::string doing = std::string(store_verb_name(call.verb)) + " on " + traits().name;
  for (int number = 1;; ++number) {
    HOLDFAST_TRY(check_context(context, clock_, doing));
    bool is_trial = false;
    HOLDFAST_TRY(admit(call.verb, is_trial));
    CallContext bounded = context;
    if (options_.attempt_timeout.count() > 0) {
      const std::chrono::milliseconds for_size(1000 * call.size_bytes / options_.rate_min_bytes_per_second);
      bounded = with_timeout(context, clock_, options_.attempt_timeout + for_size);
    }
    Status status = attempt(bounded);
    note(call.verb, status, context, is_trial);
    if (status || retry_advice(status.error().code()) != RetryAdvice::kSameSource) return status;
    if (number >= options_.attempts_max || is_trial) {
      return std::move(status).error().with_context(doing + ", attempt " + std::to_string(number));
    }
    HOLDFAST_ASSIGN(const std::chrono::nanoseconds delay, draw_delay(number - 1));
    const MonoTime next = clock_.mono_now() + std::chrono::duration_cast<MonoTime::duration>(delay);
    if (next >= context.deadline) {
      return std::move(status).error().with_context(doing + ", no time for another attempt");
    }
    HOLDFAST_TRY(clock_.sleep_until(next, context.stop));
  }
}

}  // namespace holdfast
