// SPDX-License-Identifier: Apache-2.0
#include "core/repo/repository.h"

namespace holdfast {

std::string_view durability_state_name(DurabilityState state) noexcept {
  switch (state) {
    case DurabilityState::kStaged: return "staged";
    case DurabilityState::kReplicating: return "replicating";
    case DurabilityState::kSafe: return "safe";
    case DurabilityState::kDegraded: return "degraded";
    case DurabilityState::kLost: return "lost";
  }
  return "unknown";
}

std::string_view completeness_name(Completeness completeness) noexcept {
  switch (completeness) {
    case Completeness::kNotApplicable: return "not_applicable";
    case Completeness::kComplete: return "complete";
    case Completeness::kIncomplete: return "incomplete";
    case Completeness::kUnchecked: return "unchecked";
  }
  return "unknown";
}

}  // namespace holdfast
