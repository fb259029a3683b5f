// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "core/repo/repository_impl.h"

namespace holdfast {
namespace {

constexpr auto kFirstPublicationTimeout = std::chrono::seconds(300);

Result<SecretBytes> random_secret(RandomSource& random) {
  SecretBytes secret(32);
  HOLDFAST_TRY(random.fill(secret.mutable_view()));
  return secret;
}

/// Removes what init makes; the lock file stays, since it is held.
void remove_everything(const StatePaths& paths) {
  std::error_code ignored;
  for (const auto& path : {paths.identity(), paths.keyring(), paths.published_keyring(), paths.log(), paths.journal(), paths.published(), paths.pack_table(),
                           paths.root + "/packs", paths.domains(), paths.running(), paths.takeover(), paths.reindex(), paths.unfinished()}) {
    std::filesystem::remove_all(path, ignored);
  }
}

struct NewKeys {
  Keyring local;
  Keyring network;
  Genesis genesis;
  Certificate certificate;
  SecretBytes root_seed;
};

Result<NewKeys> make_keys(const OpenOptions& options, ByteView passphrase, const RecoveryCode& code, const KdfParameters& kdf) {
  RandomSource& random = *options.random;
  RepositoryId repository;
  HOLDFAST_TRY(random.fill(repository.mutable_view()));
  HOLDFAST_ASSIGN(SecretBytes repository_secret, random_secret(random));
  HOLDFAST_ASSIGN(const SecretBytes vault, random_secret(random));
  HOLDFAST_ASSIGN(SecretBytes root_seed, random_secret(random));
  HOLDFAST_ASSIGN(const SecretBytes writer_seed, random_secret(random));
  HOLDFAST_ASSIGN(const SecretBytes local_secret, random_secret(random));
  NewKeys keys{Keyring(repository), Keyring(repository), {}, {}, {}};
  HOLDFAST_TRY(keys.local.put(Compartment::kRepository, std::move(repository_secret), random));
  HOLDFAST_TRY(keys.local.put(Compartment::kVault, join_secrets(vault.view(), root_seed.view()), random));
  HOLDFAST_TRY(keys.local.put(Compartment::kWriter, join_secrets(writer_seed.view(), local_secret.view()), random));
  HOLDFAST_ASSIGN(keys.network, keys.local.copy_of({Compartment::kRepository, Compartment::kVault}, random));
  HOLDFAST_TRY(keys.local.add_passphrase("passphrase", passphrase, std::nullopt, kdf, random));
  HOLDFAST_TRY(keys.network.add_passphrase("passphrase", passphrase, code, kdf, random));
  const WallNanos now = options.clock->wall_now();
  keys.genesis = {repository, now, ed25519_public(root_seed.view()), x25519_public(vault.view())};
  keys.certificate = {repository, ed25519_public(writer_seed.view()), 0, kRoleWrite | kRoleMaintain, now, options.host};
  keys.root_seed = std::move(root_seed);
  return keys;
}

}  // namespace

/// Waits for the head on at least one network that has mutable names (where there is any) and tells the places.
Result<InitResult> publish_first_head(RepositoryImpl& repository, const CallContext& context) {
  const auto published = repository.publisher_->flush(repository.options_.networks->all().size(), context);
  InitResult result = repository.recovery_sheet();
  if (!published && result.heads.empty()) return published.error();
  return result;
}

Result<InitResult> Repository::init(const OpenOptions& options, ByteView passphrase, const KdfParameters& kdf) {
  const StatePaths paths{options.state_directory};
  HOLDFAST_ASSIGN(auto lock, StateLock::acquire(paths));
  if (path_exists(paths.unfinished())) remove_everything(paths);  // an init that was cut off: nobody ever saw its recovery code
  if (path_exists(paths.identity())) return Error(ErrorCode::kAlreadyExists, "there is a repository in " + paths.root + " already");
  if (path_exists(paths.keyring()) || path_exists(paths.journal())) {
    return Error(ErrorCode::kAlreadyExists, paths.root + " holds parts of a repository without its file `repository`: move them away first");
  }
  HOLDFAST_TRY(replace_file(paths.unfinished(), {}));
  const auto build = [&]() -> Result<InitResult> {
    HOLDFAST_ASSIGN(const RecoveryCode code, RecoveryCode::generate(*options.random));
    HOLDFAST_ASSIGN(NewKeys keys, make_keys(options, passphrase, code, kdf));
    HOLDFAST_TRY(replace_file(paths.keyring(), keys.local.encode()));
    HOLDFAST_TRY(replace_file(paths.published_keyring(), keys.network.encode()));
    RepositoryIdentity identity{encode_genesis(keys.genesis, keys.root_seed.view()), encode_certificate(keys.certificate, keys.root_seed.view()), {}, {}};
    HOLDFAST_TRY(options.random->fill(identity.incarnation.mutable_view()));
    HOLDFAST_TRY(replace_file(paths.identity(), encode_identity(identity)));
    RepositoryImpl repository(options);
    HOLDFAST_TRY(repository.start(std::move(lock), std::move(keys.local), std::move(identity)));
    HOLDFAST_ASSIGN(InitResult result,
                    publish_first_head(repository, with_timeout(CallContext::unbounded(), *options.clock, kFirstPublicationTimeout)));
    result.code = code;
    HOLDFAST_TRY(remove_file(paths.unfinished()));
    HOLDFAST_TRY(repository.close());
    return result;
  };
  auto result = build();
  if (!result) remove_everything(paths);
  return result;
}

InitResult RepositoryImpl::recovery_sheet() const {
  InitResult sheet;
  sheet.root_fingerprint = root_fingerprint(secrets_->genesis.root_key);
  sheet.repository = secrets_->genesis.repository;
  for (const auto& state : publisher_->states()) {
    if (!state.locator.empty()) sheet.heads.push_back({state.network, state.locator});
  }
  return sheet;
}

}  // namespace holdfast
