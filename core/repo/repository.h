// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/crypto/keyring.h"
#include "core/heal/steward_options.h"
#include "core/index/chunk_index.h"
#include "core/index/feature_table.h"
#include "core/live/live_tree.h"
#include "core/store/object_store.h"
#include "core/tree/tree.h"

namespace holdfast {

/// The policy of a database, as far as this version acts on it ([database.NAME] in the configuration).
struct DatabasePolicy {
  std::string strategy = "incremental";
  std::vector<std::string> networks;       ///< empty: the repository's default
  std::uint32_t write_quorum = 0;          ///< 0: the smaller of 2 and the number of sites
  std::string erasure;                     ///< "K/N": packs lie in N shards on N networks, any K of which give them back; empty: whole packs on every network
  std::chrono::seconds seal_after_idle{600};
  std::chrono::seconds seal_wait{6 * 3600};
  std::chrono::seconds max_age{26 * 3600};
  std::string schedule;                    ///< cron; empty: none
  std::vector<std::string> tags;
  std::string owner;                       ///< user whom live/NAME and its snapshots belong to; empty: who made it
  std::uint32_t mode = 0700;
  ChunkSizes chunk_sizes;
  int zstd_level = 1;                      ///< -7 to 19, not 0: negative ones are faster
  friend bool operator==(const DatabasePolicy&, const DatabasePolicy&) = default;
};

enum class DurabilityState : std::uint8_t { kStaged, kReplicating, kSafe, kDegraded, kLost };
std::string_view durability_state_name(DurabilityState state) noexcept;
std::string_view completeness_name(Completeness completeness) noexcept;

/// A sealed snapshot as lists show it. Private fields are empty where this machine has no key for them.
struct SnapshotInfo {
  SnapshotId id;
  std::string database;
  DatabaseId database_id;
  WallNanos time = 0;
  std::string name;   ///< folder name: "2026-11-23T060000Z", "….250Z", "….incomplete"
  std::string label;
  std::string strategy;
  std::vector<std::string> tags;
  Completeness completeness = Completeness::kUnchecked;
  DurabilityState state = DurabilityState::kStaged;
  std::vector<std::string> networks;  ///< that hold all of it
  std::uint64_t bytes_logical = 0;
  std::uint64_t bytes_new = 0;
  std::uint64_t bytes_stored = 0;
  std::uint64_t files = 0;
  Digest content_hash;
  Digest merkle_root;
  KeyId key_id;
  WriterId writer;
  std::string host;
  bool readable = false;  ///< whether this machine can open it
  std::vector<std::string> incomplete_paths;
};

/// An opened snapshot: what is needed to read it.
struct SnapshotView {
  SnapshotInfo info;
  Inode root;      ///< content: empty or DirectoryContent
  TreeRoot links;
};

/// The packs that a snapshot leans on, bases of its differences included.
struct SnapshotLocations {
  struct Pack {
    std::optional<PackId> id;       ///< nullopt: still open, so it has no name yet
    std::uint64_t size_bytes = 0;   ///< of an open one what the snapshot has in it
    std::uint64_t chunks = 0;       ///< of the snapshot in it
    std::uint64_t chunk_bytes = 0;  ///< their records
    bool is_staged = false;         ///< its file is in this machine's staging folder
  };
  std::vector<Pack> packs;
  std::vector<std::string> problems;  ///< why there may be more: at most 20, for people; empty: these are all
};

/// A pack on a network, by what the catalog says.
struct PackCopy {
  std::string network;
  std::string locator;  ///< the network's name for it: a CID, a path below the directory
  std::uint64_t size_bytes = 0;
  std::string_view state;  ///< what the last look at it gave: "good", "missing", "corrupt", "unreachable"
  [[nodiscard]] bool is_bad() const noexcept { return state == "missing" || state == "corrupt"; }
};

struct SealOptions {
  std::string label;
  std::vector<std::string> tags;
  /// A command that filled the tree failed: the snapshot is incomplete whatever its files look like.
  bool forced_incomplete = false;
  /// Seal also when nothing changed since the last snapshot.
  bool even_if_unchanged = true;
};

struct SealResult {
  SnapshotInfo snapshot;
  std::uint64_t bytes_stored_new = 0;
  double seconds = 0;
};

/// Opens the local key stores with keys that come out of the unlocked ring: index and view are sealed under K_local.
struct LocalStores {
  std::shared_ptr<ChunkIndex> index;
  std::shared_ptr<ChunkCache> cache;
  std::shared_ptr<ViewStore> view;
  std::shared_ptr<FeatureTable> features = nullptr;  ///< null: every chunk is stored whole
};
using OpenLocalStores = std::function<Result<LocalStores>(ByteView index_key, ByteView view_key)>;

struct InitResult {
  std::string root_fingerprint;  ///< groups of four hexadecimal digits
  RecoveryCode code;
  struct HeadPlace {
    std::string network;
    std::string locator;
  };
  std::vector<HeadPlace> heads;
  RepositoryId repository;
};

/// What the configuration says of a database: sets its keys in a policy and leaves the others as they are.
using PolicyEdit = std::function<void(DatabasePolicy&)>;

struct OpenOptions {
  std::string state_directory;
  std::shared_ptr<NetworkSet> networks;
  OpenLocalStores open_stores;
  Clock* clock = nullptr;
  RandomSource* random = nullptr;
  std::uint64_t staging_size_bytes = 20ULL << 30;
  std::chrono::seconds staging_wait{600};  ///< how long full staging holds a writer back before it gets kNoSpace
  std::vector<std::string> default_networks;
  std::map<std::string, PolicyEdit> configured_databases;  ///< made, or their policies edited, by each opening
  std::string default_schedule;  ///< cron; of databases whose policy has none
  std::string host;  ///< name of this machine in certificates and snapshot records
  StewardOptions steward;
};

struct StatusReport {
  RepositoryId repository;
  std::uint64_t snapshots = 0;
  std::uint64_t chunks = 0;
  std::uint64_t packs = 0;
  std::uint64_t bytes_logical = 0;
  std::uint64_t bytes_stored = 0;
  std::uint64_t bytes_staged = 0;
  std::uint64_t staging_limit_bytes = 0;
  struct Network {
    std::string name, type, site, state, last_error;
    std::uint64_t bytes_stored = 0;
    std::optional<std::uint64_t> capacity_bytes, used_bytes;
    double latency_ms = 0;
    std::uint64_t faults = 0;  ///< wrong bytes that verification caught
    std::vector<std::string> warnings;  ///< what will be lost there if nobody acts
  };
  std::vector<Network> networks;
  struct Pending {
    std::string what;     ///< "pack 12ab34cd"
    std::string network;
    std::uint64_t size_bytes = 0;
    std::string reason;
    bool failed = false;  ///< an attempt failed, for this reason; else it is under way
  };
  std::vector<Pending> pending;
  struct Recovery {
    std::string network;
    std::uint64_t parts_read = 0, parts_total = 0;
    std::string problem;
  };
  std::optional<Recovery> recovery;           ///< one that is under way
  std::vector<std::string> catalog_problems;  ///< parts of logs that no network has given
  std::vector<std::string> notices;           ///< as Repository::notice gives them
  ChunkCache::Stats cache;
};

/// What a network lacks of what it should have.
struct Awaited {
  std::string network;
  std::uint64_t packs = 0;
  std::uint64_t bytes = 0;      ///< of these packs
  bool catalog = false;         ///< the newest head is not there
  WallNanos failing_since = 0;  ///< 0: nothing failed, it is under way
  std::string last_error;
};

enum class VerifyLevel : std::uint8_t { kAvailability, kSample, kFull };
enum class Health : std::uint8_t { kHealthy, kDegraded, kUnhealthy };
struct VerifyReport {
  struct Network {
    std::string name;
    std::uint64_t packs = 0, available = 0, sampled = 0, failed = 0, bytes_read = 0;
    std::vector<std::string> problems;  ///< at most 20, for people
  };
  struct Snapshot {
    SnapshotId id;
    std::string name;  ///< DB@TIME
    DurabilityState state = DurabilityState::kStaged;
    Health health = Health::kHealthy;
    std::vector<Network> networks;
    std::vector<std::string> damaged;  ///< paths hit, at most 100
    std::vector<std::string> recommendations;
  };
  std::vector<Snapshot> snapshots;
  Health health = Health::kHealthy;
};

/// What heal() found and did.
struct HealReport {
  struct Network {
    std::string name;
    std::uint64_t looked_at = 0, good = 0, missing = 0, corrupt = 0, unreachable = 0;
    std::vector<std::string> problems;  ///< at most 20, for people
  };
  std::vector<Network> networks;
  std::vector<std::string> gone;     ///< not configured, or silent: shards that lie there are rebuilt elsewhere
  std::uint64_t packs_lacking = 0;   ///< packs that lacked a copy or a shard
  std::uint64_t packs_mended = 0;    ///< of those, packs that now have all again
  std::uint64_t packs_lost = 0;      ///< of those, packs that nothing gives back
  std::vector<std::string> left;     ///< why the others are not mended yet; at most 20, for people
};

/// A repository opened on this machine: the owner's view of everything. Exactly one object a state folder (flock). Safe from any thread.
class Repository {
 public:
  /// Makes a new repository in an empty (or absent) state folder and publishes its first head on every network that has mutable names.
  /// Errors: kAlreadyExists when there is one; those of the networks (nothing is left behind then).
  static Result<InitResult> init(const OpenOptions& options, ByteView passphrase, const KdfParameters& kdf);

