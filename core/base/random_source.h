// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/bytes.h"

namespace holdfast {

/// The only way to entropy. Safe from any thread.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  /// Fills all of `out` with unpredictable bytes. Errors: kInternal when the operating system has none.
  virtual Status fill(MutableByteView out) = 0;
};

/// The operating system's generator through OpenSSL (implemented in core/crypto, where OpenSSL may be used);
/// lives as long as the process.
RandomSource& system_random();

}  // namespace holdfast
