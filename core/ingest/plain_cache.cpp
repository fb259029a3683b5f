// SPDX-License-Identifier: Apache-2.0
#include "core/ingest/plain_cache.h"

#include <array>
#include <list>
#include <mutex>
#include <unordered_map>

namespace holdfast {
namespace {

/// So that readers on different chunks rarely wait for each other.
constexpr std::size_t kShards = 16;
/// A larger one would throw out too many others of its shard.
constexpr std::uint64_t kItemPartMax = 8;

}  // namespace

struct PlainCache::State {
  struct Kept {
    ChunkRef ref;
    Item item;
  };
  struct Shard {
    mutable std::mutex mutex;
    std::list<Kept> order;  // most recently used first
    std::unordered_map<ChunkId, std::list<Kept>::iterator> by_id;
    std::uint64_t used_bytes = 0;
  };
  std::uint64_t shard_limit_bytes = 0;
  std::array<Shard, kShards> shards;

  // The first eight bytes of an id are the hash of the maps; the last one picks the shard.
  Shard& shard(const ChunkId& id) { return shards[id.bytes.back() % kShards]; }
};

PlainCache::PlainCache(std::uint64_t limit_bytes) : state_(std::make_unique<State>()) {
  state_->shard_limit_bytes = limit_bytes / kShards;
}
PlainCache::~PlainCache() = default;

std::optional<PlainCache::Item> PlainCache::get(const ChunkRef& ref) {
  State::Shard& shard = state_->shard(ref.id);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.by_id.find(ref.id);
  if (found == shard.by_id.end() || found->second->ref != ref) return std::nullopt;
  shard.order.splice(shard.order.begin(), shard.order, found->second);
  return found->second->item;
}

void PlainCache::put(const ChunkRef& ref, Item item) {
  State::Shard& shard = state_->shard(ref.id);
  const std::uint64_t size = item.plain.size();
  const std::lock_guard lock(shard.mutex);
  if (size > state_->shard_limit_bytes * kShards / kItemPartMax) return;
  if (const auto found = shard.by_id.find(ref.id); found != shard.by_id.end()) {
    shard.used_bytes -= found->second->item.plain.size();
    shard.order.erase(found->second);
    shard.by_id.erase(found);
  }
  // One item may be larger than its shard's part: it is then alone there.
  while (!shard.order.empty() && shard.used_bytes + size > state_->shard_limit_bytes) {
    shard.used_bytes -= shard.order.back().item.plain.size();
    shard.by_id.erase(shard.order.back().ref.id);
    shard.order.pop_back();
  }
  shard.order.push_front({ref, std::move(item)});
  shard.by_id[ref.id] = shard.order.begin();
  shard.used_bytes += size;
}

std::uint64_t PlainCache::used_bytes() const noexcept {
  std::uint64_t used = 0;
  for (const State::Shard& shard : state_->shards) {
    const std::lock_guard lock(shard.mutex);
    used += shard.used_bytes;
  }
  return used;
}

}  // namespace holdfast