  /// Opens, replays the journal, and starts the background work (uploads, timers) unless `read_only`. Errors: kNotFound (no repository here),
  /// kWrongKey, kConflict (another process owns the state), kCorrupt.
  static Result<std::unique_ptr<Repository>> open(const OpenOptions& options, ByteView passphrase);

  struct RecoverOptions {
    std::string network;
    std::string head_locator;  ///< empty: the head of slot 0.. on that network
    std::string root_fingerprint;  ///< from the sheet; empty: shown, not checked
    std::string repository;        ///< hexadecimal id from the sheet; networks with plain names need it unless they hold only one
    bool connect = false;          ///< join as a further writer instead of taking over
    std::string database;          ///< the only one that is taken over; empty: all. Snapshots of all can be read either way
    bool wait = true;              ///< until wait_recovered() says that it is done; else the catalog is read in the background
  };
  /// Rebuilds a state folder from one network (recover), or joins as a new writer (connect). The folder must hold no
  /// repository, or one whose recovery has not read the whole catalog yet: that goes on. Errors: kWrongKey, kNotFound,
  /// kCorrupt, kUntrusted (a signature by the wrong key); with `wait` those of wait_recovered().
  static Result<std::unique_ptr<Repository>> recover(const OpenOptions& options, const RecoverOptions& what,
                                                     ByteView passphrase, const RecoveryCode& code);

