// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <shared_mutex>
#include <thread>

#include "core/heal/steward.h"
#include "core/ingest/ingest_pipeline.h"
#include "core/ingest/stored_chunk_source.h"
#include "core/place/placer.h"
#include "core/repo/databases.h"
#include "core/repo/head_reader.h"
#include "core/repo/index_rebuilder.h"
#include "core/repo/live_nodes.h"
#include "core/repo/publisher.h"
#include "core/repo/snapshot_list.h"
#include "core/stage/stage.h"
#include "core/store/replicated_reader.h"

namespace holdfast {

/// Whether no chunk of the database is a difference.
bool stands_alone(const DatabasePolicy& policy);
/// The root directory of a new database.
Inode new_root(std::uint32_t uid, std::uint32_t gid, std::uint32_t mode, WallNanos now);

/// The Repository. Split by concern: opening (repository_open.cpp, repository_init.cpp, repository_recover.cpp), databases, sealing, lists, waiting, care, keys.
///
/// Lock order: Database::sealing, databases_mutex_, Database::mutex, then those of the parts. No network and no disk is waited for under databases_mutex_.
class RepositoryImpl final : public Repository {
 public:
  explicit RepositoryImpl(const OpenOptions& options) : options_(options), paths_{options.state_directory} {}
  ~RepositoryImpl() override;

  /// What open() does once the keyring is unlocked.
  Status start(std::unique_ptr<StateLock> lock, Keyring ring, RepositoryIdentity identity);

  Recovery recovery() const override;
  Status wait_recovered(const std::function<void(const Recovery&)>& progress, const CallContext& context) override;
  Status catalog_is_whole() const override;
  std::vector<std::string> database_names() const override;
  Status create_database(const std::string& name, const DatabasePolicy& policy, std::uint32_t uid, std::uint32_t gid) override;
  Result<DatabasePolicy> policy(const std::string& database) const override;
  Status set_policy(const std::string& database, const DatabasePolicy& policy) override;
  Result<LiveTree*> live(const std::string& database) override;
  Result<SealResult> seal(const std::string& database, const SealOptions& options, const CallContext& context) override;
  Result<SealResult> publish_tree(const std::string& database, const SealedTree& tree, const SealOptions& options, const CallContext& context) override;
  std::vector<SnapshotInfo> snapshots(const std::string& database) const override;
  std::uint64_t catalog_generation() const noexcept override;
  Result<SnapshotInfo> resolve(const std::string& spec) const override;
  Result<SnapshotInfo> at(const std::string& database, WallNanos moment) const override;
  Result<SnapshotView> open_snapshot(const SnapshotId& id, const CallContext& context) override;
  Result<SnapshotLocations> locations(const SnapshotId& id, const CallContext& context) override;
  std::vector<PackCopy> pack_copies(const PackId& pack) const override;
  bool can_be_safe(const std::string& database) const override;
  Status wait_for(const std::vector<SnapshotId>& ids, DurabilityState state, const CallContext& context) override;
  ChunkSource& source() noexcept override { return *rebuilding_source_; }
  ChunkPipeline& pipeline() noexcept override { return *pipeline_; }
  const GearTable& gear() const noexcept override { return gear_; }
  Result<LiveTreeOptions> tree_options(const std::string& database) const override;
  CompletenessJudge completeness_judge(const std::string& database) override;
  std::string notice(const std::string& database) const override;
  Result<Judgement> judge_live(const std::string& database, std::uint64_t ino, bool with_reason,
                               const CallContext& context) override;
  StatusReport status() override;
  Result<VerifyReport> verify(const std::vector<SnapshotId>& ids, VerifyLevel level,
                              const std::function<void(std::uint64_t, std::uint64_t)>& progress, const CallContext& context) override;
  Result<HealReport> heal(const HealOptions& what, const std::function<void(std::uint64_t, std::uint64_t)>& progress, const CallContext& context) override;
  std::vector<Awaited> awaited() const override;
  Status settle(bool until_safe, const CallContext& context) override;
  Status make_safe(const CallContext& context) override;
  std::string metrics() override;
  Status change_passphrase(ByteView old_passphrase, ByteView new_passphrase, const KdfParameters& kdf,
                           const std::optional<RecoveryCode>& code) override;
  std::vector<KeyInfo> keys() const override;
  InitResult recovery_sheet() const override;
  Status close() override;

