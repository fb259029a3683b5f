// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>

#include "core/base/clock.h"
#include "core/store/store_decorator.h"

namespace holdfast {

/// Counts what is moved to and from networks in a month. Safe from any thread.
class TrafficLedger {
 public:
  virtual ~TrafficLedger() = default;
  /// Counts `size_bytes` that are about to be moved, whatever becomes of them. `quota_bytes` 0: whatever was moved before. Errors: kQuotaExceeded: they would pass the quota; nothing is counted then.
  virtual Status charge(const std::string& network, std::uint64_t size_bytes, std::uint64_t quota_bytes) = 0;
  /// In this month, by now.
  virtual std::uint64_t moved(const std::string& network) = 0;
};

struct LimitOptions {
  std::uint32_t calls_in_flight_max = 0;            ///< 0: what the traits say
  std::uint64_t upload_bytes_per_second = 0;        ///< 0: unlimited
  std::uint64_t download_bytes_per_second = 0;      ///< 0: unlimited
  std::uint64_t storage_quota_bytes = 0;            ///< 0: none; else puts beyond it are kQuotaExceeded
  std::uint64_t traffic_quota_bytes = 0;            ///< 0: none; else puts and reads beyond it, in a month, are kQuotaExceeded
  std::shared_ptr<TrafficLedger> traffic = {};      ///< where there is a traffic quota
};

/// Keeps a network within limits: calls at once, bytes a second (with one second of burst), bytes stored. Calls wait their turn,
/// no longer than their deadline. The quota counts what health() says the network holds when the first put comes, and what is put
/// through here since; removals are counted again at the next start. A network that does not say what it holds takes no put under a quota: a free tier is never passed unseen.
/// Each attempt counts as traffic. Heads are small and always get through, or nothing could be recovered. Safe from any thread.
class LimitedStore final : public StoreDecorator {
 public:
  LimitedStore(std::shared_ptr<ObjectStore> inner, Clock& clock, const LimitOptions& options);

 protected:
  Status around(const StoreCall& call, const CallContext& context, const Attempt& attempt) override;

 private:
  /// Bytes a second, as moments: a call of n bytes moves `free_from` on by n / rate.
  struct Rate {
    std::uint64_t bytes_per_second = 0;
    MonoTime free_from{};
  };
  Status wait_for_slot(const CallContext& context);
  Status wait_for_rate(Rate& rate, std::uint64_t size_bytes, const CallContext& context);
  Status charge_traffic(const StoreCall& call);
  void release_quota(std::uint64_t size_bytes);
  Status reserve_quota(std::uint64_t size_bytes, const CallContext& context);

  Clock& clock_;
  const std::uint32_t calls_in_flight_max_;
  const std::uint64_t storage_quota_bytes_;
  const std::uint64_t traffic_quota_bytes_;
  const std::shared_ptr<TrafficLedger> traffic_;
  std::mutex mutex_;
  std::condition_variable_any slot_free_;
  std::uint32_t in_flight_ = 0;
  Rate upload_;
  Rate download_;
  std::optional<std::uint64_t> stored_bytes_;
};

}  // namespace holdfast
