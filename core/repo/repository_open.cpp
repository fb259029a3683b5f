// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "core/base/log.h"
#include "core/format/byte_reader.h"
#include "core/repo/policy_text.h"
#include "core/repo/repository_impl.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kPlainCacheBytes = 64ULL << 20;  ///< a sequential reader has 16 MiB in it ahead, and the 16 behind

GearTable make_gear_table(const RepositoryKeys& keys) {
  const SecretBytes bytes = hkdf_expand_sha256(keys.chunker(), as_bytes("gear"), 2048);
  GearTable table{};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = load_le<std::uint64_t>(bytes.view().subspan(8 * i));
  return table;
}

}  // namespace

Result<std::unique_ptr<Repository>> Repository::open(const OpenOptions& options, ByteView passphrase) {
  const StatePaths paths{options.state_directory};
  if (path_exists(paths.unfinished())) {
    return Error(ErrorCode::kNotFound, "the repository in " + paths.root + " was never finished: run init again");
  }
  if (!path_exists(paths.identity())) {
    return Error(ErrorCode::kNotFound, "there is no repository in " + paths.root + ": make one with init, or use recover or connect");
  }
  HOLDFAST_ASSIGN(auto lock, StateLock::acquire(paths));
  HOLDFAST_ASSIGN(const Bytes identity_bytes, read_whole_file(paths.identity()));
  HOLDFAST_ASSIGN(auto identity, decode_identity(identity_bytes));
  HOLDFAST_ASSIGN(const Bytes keyring, read_whole_file(paths.keyring()));
  HOLDFAST_ASSIGN(auto ring, Keyring::decode(keyring));
  HOLDFAST_TRY(ring.unlock({passphrase, std::nullopt}));
  auto repository = std::make_unique<RepositoryImpl>(options);
  HOLDFAST_TRY(repository->start(std::move(lock), std::move(ring), std::move(identity)));
  return std::unique_ptr<Repository>(std::move(repository));
}

RepositoryImpl::~RepositoryImpl() {
  const auto closed = close();
  if (!closed) log_error("closing the repository: " + closed.error().message());
}

Status RepositoryImpl::start(std::unique_ptr<StateLock> lock, Keyring ring, RepositoryIdentity identity) {
  lock_ = std::move(lock);
  HOLDFAST_ASSIGN(secrets_, RepositorySecrets::from(ring, identity));
  ring_.emplace(std::move(ring));
  gear_ = make_gear_table(*secrets_->keys);
  HOLDFAST_TRY(open_stores());
  HOLDFAST_ASSIGN(catalog_, RepositoryCatalog::open({paths_, secrets_, *stores_.view, *options_.random, *options_.clock}, std::move(identity)));
  HOLDFAST_ASSIGN(rules_, DomainRules::open(paths_.domains(), *options_.networks));
  notices_ = CompressionNotices::open(paths_.notices());
  HOLDFAST_TRY(open_stage());
  HOLDFAST_TRY(open_databases());
  HOLDFAST_TRY(begin_recovery());
  // A database that was made now would stand in the way of one of its name that is to be taken over.
  if (!is_taking_over()) HOLDFAST_TRY(take_configuration());
  find_unsealed();
  start_background();
  is_started_ = true;
  return ok_status();
}

/// After a power loss LMDB files, which are written without sync, may be anything: what can be folded again is. Other runs of the machine are told apart by their id.
Status RepositoryImpl::clean_after_power_loss() {
  const std::string boot = machine_boot_id();
  const auto before = read_whole_file(paths_.running());
  if (before && as_text(*before) != boot) {
    log_warning("the machine went down while the repository was open: the catalog view is folded again");
    HOLDFAST_TRY(stores_.view->clear());
  }
  return replace_file(paths_.running(), as_bytes(boot));
}

Status RepositoryImpl::open_stores() {
  const SecretBytes index_key = secrets_->local_key("index");
  const SecretBytes view_key = secrets_->local_key("view");
  HOLDFAST_ASSIGN(stores_, options_.open_stores(index_key.view(), view_key.view()));
  return clean_after_power_loss();
}

