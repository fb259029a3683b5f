// SPDX-License-Identifier: Apache-2.0
#include "core/store/limited_store.h"

namespace holdfast {

LimitedStore::LimitedStore(std::shared_ptr<ObjectStore> inner, Clock& clock, const LimitOptions& options)
    : StoreDecorator(std::move(inner)),
      clock_(clock),
      calls_in_flight_max_(options.calls_in_flight_max != 0 ? options.calls_in_flight_max
                                                            : traits().calls_in_flight_max),
      storage_quota_bytes_(options.storage_quota_bytes),
      traffic_quota_bytes_(options.traffic_quota_bytes),
      traffic_(options.traffic) {
  HOLDFAST_CHECK(traffic_quota_bytes_ == 0 || traffic_ != nullptr);
  HOLDFAST_CHECK(calls_in_flight_max_ > 0);
  upload_.bytes_per_second = options.upload_bytes_per_second;
  download_.bytes_per_second = options.download_bytes_per_second;
}

Status LimitedStore::wait_for_slot(const CallContext& context) {
  // Slices, since the deadline is on our clock and the condition is on the machine's.
  constexpr std::chrono::milliseconds kSlice(50);
  std::unique_lock lock(mutex_);
  while (true) {
    HOLDFAST_TRY(check_context(context, clock_, "waiting for a free call to " + traits().name));
    if (in_flight_ < calls_in_flight_max_) break;
    slot_free_.wait_for(lock, context.stop, kSlice, [&] { return in_flight_ < calls_in_flight_max_; });
  }
  ++in_flight_;
  return ok_status();
}

Status LimitedStore::wait_for_rate(Rate& rate, std::uint64_t size_bytes, const CallContext& context) {
  constexpr std::chrono::seconds kBurst(1);
  if (rate.bytes_per_second == 0 || size_bytes == 0) return ok_status();
  MonoTime start;
  {
    const std::lock_guard lock(mutex_);
    const MonoTime now = clock_.mono_now();
    rate.free_from = std::max(rate.free_from, now - kBurst);
    start = rate.free_from;
    const double seconds = static_cast<double>(size_bytes) / static_cast<double>(rate.bytes_per_second);
    const auto takes = std::chrono::duration_cast<MonoTime::duration>(std::chrono::duration<double>(seconds));
    if (start > now && start >= context.deadline) {
      return Error(ErrorCode::kDeadlineExceeded,
                   "the rate limit of " + traits().name + " leaves no room before the deadline")
          .on_network(traits().name);
    }
    rate.free_from = start + takes;
    if (start <= now) return ok_status();
  }
  return clock_.sleep_until(start, context.stop);
}

Status LimitedStore::reserve_quota(std::uint64_t size_bytes, const CallContext& context) {
  bool known = false;
  {
    const std::lock_guard lock(mutex_);
    known = stored_bytes_.has_value();
  }
  if (!known) {
    HOLDFAST_ASSIGN(const StoreHealth health, inner().health(context));
    if (!health.reachable) {
      return Error(ErrorCode::kUnavailable, "the quota of " + traits().name + " can't be checked: " + health.detail)
          .on_network(traits().name);
    }
    if (!health.used_bytes) {
      return Error(ErrorCode::kUnavailable, "the quota of " + traits().name + " can't be kept: the network does not say how much it holds (" + health.detail + "); take `quota` out").on_network(traits().name);
    }
    const std::lock_guard lock(mutex_);
    if (!stored_bytes_) stored_bytes_ = health.used_bytes;
  }
  const std::lock_guard lock(mutex_);
  if (*stored_bytes_ > storage_quota_bytes_ || size_bytes > storage_quota_bytes_ - *stored_bytes_) {
    return Error(ErrorCode::kQuotaExceeded, "putting " + std::to_string(size_bytes) + " bytes on " + traits().name +
                                                ": " + std::to_string(*stored_bytes_) + " of the quota of " +
                                                std::to_string(storage_quota_bytes_) + " are used")
        .on_network(traits().name);
  }
  *stored_bytes_ += size_bytes;
  return ok_status();
}

void LimitedStore::release_quota(std::uint64_t size_bytes) {
  const std::lock_guard lock(mutex_);
  if (stored_bytes_) *stored_bytes_ -= size_bytes;
}

Status LimitedStore::charge_traffic(const StoreCall& call) {
  if (traffic_quota_bytes_ == 0 || call.size_bytes == 0) return ok_status();
  const bool is_refusable = call.verb == StoreVerb::kPut || call.verb == StoreVerb::kRead;
  return traffic_->charge(traits().name, call.size_bytes, is_refusable ? traffic_quota_bytes_ : 0);
}

Status LimitedStore::around(const StoreCall& call, const CallContext& context, const Attempt& attempt) {
  const bool uploads = call.verb == StoreVerb::kPut || call.verb == StoreVerb::kPublishHead;
  // Only packs and their like are held against the quota: a head must always get through, or nothing could be recovered.
  const bool counted = call.verb == StoreVerb::kPut && storage_quota_bytes_ != 0;
  HOLDFAST_TRY(wait_for_slot(context));
  const auto run = [&]() -> Status {
    if (counted) HOLDFAST_TRY(reserve_quota(call.size_bytes, context));
    if (Status charged = charge_traffic(call); !charged) {
      release_quota(counted ? call.size_bytes : 0);
      return charged;
    }
    Status status = wait_for_rate(uploads ? upload_ : download_, call.size_bytes, context);
    if (status) status = attempt(context);
    if (counted && !status) release_quota(call.size_bytes);
    return status;
  };
  Status status = run();
  {
    const std::lock_guard lock(mutex_);
    --in_flight_;
  }
  slot_free_.notify_one();
  return status;
}

}  // namespace holdfast
