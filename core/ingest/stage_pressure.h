// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/base/waker.h"
#include "core/ingest/chunk_pipeline.h"
#include "core/stage/stage.h"

namespace holdfast {

/// Back-pressure by what is staged and what is on its way there. Parked calls are answered from one thread of its own. Safe from any thread.
class StagePressure final : public Pressure {
 public:
  StagePressure(Stage& stage, Clock& clock, std::chrono::seconds deadline);
  /// Answers those who still wait with kCancelled.
  ~StagePressure() override;

  bool admits(std::uint64_t bytes) const noexcept override;
  void when_relieved(std::function<void(Status)> resume) override;

  /// Plaintext that was handed over and is not staged yet.
  void add_queued(std::uint64_t bytes) noexcept { queued_ += bytes; }
  void remove_queued(std::uint64_t bytes) noexcept;
  /// Space was freed.
  void look_again() noexcept;

 private:
  struct Parked {
    MonoTime until;
    std::function<void(Status)> resume;
  };
  void run(const std::stop_token& stop);
  [[nodiscard]] bool is_relieved() const noexcept;
  [[nodiscard]] Error full() const;

  Stage& stage_;
  Clock& clock_;
  const std::chrono::seconds deadline_;
  const std::uint64_t soft_limit_bytes_;
  const std::uint64_t relief_bytes_;  ///< where parked calls go on: below the soft limit, so that they are not parked again at once
  std::atomic<std::uint64_t> queued_{0};
  std::atomic<std::size_t> parked_count_{0};
  std::mutex mutex_;
  std::vector<Parked> parked_;
  Waker waker_;
  std::jthread thread_;
};

}  // namespace holdfast