Status RepositoryImpl::open_stage() {
  StageOptions stage;
  stage.state_directory = options_.state_directory;
  stage.limit_bytes = options_.staging_size_bytes;
  stage.maintenance_key = SecretBytes::copy_of(secrets_->keys->maintenance());
  stage.table_key = secrets_->local_key("packs");
  HOLDFAST_ASSIGN(stage_, Stage::open(std::move(stage), *stores_.index, *options_.random));
  HOLDFAST_TRY(replay_journal());
  plain_cache_ = std::make_shared<PlainCache>(kPlainCacheBytes);
  replicated_ = std::make_unique<ReplicatedReader>(*options_.networks, *options_.clock);
  source_ = std::make_unique<StoredChunkSource>(
      SourceOptions{.prefetch_threads = std::max(2U, std::thread::hardware_concurrency())}, StoredChunkSource::Parts{*stage_, *stores_.index, *stores_.cache, catalog_->view(), *replicated_, *options_.clock, plain_cache_});
  rebuilder_ = std::make_unique<IndexRebuilder>(IndexRebuilder::Parts{*stage_, *stores_.index, catalog_->view(), *options_.networks, *options_.clock,
                                                                      SecretBytes::copy_of(secrets_->keys->maintenance())});
  rebuilding_source_ = make_rebuilding_source(*source_, *rebuilder_, [this](const CallContext& context) { return find_more_packs(context); });
  const BaseReader::Parts reading{*stage_, *stores_.index, *stores_.cache, catalog_->view(), *options_.networks, *options_.clock};
  if (stores_.features) bases_ = std::make_unique<BaseFinder>(BaseFinder::Parts{gear_, *stores_.features, reading});
  pipeline_ = std::make_unique<IngestPipeline>(
      IngestOptions{.relief_deadline = options_.staging_wait}, IngestPipeline::Parts{*stage_, *stores_.index, *journal_, *options_.clock, *options_.random, catalog_->view(), plain_cache_, bases_.get()}, secrets_->keys->fingerprint());
  live_nodes_ =
      std::make_unique<LiveNodes>(LiveNodes::Parts{*stage_, *stores_.cache, *source_, *rebuilding_source_, *pipeline_});
  live_pipeline_ = live_nodes_->make_pipeline();
  placer_ = std::make_unique<Placer>(PlacerOptions{},
                                     Placer::Parts{*stage_, *stores_.cache, *options_.networks, catalog_->view(), *rules_, *catalog_, *options_.clock, *options_.random},
                                     secrets_->keys->maintenance());
  heads_ = std::make_unique<HeadReader>(*catalog_, secrets_, *options_.networks);
  publisher_ = std::make_unique<Publisher>(Publisher::Parts{*catalog_, *heads_, secrets_, *options_.networks, *options_.clock, paths_});
  steward_ = std::make_unique<Steward>(
      options_.steward,
      Steward::Parts{*stage_, catalog_->view(), *options_.networks, *placer_, *options_.clock, *options_.random, [this](std::span<const LogEntry> entries) { return catalog_->append(entries); },
                     [this] { publisher_->look_again(); }},
      secrets_->keys->maintenance());
  replicated_->on_fault([this](const std::string& network, const std::string& locator, ErrorCode code) {
    if (code == ErrorCode::kCorrupt || code == ErrorCode::kNotFound || code == ErrorCode::kOutOfRange) steward_->suspect(network, locator);
  });
  return ok_status();
}

Status RepositoryImpl::replay_journal() {
  const SecretBytes key = secrets_->local_key("journal");
  const auto visit = [&](Journal::Position, ByteView payload) -> Status {
    if (payload.empty()) return Error(ErrorCode::kCorrupt, "an empty journal record");
    const auto kind = payload.front();
    if (kind <= static_cast<std::uint8_t>(JournalKind::kPackDropped)) return stage_->replay(payload);
    if (kind == static_cast<std::uint8_t>(JournalKind::kDatabase)) {
      HOLDFAST_ASSIGN(auto record, decode_database_record(payload));
      replayed_databases_.push_back(std::move(record));
      return ok_status();
    }
    // Live trees are replayed when they are open; the checkpoints bound how much this is.
    replayed_live_.emplace_back(payload.begin(), payload.end());
    return ok_status();
  };
  HOLDFAST_ASSIGN(journal_, Journal::open(paths_.journal(), secrets_->genesis.repository, secrets_->writer, key.view(), *options_.random, visit));
  HOLDFAST_ASSIGN(const auto report, stage_->finish_replay());
  if (report.records_lost > 0) log_error(std::to_string(report.records_lost) + " committed chunks are not in the staging folder any more");
  journal_->set_prepare([stage = stage_.get()] { return stage->prepare(); });
  // A pack that lost its end is told anew before it grows: a history with a gap could not be replayed.
  return report.records_lost > 0 ? journal_->commit() : ok_status();
}

