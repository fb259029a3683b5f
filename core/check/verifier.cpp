// SPDX-License-Identifier: Apache-2.0
#include "core/check/verifier.h"

#include <algorithm>

#include "core/check/reference_walk.h"
#include "core/chunk/chunk_codec.h"

namespace holdfast {
namespace {

constexpr std::size_t kSampleRecords = 8;
constexpr std::size_t kProblemsMax = 20;
constexpr std::size_t kDamagedMax = 100;

void note(std::vector<std::string>& list, std::size_t max, std::string text) {
  if (list.size() < max && std::find(list.begin(), list.end(), text) == list.end()) list.push_back(std::move(text));
}

bool is_of_context(const Error& error) { return error.code() == ErrorCode::kDeadlineExceeded || error.code() == ErrorCode::kCancelled; }

}  // namespace

Status Verifier::add_chunk(const ChunkId& id, const std::string& path, Needs& needs) {
  if (!needs.paths.emplace(id, path).second) return ok_status();
  auto location = parts_.stage.find(id);
  if (!location) {
    HOLDFAST_ASSIGN(location, parts_.index.find(id));
  }
  if (!location) {
    note(needs.damaged, kDamagedMax, path.empty() ? "/" : path);
    return ok_status();
  }
  needs.packs[location->pack].push_back({id, *location});
  return ok_status();
}

/// Bases of differences stand in the packs' directories: those of needed records are needed too.
Status Verifier::add_bases(Needs& needs, const CallContext& context) {
  std::set<PackNumber> looked_at;
  for (bool grew = true; grew;) {
    grew = false;
    std::vector<PackNumber> numbers;
    for (const auto& [number, records] : needs.packs) {
      if (!looked_at.contains(number)) numbers.push_back(number);
    }
    for (const PackNumber number : numbers) {
      looked_at.insert(number);
      const auto row = parts_.stage.table().find(number);
      if (!row) continue;  // still open
      const auto directory = parts_.directories.read_directory(*row, context);
      if (!directory) {
        if (is_of_context(directory.error())) return directory.error();
        continue;  // the copies' own checks tell what is wrong
      }
      for (const auto& entry : directory->entries) {
        const auto needed = needs.paths.find(entry.id);
        if (!entry.base || needed == needs.paths.end() || needs.paths.contains(*entry.base)) continue;
        const std::string path = needed->second;
        HOLDFAST_TRY(add_chunk(*entry.base, path, needs));
        grew = true;
        const auto location = parts_.index.find(*entry.base);
        if (location && *location) looked_at.erase((*location)->pack);  // a base of a base may be in a pack that was looked at
      }
    }
  }
  return ok_status();
}

Result<Verifier::Needs> Verifier::collect(const SnapshotView& snapshot, const CallContext& context) {
  Needs needs;
  ReferenceWalk walk;
  walk.visit = [&](const ChunkRef& ref, const std::string& path) -> Result<bool> {
    HOLDFAST_TRY(check_context(context, parts_.clock, "verifying"));
    if (needs.paths.contains(ref.id)) return false;
    HOLDFAST_TRY(add_chunk(ref.id, path, needs));
    return true;
  };
  walk.unreadable = [&](const ChunkRef&, const std::string& path, const Error& error) -> Status {
    if (is_of_context(error)) return error;
    note(needs.damaged, kDamagedMax, (path.empty() ? "/" : path) + " (and all below: " + error.message() + ")");
    return ok_status();
  };
  HOLDFAST_TRY(walk_references(parts_.source, snapshot.root, snapshot.links, walk, context));
  HOLDFAST_TRY(add_bases(needs, context));
  return needs;
}

std::vector<Verifier::Record> Verifier::sample(const std::vector<Record>& records) {
  if (records.size() <= kSampleRecords) return records;
  std::vector<Record> out;
  for (std::size_t i = 0; i < kSampleRecords; ++i) {
    std::uint64_t pick = 0;
    if (!parts_.random.fill({reinterpret_cast<std::uint8_t*>(&pick), sizeof pick})) break;
    out.push_back(records[pick % records.size()]);
  }
  return out;
}

Result<Verifier::Outcome> Verifier::check_copy(const NetworkCopy& copy, const std::vector<Record>& records, VerifyLevel level, VerifyReport::Network& report,
                                               const CallContext& context) {
  Outcome out;
  ++report.packs;
  const auto store = parts_.networks.find(copy.network);
  if (store == nullptr) {
    note(report.problems, kProblemsMax, "the network is not configured");
    out.outcome = VerifiedOutcome::kUnreachable;
    return out;
  }
  const auto fail = [&](const Error& error, VerifiedOutcome outcome) {
    if (out.outcome == VerifiedOutcome::kGood || outcome != VerifiedOutcome::kUnreachable) out.outcome = outcome;
    note(report.problems, kProblemsMax, error.message());
  };
  const auto probed = store->probe(copy.ref, context);
  if (!probed) {
    if (is_of_context(probed.error())) HOLDFAST_TRY(check_context(context, parts_.clock, "verifying"));
    fail(probed.error(), VerifiedOutcome::kUnreachable);
  } else if (*probed == Durability::kAbsent) {
    fail(Error(ErrorCode::kNotFound, "pack " + copy.ref.locator + " is missing"), VerifiedOutcome::kMissing);
  } else {
    ++report.available;
  }
  if (level == VerifyLevel::kAvailability || out.outcome != VerifiedOutcome::kGood) {
    if (out.outcome != VerifiedOutcome::kGood) ++report.failed;
    return out;
  }
  for (const auto& record : level == VerifyLevel::kFull ? records : sample(records)) {
    Bytes bytes(record.location.record_size_bytes);
    const auto read = store->read(copy.ref, record.location.offset, bytes, context);
    ++report.sampled;
    report.bytes_read += bytes.size();
    if (read && verify_record(record.id, bytes)) continue;
    out.bad.insert(record.id);
    if (read) {
      fail(Error(ErrorCode::kCorrupt, "pack " + copy.ref.locator + ": wrong bytes at " + std::to_string(record.location.offset)), VerifiedOutcome::kCorrupt);
      continue;
    }
    HOLDFAST_TRY(check_context(context, parts_.clock, "verifying"));
    const auto code = read.error().code();
    const bool is_gone = code == ErrorCode::kNotFound || code == ErrorCode::kOutOfRange;
    const auto outcome = is_gone ? VerifiedOutcome::kMissing : code == ErrorCode::kCorrupt ? VerifiedOutcome::kCorrupt : VerifiedOutcome::kUnreachable;
    fail(read.error(), outcome);
    if (outcome == VerifiedOutcome::kUnreachable) break;
  }
  if (out.outcome != VerifiedOutcome::kGood) ++report.failed;
  return out;
}

Result<VerifyReport::Snapshot> Verifier::verify(const SnapshotView& snapshot, std::uint32_t domain, VerifyLevel level,
                                                const std::function<void(std::uint64_t, std::uint64_t)>& progress, const CallContext& context) {
  VerifyReport::Snapshot out;
  out.id = snapshot.info.id;
  out.name = snapshot.info.database + "@" + snapshot.info.name;
  HOLDFAST_ASSIGN(const Needs needs, collect(snapshot, context));
  out.damaged = needs.damaged;
  std::map<std::string, VerifyReport::Network> networks;
  std::map<PackNumber, std::vector<std::string>> good;
  std::map<ChunkId, std::set<std::string>> bad_on;
  std::uint64_t done = 0;
  for (const auto& [number, records] : needs.packs) {
    const auto row = parts_.stage.table().find(number);
    for (const auto& copy : row ? parts_.view.copies(row->id) : std::vector<NetworkCopy>()) {
      auto& report = networks[copy.network];
      report.name = copy.network;
      HOLDFAST_ASSIGN(const Outcome outcome, check_copy(copy, records, level, report, context));
      findings_[{row->id, copy.network}] = outcome.outcome;
      if (outcome.outcome == VerifiedOutcome::kGood) good[number].push_back(copy.network);
      for (const auto& id : outcome.bad) bad_on[id].insert(copy.network);
    }
    if (progress) progress(++done, needs.packs.size());
  }
  conclude(needs, domain, good, bad_on, out);
  for (auto& [name, report] : networks) {
    if (report.failed > 0) out.recommendations.push_back("run heal: network " + name + " has " + std::to_string(report.failed) + " bad or unreachable packs of it");
    out.networks.push_back(std::move(report));
  }
  return out;
}

void Verifier::conclude(const Needs& needs, std::uint32_t domain, const std::map<PackNumber, std::vector<std::string>>& good,
                        const std::map<ChunkId, std::set<std::string>>& bad_on, VerifyReport::Snapshot& out) const {
  bool all_safe = true;
  bool any_staged = false;
  bool any_open = false;
  bool quorum_holds = true;
  for (const auto& [number, records] : needs.packs) {
    const auto row = parts_.stage.table().find(number);
    const bool is_here = !row || row->state == PackState::kStaged;
    any_open = any_open || !row;
    any_staged = any_staged || is_here;
    const auto found = good.find(number);
    const std::vector<std::string> holding = found == good.end() ? std::vector<std::string>() : found->second;
    const std::uint32_t rule = row && row->domain != 0 ? row->domain : domain;
    all_safe = all_safe && parts_.rules.is_safe(rule, holding);
    quorum_holds = quorum_holds && (is_here || holding.size() >= parts_.rules.quorum(rule));
    if (!holding.empty() || is_here) continue;
    const auto copies = parts_.view.copies(row->id);
    for (const auto& record : records) {
      const auto bad = bad_on.find(record.id);
      // Where only some records of a copy are bad, the others are still good there.
      const bool is_lost = bad == bad_on.end() ? bad_on.empty() : bad->second.size() >= copies.size();
      if (is_lost) note(out.damaged, kDamagedMax, needs.paths.at(record.id).empty() ? "/" : needs.paths.at(record.id));
    }
  }
  if (!out.damaged.empty()) {
    out.state = DurabilityState::kLost;
    out.health = Health::kUnhealthy;
    out.recommendations.push_back("parts of it are on no network in good order: restore what is left, and make a new backup");
  } else {
    out.health = quorum_holds ? Health::kHealthy : Health::kDegraded;
    out.state = all_safe ? DurabilityState::kSafe : any_open ? DurabilityState::kStaged : any_staged || quorum_holds ? DurabilityState::kReplicating : DurabilityState::kDegraded;
  }
  if (any_staged && out.damaged.empty()) out.recommendations.push_back("parts of it lie only in staging so far: wait until it is safe");
}

std::vector<LogEntry> Verifier::take_findings() {
  std::vector<LogEntry> out;
  for (const auto& [what, outcome] : findings_) {
    const auto rows = parts_.view.copy_rows(what.first);
    const auto known = std::find_if(rows.begin(), rows.end(), [&](const CopyRow& row) { return row.copy.network == what.second; });
    // Only news: a good copy that was good is not repeated.
    if (known == rows.end() || known->outcome == outcome || outcome == VerifiedOutcome::kUnreachable) continue;
    out.push_back({parts_.clock.wall_now(), VerifiedEntry{what.second, what.first, outcome}});
  }
  findings_.clear();
  return out;
}

}  // namespace holdfast
