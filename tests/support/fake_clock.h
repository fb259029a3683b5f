// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <iterator>
#include <mutex>
#include <set>

#include "core/base/clock.h"

namespace holdfast::testing {

/// A clock that only the test moves. Safe from any thread.
/// In kJump a sleep moves the clock to its end at once; in kManual it waits until advance() has brought the clock there.
class FakeClock final : public Clock {
 public:
  enum class Sleep { kJump, kManual };
  explicit FakeClock(Sleep sleep = Sleep::kJump) : sleep_(sleep) {}

  WallNanos wall_now() const noexcept override {
    const std::lock_guard lock(mutex_);
    return wall_;
  }
  MonoTime mono_now() const noexcept override {
    const std::lock_guard lock(mutex_);
    return mono_;
  }
  Status sleep_until(MonoTime when, const std::stop_token& stop) override {
    std::unique_lock lock(mutex_);
    if (sleep_ == Sleep::kManual) {
      const auto place = ends_.insert(when);
      moved_.notify_all();
      moved_.wait(lock, stop, [&] { return mono_ >= when; });
      ends_.erase(place);
    }
    if (stop.stop_requested()) return Error(ErrorCode::kCancelled, "the wait was called off");
    if (mono_ < when) move_by(when - mono_);
    return ok_status();
  }

  /// Moves both clocks on.
  void advance(std::chrono::nanoseconds by) {
    const std::lock_guard lock(mutex_);
    move_by(by);
  }
  void set_wall(WallNanos now) {
    const std::lock_guard lock(mutex_);
    wall_ = now;
  }
  /// kManual only: returns when at least `count` threads sleep until a moment that the clock has not reached.
  void wait_for_sleepers(int count) {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return std::distance(ends_.upper_bound(mono_), ends_.end()) >= count; });
  }

 private:
  void move_by(std::chrono::nanoseconds by) {
    mono_ += std::chrono::duration_cast<MonoTime::duration>(by);
    wall_ += by.count();
    moved_.notify_all();
  }

  const Sleep sleep_;
  mutable std::mutex mutex_;
  std::condition_variable_any moved_;
  // A century on: parts that look at the machine's clock (MemoryStore) must never take a deadline made from this one for past,
  // whatever the machine's uptime is.
  MonoTime mono_{std::chrono::hours(24 * 365 * 100)};
  WallNanos wall_ = 1'795'000'000'000'000'000;  // 2026-11-18T11:06:40Z, an arbitrary moment
  std::multiset<MonoTime> ends_;  // of the sleeps under way
};

}  // namespace holdfast::testing
