// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "core/base/log.h"
#include "core/repo/policy_text.h"
#include "core/repo/repository_impl.h"

namespace holdfast {
namespace {

constexpr auto kReadTimeout = std::chrono::seconds(600);
constexpr auto kClaimTimeout = std::chrono::seconds(300);
constexpr std::chrono::milliseconds kAgainAfter{10'000};
constexpr std::chrono::milliseconds kAgainAfterMax{300'000};
constexpr std::chrono::milliseconds kLookAgainAfter{100};

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

Result<VerifiedHead> find_head(ObjectStore& store, const Repository::RecoverOptions& what, const CallContext& context, Bytes& bytes) {
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

/// What the network gave, as it gave it.
struct BegunFrom {
  Bytes head_object;
  Bytes keyring_object;
};

Status write_state(const OpenOptions& options, const Repository::RecoverOptions& what, const VerifiedHead& head, const Keyring& fetched, const BegunFrom& from,
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
  HOLDFAST_TRY(replace_file(paths.published_keyring(), from.keyring_object));
  HOLDFAST_TRY(replace_file(paths.takeover(), as_bytes(order_of(what))));
  HOLDFAST_TRY(replace_file(paths.takeover_head(), from.head_object));
  return replace_file(paths.identity(), encode_identity(identity));
}

/// A state folder that waits to be opened and to read the catalog.
Status begin(const OpenOptions& options, ObjectStore& store, const Repository::RecoverOptions& what, ByteView passphrase, const RecoveryCode& code) {
  const CallContext context = with_timeout(CallContext::unbounded(), *options.clock, kReadTimeout);
  BegunFrom from;
  HOLDFAST_ASSIGN(const VerifiedHead head, find_head(store, what, context, from.head_object));
  HOLDFAST_ASSIGN(const Keyring fetched, fetch_keyring(store, head, passphrase, code, context, from.keyring_object));
  if (!fetched.has(Compartment::kRepository) || !fetched.has(Compartment::kVault)) {
    return Error(ErrorCode::kWrongKey, "the keyring opened, but not the vault that certifies a new writer");
  }
  const RepositoryKeys keys(head.genesis.repository, fetched.secret(Compartment::kRepository));
  std::set<std::uint32_t> taken{head.head.slot};
  for (const auto& other : head.head.others) taken.insert(other.slot);
  HOLDFAST_ASSIGN(const std::uint32_t slot, find_free_slot(*options.networks, what.network, keys, taken, WriterId(), context));
  return write_state(options, what, head, fetched, from, passphrase, slot);
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
  if (what.wait) HOLDFAST_TRY(repository->wait_recovered(nullptr, CallContext::unbounded()));
  return repository;
}

/// What a recovery has left to do, as `<state>/takeover` says it.
Status RepositoryImpl::begin_recovery() {
  const auto order = read_whole_file(paths_.takeover());
  if (!order) return order.error().code() == ErrorCode::kNotFound ? ok_status() : Status(order.error());
  std::string text(as_text(*order));
  if (const auto end = text.find('\n'); end != std::string::npos) {
    recovery_.database = text.substr(end + 1);
    text.resize(end);
  }
  recovery_.is_under_way = true;
  recovery_.takes_over = text.starts_with(kRecoverWord);
  recovery_.network = text.substr(recovery_.takes_over ? kRecoverWord.size() : kConnectWord.size());
  const auto bytes = read_whole_file(paths_.takeover_head());
  const auto head = bytes ? decode_head(*bytes) : Result<VerifiedHead>(bytes.error());
  if (head && head->genesis == secrets_->genesis) heads_->know_head(recovery_.network, *head);
  return ok_status();
}

void RepositoryImpl::run_recovery(const std::stop_token& stop) {
  auto again_after = kAgainAfter;
  for (;;) {
    const Status done = take_over(stop);
    {
      const std::lock_guard lock(recovery_mutex_);
      recovery_.is_attempting = false;
      recovery_.is_under_way = !done;
      recovery_.failed = done ? std::nullopt : std::optional(done.error());
      recovery_changed_.notify_all();
    }
    if (done || stop.stop_requested()) return;
    log_warning("recovering from " + recovery_.network + ": " + done.error().message());
    if (!pause(again_after, stop)) return;
    again_after = std::min<std::chrono::milliseconds>(2 * again_after, kAgainAfterMax);
    const std::lock_guard lock(recovery_mutex_);
    recovery_.is_attempting = true;
  }
}

Repository::Recovery RepositoryImpl::recovery() const {
  const std::lock_guard lock(recovery_mutex_);
  Recovery out;
  out.is_under_way = recovery_.is_under_way;
  if (!out.is_under_way) return out;
  out.network = recovery_.network;
  const HeadReader::Progress progress = heads_->progress();
  out.parts_read = progress.done;
  out.parts_total = progress.total;
  if (recovery_.failed) out.problem = recovery_.failed->message();
  return out;
}

bool RepositoryImpl::is_taking_over() const {
  const std::lock_guard lock(recovery_mutex_);
  return recovery_.is_under_way && recovery_.takes_over;
}

Status RepositoryImpl::wait_recovered(const std::function<void(const Recovery&)>& progress, const CallContext& context) {
  std::string network;
  for (;;) {
    if (progress) progress(recovery());
    std::unique_lock lock(recovery_mutex_);
    network = recovery_.network;
    if (!recovery_.is_under_way) break;
    if (!recovery_.is_attempting && recovery_.failed) return *recovery_.failed;
    HOLDFAST_TRY(check_context(context, *options_.clock, "waiting for the recovery"));
    recovery_changed_.wait_for(lock, context.stop, kLookAgainAfter, [&] { return !recovery_.is_under_way || !recovery_.is_attempting; });
  }
  if (network.empty()) return ok_status();
  // The slot of a new writer is taken before anybody else looks for one.
  const auto claimed = publisher_->flush(1, with_timeout(context, *options_.clock, kClaimTimeout), network);
  if (!claimed) log_warning("the first head of this machine could not be published yet: " + claimed.error().message());
  return ok_status();
}

Status RepositoryImpl::catalog_is_whole() const {
  const Recovery recovering = recovery();
  if (recovering.is_under_way) {
    return Error(ErrorCode::kUnavailable, "the catalog is still being read from " + recovering.network + (recovering.problem.empty() ? "" : ": " + recovering.problem));
  }
  std::string text;
  for (const std::string& gap : heads_->gaps()) text += (text.empty() ? "" : "; ") + gap;
  // After a restart, until heads are looked at again.
  if (text.empty()) {
    for (const LogIdentity& log : catalog_->partial_logs()) text += (text.empty() ? "" : "; ") + std::string("parts of the log of writer ") + log.writer.hex() + " are missing";
  }
  if (text.empty()) return ok_status();
  return Error(ErrorCode::kUnavailable, "the catalog is not whole: " + text);
}

/// For a chunk that no pack has which is known here: more packs, or more of the catalog.
Result<bool> RepositoryImpl::find_more_packs(const CallContext& context) {
  const std::uint64_t before = catalog_->changes();
  if (adopt_packs(false) && rebuilder_->is_running()) return true;
  for (;;) {
    std::unique_lock lock(recovery_mutex_);
    if (!recovery_.is_under_way) break;
    if (catalog_->changes() != before) return true;
    if (!recovery_.is_attempting && recovery_.failed) {
      return Error(ErrorCode::kUnavailable, "where it lies is not known: the catalog could not be read whole yet: " + recovery_.failed->message());
    }
    HOLDFAST_TRY(check_context(context, *options_.clock, "waiting for more of the catalog"));
    recovery_changed_.wait_for(lock, context.stop, kLookAgainAfter, [&] { return !recovery_.is_under_way || catalog_->changes() != before; });
  }
  if (catalog_->changes() != before) return true;
  const Status whole = catalog_is_whole();
  if (!whole) return whole.error();
  return false;
}

/// One attempt to end a recovery: reads the catalog from the network, and makes this writer's databases (none for connect). Repeated by the next opening when it is cut off.
Status RepositoryImpl::take_over(const std::stop_token& stop) {
  const RecoveryState what = [&] {
    const std::lock_guard lock(recovery_mutex_);
    return recovery_;
  }();
  const auto store = options_.networks->find(what.network);
  if (store == nullptr) return Error(ErrorCode::kNotFound, "this repository is being recovered from network \"" + what.network + "\", which the configuration lacks");
  HOLDFAST_TRY(read_catalog(*store, stop));
  if (stop.stop_requested()) return Error(ErrorCode::kCancelled, "the repository is being closed");
  const auto adopted = adopt_packs(false);
  if (!adopted) log_warning("taking note of other writers' packs: " + adopted.error().message());
  if (what.takes_over) {
    for (const auto& row : catalog_->view().databases()) HOLDFAST_TRY(take_over_database(row, what.database));
    if (!what.database.empty() && !find(what.database)) {
      return Error(ErrorCode::kNotFound, "the catalog on " + what.network + " has no database \"" + what.database + "\": run recover again with another one, or none");
    }
    HOLDFAST_TRY(pipeline_->commit());
  }
  HOLDFAST_TRY(remove_file(paths_.takeover_head()));
  HOLDFAST_TRY(remove_file(paths_.takeover()));
  if (!what.takes_over) return ok_status();
  {
    const std::lock_guard lock(recovery_mutex_);
    recovery_.takes_over = false;  // databases can be made again
  }
  const Status configured = take_configuration();
  if (!configured) log_error("databases of the configuration: " + configured.error().message());
  find_unsealed();
  return ok_status();
}

/// Reads all logs and keys that `store` shows; what it lacks is looked for on the other networks. Errors: those that may pass, and any when there is not even a head:
/// a catalog with holes that may be filled soon is not taken over.
Status RepositoryImpl::read_catalog(ObjectStore& store, const std::stop_token& stop) {
  const auto read_from = [&](ObjectStore& one) {
    CallContext context = with_timeout(CallContext::unbounded(), *options_.clock, kReadTimeout);
    context.stop = stop;
    return heads_->refresh_from(one, context);
  };
  auto read = read_from(store);
  if (!read.problem) {
    for (const auto& other : options_.networks->all()) {
      if (other.get() != &store && other->traits().has_mutable_names) read_from(*other);
    }
    read = read_from(store);
  }
  if (read.problem) return ok_status();
  const Error& problem = read.problem.error();
  if (!read.any_head || retry_advice(problem.code()) == RetryAdvice::kSameSource || stop.stop_requested()) {
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
  // Together, so that after a crash a database is here with its tree or not at all.
  std::vector<Bytes> payloads{encode_database_record(record)};
  for (Bytes& payload : database->live->checkpoint_records()) payloads.push_back(std::move(payload));
  {
    const std::unique_lock lock(databases_mutex_);
    databases_.emplace(database->name, database);
    journal_->append(std::move(payloads));
  }
  HOLDFAST_TRY(log_policy(*database, database->policy));
  return ok_status();
}

}  // namespace holdfast
