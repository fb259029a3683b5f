// SPDX-License-Identifier: Apache-2.0
#include "fs/interrupts.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace holdfast::fs {

namespace {
/// How long a kill may take to be noticed once the caller has had a harmless signal before.
constexpr std::chrono::milliseconds kLookAgainAfter{100};
}  // namespace

bool is_being_killed(pid_t thread) noexcept {
  if (thread <= 0) return true;
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/status", static_cast<int>(thread));
  const int descriptor = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return true;
  std::array<char, 4096> text{};
  const ssize_t size = ::read(descriptor, text.data(), text.size() - 1);
  ::close(descriptor);
  if (size <= 0) return true;
  const char* field = std::strstr(text.data(), "SigPnd:");
  if (field == nullptr) return true;
  const unsigned long long pending = std::strtoull(field + 7, nullptr, 16);
  return ((pending >> (SIGKILL - 1)) & 1U) != 0;
}

InterruptWatch::InterruptWatch(Clock& clock)
    : clock_(clock), thread_([this](const std::stop_token& stop) { run(stop); }) {}

InterruptWatch::~InterruptWatch() = default;

void InterruptWatch::signalled(const std::shared_ptr<Interruption>& request) {
  if (is_being_killed(request->thread)) {
    request->stop.request_stop();
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    watched_.push_back(request);
  }
  added_.notify_all();
}

void InterruptWatch::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<std::weak_ptr<Interruption>> look;
    {
      std::unique_lock lock(mutex_);
      added_.wait(lock, stop, [this] { return !watched_.empty(); });
      look.swap(watched_);
    }
    if (!clock_.sleep_until(clock_.mono_now() + kLookAgainAfter, stop)) return;
    std::vector<std::weak_ptr<Interruption>> keep;
    for (const auto& weak : look) {
      const auto request = weak.lock();
      if (!request) continue;
      if (is_being_killed(request->thread)) {
        request->stop.request_stop();
      } else {
        keep.push_back(weak);
      }
    }
    const std::lock_guard lock(mutex_);
    watched_.insert(watched_.end(), keep.begin(), keep.end());
  }
}

}  // namespace holdfast::fs
