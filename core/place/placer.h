// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/secret_bytes.h"
#include "core/ingest/placement_directory.h"
#include "core/stage/stage.h"
#include "core/store/object_store.h"

namespace holdfast {

/// Which networks a domain's packs go to, and when they are held well enough (implemented by core/repo). Safe from any thread.
class PlacementPolicy {
 public:
  virtual ~PlacementPolicy() = default;
  /// Configured names, in order; a network that this run does not have is waited for.
  [[nodiscard]] virtual std::vector<std::string> networks(std::uint32_t domain) const = 0;
  /// How packs are cut in shards, one on a network: the first networks() get one each, the others are spare. nullopt: all of them get the whole pack.
  [[nodiscard]] virtual std::optional<ErasureCode> code(std::uint32_t domain) const = 0;
  /// Networks that may take a shard of a pack of that domain, in order; of another writer's packs (0) those that all databases of this machine name.
  [[nodiscard]] virtual std::vector<std::string> takers(std::uint32_t domain) const { return networks(domain); }
  /// Whether copies on these networks are the quorum that makes a pack *safe* (design §1). Also decides when a staged file may go.
  [[nodiscard]] virtual bool is_safe(std::uint32_t domain, const std::vector<std::string>& networks) const = 0;
};

/// Where a checked copy is recorded (implemented by core/repo: a `placed` entry in the catalog). Safe from any thread.
class PlacementLog {
 public:
  virtual ~PlacementLog() = default;
  /// From success on, PlacementDirectory::copies() has it, also after a restart. Called once a pack and network.
  virtual Status placed(const StagedPack& pack, const NetworkCopy& copy) = 0;
};

struct PlacerOptions {
  std::chrono::seconds put_timeout{900};           ///< of one pack on one network
  std::chrono::milliseconds backoff_first{1'000};  ///< after a failure on that network; doubles
  std::chrono::milliseconds backoff_max{300'000};
  std::chrono::seconds move_after{1'800};          ///< of failures in a row, until a shard goes to a network that has none
  std::uint32_t uploads_per_network_max = 4;       ///< bounded by the network's calls_in_flight_max
  std::uint64_t cache_on_drop_max_bytes = 64ULL << 20;  ///< of one pack: its nodes, then its newest data
};

/// One pack on one network, as status shows it.
struct PlacementStatus {
  PackNumber number = 0;
  PackId id;
  std::uint64_t size_bytes = 0;
  std::string network;
  enum class State : std::uint8_t { kWaiting, kPutting, kChecking, kPlaced, kFailed } state = State::kWaiting;
  std::uint32_t failures = 0;
  std::string last_error;  ///< of the last attempt that failed
  WallNanos failing_since = 0;  ///< when the first of `failures` attempts in a row had failed; 0: none did
};

/// Brings closed packs to their networks. Each network has a queue and workers of its own, oldest pack first, so a slow one slows no other. A pack is verified
/// whole before it leaves; a copy counts once a random sample of at least 1 KiB of whole records was read back and verified. After a restart it goes on with what is staged and not
/// placed, and asks a network that has answered a put before whether it has the pack instead of paying again.
/// A staged file goes when every network of its domain has it. When staging is over its soft limit it goes already when the quorum holds and the networks that lack
/// it are failing; those are filled from the other copies once they are back, also after a restart. Before a file goes, some of its records are
/// offered to the chunk cache where no network on this host has them.
/// Safe from any thread.
class Placer {
 public:
  struct Parts {
    Stage& stage;
    ChunkCache& cache;
    const NetworkSet& networks;
    PlacementDirectory& directory;
    PlacementPolicy& policy;
    PlacementLog& log;
    Clock& clock;
    RandomSource& random;
  };
  Placer(const PlacerOptions& options, const Parts& parts, ByteView maintenance_key);
  /// stop().
  ~Placer();

  /// Looks at what is staged and starts the workers. (The constructor has hooked into Stage::on_pack_closed.)
  void start();
  /// Cancels what is under way and joins; nothing is lost, a later start goes on.
  void stop();
  /// Looks whether these packs still are where they have to be by PlacementDirectory::held_copies, and puts back what was found missing or damaged: from staging, another network or from shards.
  /// Shards that lie on `gone` networks are rebuilt on others of the domain's that have none; whole copies there are left alone. Returns at once; wait_placed waits for it.
  void look_again(const std::vector<PackRow>& packs, const std::set<std::string>& gone);
  /// Tries failed networks now instead of at the end of their backoff.
  void retry_now();
  /// About how many bytes of whole chunks the newest versions of all databases lean on: what the chunk cache should hold so that the next versions become differences. Where it can't hold them
  /// all, only a share of those that leave staging is offered to it, chosen by their ids: a cache that takes each in turn has forgotten them all when the next version comes by.
  void expect_bases(std::uint64_t bytes);

  /// Told to the caller's predicate: which networks hold a pack by now.
  using Enough = std::function<bool(std::uint32_t domain, const std::vector<std::string>& networks)>;
  /// Waits until `enough` holds for each closed pack with a number up to `up_to` (close open ones first: Stage::close_open_packs). An empty function asks PlacementPolicy::is_safe.
  /// A pack that has left staging because all networks of its domain have it counts as placed: more can't come.
  /// Errors: kDeadlineExceeded, kCancelled, both naming a pack and network that are missing and why.
  Status wait_placed(PackNumber up_to, const Enough& enough, const CallContext& context);

  /// What is staged and not on all its networks; and of those that are under way.
  [[nodiscard]] std::vector<PlacementStatus> pending() const;

  struct Outcome {
    std::string network;
    Result<ObjectRef> ref;
  };
  /// Puts a small object (log segment, key table, keyring) on each of `networks` in parallel and reads it back. Returns when all have answered or
  /// `context` ends; one outcome a network, in order. A network that this run does not have is kUnavailable.
  std::vector<Outcome> put_everywhere(const ObjectName& name, ByteView object, const std::vector<std::string>& networks,
                                      const CallContext& context);

 private:
  struct State;
  std::shared_ptr<State> state_;  // the stage's callback holds it weakly
};

}  // namespace holdfast
