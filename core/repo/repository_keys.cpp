// SPDX-License-Identifier: Apache-2.0
#include "core/repo/repository_impl.h"

namespace holdfast {

std::vector<Repository::KeyInfo> RepositoryImpl::keys() const {
  std::vector<KeyInfo> out;
  const auto add = [&](const Keyring& ring, bool leaves) {
    for (const auto& stanza : ring.stanzas()) {
      const bool is_argon = stanza.kdf.kind == KdfKind::kArgon2id;
      out.push_back({stanza.label, is_argon ? "argon2id" : "pbkdf2-hmac-sha256", is_argon ? stanza.kdf.passes : stanza.kdf.iterations, leaves});
    }
  };
  const std::lock_guard lock(ring_mutex_);
  add(*ring_, false);
  const auto bytes = read_whole_file(paths_.published_keyring());
  const auto ring = bytes ? Keyring::decode(*bytes) : Result<Keyring>(bytes.error());
  if (ring) add(*ring, true);
  return out;
}

/// With the code, the wrap on the networks changes too; without it, recovery from nothing goes on wanting the old passphrase. What permanent networks hold of
/// old wraps stays open to who knows the old passphrase and the code.
Status RepositoryImpl::change_passphrase(ByteView old_passphrase, ByteView new_passphrase, const KdfParameters& kdf, const std::optional<RecoveryCode>& code) {
  const std::lock_guard lock(ring_mutex_);
  HOLDFAST_ASSIGN(const Bytes local_bytes, read_whole_file(paths_.keyring()));
  HOLDFAST_ASSIGN(Keyring local, Keyring::decode(local_bytes));
  HOLDFAST_TRY(local.unlock({old_passphrase, std::nullopt}));
  RandomSource& random = *options_.random;
  if (code) {
    HOLDFAST_ASSIGN(const Bytes network_bytes, read_whole_file(paths_.published_keyring()));
    HOLDFAST_ASSIGN(Keyring network, Keyring::decode(network_bytes));
    HOLDFAST_TRY(network.unlock({old_passphrase, code}));
    HOLDFAST_TRY(network.clear_stanzas());
    HOLDFAST_TRY(network.add_passphrase("passphrase", new_passphrase, code, kdf, random));
    HOLDFAST_TRY(replace_file(paths_.published_keyring(), network.encode()));
  }
  HOLDFAST_TRY(local.clear_stanzas());
  HOLDFAST_TRY(local.add_passphrase("passphrase", new_passphrase, std::nullopt, kdf, random));
  HOLDFAST_TRY(replace_file(paths_.keyring(), local.encode()));
  const std::vector<LogEntry> entries{{options_.clock->wall_now(), KeyEventEntry{"passphrase changed", local.generation()}}};
  ring_.emplace(std::move(local));
  HOLDFAST_TRY(catalog_->append(entries));
  if (code) publisher_->keyring_changed();
  return ok_status();
}

}  // namespace holdfast
