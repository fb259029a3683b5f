// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/md5.h"

#include <array>

#include "core/crypto/openssl_handles.h"

namespace holdfast {

Result<std::string> md5_hex(ByteView bytes) {
  // "-fips": also where OpenSSL prefers approved algorithms, for which a checksum has no need.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "MD5", "-fips");
  if (algorithm == nullptr) return Error(ErrorCode::kUnsupported, "OpenSSL has no MD5 here, so what a network stored can't be compared");
  const DigestContext context = make_digest_context();
  std::array<std::uint8_t, 16> digest{};
  HOLDFAST_CHECK(EVP_DigestInit_ex2(context.get(), algorithm, nullptr) == 1);
  HOLDFAST_CHECK(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1);
  HOLDFAST_CHECK(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) == 1);
  return to_hex(digest);
}

}  // namespace holdfast