 private:
  using DatabasePtr = std::shared_ptr<Database>;

  // Opening.
  Status open_stores();
  Status open_stage();
  Status replay_journal();
  Status open_databases();
  Status take_configuration();
  Status begin_recovery();
  void run_recovery(const std::stop_token& stop);
  Status take_over(const std::stop_token& stop);
  Status read_catalog(ObjectStore& store, const std::stop_token& stop);
  Result<bool> find_more_packs(const CallContext& context);
  bool is_taking_over() const;
  Status take_over_database(const DatabaseRow& row, const std::string& only);
  Status adopt_packs(bool everything);
  Status adopt_locked(bool everything);
  void start_background();
  Status clean_after_power_loss();

  // Databases.
  Status check_networks(const DatabasePolicy& policy) const;
  std::vector<std::string> networks_of(const DatabasePolicy& policy) const;
  Result<LiveTreeOptions> options_of(const DatabaseId& id, const DatabasePolicy& policy);
  Result<DatabasePtr> find(const std::string& name) const;
  std::vector<DatabasePtr> all_databases() const;
  Result<DatabasePtr> make_database(const DatabaseRecord& record, Inode root, TreeRoot links, std::uint64_t next_ino);
  Status log_policy(const Database& database, const DatabasePolicy& policy);
  static bool has_no_differences(const Database& database);
  static Status check_strategy_change(const Database& database, const DatabasePolicy& policy);
  static Status apply_to_root(Database& database, const DatabasePolicy& policy);
  static Bytes record_of(const Database& database);
  friend Result<InitResult> publish_first_head(RepositoryImpl& repository, const CallContext& context);

  // Sealing.
  Status check_options(const Database& database, const SealOptions& options) const;
  Status check_label(const Database& database, const std::string& label) const;
  Result<SealResult> publish_sealed(Database& database, const SealedTree& tree, const SealOptions& options, MonoTime began);
  Result<SealResult> seal_locked(Database& database, const SealOptions& options, const CallContext& context);
  void find_unsealed();
  void wait_for_releases(const Database& database, const CallContext& context);
  CompletenessJudge judge_of(Database& database);
  Completeness judge_file(Database* database, const std::string& path, const Inode& inode);
  void tell_of_compression(Database& database);
  void expect_bases();
  Result<LiveTree::FileVersion> closed_version(LiveTree& tree, std::uint64_t ino, const CallContext& context);
  Result<Judgement> judge_now(Database& database, const Inode& inode, const CallContext& context);
  std::set<std::string> folders_to_judge(Database& database, const SealedTree& tree, const CallContext& context);
  void judge_folders(Database& database, SealedTree& tree, const CallContext& context);
  WallNanos next_time(const DatabaseId& id) const;

  // Lists.
  SnapshotList make_list() const;
  std::shared_ptr<const SnapshotList> list() const;
  Result<SnapshotInfo> info_of(const SnapshotId& id) const;
  Error with_what_is_missing(const Error& error) const;
  void add_state(const SafetyTable& safety, SnapshotInfo& info) const;
  PackNumber last_pack_number() const;
  SafetyTable::Reach reach_of(const DatabaseId& id, PackNumber last) const;
  std::optional<std::uint32_t> domain_by_id(const DatabaseId& id) const;

