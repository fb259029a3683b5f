// SPDX-License-Identifier: Apache-2.0
// Private to core/crypto: from a passphrase to 32 bytes (FORMAT.md §7).
#pragma once

#include "core/base/secret_bytes.h"

namespace holdfast {

/// PBKDF2-HMAC-SHA256 (RFC 8018).
SecretBytes pbkdf2_sha256(ByteView passphrase, ByteView salt, std::uint32_t iterations);
/// argon2id version 1.3 (RFC 9106) with one lane and the first 16 bytes of `salt`. Errors: kInternal: not enough memory.
Result<SecretBytes> argon2id(ByteView passphrase, ByteView salt, std::uint32_t passes, std::uint32_t memory_kib);

}  // namespace holdfast