Status RepositoryImpl::open_databases() {
  std::map<DatabaseId, DatabaseRecord> records;
  for (auto& record : replayed_databases_) records.insert_or_assign(record.id, std::move(record));
  replayed_databases_.clear();
  std::map<DatabaseId, DatabasePtr> by_id;
  for (const auto& [id, record] : records) {
    HOLDFAST_ASSIGN(const NamedPolicy named, decode_policy(record.policy));
    HOLDFAST_ASSIGN(auto database, make_database(record, new_root(record.uid, record.gid, named.policy.mode, options_.clock->wall_now()), std::nullopt,
                                                 LiveTree::kRootIno + 1));
    by_id.emplace(id, database);
    databases_.emplace(database->name, std::move(database));
  }
  for (const auto& payload : replayed_live_) {
    if (payload.size() < 1 + DatabaseId::size) return Error(ErrorCode::kCorrupt, "a journal record of a live tree is cut off");
    HOLDFAST_ASSIGN(const DatabaseId id, DatabaseId::from(ByteView(payload).subspan(1, DatabaseId::size)));
    const auto found = by_id.find(id);
    if (found == by_id.end()) return Error(ErrorCode::kCorrupt, "the journal changes a database that it never made");
    HOLDFAST_TRY(found->second->live->replay(payload));
  }
  replayed_live_.clear();
  replayed_live_.shrink_to_fit();
  for (const auto& [id, database] : by_id) HOLDFAST_TRY(database->live->finish_replay());
  return ok_status();
}

Status RepositoryImpl::take_configuration() {
  for (const auto& [name, edit] : options_.configured_databases) {
    const auto known = policy(name);
    DatabasePolicy wanted = known ? *known : DatabasePolicy{};
    edit(wanted);
    HOLDFAST_TRY(known ? set_policy(name, wanted) : create_database(name, wanted, ::getuid(), ::getgid()));
  }
  return ok_status();
}

void RepositoryImpl::start_background() {
  stored_watermark_ = pipeline_->counters().bytes_stored;
  catalog_->on_append([this] { publisher_->poke(); });  // before there are threads that may call it
  expect_bases();
  placer_->start();
  publisher_->start();
  steward_->start();
  const bool is_lost = stores_.index->position() == 0 && stage_->table().count() > 0;
  const auto adopted = adopt_packs(is_lost || path_exists(paths_.reindex()));
  if (!adopted) log_warning("taking note of other writers' packs: " + adopted.error().message());
  seal_thread_ = std::jthread([this](const std::stop_token& stop) { run_seals(stop); });
  care_thread_ = std::jthread([this](const std::stop_token& stop) { run_care(stop); });
  refresh_thread_ = std::jthread([this](const std::stop_token& stop) { run_refresh(stop); });
  nodes_thread_ = std::jthread([this](const std::stop_token& stop) { run_nodes(stop); });
  features_thread_ = std::jthread([this](const std::stop_token& stop) { run_features(stop); });
  if (recovery_.is_under_way) recovery_thread_ = std::jthread([this](const std::stop_token& stop) { run_recovery(stop); });
}

Status RepositoryImpl::close() {
  {
    const std::lock_guard lock(background_mutex_);
    if (is_closed_) return ok_status();
    is_closed_ = true;
  }
  const std::array threads{&recovery_thread_, &seal_thread_, &care_thread_, &refresh_thread_, &nodes_thread_, &features_thread_};
  for (auto* thread : threads) thread->request_stop();
  background_wake_.notify_all();
  for (auto* thread : threads) {
    if (thread->joinable()) thread->join();
  }
  if (steward_) steward_->stop();
  // What did not open whole must not speak for the state: a checkpoint would say half of it and delete the journal that has the rest.
  if (!is_started_) return ok_status();
  rebuilder_->stop();
  Status status = pipeline_->commit();
  if (status) status.keep_first(checkpoint());
  publisher_->stop();
  placer_->stop();
  if (status) status = remove_file(paths_.running());
  lock_.reset();
  return status;
}

}  // namespace holdfast
