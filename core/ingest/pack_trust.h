// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>

#include "core/base/clock.h"
#include "core/ingest/placement_directory.h"
#include "core/stage/stage.h"

namespace holdfast {

/// Whether what is stored anew may rely on chunks that lie in a pack: else a loss would be inherited by every later snapshot. Safe from any thread.
class PackTrust {
 public:
  PackTrust(const Stage& stage, const PlacementDirectory& placement, Clock& clock) : stage_(stage), placement_(placement), clock_(clock) {}

  /// Whether the pack itself is here, or a network has a copy that was not found bad.
  [[nodiscard]] bool is_here(PackNumber pack) const;

  /// The same of the pack and of all packs that its differences lean on, however far. What was found out of those is kept for 10 s.
  [[nodiscard]] bool can_lean_on(PackNumber pack);

 private:
  struct Answer {
    bool is_good = false;
    MonoTime until{};
  };
  [[nodiscard]] bool bases_are_here(PackNumber pack) const;

  const Stage& stage_;
  const PlacementDirectory& placement_;
  Clock& clock_;
  std::mutex mutex_;
  std::map<PackNumber, Answer> answers_;
};

}  // namespace holdfast
