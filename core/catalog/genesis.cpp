// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/genesis.h"

#include "core/catalog/signing.h"
#include "core/crypto/hash.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr std::string_view kGenesisContext = "holdfast/1/genesis";
constexpr std::string_view kCertificateContext = "holdfast/1/certificate";
constexpr std::uint8_t kCertificateVersion = 1;

Digest fingerprint_of(const PublicKey& root_key) { return sha256({as_bytes("holdfast/1/root"), root_key.view()}); }
constexpr std::size_t kFingerprintBytes = 20;

}  // namespace

Bytes encode_genesis(const Genesis& genesis, ByteView root_seed) {
  Bytes out;
  ByteWriter writer(out);
  writer.prelude(kGenesisObject).id(genesis.repository).i64(genesis.created).id(genesis.root_key).id(genesis.vault_key);
  append_signature(out, kGenesisContext, root_seed);
  return out;
}

Result<Genesis> decode_genesis(ByteView object) {
  ByteReader in(object, "genesis");
  HOLDFAST_TRY(in.prelude(kGenesisObject));
  Genesis genesis;
  HOLDFAST_ASSIGN(genesis.repository, in.id<RepositoryId>());
  HOLDFAST_ASSIGN(genesis.created, in.i64());
  HOLDFAST_ASSIGN(genesis.root_key, in.id<PublicKey>());
  HOLDFAST_ASSIGN(genesis.vault_key, in.id<PublicKey>());
  HOLDFAST_TRY(check_signature(in, object, kGenesisContext, genesis.root_key, "genesis"));
  return genesis;
}

std::string root_fingerprint(const PublicKey& root_key) {
  const Digest digest = fingerprint_of(root_key);
  const std::string digits = to_hex(digest.view().first(kFingerprintBytes));
  std::string out;
  for (std::size_t i = 0; i < digits.size(); i += 4) {
    if (!out.empty()) out += ' ';
    out += digits.substr(i, 4);
  }
  return out;
}

bool fingerprint_matches(std::string_view typed, const PublicKey& root_key) {
  std::string digits;
  for (const char letter : typed) {
    if (letter == ' ' || letter == '-' || letter == ':') continue;
    digits += letter >= 'A' && letter <= 'F' ? static_cast<char>(letter - 'A' + 'a') : letter;
  }
  return digits == to_hex(fingerprint_of(root_key).view().first(kFingerprintBytes));
}

Bytes encode_certificate(const Certificate& certificate, ByteView root_seed) {
  Bytes out;
  ByteWriter writer(out);
  writer.u8(kCertificateVersion).id(certificate.repository).id(certificate.writer_key).u32(certificate.slot);
  writer.u8(certificate.roles).i64(certificate.issued).text(certificate.host);
  append_signature(out, kCertificateContext, root_seed);
  return out;
}

Result<Certificate> decode_certificate(ByteView object, const Genesis& genesis) {
  ByteReader in(object, "certificate");
  HOLDFAST_TRY(check_structure_version(in, "certificate", kCertificateVersion));
  Certificate certificate;
  HOLDFAST_ASSIGN(certificate.repository, in.id<RepositoryId>());
  HOLDFAST_ASSIGN(certificate.writer_key, in.id<PublicKey>());
  HOLDFAST_ASSIGN(certificate.slot, in.u32());
  HOLDFAST_ASSIGN(certificate.roles, in.u8());
  HOLDFAST_ASSIGN(certificate.issued, in.i64());
  HOLDFAST_ASSIGN(const std::string_view host, in.text(kCatalogTextMaxBytes));
  certificate.host = host;
  if ((certificate.roles & ~(kRoleWrite | kRoleMaintain)) != 0) return in.corrupt("an unknown role");
  HOLDFAST_TRY(check_signature(in, object, kCertificateContext, genesis.root_key, "certificate"));
  if (certificate.repository != genesis.repository) {
    return Error(ErrorCode::kUntrusted, "the certificate is of another repository");
  }
  return certificate;
}

WriterId writer_id_of(const PublicKey& writer_key) {
  const Digest digest = sha256({as_bytes("holdfast/1/writer"), writer_key.view()});
  WriterId id;
  std::copy_n(digest.bytes.begin(), WriterId::size, id.bytes.begin());
  return id;
}

KeyId key_id_of(ByteView key) {
  const Digest digest = sha256({as_bytes("holdfast/1/key"), key});
  KeyId id;
  std::copy_n(digest.bytes.begin(), KeyId::size, id.bytes.begin());
  return id;
}

}  // namespace holdfast
