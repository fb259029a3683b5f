// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/secret_bytes.h"
#include "core/crypto/keccak.h"

namespace holdfast {

using EthereumAddress = FixedBytes<struct EthereumAddressTag, 20>;
/// r ‖ s ‖ v with v 27 or 28: ECDSA over secp256k1 (SEC 2), s in the lower half.
using EthereumSignature = FixedBytes<struct EthereumSignatureTag, 65>;

/// A key pair on secp256k1 as Ethereum and Swarm use it. Signatures are deterministic (RFC 6979), so that signing the same thing again gives the same bytes. Safe from any thread.
class EthereumKey {
 public:
  /// Errors: kInvalidArgument (`secret` is not 32 bytes of a number from 1 to the group's order − 1).
  static Result<EthereumKey> from_secret(ByteView secret);
  /// The key that `seed` stands for under `label`: HKDF-Expand-SHA256(seed, label ‖ `u8` n, 32) with the least n that gives a key. `seed` is uniform, 32 bytes.
  static EthereumKey derive(ByteView seed, std::string_view label);

  [[nodiscard]] const EthereumAddress& address() const noexcept { return address_; }
  /// Signs `digest` as a message for people is signed: Keccak-256("\x19Ethereum Signed Message:\n32" ‖ digest) (EIP-191, version 0x45).
  [[nodiscard]] EthereumSignature sign_message(const Keccak256& digest) const;

 private:
  EthereumKey(SecretBytes secret, const EthereumAddress& address) : secret_(std::move(secret)), address_(address) {}
  SecretBytes secret_;
  EthereumAddress address_;
};

/// Whose key has signed `digest` with sign_message. Errors: kCorrupt (it is nobody's signature).
Result<EthereumAddress> message_signer(const Keccak256& digest, const EthereumSignature& signature);

}  // namespace holdfast
