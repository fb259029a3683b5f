// SPDX-License-Identifier: Apache-2.0
#include "core/repo/snapshot_list.h"

#include <algorithm>
#include <limits>

#include "core/repo/moment.h"

namespace holdfast {
namespace {

constexpr WallNanos kSecond = 1'000'000'000;
constexpr std::string_view kIncompleteSuffix = ".incomplete";

SnapshotInfo to_info(const SnapshotRow& row, const std::map<DatabaseId, std::string>& names, bool has_vault) {
  SnapshotInfo info;
  const auto& record = row.record;
  info.id = record.id;
  info.database_id = record.database;
  info.time = record.time;
  info.completeness = record.completeness;
  info.bytes_new = record.bytes_new;
  info.merkle_root = record.content_root;
  info.key_id = record.key;
  info.writer = record.writer;
  const auto name = names.find(record.database);
  if (name != names.end()) info.database = name->second;
  if (info.database.empty()) info.database = record.database.hex();
  if (!row.fields) return info;
  const auto& fields = *row.fields;
  info.database = fields.database;
  info.label = fields.label;
  info.strategy = fields.strategy;
  info.tags = fields.tags;
  info.content_hash = fields.content_hash;
  info.host = fields.host;
  info.incomplete_paths = fields.incomplete_paths;
  info.readable = has_vault;
  if (const auto* directory = std::get_if<DirectoryContent>(&fields.root.content)) {
    info.bytes_logical = directory->root.totals.bytes;
    info.files = directory->root.totals.files;
  }
  // Totals of directories leave the bytes of hard-linked files to the link table (FORMAT.md §4).
  if (fields.links) info.bytes_logical += fields.links->totals.bytes;
  return info;
}

/// Digits after the second that tell `time` from all others of its second that came before it.
int digits_needed(WallNanos time, const std::vector<WallNanos>& earlier) {
  if (earlier.empty()) return 0;
  for (const auto& [digits, unit] : {std::pair(3, WallNanos{1'000'000}), std::pair(6, WallNanos{1'000})}) {
    const bool apart = std::none_of(earlier.begin(), earlier.end(), [&](WallNanos other) { return other / unit == time / unit; });
    if (apart) return digits;
  }
  return 9;
}

/// `indices` are one database's, newest first.
void name_all(SnapshotList& list, const std::vector<std::size_t>& indices) {
  std::vector<WallNanos> second;
  for (auto at = indices.rbegin(); at != indices.rend(); ++at) {
    SnapshotInfo& info = list.all[*at];
    if (!second.empty() && second.front() / kSecond != info.time / kSecond) second.clear();
    info.name = snapshot_time_name(info.time, digits_needed(info.time, second));
    if (info.completeness == Completeness::kIncomplete) info.name += kIncompleteSuffix;
    second.push_back(info.time);
  }
}

std::vector<std::string> intersection(const std::vector<std::string>& left, const std::vector<std::string>& right) {
  std::vector<std::string> out;
  std::set_intersection(left.begin(), left.end(), right.begin(), right.end(), std::back_inserter(out));
  return out;
}

std::vector<std::string> networks_of(const std::vector<NetworkCopy>& copies) {
  std::vector<std::string> out;
  for (const auto& copy : copies) out.push_back(copy.network);
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<ErasureCode> code_of(const std::vector<NetworkCopy>& copies) {
  return copies.empty() || !copies.front().shard ? std::nullopt : std::optional(copies.front().shard->plan.code);
}

bool is_id_prefix(const std::string& spec) {
  return spec.size() >= 4 && spec.size() <= 2 * SnapshotId::size && spec.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Result<const SnapshotInfo*> by_id_prefix(const SnapshotList& list, const std::string& prefix) {
  const SnapshotInfo* found = nullptr;
  for (const auto& info : list.all) {
    if (!info.id.hex().starts_with(prefix)) continue;
    if (found != nullptr) return Error(ErrorCode::kInvalidArgument, "several snapshots have an id that begins with " + prefix);
    found = &info;
  }
  if (found == nullptr) return Error(ErrorCode::kNotFound, "no snapshot has an id that begins with " + prefix);
  return found;
}

}  // namespace

SnapshotList make_snapshot_list(const CatalogView& view, const std::map<DatabaseId, std::string>& names, const WriterId& self, bool has_vault) {
  SnapshotList list;
  view.for_each_snapshot([&](const SnapshotRow& row) {
    list.all.push_back(to_info(row, names, has_vault));
    if (row.record.writer != self) list.inherited.insert(row.record.database);
  });
  for (std::size_t i = 0; i < list.all.size(); ++i) {
    list.by_id.emplace(list.all[i].id, i);
    list.by_database[list.all[i].database].push_back(i);
  }
  for (const auto& [name, indices] : list.by_database) name_all(list, indices);
  return list;
}

const SnapshotInfo* snapshot_at(const SnapshotList& list, const std::string& database, WallNanos moment) {
  const auto found = list.by_database.find(database);
  if (found == list.by_database.end()) return nullptr;
  for (const std::size_t index : found->second) {
    const SnapshotInfo& info = list.all[index];
    if (info.time <= moment && counts_as_whole(info)) return &info;
  }
  return nullptr;
}

Result<const SnapshotInfo*> resolve_snapshot(const SnapshotList& list, const std::string& spec, WallNanos now) {
  const auto at = spec.find('@');
  if (at == std::string::npos) {
    if (is_id_prefix(spec)) return by_id_prefix(list, spec);
    return Error(ErrorCode::kInvalidArgument, "\"" + spec + "\" is neither DB@TIME nor an id of at least 4 hexadecimal digits");
  }
  const std::string database = spec.substr(0, at);
  const std::string what = spec.substr(at + 1);
  const auto found = list.by_database.find(database);
  if (found == list.by_database.end()) return Error(ErrorCode::kNotFound, "database " + database + " has no snapshot");
  for (const std::size_t index : found->second) {
    const SnapshotInfo& info = list.all[index];
    if (info.name == what || (!info.label.empty() && info.label == what)) return &info;
  }
  WallNanos moment = std::numeric_limits<WallNanos>::max();
  if (what != "latest") {
    auto parsed = parse_moment(what, now);
    if (!parsed) {
      if (is_id_prefix(what)) return by_id_prefix(list, what);
      return Error(ErrorCode::kNotFound, "database " + database + " has no snapshot called \"" + what + "\", and that is no moment either");
    }
    moment = *parsed;
  }
  const SnapshotInfo* info = snapshot_at(list, database, moment);
  if (info == nullptr) return Error(ErrorCode::kNotFound, "database " + database + " has no complete snapshot at or before " + what);
  return info;
}

SafetyTable::SafetyTable(const Stage& stage, const CatalogView& view, const DomainRules& rules) : rules_(rules) {
  PackNumber expected = 1;
  std::vector<PackNumber> gaps;
  stage.table().for_each([&](const PackRow& row) {
    for (; expected < row.number; ++expected) gaps.push_back(expected);
    expected = row.number + 1;
    const auto copies = view.copy_rows(row.id);
    const std::vector<NetworkCopy> held = good_copies(copies);
    const auto networks = networks_of(held);
    if (row.domain == 0) {
      other_networks_ = has_others_ ? intersection(other_networks_, networks) : networks;
      has_others_ = true;
      others_.try_emplace({networks, code_of(held), gives_back(held)}, row.number);
      // What other writers' quorums are is not known: two copies where there were so many, and one of them away from here.
      others_spoilt_ = others_spoilt_ || (networks.size() < copies.size() && !rules.outlive_one(held, copies.size()));
      return;
    }
    auto& steps = steps_[row.domain];
    Step step = steps.empty() ? Step{0, true, false, false, networks} : steps.back();
    step.number = row.number;
    step.all_safe = step.all_safe && rules.is_safe(row.domain, networks);
    step.any_lost = step.any_lost || (!gives_back(held) && row.state != PackState::kStaged);
    step.any_copy = step.any_copy || !networks.empty();
    step.networks = intersection(step.networks, networks);
    steps.push_back(std::move(step));
  });
  for (const PackNumber last = stage.last_number(); expected <= last; ++expected) gaps.push_back(expected);
  for (const PackNumber gap : gaps) {
    const auto there = stage.read(gap, 0, 1);
    if (!there || !there->has_value()) continue;  // a number that was never used
    first_open_ = gap;
    break;
  }
}

const SafetyTable::Step* SafetyTable::step_of(std::uint32_t domain, PackNumber last) const {
  const auto found = steps_.find(domain);
  if (found == steps_.end()) return nullptr;
  const auto& steps = found->second;
  const auto after = std::upper_bound(steps.begin(), steps.end(), last, [](PackNumber number, const Step& each) { return number < each.number; });
  return after == steps.begin() ? nullptr : &*std::prev(after);
}

SafetyTable::Answer SafetyTable::own(const Reach& reach, bool stated_safe) const {
  Answer answer;
  const std::uint32_t present = reach.domains.empty() ? 0 : reach.domains.back();
  std::optional<Step> all;
  const auto add = [&](const Step& step) {
    if (!all) {
      all = step;
      return;
    }
    all->all_safe = all->all_safe && step.all_safe;
    all->any_lost = all->any_lost || step.any_lost;
    all->any_copy = all->any_copy || step.any_copy;
    all->networks = intersection(all->networks, step.networks);
  };
  for (const std::uint32_t domain : reach.domains) {
    if (const Step* step = step_of(domain, reach.last)) add(*step);
  }
  if (all && all->any_lost) {
    answer.state = DurabilityState::kLost;
    return answer;
  }
  const bool is_open = first_open_ != 0 && first_open_ <= reach.last;
  if (is_open) return answer;
  // Where this writer stored nothing for it, its chunks are in packs that were here before.
  if (reach.inherited || !all) {
    for (const auto& [held, first] : others_) {
      if (first <= reach.last) add({first, rules_.is_safe_in(present, held.code, held.networks), !held.gives_back, !held.networks.empty(), held.networks});
    }
  }
  if (!all) {
    // An empty tree.
    std::vector<std::string> networks = rules_.networks(present);
    std::sort(networks.begin(), networks.end());
    add({0, rules_.can_be_safe(present), false, true, std::move(networks)});
  }
  answer.networks = all->networks;
  if (all->all_safe) {
    answer.state = DurabilityState::kSafe;
  } else if (stated_safe) {
    answer.state = DurabilityState::kDegraded;
  } else if (all->any_copy) {
    answer.state = DurabilityState::kReplicating;
  }
  return answer;
}

SafetyTable::Answer SafetyTable::other(bool stated_safe) const {
  if (!stated_safe) return {DurabilityState::kReplicating, other_networks_};
  return {others_spoilt_ ? DurabilityState::kDegraded : DurabilityState::kSafe, other_networks_};
}

}  // namespace holdfast
