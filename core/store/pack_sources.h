// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/sharded_object.h"

namespace holdfast {

/// Tried on one place that has a pack: the reader, and the pack's reference there.
using PackAttempt = std::function<Status(ObjectReader& reader, const ObjectRef& pack)>;

/// Runs `attempt` on one place after the other until it succeeds: on each network that has all of the pack, then on the shards together. Where what the shards gave was
/// wrong (kCorrupt), those that lied are left out and the rest is tried again. `except` is not asked. Returns the error of the place that may yet give it, else of the last one;
/// kNotFound when there is none. For reads that must not wait on statistics: reading chunks is ReplicatedReader's.
Status read_pack_from_any(const NetworkSet& networks, Clock& clock, const std::vector<NetworkCopy>& copies, const std::string& except, const CallContext& context,
                          const PackAttempt& attempt);

/// Calls `attempt` on the shards, again as long as it fails with kCorrupt and another liar is found.
Status read_shards(ShardedObject& shards, const CallContext& context, const std::function<Status()>& attempt);

/// The shards among `copies`.
std::vector<NetworkCopy> shards_among(const std::vector<NetworkCopy>& copies);

}  // namespace holdfast
