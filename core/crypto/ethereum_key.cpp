// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/ethereum_key.h"

#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include <algorithm>

#include "core/base/random_source.h"
#include "core/crypto/hash.h"

namespace holdfast {

namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr std::uint8_t kFirstRecoveryId = 27;

/// One for the process: it is only read after it was made. Blinded with random numbers against what a signature's time may tell.
const secp256k1_context* context() {
  static const secp256k1_context* const made = [] {
    secp256k1_context* fresh = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
    HOLDFAST_CHECK(fresh != nullptr);
    std::array<std::uint8_t, 32> seed{};
    HOLDFAST_CHECK(system_random().fill(seed).has_value());
    HOLDFAST_CHECK(secp256k1_context_randomize(fresh, seed.data()) == 1);
    wipe(seed);
    return fresh;
  }();
  return made;
}

EthereumAddress address_of(const secp256k1_pubkey& key) {
  std::array<std::uint8_t, 65> point{};
  std::size_t size = point.size();
  HOLDFAST_CHECK(secp256k1_ec_pubkey_serialize(context(), point.data(), &size, &key, SECP256K1_EC_UNCOMPRESSED) == 1);
  const Keccak256 hash = keccak256(ByteView(point).subspan(1));  // without the byte that says "uncompressed"
  EthereumAddress address;
  std::ranges::copy(hash.view().last(EthereumAddress::size), address.bytes.begin());
  return address;
}

Keccak256 message_digest(const Keccak256& digest) { return keccak256({as_bytes("\x19" "Ethereum Signed Message:\n32"), digest.view()}); }

}  // namespace

Result<EthereumKey> EthereumKey::from_secret(ByteView secret) {
  secp256k1_pubkey key;
  if (secret.size() != kSecretBytes || secp256k1_ec_pubkey_create(context(), &key, secret.data()) != 1) {
    return Error(ErrorCode::kInvalidArgument, "a key on secp256k1 is 32 bytes of a number from 1 to the group's order");
  }
  return EthereumKey(SecretBytes::copy_of(secret), address_of(key));
}

EthereumKey EthereumKey::derive(ByteView seed, std::string_view label) {
  HOLDFAST_CHECK(seed.size() == kSecretBytes);
  for (std::uint8_t n = 0;; ++n) {
    Bytes info(label.begin(), label.end());
    info.push_back(n);
    const SecretBytes secret = hkdf_expand_sha256(seed, info, kSecretBytes);
    Result<EthereumKey> key = from_secret(secret.view());
    if (key) return *std::move(key);
    HOLDFAST_CHECK(n < 255);  // once in 2^127 is a number none
  }
}

EthereumSignature EthereumKey::sign_message(const Keccak256& digest) const {
  const Keccak256 message = message_digest(digest);
  secp256k1_ecdsa_recoverable_signature signature;
  HOLDFAST_CHECK(secp256k1_ecdsa_sign_recoverable(context(), &signature, message.bytes.data(), secret_.view().data(), nullptr, nullptr) == 1);
  EthereumSignature out;
  int recovery_id = 0;
  HOLDFAST_CHECK(secp256k1_ecdsa_recoverable_signature_serialize_compact(context(), out.bytes.data(), &recovery_id, &signature) == 1);
  out.bytes.back() = static_cast<std::uint8_t>(kFirstRecoveryId + recovery_id);
  return out;
}

Result<EthereumAddress> message_signer(const Keccak256& digest, const EthereumSignature& signature) {
  const Keccak256 message = message_digest(digest);
  const int recovery_id = signature.bytes.back() - kFirstRecoveryId;
  secp256k1_ecdsa_recoverable_signature parsed;
  secp256k1_pubkey key;
  if (recovery_id < 0 || recovery_id > 1 || secp256k1_ecdsa_recoverable_signature_parse_compact(context(), &parsed, signature.bytes.data(), recovery_id) != 1 ||
      secp256k1_ecdsa_recover(context(), &key, &parsed, message.bytes.data()) != 1) {
    return Error(ErrorCode::kCorrupt, "a signature that no key can have made");
  }
  return address_of(key);
}

}  // namespace holdfast
