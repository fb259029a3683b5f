// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/hash.h"
#include "core/crypto/openssl_handles.h"

namespace holdfast {

namespace {

const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  HOLDFAST_CHECK(algorithm != nullptr);
  return algorithm;
}

/// A context of this thread: making one costs more than hashing a small input.
EVP_MD_CTX* thread_digest_context() {
  thread_local const DigestContext context = make_digest_context();
  return context.get();
}

/// HMAC-SHA256 with its digest already chosen, so that each use only sets a key.
EVP_MAC_CTX* thread_hmac_context() {
  thread_local const MacContext context = [] {
    static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    HOLDFAST_CHECK(algorithm != nullptr);
    MacContext made(EVP_MAC_CTX_new(algorithm));
    HOLDFAST_CHECK(made != nullptr);
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                     OSSL_PARAM_construct_end()};
    HOLDFAST_CHECK(EVP_MAC_CTX_set_params(made.get(), parameters) == 1);
    return made;
  }();
  return context.get();
}

SecretBytes run_hkdf(int mode, ByteView ikm, ByteView salt, ByteView info, std::size_t size_bytes) {
  HOLDFAST_CHECK(!ikm.empty() && size_bytes > 0 && size_bytes <= 255 * Digest::size);
  static EVP_KDF* const algorithm = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  HOLDFAST_CHECK(algorithm != nullptr);
  const KdfContext context(EVP_KDF_CTX_new(algorithm));
  HOLDFAST_CHECK(context != nullptr);
  char digest[] = "SHA256";
  std::array<OSSL_PARAM, 6> parameters{};
  std::size_t count = 0;
  parameters[count++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
  parameters[count++] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
  parameters[count++] = octets(OSSL_KDF_PARAM_KEY, ikm);
  // An absent salt is a string of zeros (RFC 5869 §2.2), which keys HMAC as an empty one does.
  if (!salt.empty()) parameters[count++] = octets(OSSL_KDF_PARAM_SALT, salt);
  if (!info.empty()) parameters[count++] = octets(OSSL_KDF_PARAM_INFO, info);
  parameters[count] = OSSL_PARAM_construct_end();
  SecretBytes out(size_bytes);
  HOLDFAST_CHECK(EVP_KDF_derive(context.get(), out.mutable_view().data(), size_bytes, parameters.data()) == 1);
  return out;
}

}  // namespace

Digest sha256(std::initializer_list<ByteView> parts) {
  EVP_MD_CTX* context = thread_digest_context();
  HOLDFAST_CHECK(EVP_DigestInit_ex2(context, sha256_algorithm(), nullptr) == 1);
  for (const ByteView part : parts) HOLDFAST_CHECK(EVP_DigestUpdate(context, part.data(), part.size()) == 1);
  Digest digest;
  HOLDFAST_CHECK(EVP_DigestFinal_ex(context, digest.bytes.data(), nullptr) == 1);
  return digest;
}

struct Sha256::State {
  DigestContext context = make_digest_context();
  void start() const { HOLDFAST_CHECK(EVP_DigestInit_ex2(context.get(), sha256_algorithm(), nullptr) == 1); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) { state_->start(); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(ByteView bytes) {
  HOLDFAST_CHECK(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

Digest Sha256::finish() {
  Digest digest;
  HOLDFAST_CHECK(EVP_DigestFinal_ex(state_->context.get(), digest.bytes.data(), nullptr) == 1);
  state_->start();
  return digest;
}

Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts) {
  // OpenSSL takes a null key for "keep the last one"; an empty key is a key.
  static constexpr std::uint8_t kNothing = 0;
  EVP_MAC_CTX* context = thread_hmac_context();
  HOLDFAST_CHECK(EVP_MAC_init(context, key.empty() ? &kNothing : key.data(), key.size(), nullptr) == 1);
  for (const ByteView part : parts) HOLDFAST_CHECK(EVP_MAC_update(context, part.data(), part.size()) == 1);
  Digest digest;
  std::size_t size = 0;
  HOLDFAST_CHECK(EVP_MAC_final(context, digest.bytes.data(), &size, Digest::size) == 1 && size == Digest::size);
  return digest;
}

SecretBytes hkdf_sha256(ByteView ikm, ByteView salt, ByteView info, std::size_t size_bytes) {
  return run_hkdf(EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND, ikm, salt, info, size_bytes);
}

SecretBytes hkdf_expand_sha256(ByteView prk, ByteView info, std::size_t size_bytes) {
  return run_hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY, prk, {}, info, size_bytes);
}

SecretBytes derive_key(ByteView secret, const RepositoryId& repository, std::string_view label, ByteView context) {
  Bytes info;
  append(info, as_bytes("holdfast/1/"));
  append(info, as_bytes(label));
  info.push_back(0);
  append(info, context);
  return hkdf_sha256(secret, repository.view(), info, 32);
}

}  // namespace holdfast
