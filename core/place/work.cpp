// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/base/log.h"
#include "core/place/placer_state.h"

namespace holdfast {
namespace {

using DeliveryState = PlacementStatus::State;

bool is_on(const std::vector<NetworkCopy>& copies, const std::string& network) {
  return std::ranges::any_of(copies, [&](const NetworkCopy& copy) { return copy.network == network; });
}

}  // namespace

/// Where the pack lies, and where it has yet to go. What is known to lie on networks that are `gone` does not count.
PackWork Placer::State::work_for(const StagedPack& pack, bool staged, const std::set<std::string>& gone) const {
  PackWork work;
  work.pack = pack;
  work.staged = staged;
  std::vector<NetworkCopy> held = parts.directory.held_copies(pack.id);
  std::erase_if(held, [&](const NetworkCopy& copy) { return copy.shard && gone.contains(copy.network); });
  const std::vector<NetworkCopy> known = parts.directory.copies(pack.id);
  std::optional<ErasureCode> code = parts.policy.code(pack.domain);
  // Of another writer's pack what it has is what it is to have.
  if (pack.domain == 0 && !known.empty() && known.front().shard) code = known.front().shard->plan.code;
  if (code) {
    assign_shards(work, *code, held, gone);
  } else {
    assign_whole(work, held);
  }
  for (const NetworkCopy& copy : known) {
    if (is_on(held, copy.network) || gone.contains(copy.network)) continue;
    // What was lost comes back where it was, also where the policy would not put it today: others may count on it.
    if (!code && !copy.shard) work.deliveries.try_emplace(copy.network);
    if (const auto found = work.deliveries.find(copy.network); found != work.deliveries.end()) found->second.bad = copy.ref;
  }
  for (auto& [name, delivery] : work.deliveries) {
    if (delivery.state != DeliveryState::kPlaced && !parts.networks.find(name)) delivery.last_error = "network " + name + " is not configured";
  }
  return work;
}

void Placer::State::assign_whole(PackWork& work, const std::vector<NetworkCopy>& held) const {
  if (work.pack.domain != 0) {
    for (const std::string& name : parts.policy.networks(work.pack.domain)) work.deliveries.try_emplace(name);
  }
  // Copies on networks that the policy no longer names still count for the quorum.
  for (const NetworkCopy& copy : held) work.deliveries[copy.network].state = DeliveryState::kPlaced;
}

/// Each index that nobody holds goes to the network of its place in the policy's order, or else to the first that has none.
void Placer::State::assign_shards(PackWork& work, const ErasureCode& code, const std::vector<NetworkCopy>& held, const std::set<std::string>& gone) const {
  std::set<std::uint8_t> missing;
  for (std::uint8_t index = 0; index < code.n; ++index) missing.insert(index);
  for (const NetworkCopy& copy : held) {
    Delivery& delivery = work.deliveries[copy.network];
    delivery.state = DeliveryState::kPlaced;
    if (!copy.shard) continue;
    delivery.shard = copy.shard->plan;
    missing.erase(copy.shard->plan.index);
  }
  std::vector<std::string> order = parts.policy.takers(work.pack.domain);
  for (const NetworkCopy& copy : parts.directory.copies(work.pack.id)) {
    if (std::ranges::find(order, copy.network) == order.end()) order.push_back(copy.network);
  }
  const auto give = [&](const std::string& name, std::uint8_t index) {
    work.deliveries[name].shard = ShardPlan{code, index, work.pack.id, work.pack.size_bytes};
    missing.erase(index);
  };
  const auto is_free = [&](const std::string& name) { return !work.deliveries.contains(name) && !gone.contains(name); };
  for (std::uint8_t index = 0; index < order.size() && index < code.n; ++index) {
    if (missing.contains(index) && is_free(order[index])) give(order[index], index);
  }
  for (const std::string& name : order) {
    if (!missing.empty() && is_free(name) && parts.networks.find(name)) give(name, *missing.begin());
  }
}

/// A shard whose network goes on failing goes to one that has none and does not fail.
void Placer::State::move_to_spare(PackWork& work, const std::string& network) {
  const auto from = work.deliveries.find(network);
  for (const std::string& name : parts.policy.takers(work.pack.domain)) {
    const auto spare = networks.find(name);
    if (work.deliveries.contains(name) || spare == networks.end() || spare->second.failures > 0) continue;
    log_warning("shard " + std::to_string(from->second.shard->index) + " of pack " + work.pack.id.hex().substr(0, 16) + " goes to " + name + " instead of " + network +
                ", which goes on failing: " + from->second.last_error);
    work.deliveries[name].shard = from->second.shard;
    work.deliveries.erase(from);
    return;
  }
}

}  // namespace holdfast
