// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.h"
#include "core/repo/cron.h"
#include "core/repo/repository_impl.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
constexpr auto kTick = 1s;
constexpr auto kRefreshEvery = 10min;
constexpr auto kRefreshWhenListed = 30s;
constexpr auto kRefreshTimeout = 300s;
constexpr auto kRenewIndexEvery = 60s;          // at most: a disk may go on rotting
constexpr std::uint64_t kJournalMaxBytes = 64ULL << 20;
constexpr auto kCommitEvery = 5s;  // what was closed and not synced is lost with the process no longer than this
constexpr auto kClosePacksAfter = 10s;          // a snapshot is uploaded soon after it was sealed
constexpr auto kClosePacksAfterRealtime = 60s;  // at an rpo of seconds, packs would otherwise be tiny
constexpr auto kSealAgainAfter = 10s;           // a seal that failed
constexpr auto kRealtimeRpo = 5s;               // until the policy says it (design §1)

}  // namespace

/// Why `database` is to be sealed now; nullopt: not now.
std::optional<RepositoryImpl::DueSeal> RepositoryImpl::due_seal(Database& database) {
  const LiveTree::Stats stats = database.live->stats();
  const MonoTime now = options_.clock->mono_now();
  const WallNanos wall = options_.clock->wall_now();
  const std::lock_guard lock(database.mutex);
  if (now < database.seal_not_before) return std::nullopt;
  const auto& policy = database.policy;
  if (policy.strategy == "realtime") {
    return stats.changed_since_seal && now - stats.last_change >= 1s && now - database.sealed_at >= kRealtimeRpo ? std::optional(DueSeal{}) : std::nullopt;
  }
  if (const std::string& cron = policy.schedule.empty() ? options_.default_schedule : policy.schedule; !cron.empty()) {
    const auto schedule = CronSchedule::parse(cron);
    const auto next = schedule ? schedule->next(database.last_scheduled) : std::nullopt;
    if (next && *next <= wall) {
      if (database.waiting_since == MonoTime{}) database.waiting_since = now;
      const bool waited_enough = now - database.waiting_since >= policy.seal_wait;
      if (stats.open_for_writing > 0 && !waited_enough) return std::nullopt;
      if (stats.changed_since_seal) return DueSeal{stats.open_for_writing > 0, wall};
      // The newest snapshot says all there is.
      database.last_scheduled = wall;
      database.waiting_since = {};
      return std::nullopt;
    }
  }
  const bool is_quiet = stats.open_for_writing == 0 && now - stats.last_change >= policy.seal_after_idle;
  if (policy.seal_after_idle.count() > 0 && stats.changed_since_seal && is_quiet) return DueSeal{};
  return std::nullopt;
}

void RepositoryImpl::run_seals(const std::stop_token& stop) {
  while (pause(kTick, stop)) {
    for (const auto& database : all_databases()) {
      const auto due = due_seal(*database);
      if (!due) continue;
      std::unique_lock sealing(database->sealing, std::try_to_lock);
      if (!sealing) continue;
      CallContext context;
      context.stop = stop;
      SealOptions options;
      options.forced_incomplete = due->incomplete;
      const auto sealed = seal_locked(*database, options, context);
      const std::lock_guard lock(database->mutex);
      database->sealed_at = options_.clock->mono_now();
      if (!sealed) {
        database->seal_not_before = database->sealed_at + kSealAgainAfter;
        if (!stop.stop_requested()) log_error("sealing " + database->name + ": " + sealed.error().message());
      } else if (due->scheduled != 0) {
        database->last_scheduled = due->scheduled;
        database->waiting_since = {};
      }
    }
  }
}

/// False when it is time to end.
bool RepositoryImpl::pause(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::unique_lock lock(background_mutex_);
  background_wake_.wait_for(lock, stop, time, [&] { return is_closed_; });
  return !is_closed_ && !stop.stop_requested();
}

/// Files that were closed and never synced are queued only: a local filesystem loses them to a power loss, but not to the end of a process.
void RepositoryImpl::commit_now_and_then(CommitCare& care, MonoTime now) {
  const Journal::Position next = journal_->next_position();
  if (next == care.position || now - care.at < kCommitEvery) return;
  care.at = now;
  const auto committed = pipeline_->commit();
  if (committed) care.position = next;
  // A journal that failed once fails for ever: said once.
  if (!committed && !std::exchange(care.has_failed, true)) log_error("committing what was closed: " + committed.error().message());
}

