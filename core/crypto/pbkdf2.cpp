// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/openssl_handles.h"
#include "core/crypto/password_kdf.h"

namespace holdfast {

SecretBytes pbkdf2_sha256(ByteView passphrase, ByteView salt, std::uint32_t iterations) {
  SecretBytes key(32);
  // OpenSSL refuses a null passphrase; an empty one is allowed and is not null.
  const std::string_view text = passphrase.empty() ? std::string_view("") : as_text(passphrase);
  HOLDFAST_CHECK(PKCS5_PBKDF2_HMAC(text.data(), static_cast<int>(text.size()), salt.data(),
                                   static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                                   static_cast<int>(key.size()), key.mutable_view().data()) == 1);
  return key;
}

}  // namespace holdfast
