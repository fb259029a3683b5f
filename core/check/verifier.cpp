// SPDX-License-Identifier: Apache-2.0
#include "core/check/verifier.h"

#include <algorithm>

#include "core/chunk/chunk_codec.h"
#include "core/store/pack_sources.h"

namespace holdfast {
namespace {

constexpr std::size_t kSampleRecords = 8;
constexpr std::size_t kSampleDrawsMax = 16 * kSampleRecords;  // of few records some are drawn twice
constexpr std::size_t kProblemsMax = 20;
constexpr std::string_view kThisHost = "this-host";

bool is_of_context(const Error& error) { return error.code() == ErrorCode::kDeadlineExceeded || error.code() == ErrorCode::kCancelled; }

}  // namespace

void Verifier::note(std::vector<std::string>& list, std::size_t max, std::string text) {
  if (list.size() < max && std::find(list.begin(), list.end(), text) == list.end()) list.push_back(std::move(text));
}

bool Verifier::Needs::add(const ChunkId& id, const ChunkLocation& at, const std::string& path) {
  if (!paths.emplace(id, path).second) return false;
  packs[at.pack].push_back({id, at});
  return true;
}

void Verifier::Needs::note_nowhere(const std::string& path) { note(damaged, kDamagedMax, path.empty() ? "/" : path); }

Status Verifier::Needs::note_unreadable(const std::string& path, const Error& error) {
  note(damaged, kDamagedMax, (path.empty() ? "/" : path) + " (and all below: " + error.message() + ")");
  return ok_status();
}

/// Different ones, each as likely as any other.
std::vector<Verifier::Record> Verifier::sample(const std::vector<Record>& records) {
  if (records.size() <= kSampleRecords) return records;
  std::set<std::size_t> picks;
  for (std::size_t draw = 0; draw < kSampleDrawsMax && picks.size() < kSampleRecords; ++draw) {
    std::uint64_t pick = 0;
    if (!parts_.random.fill({reinterpret_cast<std::uint8_t*>(&pick), sizeof pick})) break;
    picks.insert(pick % records.size());
  }
  std::vector<Record> out;
  for (const std::size_t pick : picks) out.push_back(records[pick]);
  return out;
}

/// Staging is read as networks are: a file that rotted there is no copy.
Status Verifier::check_here(const std::vector<Record>& records, VerifyLevel level, Pack& pack, const CallContext& context) {
  std::vector<Record> wanted = level == VerifyLevel::kFull ? records : sample(records);
  if (level == VerifyLevel::kAvailability) {
    // Whether the file is there, and long enough.
    wanted = {*std::max_element(records.begin(), records.end(), [](const Record& a, const Record& b) { return a.location.offset < b.location.offset; })};
  }
  for (const auto& record : wanted) {
    HOLDFAST_TRY(check_context(context, parts_.clock, "verifying"));
    const auto read = parts_.stage.read(record.location);
    if (read && !read->has_value()) {
      pack.is_here = false;  // it never was, or it left for the networks meanwhile
      pack.bad_here.clear();
      return ok_status();
    }
    pack.is_here = true;
    const bool is_good = read && (level == VerifyLevel::kAvailability || verify_record(record.id, **read));
    if (!is_good) pack.bad_here.insert(record.id);
  }
  return ok_status();
}

void Verifier::note_failure(Reading& reading, const Error& error, VerifiedOutcome outcome) {
  if (reading.out.outcome == VerifiedOutcome::kGood || outcome != VerifiedOutcome::kUnreachable) {
    reading.out.outcome = outcome;
  }
  note(reading.report.problems, kProblemsMax, error.message());
}

/// Neighbours are fetched with one request. Where that fails for what is stored, its halves are asked for: so each
/// record gets the verdict of its own bytes.
Status Verifier::read_run(std::span<const RecordRange> run, Reading& reading, const CallContext& context) {
  const auto records = VerifyingReader(reading.store).read_records(reading.copy.ref, run, context);
  if (records) {
    reading.report.bytes_read += run.back().offset + run.back().size_bytes - run.front().offset;
    reading.report.sampled += run.size();
    for (std::size_t i = 0; i < run.size(); ++i) {
      if ((*records)[i]) {
        reading.good.push_back(run[i].offset);
        continue;
      }
      reading.out.bad.insert(run[i].id);
      const std::string where =
          "pack " + reading.copy.ref.locator + ": wrong bytes at " + std::to_string(run[i].offset);
      note_failure(reading, Error(ErrorCode::kCorrupt, where), VerifiedOutcome::kCorrupt);
    }
    return ok_status();
  }
  HOLDFAST_TRY(check_context(context, parts_.clock, "verifying"));
  const auto code = records.error().code();
  // The probe found the object: one that ends too early is a damaged one.
  const bool is_damaged = code == ErrorCode::kCorrupt || code == ErrorCode::kOutOfRange;
  if (run.size() > 1 && (is_damaged || code == ErrorCode::kNotFound)) {
    HOLDFAST_TRY(read_run(run.first(run.size() / 2), reading, context));
    return reading.out.answered ? read_run(run.subspan(run.size() / 2), reading, context) : ok_status();
  }
  reading.report.sampled += run.size();
  for (const auto& record : run) reading.out.bad.insert(record.id);
  const auto outcome = is_damaged                     ? VerifiedOutcome::kCorrupt
                       : code == ErrorCode::kNotFound ? VerifiedOutcome::kMissing
                                                      : VerifiedOutcome::kUnreachable;
  note_failure(reading, records.error(), outcome);
  reading.out.answered = outcome != VerifiedOutcome::kUnreachable;
  return ok_status();
}

Status Verifier::read_records(const CopyId& id, const std::vector<Record>& records, Reading& reading,
                              const CallContext& context) {
  std::vector<std::uint64_t>& good = good_[id];
  std::vector<RecordRange> wanted;
  for (const auto& record : records) {
    if (std::binary_search(good.begin(), good.end(), record.location.offset)) {
      ++reading.report.sampled;
    } else {
      wanted.push_back({record.id, record.location.offset, record.location.record_size_bytes});
    }
  }
  std::sort(wanted.begin(), wanted.end(),
            [](const RecordRange& a, const RecordRange& b) { return a.offset < b.offset; });
  Status status;
  for (const auto& run : split_in_ranges(wanted, {})) {
    status = read_run(run, reading, context);
    if (!status || !reading.out.answered) break;
  }
  const auto known = static_cast<std::ptrdiff_t>(good.size());
  good.insert(good.end(), reading.good.begin(), reading.good.end());
  std::sort(good.begin() + known, good.end());
  std::inplace_merge(good.begin(), good.begin() + known, good.end());
  return status;
}

Result<Verifier::Copy> Verifier::check_copy(const PackRow& pack, const CopyRow& row, const std::vector<Record>& records, VerifyLevel level,
                                            VerifyReport::Network& report, const CallContext& context) {
  const NetworkCopy& copy = row.copy;
  Copy out{copy.network, VerifiedOutcome::kGood, true, true, {}};
  if (copy.shard) out.shard = copy.shard->plan;
  ++report.packs;
  const auto finish = [&](VerifiedOutcome outcome, std::string problem) {
    out.outcome = outcome;
    out.answered = outcome != VerifiedOutcome::kUnreachable;
    out.is_there = outcome == VerifiedOutcome::kCorrupt;
    note(report.problems, kProblemsMax, std::move(problem));
    ++report.failed;
    return out;
  };
  const auto store = parts_.networks.find(copy.network);
  if (store == nullptr) return finish(VerifiedOutcome::kUnreachable, "the network is not configured");
  const auto probed = store->probe(copy.ref, context);
  if (!probed) {
    if (is_of_context(probed.error())) HOLDFAST_TRY(check_context(context, parts_.clock, "verifying"));
    return finish(VerifiedOutcome::kUnreachable, probed.error().message());
  }
  if (*probed == Durability::kAbsent) {
    // Every machine has a `local` of its own: another writer's copy isn't missing because it is not in ours.
    const bool may_be_elsewhere = pack.domain == 0 && store->traits().site == kThisHost;
    return finish(may_be_elsewhere ? VerifiedOutcome::kUnreachable : VerifiedOutcome::kMissing,
                  "pack " + copy.ref.locator + (may_be_elsewhere ? " is not on this machine's " + copy.network + "; another machine's may have it" : " is missing"));
  }
  ++report.available;
  const CopyId id{pack.id, copy.network};
  const bool is_doubted = row.outcome == VerifiedOutcome::kCorrupt && !cleared_.contains(id);
  if (is_doubted && level != VerifyLevel::kFull) {
    return finish(VerifiedOutcome::kCorrupt, "pack " + copy.ref.locator + ": wrong bytes were found in it earlier; --level full reads all of it again");
  }
  if (level == VerifyLevel::kAvailability) return out;
  if (copy.shard) {
    HOLDFAST_TRY(check_shard(copy, *store, level, report, out, context));
    if (is_doubted && out.outcome == VerifiedOutcome::kGood) cleared_.insert(id);
    return out;
  }
  std::vector<Record> wanted = level == VerifyLevel::kFull ? records : sample(records);
  if (is_doubted) {
    // Good again is only what was read as a whole.
    const auto directory = parts_.directories.read_directory(pack, context);
    HOLDFAST_TRY(check_context(context, parts_.clock, "verifying"));
    if (!directory) return finish(VerifiedOutcome::kCorrupt, "pack " + copy.ref.locator + ": wrong bytes were found in it earlier, and its directory can't be read");
    std::set<ChunkId> there;
    for (const auto& record : wanted) there.insert(record.id);
    for (const auto& entry : directory->entries) {
      if (there.insert(entry.id).second) wanted.push_back({entry.id, {pack.number, entry.offset, entry.record_size_bytes}});
    }
  }
  Reading reading{copy, *store, report, out, {}};
  HOLDFAST_TRY(read_records(id, wanted, reading, context));
  if (is_doubted && out.outcome == VerifiedOutcome::kGood) cleared_.insert(id);
  if (out.outcome != VerifiedOutcome::kGood) ++report.failed;
  return out;
}

/// A run may look at a pack for several snapshots, each time at other records: the worst counts.
void Verifier::note_finding(const PackId& pack, const Copy& copy) {
  const auto rank = [](VerifiedOutcome outcome) {
    return outcome == VerifiedOutcome::kUnreachable ? 0 : outcome == VerifiedOutcome::kGood ? 1 : outcome == VerifiedOutcome::kCorrupt ? 2 : 3;
  };
  const auto [found, is_new] = findings_.try_emplace({pack, copy.network}, copy.outcome);
  if (!is_new && rank(copy.outcome) > rank(found->second)) found->second = copy.outcome;
}

Result<Verifier::Pack> Verifier::check_pack(PackNumber number, const std::vector<Record>& records, VerifyLevel level,
                                            std::map<std::string, VerifyReport::Network>& networks, const CallContext& context) {
  Pack out;
  HOLDFAST_TRY(check_here(records, level, out, context));
  // Looked up after staging: a pack that leaves it meanwhile has its copies in the catalog by then.
  out.row = parts_.stage.table().find(number);
  if (!out.row) return out;
  for (const auto& row : parts_.view.copy_rows(out.row->id)) {
    auto& report = networks[row.copy.network];
    report.name = row.copy.network;
    HOLDFAST_ASSIGN(Copy copy, check_copy(*out.row, row, records, level, report, context));
    note_finding(out.row->id, copy);
    out.copies.push_back(std::move(copy));
  }
  const std::vector<NetworkCopy> shards = shards_among(parts_.view.copies(out.row->id));
  if (!shards.empty() && !out.is_held() && !out.is_here) {
    HOLDFAST_ASSIGN(out.together, check_together(shards, records, context));
  }
  return out;
}

Result<VerifyReport::Snapshot> Verifier::verify(const SnapshotView& snapshot, std::uint32_t domain, VerifyLevel level,
                                                const std::function<void(std::uint64_t, std::uint64_t)>& progress, const CallContext& context) {
  VerifyReport::Snapshot out;
  out.id = snapshot.info.id;
  out.name = snapshot.info.database + "@" + snapshot.info.name;
  Needs needs;
  HOLDFAST_TRY(NeedsWalk({parts_.stage, parts_.index, parts_.source, parts_.directories, parts_.clock}, needs)
                   .walk(snapshot, context));
  out.damaged = needs.damaged;
  std::map<std::string, VerifyReport::Network> networks;
  std::map<PackNumber, Pack> packs;
  std::uint64_t done = 0;
  for (const auto& [number, records] : needs.packs) {
    HOLDFAST_ASSIGN(packs[number], check_pack(number, records, level, networks, context));
    if (progress) progress(++done, needs.packs.size());
  }
  conclude(needs, domain, packs, out);
  for (auto& [name, report] : networks) {
    if (report.failed > 0) out.recommendations.push_back("run heal: network " + name + " has " + std::to_string(report.failed) + " bad or unreachable packs of it");
    out.networks.push_back(std::move(report));
  }
  return out;
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
