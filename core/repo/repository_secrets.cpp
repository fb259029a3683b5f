// SPDX-License-Identifier: Apache-2.0
#include "core/repo/repository_secrets.h"

#include "core/crypto/hash.h"

namespace holdfast {
namespace {

constexpr std::size_t kSecretBytes = 32;

Status take_pair(const Keyring& ring, Compartment compartment, SecretBytes& first, SecretBytes& second) {
  const ByteView both = ring.secret(compartment);
  if (both.size() != 2 * kSecretBytes) return Error(ErrorCode::kCorrupt, "a keyring compartment of the wrong size");
  first = SecretBytes::copy_of(both.first(kSecretBytes));
  second = SecretBytes::copy_of(both.last(kSecretBytes));
  return ok_status();
}

}  // namespace

SecretBytes join_secrets(ByteView first, ByteView second) {
  SecretBytes out(first.size() + second.size());
  std::copy(first.begin(), first.end(), out.mutable_view().begin());
  std::copy(second.begin(), second.end(), out.mutable_view().begin() + static_cast<std::ptrdiff_t>(first.size()));
  return out;
}

SecretBytes RepositorySecrets::local_key(std::string_view purpose) const {
  return derive_key(local_secret.view(), genesis.repository, "local", as_bytes(purpose));
}

Result<std::shared_ptr<const RepositorySecrets>> RepositorySecrets::from(const Keyring& ring, const RepositoryIdentity& identity) {
  auto out = std::make_shared<RepositorySecrets>();
  if (!ring.has(Compartment::kRepository) || !ring.has(Compartment::kWriter)) {
    return Error(ErrorCode::kWrongKey, "the keyring opened, but not the part that this machine writes with");
  }
  out->genesis_bytes = identity.genesis;
  HOLDFAST_ASSIGN(out->genesis, decode_genesis(identity.genesis));
  HOLDFAST_ASSIGN(out->certificate, decode_certificate(identity.certificate, out->genesis));
  out->writer = writer_id_of(out->certificate.writer_key);
  if (ring.repository() != out->genesis.repository) {
    return Error(ErrorCode::kUntrusted, "the keyring is of another repository than the state folder");
  }
  out->keys = std::make_unique<RepositoryKeys>(out->genesis.repository, ring.secret(Compartment::kRepository));
  HOLDFAST_TRY(take_pair(ring, Compartment::kWriter, out->writer_seed, out->local_secret));
  if (ed25519_public(out->writer_seed.view()) != out->certificate.writer_key) {
    return Error(ErrorCode::kUntrusted, "the certificate is of another writer than this state folder's");
  }
  if (ring.has(Compartment::kVault)) {
    HOLDFAST_TRY(take_pair(ring, Compartment::kVault, out->vault_secret, out->root_seed));
    if (x25519_public(out->vault_secret.view()) != out->genesis.vault_key || ed25519_public(out->root_seed.view()) != out->genesis.root_key) {
      return Error(ErrorCode::kUntrusted, "the vault is of another repository");
    }
  }
  return std::shared_ptr<const RepositorySecrets>(std::move(out));
}

}  // namespace holdfast
