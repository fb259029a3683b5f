// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "core/catalog/genesis.h"
#include "core/catalog/log_entry.h"
#include "core/crypto/keyring.h"
#include "core/repo/state_folder.h"

namespace holdfast {

/// What an unlocked state folder knows of keys. Constant after opening; safe from any thread.
struct RepositorySecrets {
  Bytes genesis_bytes;
  Genesis genesis;
  Certificate certificate;  ///< when the folder was opened; RepositoryCatalog has the one for the present slot
  WriterId writer;
  std::unique_ptr<RepositoryKeys> keys;
  SecretBytes writer_seed;
  SecretBytes local_secret;
  SecretBytes vault_secret;  ///< empty on a write-only machine
  SecretBytes root_seed;     ///< empty on a write-only machine

  /// K_local(purpose) (FORMAT.md §2).
  [[nodiscard]] SecretBytes local_key(std::string_view purpose) const;
  [[nodiscard]] LogIdentity log_of(const IncarnationId& incarnation) const {
    return {genesis.repository, writer, incarnation};
  }

  /// Takes the opened compartments of `ring` (repository and writer are needed, the vault is not) and checks that
  /// genesis, certificate and keys belong together. Errors: kCorrupt, kUntrusted, kWrongKey when a compartment is
  /// missing.
  static Result<std::shared_ptr<const RepositorySecrets>> from(const Keyring& ring, const RepositoryIdentity& identity);
};

/// The 64 bytes of compartment 2 and of compartment 3 (FORMAT.md §7).
SecretBytes join_secrets(ByteView first, ByteView second);

}  // namespace holdfast
