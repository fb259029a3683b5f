// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "core/base/check.h"

namespace holdfast {

/// A mutex that is given to those who wait in the order in which they came; std::mutex promises no order, and under
/// contention has none. Meets Lockable without try_lock (std::lock_guard, std::unique_lock). Not recursive.
class FairMutex {
 public:
  FairMutex() = default;
  FairMutex(const FairMutex&) = delete;
  FairMutex& operator=(const FairMutex&) = delete;
  ~FairMutex() { HOLDFAST_CHECK(!held_); }

  void lock() {
    std::unique_lock lock(mutex_);
    if (!held_) {
      held_ = true;
      return;
    }
    Waiter self;
    waiting_.push_back(&self);
    self.turn.wait(lock, [&] { return self.is_next; });
  }

  void unlock() {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
      held_ = false;
      return;
    }
    Waiter* next = waiting_.front();
    waiting_.pop_front();
    next->is_next = true;
    next->turn.notify_one();  // under the lock: the waiter, and its condition with it, is gone as soon as it runs
  }

  /// How many wait now.
  [[nodiscard]] std::size_t waiting_count() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

 private:
  struct Waiter {
    std::condition_variable turn;
    bool is_next = false;
  };
  mutable std::mutex mutex_;
  std::deque<Waiter*> waiting_;
  bool held_ = false;  ///< stays true while it is handed from one to the next
};

}  // namespace holdfast
