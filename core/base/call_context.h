// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <stop_token>

#include "core/base/result.h"

namespace holdfast {

using MonoTime = std::chrono::steady_clock::time_point;

/// What every blocking call takes last: until when the caller waits, and how it can call off.
/// Cheap to copy. Adapters look at both before and during their work.
struct CallContext {
  MonoTime deadline = MonoTime::max();
  std::stop_token stop;

  /// A context without deadline that nobody can cancel: for local work that always ends.
  static CallContext unbounded() { return {}; }
};

}  // namespace holdfast