  virtual ~Repository() = default;

  /// A recovery that has not read the whole catalog yet. Every opening goes on with it in the background, the newest parts first. What is known already can be listed, and read: reads wait
  /// for the parts that they need. There are no databases of this writer until it is done.
  struct Recovery {
    bool is_under_way = false;
    std::string network;
    std::uint64_t parts_read = 0;   ///< of the logs and key tables
    std::uint64_t parts_total = 0;  ///< 0: not known yet
    std::string problem;            ///< why the last attempt failed; there will be another one
  };
  virtual Recovery recovery() const = 0;
  /// Returns when no recovery is under way; `progress` (or null) is called now and then. Errors: why an attempt to read the catalog failed meanwhile (kUnavailable and kDeadlineExceeded:
  /// try again; kNotFound: no such database or network); those of the context. Whatever it is, what was read is kept, and the next opening goes on.
  virtual Status wait_recovered(const std::function<void(const Recovery&)>& progress, const CallContext& context) = 0;
  /// Errors: kUnavailable: a recovery is under way, or no network has given some part of a log that a head tells of, so that what is not found here is not proved absent; says what is missing.
  virtual Status catalog_is_whole() const = 0;

  // Databases.
  virtual std::vector<std::string> database_names() const = 0;
  /// Errors: kInvalidArgument (name with "@", ":", "/", empty, too long, or starting with a dot), kAlreadyExists.
  virtual Status create_database(const std::string& name, const DatabasePolicy& policy, std::uint32_t uid,
                                 std::uint32_t gid) = 0;
  virtual Result<DatabasePolicy> policy(const std::string& database) const = 0;
  virtual Status set_policy(const std::string& database, const DatabasePolicy& policy) = 0;
  /// The live tree; it lives as long as the repository. Errors: kNotFound.
  virtual Result<LiveTree*> live(const std::string& database) = 0;

  // Snapshots.
  /// Seals the live tree now. Durable on this machine when it returns (staged).
  virtual Result<SealResult> seal(const std::string& database, const SealOptions& options,
                                  const CallContext& context) = 0;
  /// Makes a snapshot of a tree that was built beside the live one (backup of paths and streams): chunks and nodes went through pipeline().
  virtual Result<SealResult> publish_tree(const std::string& database, const SealedTree& tree, const SealOptions& options,
                                          const CallContext& context) = 0;
  /// All (or one database's), newest first.
  virtual std::vector<SnapshotInfo> snapshots(const std::string& database = {}) const = 0;
  /// Grows whenever the list of snapshots or databases changes: what a mount watches to drop cached directory entries.
  virtual std::uint64_t catalog_generation() const noexcept = 0;
  /// "DB@TIME", "DB@latest", "DB@label", "DB@<moment>", or an id prefix of 4 or more digits. Errors: kNotFound; kInvalidArgument (not understood, or ambiguous).
  virtual Result<SnapshotInfo> resolve(const std::string& spec) const = 0;
  /// The newest complete snapshot of a database at or before `moment`.
  virtual Result<SnapshotInfo> at(const std::string& database, WallNanos moment) const = 0;
  virtual Result<SnapshotView> open_snapshot(const SnapshotId& id, const CallContext& context) = 0;
  /// Which packs a snapshot leans on: walks its trees, so this takes memory and time by its size. Errors: those of
  /// open_snapshot; kDeadlineExceeded, kCancelled.
  virtual Result<SnapshotLocations> locations(const SnapshotId& id, const CallContext& context) = 0;
  /// Where a pack lies, in the order of the networks' names.
  virtual std::vector<PackCopy> pack_copies(const PackId& pack) const = 0;
  /// Whether snapshots of a database can ever become safe: it has networks enough, one of them on another site. False for other writers' databases.
  virtual bool can_be_safe(const std::string& database) const = 0;
  /// Waits until each is staged or safe. Errors: kDeadlineExceeded; kUnsupported where no other site is configured, at once.
  virtual Status wait_for(const std::vector<SnapshotId>& ids, DurabilityState state, const CallContext& context) = 0;

