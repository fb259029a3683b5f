// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "core/base/log.h"
#include "core/repo/policy_text.h"
#include "core/repo/repository_impl.h"

namespace holdfast {
namespace {

constexpr auto kReadTimeout = std::chrono::seconds(600);
constexpr auto kClaimTimeout = std::chrono::seconds(300);

/// What `<state>/takeover` says: "recover NETWORK" or "connect NETWORK", and on a second line the one database that is taken over, where one was named.
constexpr std::string_view kRecoverWord = "recover ";
constexpr std::string_view kConnectWord = "connect ";

std::string order_of(const Repository::RecoverOptions& what) {
  return std::string(what.connect ? kConnectWord : kRecoverWord) + what.network + (what.database.empty() ? "" : "\n" + what.database);
}

/// A recovery whose catalog could not be read yet goes on, maybe from another network.
Status resume(const StatePaths& paths, const Repository::RecoverOptions& what) {
  if (!path_exists(paths.takeover())) return Error(ErrorCode::kAlreadyExists, "there is a repository in " + paths.root + " already");
  HOLDFAST_ASSIGN(const Bytes bytes, read_whole_file(paths.identity()));
  HOLDFAST_ASSIGN(const RepositoryIdentity identity, decode_identity(bytes));
  HOLDFAST_ASSIGN(const Genesis genesis, decode_genesis(identity.genesis));
  const bool is_same = (what.repository.empty() || what.repository == genesis.repository.hex()) &&
                       (what.root_fingerprint.empty() || fingerprint_matches(what.root_fingerprint, genesis.root_key));
  if (!is_same) return Error(ErrorCode::kAlreadyExists, "another repository is being recovered in " + paths.root + " already");
  return replace_file(paths.takeover(), as_bytes(order_of(what)));
}

Result<VerifiedHead> find_head(ObjectStore& store, const Repository::RecoverOptions& what, const CallContext& context) {
  Bytes bytes;
  if (!what.head_locator.empty()) {
    HOLDFAST_ASSIGN(bytes, store.fetch_head(what.head_locator, context));
  } else {
    if (what.repository.empty()) {
      return Error(ErrorCode::kInvalidArgument, "the recovery sheet's head (--head) or repository id is needed to find the repository on " + store.traits().name);
    }
    HOLDFAST_ASSIGN(const Bytes id_bytes, from_hex(what.repository));
    const auto id = RepositoryId::from(id_bytes);
    if (!id) return Error(ErrorCode::kInvalidArgument, "a repository id has 32 hexadecimal digits");
    std::optional<Bytes> found;
    // Names that are keys need the repository's secret, so only plain names can be found from the id alone.
    for (std::uint32_t slot = 0; slot < 16 && !found; ++slot) {
      HOLDFAST_ASSIGN(found, store.resolve_head(*id, slot, Bytes(32), context));
    }
    if (!found) return Error(ErrorCode::kNotFound, "network " + store.traits().name + " has no head of repository " + what.repository);
    bytes = std::move(*found);
  }
  HOLDFAST_ASSIGN(VerifiedHead head, decode_head(bytes));
  if (!what.root_fingerprint.empty() && !fingerprint_matches(what.root_fingerprint, head.genesis.root_key)) {
    return Error(ErrorCode::kUntrusted,
                 "the head's root fingerprint is " + root_fingerprint(head.genesis.root_key) +
                     ", not the one of the recovery sheet: this is another repository, or a forged one");
  }
  return head;
}

Result<Keyring> fetch_keyring(ObjectStore& store, const VerifiedHead& head, ByteView passphrase, const RecoveryCode& code, const CallContext& context,
                              Bytes& object) {
  for (const auto& meta : head.head.metas) {
    if (meta.type != MetaType::kKeyring) continue;
    HOLDFAST_ASSIGN(object, fetch_meta(store, meta, context));
    HOLDFAST_ASSIGN(Keyring ring, Keyring::decode(object));
    if (ring.repository() != head.genesis.repository)
      return Error(ErrorCode::kUntrusted, "the keyring is of another repository");
    HOLDFAST_TRY(ring.unlock({passphrase, code}));
    return ring;
  }
  return Error(ErrorCode::kNotFound, "the head names no keyring");
}

/// A ring for this machine, with a new writer's secrets in it.
Result<Keyring> make_local_ring(const Keyring& fetched, ByteView passphrase, const SecretBytes& writer_seed, RandomSource& random) {
  HOLDFAST_ASSIGN(Keyring ring, fetched.copy_of({Compartment::kRepository, Compartment::kVault}, random));
  HOLDFAST_ASSIGN(SecretBytes local, [&]() -> Result<SecretBytes> {
    SecretBytes secret(32);
    HOLDFAST_TRY(random.fill(secret.mutable_view()));
    return secret;
  }());
  HOLDFAST_TRY(ring.put(Compartment::kWriter, join_secrets(writer_seed.view(), local.view()), random));
  const auto stanzas = fetched.stanzas();
  const KdfParameters kdf = stanzas.empty() ? KdfParameters{} : stanzas.front().kdf;
  HOLDFAST_TRY(ring.add_passphrase("passphrase", passphrase, std::nullopt, kdf, random));
  return ring;
}

Status write_state(const OpenOptions& options, const Repository::RecoverOptions& what, const VerifiedHead& head, const Keyring& fetched, ByteView keyring_object,
                   ByteView passphrase, std::uint32_t slot) {
  const StatePaths paths{options.state_directory};
  RandomSource& random = *options.random;
  SecretBytes writer_seed(32);
  HOLDFAST_TRY(random.fill(writer_seed.mutable_view()));
  HOLDFAST_ASSIGN(const Keyring ring, make_local_ring(fetched, passphrase, writer_seed, random));
  const ByteView vault = fetched.secret(Compartment::kVault);
  if (vault.size() != 64) return Error(ErrorCode::kCorrupt, "the keyring's vault has the wrong size");
  const Certificate certificate{head.genesis.repository, ed25519_public(writer_seed.view()), slot, kRoleWrite | kRoleMaintain, options.clock->wall_now(), options.host};
  RepositoryIdentity identity{head.head.genesis, encode_certificate(certificate, vault.last(32)), {}, {}};
  HOLDFAST_TRY(random.fill(identity.incarnation.mutable_view()));
  HOLDFAST_TRY(replace_file(paths.keyring(), ring.encode()));
  HOLDFAST_TRY(replace_file(paths.published_keyring(), keyring_object));
  HOLDFAST_TRY(replace_file(paths.takeover(), as_bytes(order_of(what))));
  return replace_file(paths.identity(), encode_identity(identity));
}

/// A state folder that waits to be opened and to read the catalog.
Status begin(const OpenOptions& options, ObjectStore& store, const Repository::RecoverOptions& what, ByteView passphrase, const RecoveryCode& code) {
  const CallContext context = with_timeout(CallContext::unbounded(), *options.clock, kReadTimeout);
  HOLDFAST_ASSIGN(const VerifiedHead head, find_head(store, what, context));
  Bytes keyring_object;
  HOLDFAST_ASSIGN(const Keyring fetched, fetch_keyring(store, head, passphrase, code, context, keyring_object));
  if (!fetched.has(Compartment::kRepository) || !fetched.has(Compartment::kVault)) {
    return Error(ErrorCode::kWrongKey, "the keyring opened, but not the vault that certifies a new writer");
  }
  const RepositoryKeys keys(head.genesis.repository, fetched.secret(Compartment::kRepository));
  std::set<std::uint32_t> taken{head.head.slot};
  for (const auto& other : head.head.others) taken.insert(other.slot);
  HOLDFAST_ASSIGN(const std::uint32_t slot, find_free_slot(*options.networks, what.network, keys, taken, WriterId(), context));
  return write_state(options, what, head, fetched, keyring_object, passphrase, slot);
}

}  // namespace

Result<std::unique_ptr<Repository>> Repository::recover(const OpenOptions& options, const RecoverOptions& what, ByteView passphrase, const RecoveryCode& code) {
  const StatePaths paths{options.state_directory};
  const auto store = options.networks->find(what.network);
  if (store == nullptr) return Error(ErrorCode::kInvalidArgument, "there is no network \"" + what.network + "\" in the configuration");
  {
    HOLDFAST_ASSIGN(const auto lock, StateLock::acquire(paths));
    HOLDFAST_TRY(path_exists(paths.identity()) ? resume(paths, what) : begin(options, *store, what, passphrase, code));
  }
  HOLDFAST_ASSIGN(auto repository, open(options, passphrase));
  const auto claimed = static_cast<RepositoryImpl&>(*repository).claim_slot(what.network, with_timeout(CallContext::unbounded(), *options.clock, kClaimTimeout));
  if (!claimed) log_warning("the first head of this machine could not be published yet: " + claimed.error().message());
  return repository;
}

/// Ends a recovery: reads the catalog from the network, and makes this writer's databases (none for connect). Repeated by the next opening when it is cut off.
Status RepositoryImpl::take_over() {
  const auto order = read_whole_file(paths_.takeover());
  if (!order) return order.error().code() == ErrorCode::kNotFound ? ok_status() : Status(order.error());
  std::string text(as_text(*order));
  std::string database;
  if (const auto end = text.find('\n'); end != std::string::npos) {
    database = text.substr(end + 1);
    text.resize(end);
  }
  const bool is_recovery = text.starts_with(kRecoverWord);
  const std::string network = text.substr(is_recovery ? kRecoverWord.size() : kConnectWord.size());
  const auto store = options_.networks->find(network);
  if (store == nullptr) return Error(ErrorCode::kNotFound, "this repository is being recovered from network \"" + network + "\", which the configuration lacks");
  HOLDFAST_TRY(read_catalog(*store));
  if (is_recovery) {
    for (const auto& row : catalog_->view().databases()) HOLDFAST_TRY(take_over_database(row, database));
    if (!database.empty() && !find(database)) {
      return Error(ErrorCode::kNotFound, "the catalog on " + network + " has no database \"" + database + "\": run recover again with another one, or none");
    }
    // One commit, so that a database is here with its tree or not at all.
    HOLDFAST_TRY(checkpoint());
  }
  return remove_file(paths_.takeover());
}

/// Reads all logs and keys that `store` shows; what it lacks is looked for on the other networks. Errors: those that may pass, and any when there is not even a head:
/// a catalog with holes that may be filled soon is not taken over.
Status RepositoryImpl::read_catalog(ObjectStore& store) {
  const auto read_from = [&](ObjectStore& one) { return heads_->refresh_from(one, with_timeout(CallContext::unbounded(), *options_.clock, kReadTimeout)); };
  auto read = read_from(store);
  if (!read.problem) {
    for (const auto& other : options_.networks->all()) {
      if (other.get() != &store && other->traits().has_mutable_names) read_from(*other);
    }
    read = read_from(store);
  }
  if (read.problem) return ok_status();
  const Error& problem = read.problem.error();
  if (!read.any_head || retry_advice(problem.code()) == RetryAdvice::kSameSource) {
    return Error(problem.code(), "the catalog could not be read whole, run this again: " + problem.message()).on_network(store.traits().name);
  }
  log_warning("the catalog on " + store.traits().name + " is not whole: " + problem.message());
  return ok_status();
}

Status RepositoryImpl::take_over_database(const DatabaseRow& row, const std::string& only) {
  const auto named = decode_policy(row.toml);
  if (!named) {
    log_warning("database " + row.id.hex() + " is not taken over: " + named.error().message());
    return ok_status();
  }
  if (!only.empty() && named->name != only) return ok_status();
  if (find(named->name)) return ok_status();  // two writers' databases of one name: the first one goes on
  DatabaseRecord record{row.id, ::getuid(), ::getgid(), row.toml};
  Inode root = new_root(record.uid, record.gid, named->policy.mode, options_.clock->wall_now());
  TreeRoot links;
  const auto current = list();
  for (const auto& info : current->all) {
    const auto snapshot = info.database_id == row.id ? catalog_->view().snapshot(info.id) : std::nullopt;
    if (!snapshot || !snapshot->fields) continue;
    root = snapshot->fields->root;
    links = snapshot->fields->links;
    record.uid = root.uid;
    record.gid = root.gid;
    break;
  }
  // Inode numbers are unique in a database. No tree says its highest one; sixteenths of milliseconds since 1970 are above any that was counted up from 1,
  // and stay below the mount's 2^48 for centuries.
  const auto next_ino = static_cast<std::uint64_t>(options_.clock->wall_now() / 62'500);
  HOLDFAST_ASSIGN(const auto database, make_database(record, std::move(root), std::move(links), next_ino));
  HOLDFAST_TRY(database->live->finish_replay());
  stage_->kept_nodes().note_lack();  // the tree's nodes are on networks
  {
    const std::unique_lock lock(databases_mutex_);
    databases_.emplace(database->name, database);
  }
  HOLDFAST_TRY(log_policy(*database, database->policy));
  return ok_status();
}

}  // namespace holdfast
