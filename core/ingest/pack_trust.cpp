// SPDX-License-Identifier: Apache-2.0
#include "core/ingest/pack_trust.h"

#include <set>
#include <vector>

namespace holdfast {
namespace {

/// Walking through all packs for each known chunk would cost more than the chunk; and a loss is noticed by verify, hours after it happened.
constexpr std::chrono::seconds kKept{10};

}  // namespace

bool PackTrust::is_here(PackNumber pack) const {
  if (!stage_.is_usable(pack)) return false;
  const auto row = stage_.table().find(pack);
  // An open pack has no row.
  return !row || row->state == PackState::kStaged || placement_.has_good_copy(row->id);
}

bool PackTrust::bases_are_here(PackNumber pack) const {
  std::set<PackNumber> seen{pack};
  std::vector<PackNumber> left = stage_.leans_on(pack);
  while (!left.empty()) {
    const PackNumber next = left.back();
    left.pop_back();
    if (!seen.insert(next).second) continue;
    if (!is_here(next)) return false;
    for (const PackNumber further : stage_.leans_on(next)) left.push_back(further);
  }
  return true;
}

bool PackTrust::can_lean_on(PackNumber pack) {
  if (!is_here(pack)) return false;
  const MonoTime now = clock_.mono_now();
  {
    const std::lock_guard lock(mutex_);
    const auto known = answers_.find(pack);
    if (known != answers_.end() && now < known->second.until) return known->second.is_good;
  }
  const bool is_good = bases_are_here(pack);
  const std::lock_guard lock(mutex_);
  answers_[pack] = {is_good, now + kKept};
  return is_good;
}

}  // namespace holdfast
