// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/clock.h"
#include "core/crypto/seal.h"

namespace holdfast {

/// How a repository begins (FORMAT.md §7): the keys that everything else is checked against.
struct Genesis {
  RepositoryId repository;
  WallNanos created = 0;
  PublicKey root_key;   ///< Ed25519: certifies writers
  PublicKey vault_key;  ///< X25519: snapshot keys are sealed to it
  friend bool operator==(const Genesis&, const Genesis&) = default;
};

/// The object, signed with the root key whose 32-byte seed is given.
Bytes encode_genesis(const Genesis& genesis, ByteView root_seed);
/// Errors: kCorrupt, kUnsupported, kUntrusted when its own root key did not sign it.
Result<Genesis> decode_genesis(ByteView object);

/// First 20 bytes of SHA-256("holdfast/1/root" ‖ root key), as hexadecimal in groups of four, separated by spaces.
std::string root_fingerprint(const PublicKey& root_key);
/// Whether a fingerprint that a person typed (any case, spaces, "-" and ":" ignored) is that of `root_key`.
[[nodiscard]] bool fingerprint_matches(std::string_view typed, const PublicKey& root_key);

inline constexpr std::uint8_t kRoleWrite = 1;
inline constexpr std::uint8_t kRoleMaintain = 2;

/// The root key's word that a writer belongs to the repository (FORMAT.md §7).
struct Certificate {
  RepositoryId repository;
  PublicKey writer_key;  ///< Ed25519
  std::uint32_t slot = 0;
  std::uint8_t roles = kRoleWrite | kRoleMaintain;
  WallNanos issued = 0;
  std::string host;
  friend bool operator==(const Certificate&, const Certificate&) = default;
};

Bytes encode_certificate(const Certificate& certificate, ByteView root_seed);
/// Errors: kCorrupt, kUnsupported; kUntrusted when it is of another repository or the root key of `genesis` did not
/// sign it.
Result<Certificate> decode_certificate(ByteView object, const Genesis& genesis);

/// First 16 bytes of SHA-256("holdfast/1/writer" ‖ writer key).
WriterId writer_id_of(const PublicKey& writer_key);
/// First 8 bytes of SHA-256("holdfast/1/key" ‖ key).
KeyId key_id_of(ByteView key);

/// The longest host, label, database name and similar text that readers take.
inline constexpr std::size_t kCatalogTextMaxBytes = 4096;

}  // namespace holdfast
