// SPDX-License-Identifier: Apache-2.0
#include <sodium.h>

#include "core/crypto/password_kdf.h"
#include "core/crypto/seal.h"

namespace holdfast {

namespace {

static_assert(PublicKey::size == crypto_sign_PUBLICKEYBYTES && PublicKey::size == crypto_box_PUBLICKEYBYTES);
static_assert(Signature::size == crypto_sign_BYTES);

/// libsodium asks for this before anything else; it is safe to repeat and from any thread.
void start_sodium() { HOLDFAST_CHECK(sodium_init() >= 0); }

SecretBytes ed25519_secret(ByteView seed, PublicKey& public_key) {
  HOLDFAST_CHECK(seed.size() == crypto_sign_SEEDBYTES);
  start_sodium();
  SecretBytes secret(crypto_sign_SECRETKEYBYTES);
  HOLDFAST_CHECK(crypto_sign_seed_keypair(public_key.bytes.data(), secret.mutable_view().data(), seed.data()) == 0);
  return secret;
}

}  // namespace

PublicKey ed25519_public(ByteView seed) {
  PublicKey key;
  (void)ed25519_secret(seed, key);
  return key;
}

Signature ed25519_sign(ByteView seed, ByteView message) {
  PublicKey key;
  const SecretBytes secret = ed25519_secret(seed, key);
  Signature signature;
  HOLDFAST_CHECK(crypto_sign_detached(signature.bytes.data(), nullptr, message.data(), message.size(),
                                      secret.view().data()) == 0);
  return signature;
}

bool ed25519_verify(const PublicKey& key, ByteView message, const Signature& signature) {
  start_sodium();
  return crypto_sign_verify_detached(signature.bytes.data(), message.data(), message.size(), key.bytes.data()) == 0;
}

PublicKey x25519_public(ByteView secret) {
  HOLDFAST_CHECK(secret.size() == crypto_box_SECRETKEYBYTES);
  start_sodium();
  PublicKey key;
  HOLDFAST_CHECK(crypto_scalarmult_base(key.bytes.data(), secret.data()) == 0);
  return key;
}

Bytes vault_seal(const PublicKey& vault, ByteView plain) {
  start_sodium();
  Bytes sealed(plain.size() + crypto_box_SEALBYTES);
  // Fails only for a public key of small order, which no secret gives and no genesis of ours holds.
  HOLDFAST_CHECK(crypto_box_seal(sealed.data(), plain.data(), plain.size(), vault.bytes.data()) == 0);
  return sealed;
}

Result<SecretBytes> vault_open(const PublicKey& vault, ByteView secret, ByteView sealed) {
  HOLDFAST_CHECK(secret.size() == crypto_box_SECRETKEYBYTES);
  start_sodium();
  if (sealed.size() < crypto_box_SEALBYTES) return Error(ErrorCode::kCorrupt, "a sealed key is cut off");
  SecretBytes plain(sealed.size() - crypto_box_SEALBYTES);
  if (crypto_box_seal_open(plain.mutable_view().data(), sealed.data(), sealed.size(), vault.bytes.data(),
                           secret.data()) != 0) {
    return Error(ErrorCode::kCorrupt, "a sealed key does not open with the vault's key");
  }
  return plain;
}

Result<SecretBytes> argon2id(ByteView passphrase, ByteView salt, std::uint32_t passes, std::uint32_t memory_kib) {
  HOLDFAST_CHECK(salt.size() >= crypto_pwhash_SALTBYTES);
  start_sodium();
  SecretBytes key(32);
  if (crypto_pwhash(key.mutable_view().data(), key.size(), as_text(passphrase).data(), passphrase.size(), salt.data(),
                    passes, std::size_t{memory_kib} * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return Error(ErrorCode::kInternal, "argon2id failed: it wants " + std::to_string(memory_kib) + " KiB of memory");
  }
  return key;
}

}  // namespace holdfast
