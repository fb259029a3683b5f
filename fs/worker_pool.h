// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace holdfast::fs {

/// Requests that may wait for a network or disk at once; further ones wait without a thread.
inline constexpr std::size_t kSlowRunningMax = 128;
inline constexpr std::size_t kPoolThreads = 4;
/// Seals asked for by mkdir at once, each of another database; they may take minutes.
inline constexpr std::size_t kSealThreads = 4;

/// A few threads for work that must not run where it arises: seals asked for by mkdir; parked requests that go on, and
/// sweeps after an interrupt. Owned by the mount; submit() is safe from any thread and never waits. Jobs must not
/// throw.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t thread_count);
  ~WorkerPool() { finish(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Runs `job` soon, first come first served. The queue is bounded by what the kernel has under way, since each job answers a request.
  void submit(std::function<void()> job);
  /// Runs what was submitted, then ends the threads; what is submitted later is dropped. Called by the owner alone.
  void finish();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::function<void()>> jobs_;
  bool ending_ = false;
  std::vector<std::jthread> threads_;
};

/// Lets at most `running_max` jobs that may wait (for a network or a disk) run at once; further ones wait in line without a thread,
/// and are run by the threads that finish. So that the threads which read requests never run out. Safe from any thread.
class SlowGate {
 public:
  explicit SlowGate(std::size_t running_max) : running_max_(running_max) {}

  /// Runs `job` in this thread now, or leaves it to another one. Jobs must not throw.
  void run(std::function<void()> job);
  /// A place if one was free, given back at the end of the scope, which first runs those in line: the caller runs its
  /// work itself.
  class Place {
   public:
    explicit Place(SlowGate& gate) : gate_(gate), taken_(gate.enter()) {}
    ~Place() {
      if (taken_) gate_.leave();
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    explicit operator bool() const noexcept { return taken_; }

   private:
    SlowGate& gate_;
    const bool taken_;
  };

 private:
  bool enter();
  void leave();

  std::mutex mutex_;
  std::deque<std::function<void()>> line_;
  std::size_t running_ = 0;
  const std::size_t running_max_;
};

}  // namespace holdfast::fs