  // Background.
  void run_seals(const std::stop_token& stop);
  void run_care(const std::stop_token& stop);
  void run_refresh(const std::stop_token& stop);
  void run_nodes(const std::stop_token& stop);
  void run_features(const std::stop_token& stop);
  Status learn_features(const Database& database, const Inode& inode, std::uint64_t& learned, const CallContext& context);
  Result<std::vector<LiveTree::Base>> durable_bases();
  std::string nodes_problem() const;
  bool wait_for_refresh(const std::stop_token& stop);
  struct DueSeal {
    bool incomplete = false;   ///< files are still open for writing, and the wait for them is over
    WallNanos scheduled = 0;   ///< by the schedule: done up to here once it has succeeded
  };
  struct CommitCare {
    Journal::Position position = 0;  ///< all before it is durable
    MonoTime at{};
    bool has_failed = false;
  };
  void commit_now_and_then(CommitCare& care, MonoTime now);
  std::optional<DueSeal> due_seal(Database& database);
  bool pause(std::chrono::milliseconds time, const std::stop_token& stop);
  bool all_realtime() const;
  Status renew_index();
  Status finish_rebuild(const std::stop_token& stop);
  void learn_references(const std::stop_token& stop);
  Status learn_snapshot(const SnapshotId& id, const CallContext& context);
  Status checkpoint();
  Status state_safety();
  Status stage_all();
  Result<std::size_t> place_all(const CallContext& context);
  Status publish_on(std::size_t quorum, const CallContext& context);
  Result<std::set<PackId>> packs_of(const std::vector<SnapshotId>& ids, const CallContext& context);
  void report_mended(const Steward::Findings& found, HealReport& report) const;
  Status wait_mended(const std::vector<PackRow>& packs, const CallContext& context) const;
  Status expect_safe(const SnapshotId& id) const;
  bool holds_anything(const Database& database) const;
  static Error never_safe(const std::vector<std::string>& databases);
  std::vector<StatusReport::Network> network_states();
  Result<VerifyReport::Snapshot> unopened_snapshot(const SnapshotId& id, const Error& error) const;
  static std::string escape_label(const std::string& text);

  const OpenOptions options_;
  const StatePaths paths_;
  std::unique_ptr<StateLock> lock_;
  std::shared_ptr<const RepositorySecrets> secrets_;
  mutable std::mutex ring_mutex_;
  std::optional<Keyring> ring_;
  GearTable gear_{};
  LocalStores stores_;
  std::unique_ptr<RepositoryCatalog> catalog_;
  std::unique_ptr<DomainRules> rules_;
  std::unique_ptr<CompressionNotices> notices_;
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<Journal> journal_;
  std::shared_ptr<PlainCache> plain_cache_;
  std::unique_ptr<Steward> steward_;  ///< told of faults as long as anything reads
  std::unique_ptr<ReplicatedReader> replicated_;
  std::unique_ptr<StoredChunkSource> source_;
  std::unique_ptr<IndexRebuilder> rebuilder_;
  std::unique_ptr<ChunkSource> rebuilding_source_;
  std::unique_ptr<BaseFinder> bases_;  ///< null without a feature table
  std::unique_ptr<IngestPipeline> pipeline_;
  std::unique_ptr<LiveNodes> live_nodes_;
  std::unique_ptr<ChunkPipeline> live_pipeline_;
  std::unique_ptr<Placer> placer_;
  std::unique_ptr<HeadReader> heads_;
  std::unique_ptr<Publisher> publisher_;

  mutable std::shared_mutex databases_mutex_;
  std::map<std::string, DatabasePtr> databases_;
  std::vector<DatabaseRecord> replayed_databases_;           // only while opening
  std::vector<Bytes> replayed_live_;                         // only while opening

  mutable std::mutex list_mutex_;
  mutable std::shared_ptr<const SnapshotList> list_;
  mutable std::uint64_t list_generation_ = 0;

  mutable std::atomic<bool> refresh_wanted_{false};
  std::mutex state_mutex_;
  std::mutex adopt_mutex_;
  std::mutex checkpoint_mutex_;
  std::atomic<std::uint64_t> stored_watermark_{0};  ///< bytes stored when the last snapshot was made
  std::atomic<std::uint64_t> seals_{0};
  std::atomic<bool> close_packs_soon_{false};
  mutable std::mutex nodes_mutex_;
  std::string
      nodes_problem_;  ///< why nodes of live trees are not all here; empty when they are, or nobody has looked yet

  struct RecoveryState {
    bool is_under_way = false;
    bool takes_over = false;     ///< recover, not connect
    bool is_attempting = true;   ///< the catalog is being read just now
    std::string network;
    std::string database;        ///< the only one that is taken over; empty: all
    std::optional<Error> failed; ///< the last attempt
  };
  mutable std::mutex recovery_mutex_;
  mutable std::condition_variable_any recovery_changed_;
  RecoveryState recovery_;

  std::mutex background_mutex_;
  std::condition_variable_any background_wake_;
  bool is_closed_ = false;
  bool is_started_ = false;  ///< start() succeeded; set before anybody else has the object
  std::jthread seal_thread_;
  std::jthread care_thread_;
  std::jthread refresh_thread_;
  std::jthread nodes_thread_;
  std::jthread features_thread_;
  std::jthread recovery_thread_;
};

}  // namespace holdfast
