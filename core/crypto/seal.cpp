// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/seal.h"

#include <algorithm>

#include "core/crypto/openssl_handles.h"

namespace holdfast {

namespace {

constexpr std::size_t kAeadKeyBytes = 32;
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
  HOLDFAST_CHECK(key.size() == kAeadKeyBytes && nonce.size() == kNonceBytes);
  EVP_CIPHER_CTX* context = thread_cipher_context();
  HOLDFAST_CHECK(EVP_CipherInit_ex2(context, gcm_algorithm(), key.data(), nonce.data(), sealing ? 1 : 0, nullptr) == 1);
  update(context, nullptr, aad);
  return context;
}

Status check_box_size(ByteView box) {
  if (box.size() >= kBoxOverheadBytes) return ok_status();
  return Error(ErrorCode::kCorrupt, "a sealed box of " + std::to_string(box.size()) + " bytes is too short to be one");
}

bool open_box_into(ByteView key, ByteView aad, ByteView box, MutableByteView plain) {
  return aead_open(key, box.first(kNonceBytes), aad, box.subspan(kNonceBytes, plain.size()), box.last(kTagBytes), plain);
}

Error box_does_not_open() { return {ErrorCode::kCorrupt, "a sealed box does not open: damaged, or under another key"}; }

}  // namespace

void aead_seal(ByteView key, ByteView nonce, ByteView aad, ByteView plain, MutableByteView cipher,
               MutableByteView tag) {
  HOLDFAST_CHECK(cipher.size() == plain.size() && tag.size() == kTagBytes);
  EVP_CIPHER_CTX* context = start(key, nonce, aad, true);
  update(context, cipher.data(), plain);
  int written = 0;
  HOLDFAST_CHECK(EVP_CipherFinal_ex(context, nullptr, &written) == 1);
  HOLDFAST_CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagBytes), tag.data()) == 1);
}

bool aead_open(ByteView key, ByteView nonce, ByteView aad, ByteView cipher, ByteView tag, MutableByteView plain) {
  HOLDFAST_CHECK(cipher.size() == plain.size() && tag.size() == kTagBytes);
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

Result<Bytes> seal_box(ByteView key, ByteView aad, ByteView plain, RandomSource& random) {
  Bytes box(plain.size() + kBoxOverheadBytes);
  const MutableByteView view(box);
  HOLDFAST_TRY(random.fill(view.first(kNonceBytes)));
  aead_seal(key, view.first(kNonceBytes), aad, plain, view.subspan(kNonceBytes, plain.size()), view.last(kTagBytes));
  return box;
}

Result<Bytes> open_box(ByteView key, ByteView aad, ByteView box) {
  HOLDFAST_TRY(check_box_size(box));
  Bytes plain(box.size() - kBoxOverheadBytes);
  if (!open_box_into(key, aad, box, plain)) return box_does_not_open();
  return plain;
}

Result<SecretBytes> open_secret_box(ByteView key, ByteView aad, ByteView box) {
  HOLDFAST_TRY(check_box_size(box));
  SecretBytes plain(box.size() - kBoxOverheadBytes);
  if (!open_box_into(key, aad, box, plain.mutable_view())) return box_does_not_open();
  return plain;
}

}  // namespace holdfast