void RepositoryImpl::run_care(const std::stop_token& stop) {
  MonoTime close_at{};
  std::uint64_t seen = 0;
  MonoTime renew_not_before{};
  CommitCare commits;
  while (pause(kTick, stop)) {
    const MonoTime now = options_.clock->mono_now();
    commit_now_and_then(commits, now);
    if (close_packs_soon_.exchange(false) && close_at == MonoTime{}) {
      const bool realtime = all_realtime();
      close_at = now + (realtime ? kClosePacksAfterRealtime : kClosePacksAfter);
    }
    if (close_at != MonoTime{} && now >= close_at) {
      close_at = {};
      const auto closed = stage_->close_open_packs();
      if (!closed) log_error("closing packs: " + closed.error().message());
    }
    if (stage_->index_is_damaged() && now >= renew_not_before) {
      renew_not_before = now + kRenewIndexEvery;
      const auto renewed = renew_index();
      if (!renewed) log_error("building the chunk index anew: " + renewed.error().message());
    }
    if (journal_->size_bytes() > kJournalMaxBytes) {
      const auto done = checkpoint();
      if (!done) log_error("checkpoint of the journal: " + done.error().message());
    }
    const std::uint64_t changes = catalog_->changes();
    if (changes == seen) continue;
    seen = changes;
    const auto stated = state_safety();
    if (!stated) log_error("stating that snapshots are safe: " + stated.error().message());
  }
}

bool RepositoryImpl::all_realtime() const {
  const auto all = all_databases();
  return std::all_of(all.begin(), all.end(), [](const auto& database) {
    const std::lock_guard lock(database->mutex);
    return database->policy.strategy == "realtime";
  });
}

void RepositoryImpl::run_refresh(const std::stop_token& stop) {
  // A recovery reads the same heads, those of its own network first: it is not to stand behind one that doesn't answer.
  while (recovery().is_under_way) {
    if (!pause(kTick, stop)) return;
  }
  do {
    CallContext context = with_timeout(CallContext::unbounded(), *options_.clock, kRefreshTimeout);
    context.stop = stop;
    if (heads_->refresh(context)) {
      const auto adopted = adopt_packs(false);
      if (!adopted) log_warning("taking note of other writers' packs: " + adopted.error().message());
    }
    refresh_wanted_ = false;
  } while (wait_for_refresh(stop));
}

/// Until it is time again: every ten minutes, or half a minute after the last time where somebody listed snapshots since.
bool RepositoryImpl::wait_for_refresh(const std::stop_token& stop) {
  const MonoTime last = options_.clock->mono_now();
  while (pause(kTick, stop)) {
    const auto since = options_.clock->mono_now() - last;
    if (since >= kRefreshEvery || (since >= kRefreshWhenListed && refresh_wanted_)) return true;
  }
  return false;
}

/// Says once of each own snapshot that it is safe, so that other writers and later recoveries know.
Status RepositoryImpl::state_safety() {
  const std::lock_guard stating(state_mutex_);
  const SafetyTable safety(*stage_, catalog_->view(), *rules_);
  std::map<DatabaseId, SafetyTable::Reach> reaches;
  for (const auto& database : all_databases()) reaches.emplace(database->id, reach_of(database->id, 0));
  std::vector<LogEntry> entries;
  catalog_->view().for_each_snapshot([&](const SnapshotRow& row) {
    const auto found = reaches.find(row.record.database);
    if (row.stated_safe || row.last_pack == 0 || row.record.writer != secrets_->writer || found == reaches.end()) return;
    SafetyTable::Reach reach = found->second;
    reach.last = row.last_pack;
    if (safety.own(reach, false).state != DurabilityState::kSafe) return;
    entries.push_back({options_.clock->wall_now(), SafeEntry{row.record.id}});
  });
  if (entries.empty()) return ok_status();
  return catalog_->append(entries);
}

