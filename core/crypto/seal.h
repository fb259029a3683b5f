// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/random_source.h"
#include "core/base/secret_bytes.h"

namespace holdfast {

inline constexpr std::size_t kNonceBytes = 12;
inline constexpr std::size_t kTagBytes = 16;
inline constexpr std::size_t kBoxOverheadBytes = kNonceBytes + kTagBytes;

/// AES-256-GCM (NIST SP 800-38D) into a buffer of the caller: `cipher` has the size of `plain` and may be the same memory; `tag` has 16 bytes.
/// `key` has 32 bytes, `nonce` 12. Does not fail.
void aead_seal(ByteView key, ByteView nonce, ByteView aad, ByteView plain, MutableByteView cipher,
               MutableByteView tag);
/// False when the tag is wrong; `plain` (of the size of `cipher`) is then wiped. `plain` must not overlap `cipher` partly.
[[nodiscard]] bool aead_open(ByteView key, ByteView nonce, ByteView aad, ByteView cipher, ByteView tag,
                             MutableByteView plain);

/// Box(key, aad, plaintext) of FORMAT.md §1. Errors: kInternal when there is no entropy.
Result<Bytes> seal_box(ByteView key, ByteView aad, ByteView plain, RandomSource& random);
/// Errors: kCorrupt when it is too short or does not open under `key` and `aad`.
Result<Bytes> open_box(ByteView key, ByteView aad, ByteView box);
/// The same into memory that is wiped.
Result<SecretBytes> open_secret_box(ByteView key, ByteView aad, ByteView box);

using PublicKey = FixedBytes<struct PublicKeyTag, 32>;  ///< Ed25519 or X25519, as said where it is used
using Signature = FixedBytes<struct SignatureTag, 64>;  ///< Ed25519 (RFC 8032)

/// Ed25519 (RFC 8032); `seed` has 32 bytes.
PublicKey ed25519_public(ByteView seed);
Signature ed25519_sign(ByteView seed, ByteView message);
[[nodiscard]] bool ed25519_verify(const PublicKey& key, ByteView message, const Signature& signature);

/// X25519 key pair of the vault (libsodium crypto_box_keypair from a 32-byte secret).
PublicKey x25519_public(ByteView secret);
/// libsodium crypto_box_seal: only the owner of the secret opens it. Adds 48 bytes.
Bytes vault_seal(const PublicKey& vault, ByteView plain);
/// Errors: kCorrupt when it does not open.
Result<SecretBytes> vault_open(const PublicKey& vault, ByteView secret, ByteView sealed);

}  // namespace holdfast
