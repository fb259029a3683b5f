// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <stop_token>

#include "core/base/call_context.h"

namespace holdfast {

/// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time). For labels, never for
/// deciding what to delete.
using WallNanos = std::int64_t;

/// The only way to time. Safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallNanos wall_now() const noexcept = 0;
  virtual MonoTime mono_now() const noexcept = 0;
  /// Returns at `when`. Errors: kCancelled when `stop` was triggered first.
  virtual Status sleep_until(MonoTime when, const std::stop_token& stop) = 0;
};

/// The machine's clocks; lives as long as the process.
Clock& system_clock();

/// kDeadlineExceeded or kCancelled if `context` says so, naming what was being done.
Status check_context(const CallContext& context, const Clock& clock, std::string_view doing);

/// A context whose deadline is `timeout` from now, or `outer`'s if that is earlier.
CallContext with_timeout(const CallContext& outer, const Clock& clock, std::chrono::nanoseconds timeout);

}  // namespace holdfast
