// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/seal.h"

#include <algorithm>

#include "core/crypto/gcm.h"

namespace holdfast {

namespace {

constexpr std::size_t kAeadKeyBytes = 32;

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
  HOLDFAST_CHECK(key.size() == kAeadKeyBytes && nonce.size() == kNonceBytes);
  HOLDFAST_CHECK(cipher.size() == plain.size() && tag.size() == kTagBytes);
  best_gcm().seal(key, nonce, aad, plain, cipher, tag);
}

bool aead_open(ByteView key, ByteView nonce, ByteView aad, ByteView cipher, ByteView tag, MutableByteView plain) {
  HOLDFAST_CHECK(key.size() == kAeadKeyBytes && nonce.size() == kNonceBytes);
  HOLDFAST_CHECK(cipher.size() == plain.size() && tag.size() == kTagBytes);
  return best_gcm().open(key, nonce, aad, cipher, tag, plain);
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
