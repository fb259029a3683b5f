// SPDX-License-Identifier: Apache-2.0
#pragma once

// Inside of core/place; included by its .cpp files alone.

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "core/base/waker.h"
#include "core/pack/pack.h"
#include "core/place/placer.h"

namespace holdfast {

/// One pack on one network, or a shard of it.
struct Delivery {
  std::optional<ShardPlan> shard;  ///< nullopt: all of the pack
  std::optional<ObjectRef> bad;    ///< what lies there and was found missing or damaged: goes before it is put again
  PlacementStatus::State state = PlacementStatus::State::kWaiting;
  std::uint32_t failures = 0;
  std::string last_error;
  WallNanos failing_since = 0;      ///< for people
  MonoTime failing_from{};          ///< the same, for decisions
  MonoTime not_before = MonoTime::min();
};

/// One pack on all its networks.
struct PackWork {
  StagedPack pack;
  bool staged = true;    ///< false: the file went, copies come from networks
  bool verified = false; ///< the staged file was read and is whole
  bool dropping = false;
  std::map<std::string, Delivery> deliveries;  ///< by network, of those that the domain names
};

/// How a network behaves as a whole.
struct NetworkState {
  std::shared_ptr<ObjectStore> store;
  std::uint32_t failures = 0;  ///< in a row, of the kind that concerns the network and not one pack
  MonoTime not_before = MonoTime::min();
};

struct Placer::State {
  State(const PlacerOptions& given, const Parts& given_parts, ByteView key)
      : options(given), parts(given_parts), maintenance_key(SecretBytes::copy_of(key)) {}

  const PlacerOptions options;
  const Parts parts;
  const SecretBytes maintenance_key;

  std::mutex run_mutex;  ///< start and stop
  std::vector<std::jthread> threads;
  Waker timer;

  std::atomic<std::uint64_t> expected_bases_bytes{0};

  mutable std::mutex mutex;  ///< all below; no call leaves this module while it is held
  std::condition_variable_any work_changed;
  std::map<PackNumber, PackWork> packs;
  std::map<std::string, NetworkState> networks;
  std::vector<Waker*> waiting;

  // Book-keeping (placer.cpp).
  void add(const StagedPack& pack, bool staged);
  void add_all();
  void look_again(const StagedPack& pack, const std::set<std::string>& gone);
  void add_to_books(PackWork work);

  // What has to be done for a pack (work.cpp).
  PackWork work_for(const StagedPack& pack, bool staged, const std::set<std::string>& gone) const;
  void assign_whole(PackWork& work, const std::vector<NetworkCopy>& held) const;
  void assign_shards(PackWork& work, const ErasureCode& code, const std::vector<NetworkCopy>& held, const std::set<std::string>& gone) const;
  void move_to_spare(PackWork& work, const std::string& network);  // mutex held

  void changed();  // mutex held
  void run_timer(const std::stop_token& stop);
  void run_network(const std::string& name, const std::stop_token& stop);
  std::optional<PackNumber> next_for(const std::string& network, MonoTime now);  // mutex held
  void finish(PackNumber number, const std::string& network, const Status& outcome);
  MonoTime backoff(std::uint32_t failures) const;
  void drop_if_done(PackNumber number);
  void drop_under_pressure();
  bool is_over_soft_limit() const;
  void offer_to_cache(const StagedPack& pack);
  bool is_worth_caching(const PackEntry& entry, std::uint64_t cache_bytes) const;

  // One delivery (delivery.cpp).
  /// One pack, or shard, and where it goes.
  struct Job {
    StagedPack pack;
    std::optional<ShardPlan> shard;
    std::optional<ObjectRef> bad;
    std::shared_ptr<ObjectStore> store;
  };
  Status deliver(const Job& job, const CallContext& context);
  Status deliver_shard(const Job& job, const CallContext& context);
  Result<ObjectRef> put_once(const Job& job, std::uint64_t size_bytes, const std::function<Result<ObjectRef>()>& put, const CallContext& context);
  Result<ObjectRef> put_whole(const Job& job, const CallContext& context);
  [[nodiscard]] PackBytes staged_bytes(const StagedPack& pack) const;
  Status verify_staged(const StagedPack& pack);
  Result<Bytes> read_from_networks(const StagedPack& pack, const std::string& except, const CallContext& context) const;
  Result<PackDirectory> directory_of(const StagedPack& pack, ObjectStore& store, const ObjectRef& ref,
                                     const CallContext& context);
  void take_back(const Job& job, const ObjectRef& ref, const Error& why, const CallContext& context);
  Result<PackBytes> bytes_of(const Job& job, const CallContext& context);
  Status check_shard(const Job& job, const MadeShard& made, const ObjectRef& ref, const CallContext& context);
  Status check_sample(const StagedPack& pack, ObjectStore& store, const ObjectRef& ref, const CallContext& context);
  Status read_back(ObjectStore& store, const ObjectRef& ref, const PackEntry& entry, const CallContext& context);
  void note_checking(PackNumber number, const std::string& network);
};

/// Repeats `attempt` while it answers kNotFound or kOutOfRange and the network may still be making the object visible.
Status until_visible(Clock& clock, const StoreTraits& traits, const CallContext& context,
                     const std::function<Status()>& attempt);

}  // namespace holdfast
