// SPDX-License-Identifier: Apache-2.0
#include "core/heal/steward.h"

#include <algorithm>
#include <atomic>

#include "core/base/log.h"

namespace holdfast {
namespace {

constexpr std::size_t kProblemsMax = 20;
constexpr std::size_t kTroublesToEnd = 5;  // a network that failed so often in a row is asked no more by this look
constexpr std::chrono::seconds kHealthTimeout{20};
constexpr std::size_t kSuspectsMax = 1'000;
constexpr std::chrono::seconds kSuspectPause{60};  // between looks that reads have asked for

}  // namespace

Steward::Steward(const StewardOptions& options, Parts parts, ByteView maintenance_key)
    : options_(options), parts_(std::move(parts)), maintenance_key_(SecretBytes::copy_of(maintenance_key)) {}

Steward::~Steward() { stop(); }

void Steward::start() {
  if (!thread_.joinable()) thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Steward::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void Steward::suspect(const std::string& network, const std::string& locator) {
  {
    const std::lock_guard lock(mutex_);
    if (suspects_.size() >= kSuspectsMax || !suspects_.emplace(network, locator).second) return;
  }
  wake_.wake();
}

void Steward::run(const std::stop_token& stop) {
  MonoTime next = parts_.clock.mono_now() + options_.settle;
  MonoTime suspects_not_before = next;
  while (!stop.stop_requested()) {
    bool any_suspect = false;
    {
      const std::lock_guard lock(mutex_);
      any_suspect = !suspects_.empty();
    }
    wake_.wait_until(parts_.clock, any_suspect ? std::min(next, suspects_not_before) : next, stop);
    if (stop.stop_requested()) return;
    const MonoTime now = parts_.clock.mono_now();
    Suspects suspects;
    {
      const std::lock_guard lock(mutex_);
      if (now >= suspects_not_before) suspects = std::exchange(suspects_, {});
    }
    CallContext context;
    context.stop = stop;
    if (!suspects.empty()) {
      look_at_suspects(suspects, context);
      suspects_not_before = parts_.clock.mono_now() + kSuspectPause;
    }
    if (now >= next) {
      look_by_schedule(context);
      next = parts_.clock.mono_now() + options_.look_every;
    }
  }
}

/// All of what reads have found wrong.
void Steward::look_at_suspects(const Suspects& suspects, const CallContext& context) {
  const Targets all = targets_of(std::nullopt);
  Targets named;
  for (const auto& [network, targets] : all) {
    for (const Target& target : targets) {
      if (suspects.contains({network, target.row.copy.ref.locator})) named[network].push_back(target);
    }
  }
  Result<Findings> found = look_at(named, CopyCheckLevel::kFull, {}, context);
  if (!found || !look_further(*found, all, context)) return;
  judge_and_mend(std::move(*found), all);
  if (parts_.look_at_catalog) parts_.look_at_catalog();
}

/// A few of each network.
void Steward::look_by_schedule(const CallContext& context) {
  const Targets all = targets_of(std::nullopt);
  const std::set<std::string> gone = ask_health(all, context);
  Targets some = all;
  for (auto& [network, targets] : some) {
    if (gone.contains(network)) targets.clear();
    if (Status thinned = thin_out(targets); !thinned) return log_error("looking after copies: " + thinned.error().message());
  }
  Result<Findings> found = look_at(some, CopyCheckLevel::kSample, {}, context);
  if (!found || !look_further(*found, all, context)) {
    if (!found && !context.stop.stop_requested()) log_warning("looking after copies: " + found.error().message());
    return;
  }
  // One that did not answer this once is not gone yet.
  found->gone = gone;
  judge_and_mend(std::move(*found), all);
}

/// Where one was lost, others may be.
Status Steward::look_further(const Findings& found, const Targets& all, const CallContext& context) {
  Targets rest;
  for (const NetworkFindings& network : found.networks) {
    if (network.missing + network.corrupt > 0) rest[network.network] = all.at(network.network);
  }
  if (!rest.empty()) HOLDFAST_TRY(look_at(rest, CopyCheckLevel::kSample, {}, context));
  return ok_status();
}

void Steward::judge_and_mend(Findings found, const Targets& all) {
  judge(all, found);
  if (found.to_mend.empty()) return;
  log_warning(std::to_string(found.to_mend.size()) + " packs lack a copy or a shard; they are mended");
  mend(found);
}

/// A random part, so that nothing needs to be remembered.
Status Steward::thin_out(std::vector<Target>& targets) {
  const std::size_t share = (targets.size() + options_.rounds_for_all - 1) / options_.rounds_for_all;
  const std::size_t wanted = std::min<std::size_t>({targets.size(), share, options_.copies_max});
  for (std::size_t i = 0; i < wanted; ++i) {
    std::uint64_t draw = 0;
    HOLDFAST_TRY(parts_.random.fill({reinterpret_cast<std::uint8_t*>(&draw), sizeof draw}));
    std::swap(targets[i], targets[i + draw % (targets.size() - i)]);
  }
  targets.resize(wanted);
  return ok_status();
}

Steward::Targets Steward::targets_of(const std::optional<std::set<PackId>>& packs) const {
  Targets out;
  parts_.stage.table().for_each([&](const PackRow& row) {
    if (packs && !packs->contains(row.id)) return;
    for (CopyRow& copy : parts_.view.copy_rows(row.id)) {
      const std::string network = copy.copy.network;
      out[network].push_back({row, std::move(copy)});
    }
  });
  return out;
}

Result<Steward::Findings> Steward::look(const std::optional<std::set<PackId>>& packs, CopyCheckLevel level,
                                        const std::function<void(std::uint64_t, std::uint64_t)>& progress, const CallContext& context) {
  const Targets targets = targets_of(packs);
  // One that is back is not left alone any longer.
  ask_health(targets, context);
  HOLDFAST_ASSIGN(Findings findings, look_at(targets, level, progress, context));
  judge(targets, findings);
  return findings;
}

Result<Steward::Findings> Steward::look_at(const Targets& targets, CopyCheckLevel level, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                                           const CallContext& context) {
  Findings findings;
  std::uint64_t total = 0;
  for (const auto& [network, list] : targets) {
    findings.networks.push_back({.network = network, .problems = {}});
    total += list.size();
  }
  std::vector<std::vector<LogEntry>> news(targets.size());
  std::vector<Status> ended(targets.size());
  std::mutex progress_mutex;
  std::uint64_t done = 0;
  const auto tick = [&] {
    if (!progress) return;
    const std::lock_guard lock(progress_mutex);
    progress(++done, total);
  };
  {
    std::vector<std::jthread> threads;
    std::size_t i = 0;
    for (const auto& [network, list] : targets) {
      threads.emplace_back([&, i, name = network, targets_there = &list] {
        ended[i] = look_at_network(name, *targets_there, level, findings.networks[i], news[i], tick, context);
      });
      ++i;
    }
  }
  // What was found out stays found out, also when the rest was not looked at.
  std::vector<LogEntry> entries;
  for (auto& list : news) std::ranges::move(list, std::back_inserter(entries));
  if (!entries.empty()) HOLDFAST_TRY(parts_.log(entries));
  for (Status& status : ended) HOLDFAST_TRY(std::move(status));
  for (const NetworkFindings& network : findings.networks) {
    if (network.looked_at > 0 && network.unreachable == network.looked_at) findings.gone.insert(network.network);
  }
  return findings;
}

Status Steward::look_at_network(const std::string& network, const std::vector<Target>& targets, CopyCheckLevel level, NetworkFindings& out,
                                std::vector<LogEntry>& news, const std::function<void()>& tick, const CallContext& context) {
  const auto store = parts_.networks.find(network);
  std::size_t troubles = 0;
  for (const Target& target : targets) {
    HOLDFAST_TRY(check_context(context, parts_.clock, "looking after copies"));
    CopyFinding finding{VerifiedOutcome::kUnreachable, store ? "it failed too often to be asked on" : "the network is not configured"};
    if (store && troubles < kTroublesToEnd) {
      HOLDFAST_ASSIGN(finding, check_copy(*store, target.row.copy, target.pack.id, maintenance_key_.view(), level, parts_.clock, parts_.random,
                                          with_timeout(context, parts_.clock, options_.call_timeout)));
    }
    // A bad copy stays one until it is put again, or all of it was read and found good.
    const bool is_doubted = target.row.outcome == VerifiedOutcome::kCorrupt && level != CopyCheckLevel::kFull;
    if (finding.outcome == VerifiedOutcome::kGood && is_doubted) finding = {VerifiedOutcome::kCorrupt, "wrong bytes were found in it earlier"};
    troubles = finding.outcome == VerifiedOutcome::kUnreachable ? troubles + 1 : 0;
    ++out.looked_at;
    ++(finding.outcome == VerifiedOutcome::kGood      ? out.good
       : finding.outcome == VerifiedOutcome::kMissing ? out.missing
       : finding.outcome == VerifiedOutcome::kCorrupt ? out.corrupt
                                                      : out.unreachable);
    if (!finding.problem.empty() && out.problems.size() < kProblemsMax) out.problems.push_back("pack " + target.pack.id.hex().substr(0, 16) + ": " + finding.problem);
    if (finding.outcome != VerifiedOutcome::kUnreachable && finding.outcome != target.row.outcome) {
      news.push_back({parts_.clock.wall_now(), VerifiedEntry{network, target.pack.id, finding.outcome}});
      if (finding.outcome != VerifiedOutcome::kGood) log_warning("network " + network + " lost or spoilt pack " + target.pack.id.hex().substr(0, 16) + ": " + finding.problem);
    }
    tick();
  }
  return ok_status();
}

/// What lacks a copy by what the catalog knows now.
void Steward::judge(const Targets& targets, Findings& findings) const {
  std::map<PackId, PackRow> seen;
  for (const auto& [network, list] : targets) {
    for (const Target& target : list) seen.emplace(target.pack.id, target.pack);
  }
  for (const auto& [id, row] : seen) {
    const std::vector<CopyRow> rows = parts_.view.copy_rows(id);
    const std::vector<NetworkCopy> held = good_copies(rows);
    const bool lies_on_gone = std::ranges::any_of(rows, [&](const CopyRow& copy) { return copy.copy.shard && findings.gone.contains(copy.copy.network); });
    if (held.size() == rows.size() && !lies_on_gone) continue;
    findings.to_mend.push_back(row);
    if (!gives_back(held) && row.state != PackState::kStaged) ++findings.unhealable;
  }
}

void Steward::mend(const Findings& findings) {
  if (!findings.to_mend.empty()) parts_.placer.look_again(findings.to_mend, findings.gone);
}

void Steward::warn(const std::string& network, std::vector<std::string> texts) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string>& known = warnings_[network];
  for (const std::string& text : texts) {
    if (std::ranges::find(known, text) == known.end()) log_warning("network " + network + ": " + text);
  }
  known = std::move(texts);
}

/// Whether it has been silent, or not configured, for so long that it counts as gone.
bool Steward::note_silence(const std::string& network, bool is_silent) {
  const MonoTime now = parts_.clock.mono_now();
  const std::lock_guard lock(mutex_);
  if (!is_silent) {
    silent_since_.erase(network);
    return false;
  }
  return now - silent_since_.try_emplace(network, now).first->second >= options_.gone_after;
}

/// Those that count as gone.
std::set<std::string> Steward::ask_health(const Targets& targets, const CallContext& context) {
  std::set<std::string> gone;
  std::mutex gone_mutex;
  const auto note = [&](const std::string& network, bool is_silent) {
    if (!note_silence(network, is_silent)) return;
    const std::lock_guard lock(gone_mutex);
    gone.insert(network);
  };
  std::vector<std::jthread> threads;
  for (const auto& store : parts_.networks.all()) {
    threads.emplace_back([&, store] {
      const Result<StoreHealth> health = store->health(with_timeout(context, parts_.clock, kHealthTimeout));
      const bool is_there = health && health->reachable;
      if (is_there) warn(store->traits().name, health->warnings);
      note(store->traits().name, !is_there);
    });
  }
  for (const auto& [network, list] : targets) {
    if (parts_.networks.find(network) == nullptr) note(network, true);
  }
  threads.clear();
  return gone;
}

}  // namespace holdfast
