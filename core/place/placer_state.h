// SPDX-License-Identifier: Apache-2.0
#pragma once

// Inside of core/place; included by its .cpp files alone.

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "core/base/waker.h"
#include "core/pack/pack.h"
#include "core/place/placer.h"

namespace holdfast {

/// One pack on one network.
struct Delivery {
  PlacementStatus::State state = PlacementStatus::State::kWaiting;
  std::uint32_t failures = 0;
  std::string last_error;
  WallNanos failing_since = 0;
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
  Status deliver(const StagedPack& pack, ObjectStore& store, const CallContext& context);
  Result<ObjectRef> put_once(const StagedPack& pack, ObjectStore& store, const CallContext& context);
  Result<ObjectRef> put(const StagedPack& pack, ObjectStore& store, const CallContext& context);
  Status verify_staged(const StagedPack& pack);
  Result<Bytes> read_from_networks(const StagedPack& pack, const std::string& except, const CallContext& context);
  Result<PackDirectory> directory_of(const StagedPack& pack, ObjectStore& store, const ObjectRef& ref,
                                     const CallContext& context);
  Status check_sample(const StagedPack& pack, ObjectStore& store, const ObjectRef& ref, const CallContext& context);
  Status read_back(ObjectStore& store, const ObjectRef& ref, const PackEntry& entry, const CallContext& context);
  void note_checking(PackNumber number, const std::string& network);
};

/// Repeats `attempt` while it answers kNotFound or kOutOfRange and the network may still be making the object visible.
Status until_visible(Clock& clock, const StoreTraits& traits, const CallContext& context,
                     const std::function<Status()>& attempt);

}  // namespace holdfast
