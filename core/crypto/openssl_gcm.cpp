// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "core/base/secret_bytes.h"
#include "core/crypto/gcm.h"
#include "core/crypto/openssl_handles.h"
#include "core/crypto/seal.h"

namespace holdfast {

namespace {

// OpenSSL counts in int; longer inputs go in pieces.
constexpr std::size_t kPieceMaxBytes = std::size_t{1} << 30;

const EVP_CIPHER* gcm_algorithm() {
  static const EVP_CIPHER* const algorithm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  HOLDFAST_CHECK(algorithm != nullptr);
  return algorithm;
}

/// A context of this thread; setting a new key in an old context is several times cheaper than a new context.
EVP_CIPHER_CTX* thread_cipher_context() {
  thread_local const CipherContext context(EVP_CIPHER_CTX_new());
  HOLDFAST_CHECK(context != nullptr);
  return context.get();
}

/// `out` null: associated data.
void update(EVP_CIPHER_CTX* context, std::uint8_t* out, ByteView in) {
  while (!in.empty()) {
    const std::size_t piece = std::min(in.size(), kPieceMaxBytes);
    int written = 0;
    HOLDFAST_CHECK(EVP_CipherUpdate(context, out, &written, in.data(), static_cast<int>(piece)) == 1);
    if (out != nullptr) out += piece;
    in = in.subspan(piece);
  }
}

EVP_CIPHER_CTX* start(ByteView key, ByteView nonce, ByteView aad, bool sealing) {
  EVP_CIPHER_CTX* context = thread_cipher_context();
  HOLDFAST_CHECK(EVP_CipherInit_ex2(context, gcm_algorithm(), key.data(), nonce.data(), sealing ? 1 : 0, nullptr) == 1);
  update(context, nullptr, aad);
  return context;
}

class OpensslGcm final : public Gcm {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "openssl"; }

  void seal(ByteView key, ByteView nonce, ByteView aad, ByteView plain, MutableByteView cipher, MutableByteView tag) const override {
    EVP_CIPHER_CTX* context = start(key, nonce, aad, true);
    update(context, cipher.data(), plain);
    int written = 0;
    HOLDFAST_CHECK(EVP_CipherFinal_ex(context, nullptr, &written) == 1);
    HOLDFAST_CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagBytes), tag.data()) == 1);
  }

  [[nodiscard]] bool open(ByteView key, ByteView nonce, ByteView aad, ByteView cipher, ByteView tag, MutableByteView plain) const override {
    EVP_CIPHER_CTX* context = start(key, nonce, aad, false);
    update(context, plain.data(), cipher);
    std::array<std::uint8_t, kTagBytes> expected{};
    std::copy(tag.begin(), tag.end(), expected.begin());
    HOLDFAST_CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kTagBytes), expected.data()) == 1);
    int written = 0;
    if (EVP_CipherFinal_ex(context, nullptr, &written) == 1) return true;
    wipe(plain);
    return false;
  }
};

}  // namespace

const Gcm& openssl_gcm() {
  static const OpensslGcm gcm;
  return gcm;
}

}  // namespace holdfast
