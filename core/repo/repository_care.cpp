// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>
#include <sstream>

#include "core/check/verifier.h"
#include "core/repo/repository_impl.h"

namespace holdfast {
namespace {

constexpr auto kHealthTimeout = std::chrono::seconds(2);  // status never hangs on a network
constexpr std::size_t kPendingMax = 1000;
constexpr std::chrono::milliseconds kPublishAgainFirst{1'000};
constexpr std::chrono::milliseconds kPublishAgainMax{30'000};

std::string state_name(PlacementStatus::State state) {
  switch (state) {
    case PlacementStatus::State::kWaiting: return "waiting";
    case PlacementStatus::State::kPutting: return "uploading";
    case PlacementStatus::State::kChecking: return "checking";
    case PlacementStatus::State::kPlaced: return "placed";
    case PlacementStatus::State::kFailed: return "failed";
  }
  return "unknown";
}

}  // namespace

/// Asks all networks at once how they are; those that don't answer in time are "unknown".
std::vector<StatusReport::Network> RepositoryImpl::network_states() {
  const auto& stores = options_.networks->all();
  std::vector<StatusReport::Network> out(stores.size());
  const auto faults = replicated_->faults();
  const auto problems = heads_->problems();
  const auto published = publisher_->states();
  std::map<std::string, std::uint64_t> stored;
  catalog_->view().for_each_pack([&](const PackId&, const std::vector<CopyRow>& copies) {
    for (const auto& row : copies) stored[row.copy.network] += row.copy.ref.size_bytes;
  });
  const auto ask = [&](std::size_t i) {
    auto& network = out[i];
    const auto& traits = stores[i]->traits();
    network.name = traits.name;
    network.type = traits.type;
    network.site = traits.site;
    network.bytes_stored = stored.contains(traits.name) ? stored.at(traits.name) : 0;
    if (const auto found = faults.find(traits.name); found != faults.end()) {
      network.faults = found->second.corrupt;
      network.latency_ms = found->second.latency_ms;
      network.last_error = found->second.last_fault;
    }
    if (const auto found = problems.find(traits.name); found != problems.end()) network.last_error = found->second;
    for (const auto& state : published) {
      if (state.network == traits.name && !state.last_error.empty()) network.last_error = state.last_error;
    }
    const auto health = stores[i]->health(with_timeout(CallContext::unbounded(), *options_.clock, kHealthTimeout));
    if (!health) {
      network.state = "unreachable";
      network.last_error = health.error().message();
      return;
    }
    network.state = health->reachable ? "ok" : "unreachable";
    network.used_bytes = health->used_bytes;
    network.capacity_bytes = health->capacity_bytes;
    if (!health->reachable) network.last_error = health->detail;
    if (health->reachable && !health->warning.empty()) network.last_error = health->warning;
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < stores.size(); ++i) threads.emplace_back(ask, i);
  threads.clear();
  return out;
}

StatusReport RepositoryImpl::status() {
  StatusReport report;
  report.repository = secrets_->genesis.repository;
  const auto current = list();
  report.snapshots = current->all.size();
  for (const auto& info : current->all) report.bytes_logical += info.bytes_logical;
  report.chunks = stores_.index->stats().chunks;
  std::uint64_t stored = 0;
  stage_->table().for_each([&](const PackRow& row) {
    ++report.packs;
    stored += row.size_bytes;
  });
  const auto usage = stage_->usage();
  report.bytes_stored = stored + usage.open_bytes;
  report.bytes_staged = usage.bytes;
  report.staging_limit_bytes = usage.limit_bytes;
  report.networks = network_states();
  for (const auto& each : placer_->pending()) {
    if (report.pending.size() == kPendingMax) break;
    if (each.state == PlacementStatus::State::kPlaced) continue;
    report.pending.push_back({"pack " + each.id.hex().substr(0, 8), each.network, each.size_bytes,
                              each.last_error.empty() ? state_name(each.state) : each.last_error, !each.last_error.empty()});
  }
  if (usage.open_bytes > 0) report.pending.push_back({"open packs", "", usage.open_bytes, "they are closed soon after a seal, or when they are full", false});
  for (const auto& state : publisher_->states()) {
    if (!state.current) report.pending.push_back({"catalog", state.network, 0, state.last_error.empty() ? "being published" : state.last_error, !state.last_error.empty()});
  }
  if (const auto rebuild = rebuilder_->progress(); rebuilder_->is_running()) {
    report.pending.push_back({"chunk index", "", 0, "rebuilt: " + std::to_string(rebuild.done) + " of " + std::to_string(rebuild.total) + " packs", false});
  } else if (rebuild.failed > 0) {
    report.pending.push_back({"chunk index", "", 0, std::to_string(rebuild.failed) + " packs could not be read: " + rebuild.last_error, true});
  }
  if (const Recovery recovering = recovery(); recovering.is_under_way) {
    report.recovery = {recovering.network, recovering.parts_read, recovering.parts_total, recovering.problem};
  }
  report.catalog_problems = heads_->gaps();
  for (const auto& database : all_databases()) {
    if (std::string text = notices_->text(database->id); !text.empty()) report.notices.push_back(std::move(text));
  }
  if (const std::string problem = nodes_problem(); !problem.empty()) {
    report.pending.push_back({"metadata of live trees", "", 0, "not all on this machine: " + problem, true});
  }
  report.cache = stores_.cache->stats();
  return report;
}

Status RepositoryImpl::stage_all() {
  for (const auto& database : all_databases()) HOLDFAST_TRY(database->live->sync());
  return pipeline_->commit();
}

/// Until every pack is where it goes; gives on how many networks the catalog has to be then.
Result<std::size_t> RepositoryImpl::place_all(const CallContext& context) {
  HOLDFAST_TRY(stage_->close_open_packs());
  placer_->retry_now();
  // Where no network is on another site, nothing becomes safe: there, all networks having everything is as far as it goes.
  const Placer::Enough enough = [this](std::uint32_t domain, const std::vector<std::string>& networks) {
    if (rules_->can_be_safe(domain)) return rules_->is_safe(domain, networks);
    return networks.size() >= rules_->networks(domain).size();
  };
  HOLDFAST_TRY(placer_->wait_placed(stage_->last_number(), enough, context));
  HOLDFAST_TRY(state_safety());
  std::size_t quorum = 1;
  for (const auto& database : all_databases()) quorum = std::max<std::size_t>(quorum, rules_->quorum(database->options.domain));
  return quorum;
}

/// A network that is down is waited for, as its packs are.
Status RepositoryImpl::publish_on(std::size_t quorum, const CallContext& context) {
  for (auto wait = kPublishAgainFirst;; wait = std::min(2 * wait, kPublishAgainMax)) {
    Status published = publisher_->flush(quorum, context);
    if (published || published.error().code() != ErrorCode::kUnavailable) return published;
    const MonoTime next = std::min(context.deadline, options_.clock->mono_now() + wait);
    if (!options_.clock->sleep_until(next, context.stop)) {
      return check_context(context, *options_.clock, published.error().message());
    }
  }
}

Status RepositoryImpl::settle(bool until_safe, const CallContext& context) {
  HOLDFAST_TRY(stage_all());
  if (!until_safe) return ok_status();
  HOLDFAST_ASSIGN(const std::size_t quorum, place_all(context));
  return publisher_->flush(quorum, context);
}

bool RepositoryImpl::holds_anything(const Database& database) const {
  if (database.live->stats().changed_since_seal) return true;
  if (!std::holds_alternative<EmptyContent>(database.live->base_root().content)) return true;
  const auto current = list();
  return std::any_of(current->all.begin(), current->all.end(),
                     [&](const auto& info) { return info.database_id == database.id; });
}

Error RepositoryImpl::never_safe(const std::vector<std::string>& databases) {
  std::string names;
  for (const auto& name : databases) names += (names.empty() ? "" : ", ") + name;
  return Error(ErrorCode::kUnsupported, "safe needs a copy away from this machine, and all networks of " + names +
                                            " are on this host (or fewer than the write_quorum): add one elsewhere, or "
                                            "say of one that is elsewhere which site it has");
}

Status RepositoryImpl::make_safe(const CallContext& context) {
  HOLDFAST_TRY(stage_all());
  std::vector<std::string> never;
  for (const auto& database : all_databases()) {
    if (!rules_->can_be_safe(database->options.domain) && holds_anything(*database)) never.push_back(database->name);
  }
  if (!never.empty()) return never_safe(never);
  const auto current = list();  // what is sealed from now on is not waited for
  HOLDFAST_ASSIGN(const std::size_t quorum, place_all(context));
  HOLDFAST_TRY(publish_on(quorum, context));
  for (const auto& database : all_databases()) {
    const auto newest = std::find_if(current->all.begin(), current->all.end(),
                                     [&](const auto& info) { return info.database_id == database->id; });
    if (newest != current->all.end()) HOLDFAST_TRY(expect_safe(newest->id));
  }
  return ok_status();
}

std::vector<Awaited> RepositoryImpl::awaited() const {
  std::map<std::string, Awaited> by_network;
  const auto fails = [](Awaited& what, WallNanos since, const std::string& error) {
    if (since == 0 || (what.failing_since != 0 && what.failing_since <= since)) return;
    what.failing_since = since;
    what.last_error = error;
  };
  for (const auto& each : placer_->pending()) {
    Awaited& what = by_network[each.network];
    ++what.packs;
    what.bytes += each.size_bytes;
    fails(what, each.failing_since, each.last_error);
    // Of one that is not configured, nothing is tried.
    if (options_.networks->find(each.network) == nullptr) what.last_error = each.last_error;
  }
  for (const auto& state : publisher_->states()) {
    if (state.current) continue;
    Awaited& what = by_network[state.network];
    what.catalog = true;
    fails(what, state.failing_since, state.last_error);
  }
  std::vector<Awaited> out;
  for (auto& [name, what] : by_network) {
    what.network = name;
    out.push_back(std::move(what));
  }
  return out;
}

Result<VerifyReport> RepositoryImpl::verify(const std::vector<SnapshotId>& ids, VerifyLevel level,
                                            const std::function<void(std::uint64_t, std::uint64_t)>& progress, const CallContext& context) {
  std::vector<SnapshotId> wanted = ids;
  if (wanted.empty()) {
    const auto current = list();
    for (const auto& info : current->all) wanted.push_back(info.id);
  }
  Verifier verifier({*stage_, *stores_.index, catalog_->view(), *options_.networks, *rebuilding_source_, *rebuilder_, *rules_, *options_.clock, *options_.random});
  VerifyReport report;
  const auto verify_one = [&](const SnapshotId& id) -> Result<VerifyReport::Snapshot> {
    HOLDFAST_TRY(check_context(context, *options_.clock, "verifying"));
    const auto snapshot = open_snapshot(id, context);
    if (!snapshot) return unopened_snapshot(id, snapshot.error());
    const auto domain = domain_by_id(snapshot->info.database_id);
    return verifier.verify(*snapshot, domain.value_or(0), level, progress, context);
  };
  Status status;
  for (const auto& id : wanted) {
    auto one = verify_one(id);
    if (!one) {
      status = one.error();
      break;
    }
    report.health = std::max(report.health, one->health);
    report.snapshots.push_back(std::move(*one));
  }
  // What was found out stays found out, also when the rest was not looked at.
  const std::vector<LogEntry> found = verifier.take_findings();
  if (!found.empty()) status.keep_first(catalog_->append(found));
  if (!status) return status.error();
  return report;
}

/// One snapshot that can't be opened is a finding about that one. Errors: kNotFound where there is none of that id; kWrongKey where this machine opens none at all.
Result<VerifyReport::Snapshot> RepositoryImpl::unopened_snapshot(const SnapshotId& id, const Error& error) const {
  if (secrets_->vault_secret.empty()) return error;
  HOLDFAST_ASSIGN(const SnapshotInfo info, info_of(id));
  VerifyReport::Snapshot out;
  out.id = id;
  out.name = info.database + "@" + info.name;
  out.state = info.state;
  out.health = Health::kUnhealthy;
  out.damaged.push_back("/ (" + error.message() + ")");
  out.recommendations.push_back("it can't be opened here: nothing is known of what it holds");
  return out;
}

std::string RepositoryImpl::metrics() {
  std::ostringstream out;
  const auto line = [&](std::string_view name, std::string_view type, std::string_view help) {
    out << "# HELP holdfast_" << name << ' ' << help << "\n# TYPE holdfast_" << name << ' ' << type << '\n';
  };
  const auto one = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    line(name, type, help);
    out << "holdfast_" << name << ' ' << value << '\n';
  };
  const auto usage = stage_->usage();
  const auto ingest = pipeline_->counters();
  const auto source = source_->counters();
  const auto cache = stores_.cache->stats();
  const auto infos = snapshots({});
  one("snapshots", "gauge", "Sealed snapshots.", infos.size());
  one("packs", "gauge", "Packs in the pack table.", stage_->table().count());
  one("chunks", "gauge", "Chunks in the index.", stores_.index->stats().chunks);
  one("staged_bytes", "gauge", "Bytes in staging.", usage.bytes);
  one("staging_limit_bytes", "gauge", "Bytes that staging may take.", usage.limit_bytes);
  one("chunks_cut_total", "counter", "Chunks handed over since the start, known ones and nodes included.", ingest.chunks_new + ingest.chunks_known);
  one("ingested_bytes_total", "counter", "Plaintext handed over since the start.", ingest.bytes_in);
  one("difference_chunks_total", "counter", "New chunks that were stored as differences since the start.", ingest.chunks_differences);
  one("new_bytes_total", "counter", "Plaintext of chunks that were not known.", ingest.bytes_new);
  one("stored_bytes_total", "counter", "Sealed bytes of chunks that were not known.", ingest.bytes_stored);
  one("seals_total", "counter", "Snapshots made since the start.", seals_.load());
  one("kept_nodes_bytes", "gauge", "Metadata of live trees that left staging and stays on this machine.",
      stage_->kept_nodes().bytes());
  one("cache_hits_total", "counter", "Chunks read from the cache.", cache.hits);
  one("cache_misses_total", "counter", "Chunks that the cache lacked.", cache.misses);
  one("cache_bytes", "gauge", "Bytes in the cache.", cache.used_bytes);
  one("network_reads_total", "counter", "Range reads from networks.", source.network_reads);
  one("network_read_bytes_total", "counter", "Bytes read from networks.", source.network_bytes);
  one("staging_faults_total", "counter", "Wrong bytes in staging that verification caught.", source.staging_faults);
  one("pending_placements", "gauge", "Packs that lack a network.", placer_->pending().size());
  line("network_faults_total", "counter", "Wrong bytes from a network that verification caught.");
  for (const auto& [network, faults] : replicated_->faults()) out << "holdfast_network_faults_total{network=\"" << network << "\"} " << faults.corrupt << '\n';
  line("catalog_published", "gauge", "1 when the network shows all that the log says.");
  for (const auto& state : publisher_->states()) out << "holdfast_catalog_published{network=\"" << state.network << "\"} " << (state.current ? 1 : 0) << '\n';
  line("newest_complete_snapshot_seconds", "gauge", "Time of the newest complete snapshot of a database, seconds since 1970.");
  std::set<std::string> told;
  for (const auto& info : infos) {
    if (counts_as_whole(info) && told.insert(info.database).second) {
      out << "holdfast_newest_complete_snapshot_seconds{database=\"" << escape_label(info.database) << "\"} " << info.time / 1'000'000'000 << '\n';
    }
  }
  line("incomplete_snapshots", "gauge", "Snapshots of dumps that were cut off.");
  out << "holdfast_incomplete_snapshots " << std::count_if(infos.begin(), infos.end(), [](const auto& info) { return !counts_as_whole(info); }) << '\n';
  return out.str();
}

std::string RepositoryImpl::escape_label(const std::string& text) {
  std::string out;
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') out += '\\';
    out += letter == '\n' ? ' ' : letter;
  }
  return out;
}

}  // namespace holdfast
