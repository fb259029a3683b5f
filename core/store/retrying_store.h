// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

#include "core/base/clock.h"
#include "core/base/random_source.h"
#include "core/store/store_decorator.h"

namespace holdfast {

struct RetryOptions {
  int attempts_max = 4;                             ///< of one call, the first included
  std::chrono::milliseconds delay_first{200};       ///< upper bound of the first wait; doubles
  std::chrono::milliseconds delay_max{10'000};
  std::chrono::milliseconds attempt_timeout{60'000};  ///< of one attempt, plus size / rate_min; 0: the caller's deadline alone
  std::uint64_t rate_min_bytes_per_second = 64U << 10;  ///< slower than this is taken for hanging
  int trip_after = 5;                               ///< failures in a row that open the breaker
  std::chrono::milliseconds open_first{10'000};     ///< how long it stays open; doubles with each failed trial
  std::chrono::milliseconds open_max{300'000};
};

/// Repeats calls that failed in a way that may pass (retry_advice kSameSource), with exponential backoff and full jitter
/// (waits are uniform between nothing and the bound), as long as the deadline allows. A circuit breaker answers kUnavailable
/// at once while the network keeps failing, and lets one trial call through when its time is up. health() is passed on as
/// it is, once, and does not count. Safe from any thread.
class RetryingStore final : public StoreDecorator {
 public:
  RetryingStore(std::shared_ptr<ObjectStore> inner, Clock& clock, RandomSource& random, const RetryOptions& options);

  enum class Breaker { kClosed, kOpen, kTrying };
  /// The worse one of its two, for reads and for all else.
  [[nodiscard]] Breaker breaker() const;
  /// Forgets failures: the next call is tried.
  void reset();
  /// A network that says that it can be reached again is tried by the next call, whatever time it was to be left alone for.
  Result<StoreHealth> health(const CallContext& context) override;

 protected:
  Status around(const StoreCall& call, const CallContext& context, const Attempt& attempt) override;

 private:
  /// Reads have a breaker of their own: a network may take nothing (a pinning service that is down, no room) and give everything.
  struct Circuit {
    int failures_in_a_row = 0;
    int openings = 0;
    bool open = false;
    bool trial_under_way = false;
    MonoTime open_until{};
    std::string last_error = {};
  };
  Circuit& circuit_of(StoreVerb verb);
  /// Whether this call may ask the network. Errors: kUnavailable.
  Status admit(StoreVerb verb, bool& is_trial);
  void note(StoreVerb verb, const Status& status, const CallContext& context, bool is_trial);
  Result<std::chrono::nanoseconds> draw_delay(int attempt);

  Clock& clock_;
  RandomSource& random_;
  const RetryOptions options_;
  mutable std::mutex mutex_;
  Circuit reads_;   // under mutex_
  Circuit others_;  // under mutex_
};

}  // namespace holdfast
