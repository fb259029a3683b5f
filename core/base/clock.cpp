// SPDX-License-Identifier: Apache-2.0
#include "core/base/clock.h"

#include <condition_variable>
#include <mutex>

namespace holdfast {

namespace {

class MachineClock final : public Clock {
 public:
  WallNanos wall_now() const noexcept override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  MonoTime mono_now() const noexcept override { return std::chrono::steady_clock::now(); }
  Status sleep_until(MonoTime when, const std::stop_token& stop) override {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    wake.wait_until(lock, stop, when, [] { return false; });
    if (stop.stop_requested()) return Error(ErrorCode::kCancelled, "the wait was called off");
    return ok_status();
  }
};

}  // namespace

Clock& system_clock() {
  static MachineClock clock;
  return clock;
}

Status check_context(const CallContext& context, const Clock& clock, std::string_view doing) {
  if (context.stop.stop_requested()) {
    return Error(ErrorCode::kCancelled, std::string(doing) + ": called off");
  }
  if (context.deadline != MonoTime::max() && clock.mono_now() >= context.deadline) {
    return Error(ErrorCode::kDeadlineExceeded, std::string(doing) + ": out of time");
  }
  return ok_status();
}

CallContext with_timeout(const CallContext& outer, const Clock& clock, std::chrono::nanoseconds timeout) {
  CallContext inner = outer;
  const MonoTime end =
      clock.mono_now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(timeout);
  if (end < inner.deadline) inner.deadline = end;
  return inner;
}

}  // namespace holdfast
