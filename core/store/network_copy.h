// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/erasure/shard.h"
#include "core/store/object_store.h"

namespace holdfast {

/// A shard of a pack, as the catalog knows it.
struct StoredShard {
  ShardPlan plan;
  ShardId id;
  friend bool operator==(const StoredShard&, const StoredShard&) = default;
};

/// What one network has of an object: all of it, or a shard.
struct NetworkCopy {
  std::string network;
  ObjectRef ref;  ///< of what is stored there: of a shard its own object, header and trailer included
  std::optional<StoredShard> shard = std::nullopt;  ///< nullopt: it is the whole object
  /// Of the object as a whole.
  [[nodiscard]] std::uint64_t object_bytes() const noexcept { return shard ? shard->plan.pack_size_bytes : ref.size_bytes; }
};

/// Whether they give the object back: one that is whole, or as many shards as it takes.
[[nodiscard]] bool gives_back(const std::vector<NetworkCopy>& copies);

}  // namespace holdfast
