// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <iostream>

#include "core/store/conformance.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"

namespace holdfast::testing {

/// Runs the shipped suite over `store` and fails the test for each case that fails. `skips` is how many cases the traits
/// of this store leave out: a suite that silently skips more is a failure too.
inline void expect_conformance(ObjectStore& store, int skips, ConformanceOptions options = {}) {
  const TemporaryFolder scratch;
  options.scratch_folder = scratch.path();
  const std::uint64_t seed = static_cast<std::uint64_t>(system_clock().wall_now());
  std::cout << "seed " << seed << "\n";
  SeededRandom random(seed);
  const ConformanceSummary summary = run_conformance(
      store, system_clock(), random, options, {}, [](const ConformanceFinding& finding) {
        EXPECT_NE(finding.outcome, ConformanceFinding::Outcome::kFailed) << finding.name << ": " << finding.detail;
        if (finding.outcome == ConformanceFinding::Outcome::kSkipped) {
          std::cout << "skipped " << finding.name << ": " << finding.detail << "\n";
        }
      });
  EXPECT_EQ(summary.skipped, skips);
  EXPECT_GT(summary.passed, 20);
}

}  // namespace holdfast::testing
