// SPDX-License-Identifier: Apache-2.0
// Private to core/crypto: AES-256-GCM (NIST SP 800-38D) by one library or another. What aead_seal() and aead_open() promise holds for all of them.
#pragma once

#include <string_view>

#include "core/base/bytes.h"

namespace holdfast {

class Gcm {
 public:
  virtual ~Gcm() = default;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  virtual void seal(ByteView key, ByteView nonce, ByteView aad, ByteView plain, MutableByteView cipher, MutableByteView tag) const = 0;
  [[nodiscard]] virtual bool open(ByteView key, ByteView nonce, ByteView aad, ByteView cipher, ByteView tag, MutableByteView plain) const = 0;
};

/// The reference implementation.
const Gcm& openssl_gcm();
/// Null when the build or the machine lacks what it needs.
const Gcm* ipsec_mb_gcm();
/// The fastest that this build and machine have.
const Gcm& best_gcm();

}  // namespace holdfast
