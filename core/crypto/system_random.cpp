// SPDX-License-Identifier: Apache-2.0
#include <openssl/rand.h>

#include <algorithm>

#include "core/base/random_source.h"

namespace holdfast {

namespace {

/// OpenSSL's generator, seeded by the operating system and again after a fork (RAND(7ssl)).
class OpensslRandom final : public RandomSource {
 public:
  Status fill(MutableByteView out) override {
    static constexpr std::size_t kPieceMaxBytes = std::size_t{1} << 20;
    while (!out.empty()) {
      const std::size_t piece = std::min(out.size(), kPieceMaxBytes);
      if (RAND_priv_bytes(out.data(), static_cast<int>(piece)) != 1) {
        return Error(ErrorCode::kInternal, "the operating system gives no random bytes");
      }
      out = out.subspan(piece);
    }
    return ok_status();
  }
};

}  // namespace

RandomSource& system_random() {
  static OpensslRandom random;
  return random;
}

}  // namespace holdfast
