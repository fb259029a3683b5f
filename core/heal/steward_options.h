// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace holdfast {

struct StewardOptions {
  std::chrono::seconds look_every{3'600};     ///< a round: health of all networks, and a sample of the copies on each
  std::chrono::seconds settle{120};           ///< after the start, before the first round
  std::uint32_t rounds_for_all = 168;         ///< of each network's copies so many rounds see each about once: a week of hours
  std::uint32_t copies_max = 64;              ///< of one network in one round, where nothing was found wrong
  std::chrono::seconds gone_after{6 * 3600};  ///< a network that did not answer for so long has its shards rebuilt elsewhere
  std::chrono::seconds call_timeout{120};     ///< of one look at one copy
};

}  // namespace holdfast
