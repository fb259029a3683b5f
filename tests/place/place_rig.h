// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "adapters/memory/memory_store.h"
#include "core/place/placer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/faulty_store.h"
#include "tests/support/stage_rig.h"

namespace holdfast::testing {

/// A catalog in memory: what the repository will do with its log.
class FakeCatalog final : public PlacementDirectory, public PlacementPolicy, public PlacementLog {
 public:
  std::vector<std::string> names;
  std::size_t quorum = 2;
  std::optional<ErasureCode> cut;

  std::vector<NetworkCopy> copies(const PackId& pack) const override {
    const std::lock_guard lock(mutex_);
    const auto found = copies_.find(pack);
    return found == copies_.end() ? std::vector<NetworkCopy>() : found->second;
  }
  std::vector<NetworkCopy> held_copies(const PackId& pack) const override {
    std::vector<NetworkCopy> held = copies(pack);
    const std::lock_guard lock(mutex_);
    std::erase_if(held, [&](const NetworkCopy& copy) { return bad_.contains({pack, copy.network}); });
    return held;
  }
  /// That copy was found missing or damaged.
  void spoil(const PackId& pack, const std::string& network) {
    const std::lock_guard lock(mutex_);
    bad_.insert({pack, network});
  }
  std::vector<std::string> networks(std::uint32_t) const override { return names; }
  std::optional<ErasureCode> code(std::uint32_t) const override { return cut; }
  bool is_safe(std::uint32_t, const std::vector<std::string>& networks) const override { return networks.size() >= quorum; }
  Status placed(const StagedPack& pack, const NetworkCopy& copy) override {
    const std::lock_guard lock(mutex_);
    if (fail_next) {
      --fail_next;
      return Error(ErrorCode::kNoSpace, "the catalog's disk is full");
    }
    auto& copies = copies_[pack.id];
    std::erase_if(copies, [&](const NetworkCopy& old) { return old.network == copy.network || (copy.shard && old.shard && old.shard->plan == copy.shard->plan); });
    copies.push_back(copy);
    bad_.erase({pack.id, copy.network});
    order_.emplace_back(copy.network, pack.number);
    return ok_status();
  }
  std::vector<PackNumber> order(const std::string& network) const {
    const std::lock_guard lock(mutex_);
    std::vector<PackNumber> numbers;
    for (const auto& [name, number] : order_) {
      if (name == network) numbers.push_back(number);
    }
    return numbers;
  }
  std::set<std::string> holders(const PackId& pack) const {
    std::set<std::string> out;
    for (const NetworkCopy& copy : copies(pack)) out.insert(copy.network);
    return out;
  }
  int fail_next = 0;

 private:
  mutable std::mutex mutex_;
  std::map<PackId, std::vector<NetworkCopy>> copies_;
  std::set<std::pair<PackId, std::string>> bad_;
  std::vector<std::pair<std::string, PackNumber>> order_;
};

struct PlaceRig : StageRig {
  explicit PlaceRig(std::vector<std::string> names, FakeClock::Sleep sleep = FakeClock::Sleep::kJump) : clock(sleep) {
    catalog.names = names;
    std::vector<std::shared_ptr<ObjectStore>> stores;
    for (const std::string& name : names) {
      MemoryStore::Options about;
      about.name = name;
      auto memory = std::make_shared<MemoryStore>(about);
      faulty[name] = std::make_shared<FaultyStore>(memory, clock, 77);
      stores.push_back(faulty[name]);
    }
    networks = std::make_unique<NetworkSet>(stores);
    cache = make_memory_chunk_cache(1 << 20);
  }
  void open_all() {
    ASSERT_TRUE(open());
    make_placer();
  }
  void make_placer() {
    placer.reset();
    PlacerOptions how;
    how.uploads_per_network_max = 1;
    how.move_after = move_after;
    placer = std::make_unique<Placer>(
        how, Placer::Parts{*stage, *cache, *networks, catalog, catalog, catalog, clock, random}, maintenance_key);
  }
  /// A difference to `base`, appended.
  ChunkId append_difference(const MadeRecord& base) {
    Bytes plain = base.plain;
    plain.front() ^= 1U;
    Fingerprint fp;
    EXPECT_TRUE(random.fill(fp.mutable_view()).has_value());
    DifferenceBase on{{base.ref}, base.plain, 0, kChunkPlainMaxBytes};
    const auto encoded = encoder.encode_difference(ChunkKind::kData, plain, fp, {}, on);
    HOLDFAST_CHECK(encoded && *encoded);
    const std::array bases{base.ref.id};
    NewRecord about;
    about.domain = 7;
    about.ref = (*encoded)->ref;
    about.record = (*encoded)->record;
    about.bases = bases;
    EXPECT_TRUE(stage->append(about));
    return about.ref.id;
  }
  StagedPack add_pack(int records = 5) {
    for (int i = 0; i < records; ++i) {
      made.push_back(make());
      EXPECT_TRUE(append(made.back()));
    }
    EXPECT_TRUE(stage->close_open_packs());
    const PackRow row = *stage->table().find(stage->last_number());
    return {row.number, row.id, row.size_bytes, row.domain, packs() + "/" + row.id.hex() + ".pack"};
  }
  Status wait_all(CallContext context = {}) {
    const std::size_t count = catalog.names.size();
    return placer->wait_placed(
        stage->last_number(), [count](std::uint32_t, const auto& placed) { return placed.size() == count; }, context);
  }
  /// Until nothing is staged any more: the drop comes a moment after the last copy.
  void wait_empty() {
    while (!stage->closed_packs().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  FakeClock clock;
  std::chrono::seconds move_after{1'800};
  FakeCatalog catalog;
  std::map<std::string, std::shared_ptr<FaultyStore>> faulty;
  std::unique_ptr<NetworkSet> networks;
  std::unique_ptr<ChunkCache> cache;
  std::unique_ptr<Placer> placer;
  std::vector<MadeRecord> made;
};

}  // namespace holdfast::testing
