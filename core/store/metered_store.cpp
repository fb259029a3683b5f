// SPDX-License-Identifier: Apache-2.0
#include "core/store/metered_store.h"

#include <cmath>

namespace holdfast {

std::uint64_t VerbMetrics::succeeded() const noexcept {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : latency_counts) sum += count;
  return sum;
}

double VerbMetrics::latency_ms_mean() const noexcept {
  const std::uint64_t count = succeeded();
  if (count == 0) return 0;
  return std::chrono::duration<double, std::milli>(latency_sum).count() / static_cast<double>(count);
}

double VerbMetrics::latency_ms_quantile(double share) const noexcept {
  const std::uint64_t count = succeeded();
  if (count == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count)));
  std::uint64_t seen = 0;
  double bound = 1;
  for (std::size_t i = 0; i < kBucketCount; ++i, bound *= 2) {
    seen += latency_counts[i];
    if (seen >= wanted) return bound;
  }
  return bound;
}

MeteredStore::MeteredStore(std::shared_ptr<ObjectStore> inner, Clock& clock)
    : StoreDecorator(std::move(inner)), clock_(clock) {
  metrics_.network = traits().name;
}

StoreMetrics MeteredStore::snapshot() const {
  const std::lock_guard lock(mutex_);
  return metrics_;
}

Status MeteredStore::around(const StoreCall& call, const CallContext& context, const Attempt& attempt) {
  const MonoTime start = clock_.mono_now();
  Status status = attempt(context);
  const std::chrono::nanoseconds took = clock_.mono_now() - start;
  const std::lock_guard lock(mutex_);
  VerbMetrics& verb = metrics_.verbs[static_cast<std::size_t>(call.verb)];
  ++verb.calls;
  if (status) {
    verb.bytes += call.size_bytes;
    verb.latency_sum += took;
    std::size_t bucket = 0;
    for (auto bound = std::chrono::nanoseconds(std::chrono::milliseconds(1));
         bucket + 1 < VerbMetrics::kBucketCount && took >= bound; bound *= 2) {
      ++bucket;
    }
    ++verb.latency_counts[bucket];
    metrics_.failures_in_a_row = 0;
    metrics_.last_success_time = clock_.wall_now();
  } else if (status.error().code() != ErrorCode::kCancelled) {
    ++verb.errors;
    ++metrics_.failures_in_a_row;
    metrics_.last_error_code = status.error().code();
    metrics_.last_error = status.error().message();
    metrics_.last_error_time = clock_.wall_now();
  }
  return status;
}

}  // namespace holdfast