  // Data.
  virtual ChunkSource& source() noexcept = 0;
  virtual ChunkPipeline& pipeline() noexcept = 0;
  virtual const GearTable& gear() const noexcept = 0;
  /// Parameters for building a tree of this database.
  virtual Result<LiveTreeOptions> tree_options(const std::string& database) const = 0;
  /// Judges finished files by core/complete, reading them through source(): what seal() uses, and backups of paths and streams too.
  virtual CompletenessJudge completeness_judge(const std::string& database) = 0;
  /// What the database's owner should know about its dumps, for people: that they are compressed inside. Empty for nothing.
  virtual std::string notice(const std::string& database) const = 0;
  struct Judgement {
    Completeness completeness = Completeness::kUnchecked;
    std::string reason;  ///< for people: why it is not complete
  };
  /// Whether a file of a live tree is whole as it is now: as the last seal found it, or, where it changed since, judged
  /// now. One that is open for writing, or can't be read in half a minute, is unchecked. What counts for snapshots is
  /// the judgement of their seal. `with_reason`: for one that a seal found not to be complete, too. Errors: kNotFound
  /// (database; the inode is not pinned), kCancelled.
  virtual Result<Judgement> judge_live(const std::string& database, std::uint64_t ino, bool with_reason,
                                       const CallContext& context) = 0;

  // Care.
  virtual StatusReport status() = 0;
  virtual Result<VerifyReport> verify(const std::vector<SnapshotId>& ids, VerifyLevel level,
                                      const std::function<void(std::uint64_t done, std::uint64_t total)>& progress,
                                      const CallContext& context) = 0;
  struct HealOptions {
    std::vector<SnapshotId> snapshots;          ///< only packs that these need; empty: every pack that the catalog knows, and the catalog itself
    VerifyLevel level = VerifyLevel::kSample;   ///< how each copy is looked at
    bool dry_run = false;                       ///< found and recorded, not mended
  };
  /// Looks at every copy on every network, has what was lost put back from good copies or shards, and waits for it: until all is mended, or what is left has failed at least
  /// once (the background goes on with that). Errors: kDeadlineExceeded, kCancelled, kNotFound (a snapshot).
  virtual Result<HealReport> heal(const HealOptions& what, const std::function<void(std::uint64_t done, std::uint64_t total)>& progress, const CallContext& context) = 0;
  /// What is waited for, by network; never asks one.
  virtual std::vector<Awaited> awaited() const = 0;
  /// Makes durable here what was written; `until_safe`: also closes open packs, uploads, and publishes heads, as far as
  /// it goes: where nothing can be safe, until all networks have all.
  virtual Status settle(bool until_safe, const CallContext& context) = 0;
  /// The same until all databases are safe that hold anything. Waits for networks that are down. Errors: kUnsupported
  /// naming those that can't ever be, at once, with nothing but their data made durable here; kDeadlineExceeded,
  /// kCancelled.
  virtual Status make_safe(const CallContext& context) = 0;
  /// Prometheus text.
  virtual std::string metrics() = 0;

  // Keys.
  virtual Status change_passphrase(ByteView old_passphrase, ByteView new_passphrase, const KdfParameters& kdf,
                                   const std::optional<RecoveryCode>& code) = 0;
  struct KeyInfo {
    std::string label, kdf;
    std::uint32_t iterations = 0;
    bool leaves_machine = false;
  };
  virtual std::vector<KeyInfo> keys() const = 0;
  virtual InitResult recovery_sheet() const = 0;  ///< the code is zero: it is shown once, by init

  /// Stops background work, commits, releases the lock. Called before destruction; what it returns must not be lost.
  virtual Status close() = 0;
};

}  // namespace holdfast
