// SPDX-License-Identifier: Apache-2.0
#include "core/store/network_copy.h"

#include <set>

namespace holdfast {

bool gives_back(const std::vector<NetworkCopy>& copies) {
  std::set<std::uint8_t> indices;
  for (const NetworkCopy& copy : copies) {
    if (!copy.shard) return true;
    indices.insert(copy.shard->plan.index);
    if (indices.size() >= copy.shard->plan.code.k) return true;
  }
  return false;
}

}  // namespace holdfast
