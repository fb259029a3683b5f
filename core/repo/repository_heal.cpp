// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/check/snapshot_locations.h"
#include "core/repo/repository_impl.h"

namespace holdfast {
namespace {

constexpr std::size_t kLeftMax = 20;
constexpr std::chrono::milliseconds kLookEvery{100};

CopyCheckLevel copy_level(VerifyLevel level) {
  switch (level) {
    case VerifyLevel::kAvailability: return CopyCheckLevel::kAvailability;
    case VerifyLevel::kSample: return CopyCheckLevel::kSample;
    case VerifyLevel::kFull: return CopyCheckLevel::kFull;
  }
  return CopyCheckLevel::kFull;
}

}  // namespace

Result<std::set<PackId>> RepositoryImpl::packs_of(const std::vector<SnapshotId>& ids, const CallContext& context) {
  std::set<PackId> out;
  for (const SnapshotId& id : ids) {
    HOLDFAST_ASSIGN(const SnapshotLocations found, locations(id, context));
    for (const auto& pack : found.packs) {
      if (pack.id) out.insert(*pack.id);
    }
  }
  return out;
}

/// Until none of them is waited for any more, but for what has failed since.
Status RepositoryImpl::wait_mended(const std::vector<PackRow>& packs, const CallContext& context) const {
  std::set<PackNumber> numbers;
  for (const PackRow& row : packs) numbers.insert(row.number);
  const auto is_under_way = [&](const PlacementStatus& each) {
    return numbers.contains(each.number) && each.failures == 0 && options_.networks->find(each.network) != nullptr;
  };
  while (std::ranges::any_of(placer_->pending(), is_under_way)) {
    HOLDFAST_TRY(check_context(context, *options_.clock, "waiting for packs to be mended"));
    HOLDFAST_TRY(options_.clock->sleep_until(std::min(context.deadline, options_.clock->mono_now() + kLookEvery), context.stop));
  }
  return ok_status();
}

/// Which of them have all again, by the catalog, and why not the others.
void RepositoryImpl::report_mended(const Steward::Findings& found, HealReport& report) const {
  std::map<PackNumber, std::vector<std::string>> pending;
  for (const PlacementStatus& each : placer_->pending()) {
    pending[each.number].push_back(each.network + ": " + (each.last_error.empty() ? "not tried yet" : each.last_error));
  }
  const auto note = [&](const PackRow& row, const std::string& why) {
    if (report.left.size() < kLeftMax) report.left.push_back("pack " + row.id.hex().substr(0, 16) + " " + why);
  };
  for (const PackRow& row : found.to_mend) {
    if (const auto reasons = pending.find(row.number); reasons != pending.end()) {
      for (const std::string& why : reasons->second) note(row, "on " + why);
      continue;
    }
    std::string bad;
    for (const CopyRow& copy : catalog_->view().copy_rows(row.id)) {
      if (!copy.is_good() || (copy.copy.shard && found.gone.contains(copy.copy.network))) bad += (bad.empty() ? "" : ", ") + copy.copy.network;
    }
    if (bad.empty()) {
      ++report.packs_mended;
    } else {
      note(row, "lies on " + bad + ", and no network that has nothing of it is there to take that");
    }
  }
}

Result<HealReport> RepositoryImpl::heal(const HealOptions& what, const std::function<void(std::uint64_t, std::uint64_t)>& progress, const CallContext& context) {
  std::optional<std::set<PackId>> packs;
  if (!what.snapshots.empty()) {
    HOLDFAST_ASSIGN(packs, packs_of(what.snapshots, context));
  }
  HOLDFAST_ASSIGN(const Steward::Findings found, steward_->look(packs, copy_level(what.level), progress, context));
  HealReport report;
  for (const auto& network : found.networks) {
    report.networks.push_back({network.network, network.looked_at, network.good, network.missing, network.corrupt, network.unreachable, network.problems});
  }
  report.gone.assign(found.gone.begin(), found.gone.end());
  report.packs_lacking = found.to_mend.size();
  report.packs_lost = found.unhealable;
  if (what.dry_run) return report;
  if (!packs) publisher_->look_again();
  placer_->retry_now();
  steward_->mend(found);
  HOLDFAST_TRY(wait_mended(found.to_mend, context));
  report_mended(found, report);
  HOLDFAST_TRY(state_safety());
  // As far as networks answer: what was mended stands in the own log in any case.
  const Status published = publisher_->flush(options_.networks->all().size(), context);
  if (!published) report.left.push_back(published.error().message());
  return report;
}

}  // namespace holdfast
