// SPDX-License-Identifier: Apache-2.0
#include <pwd.h>

#include "core/base/log.h"
#include "core/crypto/sharing_domain.h"
#include "core/repo/policy_text.h"
#include "core/repo/repository_impl.h"

namespace holdfast {
namespace {

struct User {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

/// Nothing for an empty name, or one that this machine does not know: a policy may name a user of another machine.
std::optional<User> named_user(const std::string& name) {
  if (name.empty()) return std::nullopt;
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> text(16 * 1024);
  if (::getpwnam_r(name.c_str(), &entry, text.data(), text.size(), &found) != 0 || found == nullptr) {
    log_warning("the owner '" + name + "' of a database is no user of this machine");
    return std::nullopt;
  }
  return User{entry.pw_uid, entry.pw_gid};
}

}  // namespace

bool stands_alone(const DatabasePolicy& policy) { return policy.strategy == "full"; }

Inode new_root(std::uint32_t uid, std::uint32_t gid, std::uint32_t mode, WallNanos now) {
  Inode root;
  root.ino = LiveTree::kRootIno;
  root.mode = 0040000U | mode;
  root.uid = uid;
  root.gid = gid;
  root.mtime = root.ctime = root.atime = now;
  root.nlink = 2;
  return root;
}

/// Errors: kInvalidArgument where there are fewer networks than shards.
Status RepositoryImpl::check_networks(const DatabasePolicy& policy) const {
  if (policy.erasure.empty()) return ok_status();
  HOLDFAST_ASSIGN(const ErasureCode code, ErasureCode::parse(policy.erasure));
  const std::size_t count = networks_of(policy).size();
  if (count >= code.n) return ok_status();
  return Error(ErrorCode::kInvalidArgument, "erasure " + code.text() + " wants a network for each of " + std::to_string(code.n) + " shards, and the database has " + std::to_string(count) + ": name more in networks");
}

std::vector<std::string> RepositoryImpl::networks_of(const DatabasePolicy& policy) const {
  if (!policy.networks.empty()) return policy.networks;
  if (!options_.default_networks.empty()) return options_.default_networks;
  std::vector<std::string> all;
  for (const auto& store : options_.networks->all()) all.push_back(store->traits().name);
  return all;
}

Result<LiveTreeOptions> RepositoryImpl::options_of(const DatabaseId& id, const DatabasePolicy& policy) {
  const auto networks = networks_of(policy);
  LiveTreeOptions out;
  out.database = id;
  std::optional<ErasureCode> code;
  if (!policy.erasure.empty()) {
    HOLDFAST_ASSIGN(code, ErasureCode::parse(policy.erasure));
  }
  out.domain = sharing_domain(networks, stands_alone(policy), code ? std::optional(std::pair(code->k, code->n)) : std::nullopt);
  out.chunk_sizes = policy.chunk_sizes;
  HOLDFAST_TRY(rules_->add(out.domain, networks, policy.write_quorum, code));
  HOLDFAST_TRY(rules_->note_database(id, out.domain));
  pipeline_->set_domain(out.domain, {.zstd_level = policy.zstd_level, .stands_alone = stands_alone(policy)});
  std::uint64_t liked = 0;
  for (const auto& name : networks) {
    if (const auto store = options_.networks->find(name)) liked = std::max(liked, store->traits().object_size_liked_bytes);
  }
  if (liked > 0) stage_->set_pack_target(out.domain, liked);
  return out;
}

Result<RepositoryImpl::DatabasePtr> RepositoryImpl::find(const std::string& name) const {
  const std::shared_lock lock(databases_mutex_);
  const auto found = databases_.find(name);
  if (found != databases_.end()) return found->second;
  if (is_taking_over()) return Error(ErrorCode::kUnavailable, "this machine has no database \"" + name + "\" yet: the repository is still being recovered");
  return Error(ErrorCode::kNotFound, "this machine has no database \"" + name + "\"");
}

std::vector<RepositoryImpl::DatabasePtr> RepositoryImpl::all_databases() const {
  const std::shared_lock lock(databases_mutex_);
  std::vector<DatabasePtr> out;
  for (const auto& [name, database] : databases_) out.push_back(database);
  return out;
}

Result<RepositoryImpl::DatabasePtr> RepositoryImpl::make_database(const DatabaseRecord& record, Inode root, TreeRoot links, std::uint64_t next_ino) {
  HOLDFAST_ASSIGN(NamedPolicy named, decode_policy(record.policy));
  auto database = std::make_shared<Database>();
  database->id = record.id;
  database->name = std::move(named.name);
  database->uid = record.uid;
  database->gid = record.gid;
  database->policy = std::move(named.policy);
  database->last_scheduled = options_.clock->wall_now();
  HOLDFAST_ASSIGN(database->options, options_of(record.id, database->policy));
  const LiveTree::Parts parts{*rebuilding_source_, *live_pipeline_, *journal_, *options_.clock, gear_};
  HOLDFAST_ASSIGN(database->live, LiveTree::open(database->options, parts, std::move(root), std::move(links), next_ino));
  database->live->set_judge(judge_of(*database));
  return database;
}

Bytes RepositoryImpl::record_of(const Database& database) {
  const std::lock_guard lock(database.mutex);
  return encode_database_record({database.id, database.uid, database.gid, encode_policy(database.name, database.policy)});
}

Status RepositoryImpl::log_policy(const Database& database, const DatabasePolicy& policy) {
  HOLDFAST_ASSIGN(Bytes box, seal_policy(secrets_->genesis.repository, secrets_->keys->catalog(), database.id, encode_policy(database.name, policy),
                                         *options_.random));
  const std::vector<LogEntry> entries{{options_.clock->wall_now(), PolicyEntry{database.id, std::move(box)}}};
  return catalog_->append(entries);
}

std::vector<std::string> RepositoryImpl::database_names() const {
  std::vector<std::string> out;
  for (const auto& database : all_databases()) out.push_back(database->name);
  return out;
}

Status RepositoryImpl::create_database(const std::string& name, const DatabasePolicy& policy, std::uint32_t uid, std::uint32_t gid) {
  HOLDFAST_TRY(check_database_name(name));
  HOLDFAST_TRY(check_policy(policy));
  HOLDFAST_TRY(check_networks(policy));
  if (const auto owner = named_user(policy.owner)) {
    uid = owner->uid;
    gid = owner->gid;
  }
  if (find(name)) return Error(ErrorCode::kAlreadyExists, "there is a database \"" + name + "\" already");
  if (is_taking_over()) return Error(ErrorCode::kUnavailable, "no database can be made while the repository is still being recovered: one of that name may be among those to come");
  DatabaseRecord record{{}, uid, gid, encode_policy(name, policy)};
  HOLDFAST_TRY(options_.random->fill(record.id.mutable_view()));
  HOLDFAST_ASSIGN(const auto database,
                  make_database(record, new_root(uid, gid, policy.mode, options_.clock->wall_now()), std::nullopt, LiveTree::kRootIno + 1));
  HOLDFAST_TRY(database->live->finish_replay());
  {
    const std::unique_lock lock(databases_mutex_);
    if (!databases_.emplace(name, database).second) return Error(ErrorCode::kAlreadyExists, "there is a database \"" + name + "\" already");
    // Queued before anybody can change the tree, so that replay knows the database first.
    journal_->append(encode_database_record(record));
  }
  HOLDFAST_TRY(pipeline_->commit());
  return log_policy(*database, policy);
}

Result<DatabasePolicy> RepositoryImpl::policy(const std::string& database) const {
  HOLDFAST_ASSIGN(const auto found, find(database));
  const std::lock_guard lock(found->mutex);
  return found->policy;
}

/// The root of the live tree belongs to the policy's owner, whenever the policy came to name one; its mode follows when the policy's changes, so that a chmod lasts.
Status RepositoryImpl::apply_to_root(Database& database, const DatabasePolicy& policy) {
  const CallContext context = CallContext::unbounded();
  HOLDFAST_ASSIGN(const LiveAttributes root, database.live->attributes(LiveTree::kRootIno, context));
  SetAttributes changes;
  if (const auto owner = named_user(policy.owner); owner && owner->uid != root.uid) {
    changes.uid = owner->uid;
    changes.gid = owner->gid;
  }
  bool other_mode = false;
  {
    const std::lock_guard lock(database.mutex);
    other_mode = database.policy.mode != policy.mode;
  }
  if (other_mode) changes.mode = policy.mode;
  if (!changes.uid && !changes.mode) return ok_status();
  HOLDFAST_TRY(database.live->set_attributes(LiveTree::kRootIno, changes, context));
  return database.live->sync();
}

/// What lies in a database already may lean on other chunks, or be leaned on.
Status RepositoryImpl::check_strategy_change(const Database& database, const DatabasePolicy& policy) {
  const std::lock_guard lock(database.mutex);
  if (stands_alone(database.policy) == stands_alone(policy)) return ok_status();
  return Error(ErrorCode::kUnsupported, "database " + database.name + " has strategy \"" + database.policy.strategy + "\" and can't take \"" + policy.strategy +
                                            "\": whether its chunks lean on others is settled when it is made. Give another database that strategy before its first "
                                            "file, in the configuration under [database.NAME], and copy what is needed into it");
}

Status RepositoryImpl::set_policy(const std::string& database, const DatabasePolicy& policy) {
  HOLDFAST_TRY(check_policy(policy));
  HOLDFAST_TRY(check_networks(policy));
  HOLDFAST_ASSIGN(const auto found, find(database));
  HOLDFAST_TRY(check_strategy_change(*found, policy));
  HOLDFAST_TRY(apply_to_root(*found, policy));
  {
    const std::lock_guard lock(found->mutex);
    if (found->policy == policy) return ok_status();
    found->policy = policy;
  }
  // Other networks or chunk sizes make another domain: the live tree takes them when it is opened next.
  HOLDFAST_TRY(options_of(found->id, policy));
  journal_->append(record_of(*found));
  HOLDFAST_TRY(pipeline_->commit());
  return log_policy(*found, policy);
}

Result<LiveTree*> RepositoryImpl::live(const std::string& database) {
  HOLDFAST_ASSIGN(const auto found, find(database));
  return found->live.get();
}

Result<LiveTreeOptions> RepositoryImpl::tree_options(const std::string& database) const {
  HOLDFAST_ASSIGN(const auto found, find(database));
  return found->options;
}

}  // namespace holdfast
