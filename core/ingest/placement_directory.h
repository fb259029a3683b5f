// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/store/network_copy.h"

namespace holdfast {

/// Where packs lie on networks, as the catalog says (implemented by core/repo). Safe from any thread.
class PlacementDirectory {
 public:
  virtual ~PlacementDirectory() = default;
  /// The known copies of a pack and shards of it, in no particular order; empty when there is none. Does not ask a network.
  [[nodiscard]] virtual std::vector<NetworkCopy> copies(const PackId& pack) const = 0;
  /// Those of them that were not found missing or damaged when they were last looked at. Does not ask a network.
  [[nodiscard]] virtual std::vector<NetworkCopy> held_copies(const PackId& pack) const = 0;
  /// Whether those give the pack back. Does not ask a network.
  /// Asked for each known chunk that is written.
  [[nodiscard]] virtual bool has_good_copy(const PackId& pack) const { return gives_back(held_copies(pack)); }
};

}  // namespace holdfast
