// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>

#include "core/base/clock.h"

namespace holdfast {

/// Lets one thread sleep on a Clock until a moment or until another thread wakes it, whichever is first. A wake between two waits is kept.
/// wait_until from one thread, wake from any.
class Waker {
 public:
  /// Ends the wait that runs, or the next one.
  void wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    round_.request_stop();
    changed_.notify_all();
  }

  /// Returns at `when` (MonoTime::max(): never by itself), on wake(), or when `stop` is triggered.
  void wait_until(Clock& clock, MonoTime when, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (when == MonoTime::max()) {
      changed_.wait(lock, stop, [this] { return woken_; });
      woken_ = false;
      return;
    }
    if (!woken_ && !stop.stop_requested()) {
      round_ = std::stop_source();
      const std::stop_token round = round_.get_token();
      lock.unlock();
      {
        const std::stop_callback forward(stop, [this] { wake(); });
        (void)clock.sleep_until(when, round).has_value();  // how it ended is for the caller to find out
      }
      lock.lock();
    }
    woken_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::stop_source round_;
  bool woken_ = false;
};

}  // namespace holdfast
