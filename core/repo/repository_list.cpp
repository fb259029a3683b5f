// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "core/check/snapshot_locations.h"
#include "core/repo/policy_text.h"
#include "core/repo/repository_impl.h"

namespace holdfast {
namespace {

std::string_view outcome_name(VerifiedOutcome outcome) noexcept {
  switch (outcome) {
    case VerifiedOutcome::kGood: return "good";
    case VerifiedOutcome::kMissing: return "missing";
    case VerifiedOutcome::kCorrupt: return "corrupt";
    case VerifiedOutcome::kUnreachable: return "unreachable";
  }
  return "unreachable";
}

}  // namespace

std::uint64_t RepositoryImpl::catalog_generation() const noexcept { return catalog_->view().generation(); }

std::shared_ptr<const SnapshotList> RepositoryImpl::list() const {
  const std::lock_guard lock(list_mutex_);
  const std::uint64_t generation = catalog_->view().generation();
  if (list_ && list_generation_ == generation) return list_;
  list_ = std::make_shared<const SnapshotList>(make_list());
  list_generation_ = generation;
  return list_;
}

SnapshotList RepositoryImpl::make_list() const {
  std::map<DatabaseId, std::string> names;
  for (const auto& row : catalog_->view().databases()) {
    if (const auto named = decode_policy(row.toml)) names.emplace(row.id, named->name);
  }
  return make_snapshot_list(catalog_->view(), names, secrets_->writer, !secrets_->vault_secret.empty());
}

std::vector<SnapshotInfo> RepositoryImpl::snapshots(const std::string& database) const {
  refresh_wanted_ = true;  // other writers' news come soon; this list never waits for a network
  const auto current = list();
  std::vector<SnapshotInfo> out;
  if (database.empty()) {
    out = current->all;
  } else if (const auto found = current->by_database.find(database); found != current->by_database.end()) {
    for (const std::size_t index : found->second) out.push_back(current->all[index]);
  }
  if (out.empty()) return out;
  const SafetyTable safety(*stage_, catalog_->view(), *rules_);
  for (auto& info : out) add_state(safety, info);
  return out;
}

void RepositoryImpl::add_state(const SafetyTable& safety, SnapshotInfo& info) const {
  const auto row = catalog_->view().snapshot(info.id);
  if (!row) return;
  SafetyTable::Answer answer;
  const auto domain = domain_by_id(info.database_id);
  if (info.writer == secrets_->writer && domain) {
    answer = safety.own(reach_of(info.database_id, row->last_pack == 0 ? last_pack_number() : row->last_pack), row->stated_safe);
  } else {
    answer = safety.other(row->stated_safe);
  }
  info.state = answer.state;
  info.networks = std::move(answer.networks);
  const auto code = domain ? rules_->code(*domain) : std::nullopt;
  info.bytes_stored = info.bytes_new * std::max<std::size_t>(info.networks.size(), 1) / (code ? code->k : 1U);
}

/// Of all packs that anything stored so far may lie in: those written here, and other writers' that are known.
PackNumber RepositoryImpl::last_pack_number() const {
  PackNumber last = stage_->last_number();
  stage_->table().for_each([&](const PackRow& row) { last = std::max(last, row.number); });
  return last;
}

SafetyTable::Reach RepositoryImpl::reach_of(const DatabaseId& id, PackNumber last) const { return {rules_->domains_of(id), last, list()->inherited.contains(id)}; }

std::optional<std::uint32_t> RepositoryImpl::domain_by_id(const DatabaseId& id) const {
  for (const auto& database : all_databases()) {
    if (database->id == id) return database->options.domain;
  }
  return std::nullopt;
}

Result<SnapshotInfo> RepositoryImpl::info_of(const SnapshotId& id) const {
  const auto current = list();
  const auto found = current->by_id.find(id);
  if (found == current->by_id.end()) return Error(ErrorCode::kNotFound, "there is no snapshot " + id.hex());
  SnapshotInfo info = current->all[found->second];
  add_state(SafetyTable(*stage_, catalog_->view(), *rules_), info);
  return info;
}

Result<SnapshotInfo> RepositoryImpl::resolve(const std::string& spec) const {
  const auto current = list();
  const Result<const SnapshotInfo*> info = resolve_snapshot(*current, spec, options_.clock->wall_now());
  if (!info) return with_what_is_missing(info.error());
  return info_of((*info)->id);
}

/// What is not found may be in a part of the catalog that is not here.
Error RepositoryImpl::with_what_is_missing(const Error& error) const {
  const Status whole = error.code() == ErrorCode::kNotFound ? catalog_is_whole() : ok_status();
  return whole ? error : Error(error.code(), error.message() + "; but " + whole.error().message());
}

Result<SnapshotInfo> RepositoryImpl::at(const std::string& database, WallNanos moment) const {
  const auto current = list();
  const SnapshotInfo* info = snapshot_at(*current, database, moment);
  if (info == nullptr) return with_what_is_missing(Error(ErrorCode::kNotFound, "database " + database + " has no complete snapshot so early"));
  return *info;
}

Result<SnapshotView> RepositoryImpl::open_snapshot(const SnapshotId& id, const CallContext& context) {
  HOLDFAST_TRY(check_context(context, *options_.clock, "opening a snapshot"));
  const auto row = catalog_->view().snapshot(id);
  if (!row) return Error(ErrorCode::kNotFound, "there is no snapshot " + id.hex());
  const auto key = catalog_->view().key(id);
  if (!key) return Error(ErrorCode::kNotFound, "no key table that was read so far has the key of snapshot " + id.hex());
  if (secrets_->vault_secret.empty()) return Error(ErrorCode::kWrongKey, "this machine can write, and not open snapshots: it has no vault key");
  HOLDFAST_ASSIGN(const SecretBytes opened, open_snapshot_key(*key, secrets_->genesis.vault_key, secrets_->vault_secret.view()));
  HOLDFAST_ASSIGN(SnapshotFields fields, open_snapshot_record(row->record, opened.view()));
  SnapshotView out;
  HOLDFAST_ASSIGN(out.info, info_of(id));
  out.root = std::move(fields.root);
  out.links = std::move(fields.links);
  return out;
}

Result<SnapshotLocations> RepositoryImpl::locations(const SnapshotId& id, const CallContext& context) {
  HOLDFAST_ASSIGN(const SnapshotView snapshot, open_snapshot(id, context));
  // Who only asks doesn't wait for the rest of a catalog that is being recovered.
  ChunkSource& source = recovery().is_under_way ? *source_ : *rebuilding_source_;
  const Status whole = catalog_is_whole();
  auto found = find_locations(snapshot, {*stage_, *stores_.index, source, *rebuilder_, *options_.clock}, context);
  if (found && !whole && !found->problems.empty()) found->problems.insert(found->problems.begin(), whole.error().message());
  return found;
}

std::vector<PackCopy> RepositoryImpl::pack_copies(const PackId& pack) const {
  std::vector<PackCopy> out;
  for (const auto& row : catalog_->view().copy_rows(pack)) {
    out.push_back({row.copy.network, row.copy.ref.locator, row.copy.ref.size_bytes, outcome_name(row.outcome)});
  }
  std::sort(out.begin(), out.end(), [](const PackCopy& a, const PackCopy& b) { return a.network < b.network; });
  return out;
}

bool RepositoryImpl::can_be_safe(const std::string& database) const {
  const auto found = find(database);
  return found && rules_->can_be_safe((*found)->options.domain);
}

Status RepositoryImpl::wait_for(const std::vector<SnapshotId>& ids, DurabilityState state, const CallContext& context) {
  if (state != DurabilityState::kStaged && state != DurabilityState::kSafe) {
    return Error(ErrorCode::kInvalidArgument, "one can wait for staged or safe, not for " + std::string(durability_state_name(state)));
  }
  PackNumber last = 0;
  std::size_t quorum = 1;
  std::set<std::uint32_t> domains;
  for (const auto& id : ids) {
    const auto row = catalog_->view().snapshot(id);
    if (!row) return Error(ErrorCode::kNotFound, "there is no snapshot " + id.hex());
    if (state == DurabilityState::kStaged || row->record.writer != secrets_->writer) continue;
    const auto domain = domain_by_id(row->record.database);
    if (!domain) continue;
    if (!rules_->can_be_safe(*domain)) {
      HOLDFAST_ASSIGN(const SnapshotInfo info, info_of(id));
      return never_safe({info.database});
    }
    for (const std::uint32_t each : rules_->domains_of(row->record.database)) domains.insert(each);
    quorum = std::max<std::size_t>(quorum, rules_->quorum(*domain));
    last = std::max(last, row->last_pack == 0 ? last_pack_number() : row->last_pack);
  }
  HOLDFAST_TRY(pipeline_->commit());
  if (state == DurabilityState::kStaged) return ok_status();
  HOLDFAST_TRY(stage_->close_open_packs());
  placer_->retry_now();
  // What other databases wait for is no concern of these snapshots.
  const Placer::Enough enough = [&](std::uint32_t domain, const std::vector<std::string>& networks) {
    return !domains.contains(domain) || rules_->is_safe(domain, networks);
  };
  HOLDFAST_TRY(placer_->wait_placed(last, enough, context));
  HOLDFAST_TRY(state_safety());
  HOLDFAST_TRY(publish_on(quorum, context));
  for (const auto& id : ids) HOLDFAST_TRY(expect_safe(id));
  return ok_status();
}

/// Everything is where it goes, and still a snapshot may lean on packs that were stored under other rules, or were
/// lost.
Status RepositoryImpl::expect_safe(const SnapshotId& id) const {
  HOLDFAST_ASSIGN(const SnapshotInfo info, info_of(id));
  if (info.state == DurabilityState::kSafe) return ok_status();
  return Error(ErrorCode::kUnavailable, "snapshot " + id.hex() + " of " + info.database + " is " +
                                            std::string(durability_state_name(info.state)) + "; verify says why");
}

}  // namespace holdfast
