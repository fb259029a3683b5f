// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/signing.h"

namespace holdfast {
namespace {

Bytes signed_message(std::string_view context, ByteView body) {
  Bytes message(context.begin(), context.end());
  append(message, body);
  return message;
}

}  // namespace

void append_signature(Bytes& out, std::string_view context, ByteView seed) {
  append(out, ed25519_sign(seed, signed_message(context, out)).view());
}

Status check_signature(ByteReader& in, ByteView object, std::string_view context, const PublicKey& key,
                       std::string_view what) {
  const ByteView body = object.first(in.offset());
  HOLDFAST_ASSIGN(const Signature signature, in.id<Signature>());
  HOLDFAST_TRY(in.expect_end());
  if (!ed25519_verify(key, signed_message(context, body), signature)) {
    return Error(ErrorCode::kUntrusted, "the signature of the " + std::string(what) + " is wrong");
  }
  return ok_status();
}

Status check_structure_version(ByteReader& in, std::string_view what, std::uint8_t version) {
  HOLDFAST_ASSIGN(const std::uint8_t found, in.u8());
  if (found != version) {
    return Error(ErrorCode::kUnsupported, std::string(what) + " has version " + std::to_string(found) +
                                              "; this program reads " + std::to_string(version));
  }
  return ok_status();
}

}  // namespace holdfast
