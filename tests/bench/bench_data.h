// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/bytes.h"
#include "tests/support/seeded_random.h"

namespace holdfast::bench {

inline constexpr std::size_t kChunkBytes = 128 * 1024;

/// Nothing to compress.
inline Bytes random_bytes(std::size_t size) { return testing::SeededRandom(7).bytes(size); }

/// Lines as a plain dump has them; `changed_one_in` > 0 changes one line in so many.
inline Bytes dump_bytes(std::size_t size, std::uint64_t changed_one_in = 0) {
  testing::SeededRandom random(8);
  testing::SeededRandom change(9);
  Bytes out;
  out.reserve(size + 200);
  for (std::uint64_t line = 0; out.size() < size; ++line) {
    const bool changed = changed_one_in > 0 && change.next_below(changed_one_in) == 0;
    append(out, as_bytes(std::to_string(line) + "\t" + std::to_string(random.next_below(100'000)) + "\torder line " +
                         std::to_string(random.next()) + "\t2026-11-" + std::to_string(10 + random.next_below(19)) +
                         (changed ? "\tshipped\n" : "\twaiting\n")));
  }
  out.resize(size);
  return out;
}

}  // namespace holdfast::bench
