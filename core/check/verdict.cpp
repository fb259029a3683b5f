// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/check/verifier.h"

namespace holdfast {

/// What the copies of all packs together say of the snapshot.
void Verifier::conclude(const Needs& needs, std::uint32_t domain, const std::map<PackNumber, Pack>& packs, VerifyReport::Snapshot& out) const {
  bool all_safe = true;
  bool any_staged = false;
  bool any_open = false;
  bool quorum_holds = true;
  bool any_unknown = false;
  std::size_t bad_here = 0;
  std::size_t under_other_networks = 0;
  for (const auto& [number, records] : needs.packs) {
    const Pack& pack = packs.at(number);
    any_open = any_open || !pack.row;
    any_staged = any_staged || pack.is_here;
    bad_here += pack.bad_here.size();
    std::vector<std::string> holding;
    for (const auto& copy : pack.copies) {
      if (copy.outcome == VerifiedOutcome::kGood) holding.push_back(copy.network);
    }
    const std::uint32_t rule = pack.row && pack.row->domain != 0 ? pack.row->domain : domain;
    const bool is_safe = parts_.rules.is_safe(rule, holding);
    all_safe = all_safe && is_safe;
    if (pack.row && pack.row->domain != 0 && pack.row->domain != domain && !is_safe) ++under_other_networks;
    const bool is_good_here = pack.is_here && pack.bad_here.empty();
    quorum_holds = quorum_holds && (is_good_here || holding.size() >= parts_.rules.holders_needed(rule));
    if (is_good_here || pack.is_held()) continue;
    // Each record may still be good somewhere.
    const bool is_unknown = std::any_of(pack.copies.begin(), pack.copies.end(), [](const Copy& copy) { return !copy.answered; }) || (pack.together && !pack.together->answered);
    for (const auto& record : records) {
      if ((pack.is_here && !pack.bad_here.contains(record.id)) || pack.gives(record.id)) continue;
      any_unknown = any_unknown || is_unknown;
      if (!is_unknown) note(out.damaged, kDamagedMax, needs.paths.at(record.id).empty() ? "/" : needs.paths.at(record.id));
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
  if (any_unknown) out.recommendations.push_back("parts of it are only on networks that could not be asked: verify again when they answer");
  if (under_other_networks > 0) {
    out.recommendations.push_back(std::to_string(under_other_networks) + " packs of it were stored when its database had other networks, and are not on enough of today's yet: " +
                                  "they go there by themselves where no other database forbids it");
  }
  if (bad_here > 0) out.recommendations.push_back(std::to_string(bad_here) + " chunks of it are damaged in the staging folder of this machine: look after its disk");
  if (any_staged && out.damaged.empty()) out.recommendations.push_back("parts of it lie only in staging so far: wait until it is safe");
}

}  // namespace holdfast
