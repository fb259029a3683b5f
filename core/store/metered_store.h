// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <mutex>

#include "core/base/clock.h"
#include "core/store/store_decorator.h"

namespace holdfast {

/// Counters of one verb since the start of the run.
struct VerbMetrics {
  /// latency_counts[i] counts calls that took less than 2^i milliseconds and not less than 2^(i-1); the last has all slower ones.
  static constexpr std::size_t kBucketCount = 20;
  std::uint64_t calls = 0;
  std::uint64_t errors = 0;  ///< cancelled calls are neither errors nor in the latencies
  std::uint64_t bytes = 0;   ///< moved by calls that succeeded
  std::chrono::nanoseconds latency_sum{0};  ///< of calls that succeeded
  std::array<std::uint64_t, kBucketCount> latency_counts{};

  [[nodiscard]] std::uint64_t succeeded() const noexcept;
  [[nodiscard]] double latency_ms_mean() const noexcept;
  /// An upper bound of the latency that `share` (0..1) of the calls kept under, to a factor of two; 0 without calls.
  [[nodiscard]] double latency_ms_quantile(double share) const noexcept;
};

struct StoreMetrics {
  std::string network;
  std::array<VerbMetrics, kStoreVerbCount> verbs{};
  std::uint64_t failures_in_a_row = 0;
  ErrorCode last_error_code = ErrorCode::kInternal;  ///< meaningful where last_error is not empty
  std::string last_error;                            ///< empty: none yet
  WallNanos last_error_time = 0;
  WallNanos last_success_time = 0;

  [[nodiscard]] const VerbMetrics& of(StoreVerb verb) const noexcept { return verbs[static_cast<std::size_t>(verb)]; }
};

/// Counts what a network did, for `status` and metrics. Put directly around the adapter, so that attempts and not their
/// repetitions' sums are measured. Safe from any thread.
class MeteredStore final : public StoreDecorator {
 public:
  MeteredStore(std::shared_ptr<ObjectStore> inner, Clock& clock);
  [[nodiscard]] StoreMetrics snapshot() const;

 protected:
  Status around(const StoreCall& call, const CallContext& context, const Attempt& attempt) override;

 private:
  Clock& clock_;
  mutable std::mutex mutex_;
  StoreMetrics metrics_;
};

}  // namespace holdfast
