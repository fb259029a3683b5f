// SPDX-License-Identifier: Apache-2.0
#include "fs/worker_pool.h"

namespace holdfast::fs {

WorkerPool::WorkerPool(std::size_t thread_count) {
  for (std::size_t i = 0; i < thread_count; ++i) threads_.emplace_back([this] { run(); });
}

void WorkerPool::finish() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  work_.notify_all();
  threads_.clear();
}

void WorkerPool::submit(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  work_.notify_one();
}

void WorkerPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}

void SlowGate::run(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (running_ >= running_max_) {
      line_.push_back(std::move(job));
      return;
    }
    ++running_;
  }
  job();
  job = nullptr;
  leave();
}

bool SlowGate::enter() {
  const std::lock_guard lock(mutex_);
  if (running_ >= running_max_) return false;
  ++running_;
  return true;
}

void SlowGate::leave() {
  while (true) {
    std::function<void()> job;
    {
      const std::lock_guard lock(mutex_);
      if (line_.empty()) {
        --running_;
        return;
      }
      job = std::move(line_.front());
      line_.pop_front();
    }
    job();
  }
}

}  // namespace holdfast::fs
