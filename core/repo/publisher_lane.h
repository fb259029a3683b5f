// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <thread>
#include <tuple>

#include "core/repo/publisher.h"

namespace holdfast {

/// Which object of the catalog; with the incarnation, since its segments start anew.
using PlaceKey = std::tuple<MetaType, IncarnationId, std::uint64_t, std::uint64_t>;
struct Place {
  Digest digest;
  ObjectRef ref;
};

/// One network's part of the publisher. What has no remark is guarded by Publisher::mutex_.
struct Publisher::Lane {
  std::shared_ptr<ObjectStore> store;  ///< constant
  std::map<PlaceKey, Place> places;    ///< the lane's own thread only
  MonoTime places_at{};                ///< when `places` were last compared with the network; the lane's own thread only
  bool checked = false;                ///< the first head of this run was seen to stand; the lane's own thread only
  bool dirty = false;
  bool is_look_asked = false;          ///< each object is to be read again
  std::uint32_t failures = 0;
  WallNanos failing_since = 0;
  std::uint64_t attempts = 0;
  std::uint64_t retries_asked = 0;
  RepositoryCatalog::OwnState published;
  std::string locator;
  std::string last_error;
  MonoTime head_at{};
  std::jthread thread;
};

}  // namespace holdfast
