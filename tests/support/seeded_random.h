// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

#include "core/base/random_source.h"

namespace holdfast::testing {

/// Repeatable bytes for tests (SplitMix64, Steele et al. 2014); no secret may come from it. Safe from any thread.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}

  Status fill(MutableByteView out) override {
    const std::lock_guard lock(mutex_);
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (i % 8 == 0) word = step();
      out[i] = static_cast<std::uint8_t>(word >> (8 * (i % 8)));
    }
    return ok_status();
  }
  std::uint64_t next() {
    const std::lock_guard lock(mutex_);
    return step();
  }
  /// Uniform enough for tests in 0 .. below-1.
  std::uint64_t next_below(std::uint64_t below) { return next() % below; }
  Bytes bytes(std::size_t size) {
    Bytes out(size);
    (void)fill(out).has_value();
    return out;
  }

 private:
  std::uint64_t step() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }

  std::mutex mutex_;
  std::uint64_t state_;
};

}  // namespace holdfast::testing
