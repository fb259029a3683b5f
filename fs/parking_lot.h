// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <stop_token>

#include "core/ingest/chunk_pipeline.h"
#include "fs/worker_pool.h"

namespace holdfast::fs {

/// Requests that wait for room in staging, without a thread: first come, first served. One registration with Pressure stands for all of them;
/// when it ends with an error (the back-pressure deadline), all that wait get that error. Safe from any thread.
class ParkingLot : public std::enable_shared_from_this<ParkingLot> {
 public:
  /// What goes on with the request: success, or why not. Must not throw.
  using Resume = std::function<void(const Status&)>;

  /// `pressure` outlives the lot; the pool is finished by its owner before the lot is let go. At most `bytes_max` bytes
  /// of data may be parked.
  ParkingLot(Pressure& pressure, std::shared_ptr<WorkerPool> pool, std::uint64_t bytes_max)
      : pressure_(pressure), pool_(std::move(pool)), bytes_max_(bytes_max) {}

  /// Whether a request with `bytes` may go on at once: there is room, and nobody waits already.
  [[nodiscard]] bool admits(std::uint64_t bytes) const;

  /// Keeps `resume` (which holds the request and a copy of its data, `bytes` in all) until there is room, or `stop` is triggered (kCancelled).
  /// With no place left for the data `resume` gets kNoSpace at once, in this thread.
  void park(std::uint64_t bytes, const std::stop_token& stop, Resume resume);

  /// What waits, and whatever is parked from now on, gets kCancelled: the mount ends.
  void close();

  [[nodiscard]] std::size_t parked_count() const;

 private:
  struct Parked {
    std::uint64_t bytes = 0;
    std::stop_token stop;
    Resume resume;
    std::unique_ptr<std::stop_callback<std::function<void()>>> on_stop;
  };
  void ask_for_relief();
  void go_on(const Status& relief);
  void sweep_cancelled();

  Pressure& pressure_;
  /// Shared, since a relief may hold on to the lot, and come to submit, while the mount goes.
  const std::shared_ptr<WorkerPool> pool_;
  const std::uint64_t bytes_max_;
  mutable std::mutex mutex_;
  std::list<Parked> line_;
  std::uint64_t bytes_ = 0;
  bool closed_ = false;
  bool asked_ = false;  ///< a registration with pressure_, or the drain that follows it, is under way
};

}  // namespace holdfast::fs
