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
  if (!open_) return Breaker::kClosed;
  return trial_under_way_ ? Breaker::kTrying : Breaker::kOpen;
}

void RetryingStore::reset() {
  const std::lock_guard lock(mutex_);
  failures_in_a_row_ = 0;
  openings_ = 0;
  open_ = false;
}

Status RetryingStore::admit(bool& is_trial) {
  const std::lock_guard lock(mutex_);
  is_trial = false;
  if (!open_) return ok_status();
  if (!trial_under_way_ && clock_.mono_now() >= open_until_) {
    trial_under_way_ = true;
    is_trial = true;
    return ok_status();
  }
  return Error(ErrorCode::kUnavailable, "network " + traits().name + " keeps failing and is left alone for a while; last: " + last_error_)
      .on_network(traits().name);
}

void RetryingStore::note(const Status& status, const CallContext& context, bool is_trial) {
  const std::lock_guard lock(mutex_);
  if (is_trial) trial_under_way_ = false;
  const bool cancelled = !status && status.error().code() == ErrorCode::kCancelled;
  if (cancelled || context.stop.stop_requested()) return;  // says nothing about the network
  if (status || retry_advice(status.error().code()) != RetryAdvice::kSameSource) {
    // It answered, if only to refuse.
    if (open_) log_info("network " + traits().name + " answers again");
    failures_in_a_row_ = 0;
    openings_ = 0;
    open_ = false;
    return;
  }
  ++failures_in_a_row_;
  last_error_ = status.error().message();
  if (failures_in_a_row_ < options_.trip_after && !is_trial) return;
  if (open_ && !is_trial) return;  // a call that was under way when the breaker opened
  open_until_ = clock_.mono_now() + doubled(options_.open_first, openings_, options_.open_max);
  if (!open_) log_warning("network " + traits().name + " keeps failing: " + last_error_);
  ++openings_;
  open_ = true;
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
    HOLDFAST_TRY(admit(is_trial));
    CallContext bounded = context;
    if (options_.attempt_timeout.count() > 0) {
      const std::chrono::milliseconds for_size(1000 * call.size_bytes / options_.rate_min_bytes_per_second);
      bounded = with_timeout(context, clock_, options_.attempt_timeout + for_size);
    }
    Status status = attempt(bounded);
    note(status, context, is_trial);
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
