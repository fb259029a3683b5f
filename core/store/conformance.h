// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "core/base/clock.h"
#include "core/base/random_source.h"
#include "core/store/object_store.h"

namespace holdfast {

/// What one case of the suite found.
struct ConformanceFinding {
  enum class Outcome { kPassed, kFailed, kSkipped };
  std::string name;  ///< snake_case and stable
  Outcome outcome = Outcome::kPassed;
  std::string detail;  ///< why it failed or was skipped; empty when it passed
  std::chrono::milliseconds took{0};
};

struct ConformanceOptions {
  std::string scratch_folder = {};             ///< for files to put; must exist and be writable
  std::uint64_t large_size_bytes = 5'300'000;  ///< several leaves, no round number
  int parallel_calls = 64;
  std::chrono::seconds call_timeout{60};  ///< of each single call
  bool try_heads = true;                  ///< false where publishing costs money
};

struct ConformanceSummary {
  int passed = 0;
  int failed = 0;
  int skipped = 0;
};

/// Holds a network against the port's contract (object_store.h) with objects of random content, which it removes at the
/// end as far as the network can: `holdfast network test NAME`, and the test of every adapter. `report` is called after
/// each case, on the calling thread. Takes seconds to minutes; ends early with what it has when `stop` is triggered.
/// What a network lacks by its traits is skipped, never weakened.
ConformanceSummary run_conformance(ObjectStore& store, Clock& clock, RandomSource& random,
                                   const ConformanceOptions& options, const std::stop_token& stop,
                                   const std::function<void(const ConformanceFinding&)>& report);

}  // namespace holdfast
