// SPDX-License-Identifier: Apache-2.0
#include "core/store/pack_sources.h"

#include <algorithm>
#include <iterator>

namespace holdfast {

std::vector<NetworkCopy> shards_among(const std::vector<NetworkCopy>& copies) {
  std::vector<NetworkCopy> shards;
  std::ranges::copy_if(copies, std::back_inserter(shards), [](const NetworkCopy& copy) { return copy.shard.has_value(); });
  return shards;
}

Status read_shards(ShardedObject& shards, const CallContext& context, const std::function<Status()>& attempt) {
  for (;;) {
    Status status = attempt();
    if (status || status.error().code() != ErrorCode::kCorrupt || shards.expose(context).empty()) return status;
  }
}

Status read_pack_from_any(const NetworkSet& networks, Clock& clock, const std::vector<NetworkCopy>& copies, const std::string& except, const CallContext& context,
                          const PackAttempt& attempt) {
  Status problem;
  const auto failed = [&](Error error) {
    // One that didn't answer may have it, whatever the others say.
    const bool may_have_it = !problem && retry_advice(problem.error().code()) == RetryAdvice::kSameSource;
    if (!may_have_it) problem = std::move(error);
  };
  for (const NetworkCopy& copy : copies) {
    const auto store = networks.find(copy.network);
    if (copy.shard || copy.network == except || store == nullptr) continue;
    Status read = attempt(*store, copy.ref);
    if (read) return read;
    failed(std::move(read).error().on_network(copy.network));
  }
  std::vector<NetworkCopy> shards = shards_among(copies);
  std::erase_if(shards, [&](const NetworkCopy& copy) { return copy.network == except; });
  if (!shards.empty()) {
    ShardedObject object(networks, clock, std::move(shards));
    Status read = read_shards(object, context, [&] { return attempt(object, object.ref()); });
    if (read) return read;
    failed(std::move(read).error().on_network(object.traits().name));
  }
  return problem ? Status(Error(ErrorCode::kNotFound, "no network of this run has it")) : problem;
}

}  // namespace holdfast