/// Makes the journal short: every owner says its whole state anew, then the older files go. Not while the index is being rebuilt, which needs them.
Status RepositoryImpl::checkpoint() {
  const std::lock_guard lock(checkpoint_mutex_);
  if (rebuilder_->is_running()) return ok_status();
  HOLDFAST_TRY(journal_->begin_checkpoint());
  {
    const std::shared_lock databases(databases_mutex_);  // a database that is made meanwhile comes after the checkpoint
    for (const auto& [name, database] : databases_) journal_->append(record_of(*database));
  }
  for (const auto& database : all_databases()) database->live->append_checkpoint();
  stage_->restate_at_next_commit();
  if (stores_.features) stores_.features->keep();
  // Any position but 0 says that the index is whole; the journal's own are not stored (core/journal/README.md).
  const Status synced = stores_.index->sync(journal_->next_position() + 1);
  if (!synced && synced.error().code() == ErrorCode::kCorrupt) stage_->report_index_damage();
  HOLDFAST_TRY(synced);
  return journal_->finish_checkpoint();
}

/// Numbers for packs that the catalog names and this machine did not write; their directories are read into the index. `everything`: also of those that have numbers.
Status RepositoryImpl::adopt_packs(bool everything) {
  const std::lock_guard adopting(adopt_mutex_);
  return adopt_locked(everything);
}

Status RepositoryImpl::adopt_locked(bool everything) {
  std::vector<PackRow> rows;
  catalog_->view().for_each_pack([&](const PackId& id, const std::vector<CopyRow>& copies) {
    if (copies.empty() || stage_->table().find(id)) return;
    PackRow row;
    row.id = id;
    row.size_bytes = copies.front().copy.object_bytes();
    row.state = PackState::kRemote;
    rows.push_back(row);
  });
  const auto then = [this](const std::stop_token& stop) {
    const auto finished = finish_rebuild(stop);
    if (!finished && !stop.stop_requested()) log_warning("after rebuilding the chunk index: " + finished.error().message());
  };
  if (rows.empty() && !everything) {
    // What was learnt by the first try need not be learnt again as long as packs are missing.
    const bool is_retried = rebuilder_->retry_failed([this, then](const std::stop_token& stop) {
      if (rebuilder_->progress().failed == 0) then(stop);
    });
    if (is_retried) log_info("packs whose directories could not be read are tried again");
    return ok_status();
  }
  // Until the index has them all, a restart must read them again.
  HOLDFAST_TRY(replace_file(paths_.reindex(), {}));
  HOLDFAST_ASSIGN(std::vector<PackNumber> numbers, stage_->table().adopt_all(rows));
  if (everything || rebuilder_->is_running()) numbers.clear();  // all
  rebuilder_->start(std::move(numbers), then);
  return ok_status();
}

/// The index was found damaged: it is emptied and read anew from packs and networks. Backups go on meanwhile, and reads wait for what they need.
Status RepositoryImpl::renew_index() {
  log_error("the chunk index is damaged; it is built anew");
  const std::lock_guard adopting(adopt_mutex_);  // who misses a chunk meanwhile asks for more packs, and waits here
  rebuilder_->stop();
  HOLDFAST_TRY(replace_file(paths_.reindex(), {}));
  {
    const std::lock_guard checkpointing(checkpoint_mutex_);
    HOLDFAST_TRY(stores_.index->clear());
  }
  HOLDFAST_TRY(stage_->reindex());
  return adopt_locked(true);
}

Status RepositoryImpl::finish_rebuild(const std::stop_token& stop) {
  learn_references(stop);
  if (stop.stop_requested() || rebuilder_->progress().failed > 0) return ok_status();  // tried again by the next opening
  HOLDFAST_TRY(checkpoint());
  return remove_file(paths_.reindex());
}

/// Walks the newest snapshots and tells the index the references of their chunks, so that equal data is found again after the index was lost.
void RepositoryImpl::learn_references(const std::stop_token& stop) {
  CallContext context;
  context.stop = stop;
  const auto names = list();
  for (const auto& [name, indices] : names->by_database) {
    const auto current = list();
    const auto found = current->by_database.find(name);
    if (found == current->by_database.end() || found->second.empty()) continue;
    const auto learnt = learn_snapshot(current->all[found->second.front()].id, context);
    if (!learnt && !stop.stop_requested()) log_warning("reading the newest snapshot of " + name + " for deduplication: " + learnt.error().message());
    if (stop.stop_requested()) return;
  }
}

}  // namespace holdfast
