// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "core/base/log.h"
#include "core/repo/moment.h"
#include "core/repo/repository_impl.h"

namespace holdfast {
namespace {

constexpr std::string_view kProgramVersion = "holdfast 0.1.0";
constexpr std::size_t kLabelMaxBytes = 255;
constexpr std::chrono::milliseconds kReleasePause{10};
constexpr int kReleaseAttempts = 100;  // a second
constexpr std::uint64_t kRatioFromBytes = 64U << 20U;  ///< of plaintext: less says little about the rest
constexpr double kRatioUnmeasured = 0.5;

ChunkId node_of(const TreeRoot& root) { return root ? root->ref.id : ChunkId{}; }

TreeRoot directory_of(const Inode& root) {
  const auto* directory = std::get_if<DirectoryContent>(&root.content);
  return directory == nullptr ? TreeRoot() : TreeRoot(directory->root);
}

}  // namespace

Status RepositoryImpl::check_options(const Database& database, const SealOptions& options) const {
  for (const auto& tag : options.tags) {
    if (tag.size() > kCatalogTextMaxBytes) return Error(ErrorCode::kInvalidArgument, "a tag has at most " + std::to_string(kCatalogTextMaxBytes) + " bytes");
  }
  return check_label(database, options.label);
}

Status RepositoryImpl::check_label(const Database& database, const std::string& label) const {
  if (label.empty()) return ok_status();
  const auto refuse = [&](std::string_view why) { return Error(ErrorCode::kInvalidArgument, "no snapshot can be labelled \"" + label + "\": " + std::string(why)); };
  if (!is_valid_entry_name(label) || label.size() > kLabelMaxBytes || label.front() == '.') return refuse("it is no name of a folder");
  if (label.find_first_of("@:") != std::string::npos) return refuse("it has one of @ :");
  if (reads_as_moment(label)) return refuse("it could be read as a moment");
  if (label.ends_with(".incomplete")) return refuse("incomplete snapshots end so");
  const auto current = list();
  const auto found = current->by_database.find(database.name);
  if (found == current->by_database.end()) return ok_status();
  for (const std::size_t index : found->second) {
    if (current->all[index].label == label) return Error(ErrorCode::kAlreadyExists, "database " + database.name + " has a snapshot labelled \"" + label + "\"");
  }
  return ok_status();
}

/// Snapshots of a database never share a moment, so that time alone orders them.
WallNanos RepositoryImpl::next_time(const DatabaseId& id) const {
  WallNanos newest = std::numeric_limits<WallNanos>::min();
  const auto current = list();
  for (const auto& info : current->all) {
    if (info.database_id == id) newest = std::max(newest, info.time);
  }
  return newest == std::numeric_limits<WallNanos>::min() ? options_.clock->wall_now() : std::max(options_.clock->wall_now(), newest + 1);
}

Result<SealResult> RepositoryImpl::seal(const std::string& name, const SealOptions& options, const CallContext& context) {
  HOLDFAST_ASSIGN(const auto database, find(name));
  const std::lock_guard sealing(database->sealing);
  return seal_locked(*database, options, context);
}

/// close(2) returns before the kernel tells a filesystem that the file is closed: this word is given a moment to come, so that what was closed just
/// before a seal isn't taken for open.
void RepositoryImpl::wait_for_releases(const Database& database, const CallContext& context) {
  for (int i = 0; i < kReleaseAttempts && database.live->stats().open_for_writing > 0; ++i) {
    if (context.stop.stop_requested() || !pause(kReleasePause, context.stop)) return;
  }
}

Result<SealResult> RepositoryImpl::seal_locked(Database& database, const SealOptions& options, const CallContext& context) {
  const MonoTime began = options_.clock->mono_now();
  HOLDFAST_TRY(check_options(database, options));
  if (!options.even_if_unchanged && !database.live->stats().changed_since_seal) {
    const auto current = list();
    const auto found = current->by_database.find(database.name);
    if (found != current->by_database.end()) {
      SealResult same;
      HOLDFAST_ASSIGN(same.snapshot, info_of(current->all[found->second.front()].id));
      return same;
    }
  }
  const bool is_realtime = [&] {
    const std::lock_guard lock(database.mutex);
    return database.policy.strategy == "realtime";
  }();
  if (!is_realtime && !options.forced_incomplete) wait_for_releases(database, context);
  HOLDFAST_ASSIGN(SealedTree tree, database.live->seal(judge_of(database), context));
  // Half a dump is in no condition to be latest; a recovery point of a database that is always open is what realtime is for.
  if (!is_realtime && tree.open_writers > 0) {
    tree.completeness = Completeness::kIncomplete;
    std::erase_if(tree.incomplete_paths, [&](const std::string& path) { return std::find(tree.open_paths.begin(), tree.open_paths.end(), path) != tree.open_paths.end(); });
    tree.incomplete_paths.insert(tree.incomplete_paths.begin(), tree.open_paths.begin(), tree.open_paths.end());
  }
  judge_folders(database, tree, context);
  auto sealed = publish_sealed(database, tree, options, began);
  if (!sealed) database.live->mark_changed();  // the tree is folded, and no snapshot is of it
  return sealed;
}

/// A process that ended between the fold of a seal and its snapshot leaves a tree that looks unchanged and is in no snapshot.
void RepositoryImpl::find_unsealed() {
  std::map<DatabaseId, std::set<std::pair<ChunkId, ChunkId>>> sealed;
  catalog_->view().for_each_snapshot([&](const SnapshotRow& row) { sealed[row.record.database].emplace(row.record.root_node, row.record.link_node); });
  for (const auto& database : all_databases()) {
    const std::pair<ChunkId, ChunkId> base(node_of(directory_of(database->live->base_root())), node_of(database->live->base_links()));
    if (base.first != ChunkId{} && !sealed[database->id].contains(base)) database->live->mark_changed();
  }
}

Result<SealResult> RepositoryImpl::publish_tree(const std::string& name, const SealedTree& tree, const SealOptions& options, const CallContext& context) {
  const MonoTime began = options_.clock->mono_now();
  HOLDFAST_TRY(check_context(context, *options_.clock, "making a snapshot"));
  HOLDFAST_ASSIGN(const auto database, find(name));
  const std::lock_guard sealing(database->sealing);
  HOLDFAST_TRY(check_options(*database, options));
  SealedTree judged = tree;
  judge_folders(*database, judged, context);
  return publish_sealed(*database, judged, options, began);
}

/// What the next versions will lean on, by what was sealed last and how well whole chunks compressed in this run.
void RepositoryImpl::expect_bases() {
  double plain = 0;
  const auto current = list();
  for (const auto& database : all_databases()) {
    const auto snapshots = current->by_database.find(database->name);
    const bool has_bases = snapshots != current->by_database.end() && !snapshots->second.empty() && !has_no_differences(*database);
    if (has_bases) plain += static_cast<double>(current->all[snapshots->second.front()].bytes_logical);
  }
  const auto counters = pipeline_->counters();
  const bool is_measured = counters.bytes_whole >= kRatioFromBytes;
  const double stored_per_plain = is_measured ? static_cast<double>(counters.bytes_whole_stored) / static_cast<double>(counters.bytes_whole) : kRatioUnmeasured;
  placer_->expect_bases(static_cast<std::uint64_t>(plain * stored_per_plain));
}

/// database.sealing is held. Order: chunks and journal durable, key durable, log entry (the commit point), then everybody else.
Result<SealResult> RepositoryImpl::publish_sealed(Database& database, const SealedTree& tree, const SealOptions& options, MonoTime began) {
  DatabasePolicy policy;
  {
    const std::lock_guard lock(database.mutex);
    policy = database.policy;
  }
  HOLDFAST_TRY(pipeline_->commit());
  const std::uint64_t stored = pipeline_->counters().bytes_stored;
  const std::uint64_t stored_before = stored_watermark_.exchange(stored);
  const PackNumber last_pack = last_pack_number();

  SnapshotFields fields;
  fields.database = database.name;
  fields.label = options.label;
  fields.strategy = policy.strategy;
  fields.tags = policy.tags;
  for (const auto& tag : options.tags) {
    if (std::find(fields.tags.begin(), fields.tags.end(), tag) == fields.tags.end()) fields.tags.push_back(tag);
  }
  fields.root = tree.root;
  fields.links = tree.links;
  const TreeRoot root = directory_of(tree.root);
  fields.content_hash = snapshot_content_hash(root, tree.links);
  fields.incomplete_paths = tree.incomplete_paths;
  std::erase_if(fields.incomplete_paths, [](const std::string& path) { return path.size() > kCatalogTextMaxBytes; });  // too long to be told
  if (fields.incomplete_paths.size() > 100) fields.incomplete_paths.resize(100);
  fields.host = options_.host;
  fields.program = kProgramVersion;

  SnapshotRecord record;
  record.time = next_time(database.id);
  record.writer = secrets_->writer;
  record.content_root = content_root(root, tree.links);
  record.root_node = node_of(root);
  record.link_node = node_of(tree.links);
  record.bytes_new = stored - std::min(stored, stored_before);
  record.completeness = options.forced_incomplete ? Completeness::kIncomplete : tree.completeness;
  if (record.completeness == Completeness::kNotApplicable) record.completeness = Completeness::kUnchecked;
  record.database = database.id;

  SecretBytes key(kSnapshotKeyBytes);
  HOLDFAST_TRY(options_.random->fill(key.mutable_view()));
  HOLDFAST_ASSIGN(Bytes bytes, encode_snapshot_record(record, fields, key.view(), *options_.random));
  HOLDFAST_TRY(catalog_->add_key(seal_snapshot_key(record.id, key.view(), secrets_->genesis.vault_key)));
  const std::vector<LogEntry> entries{{record.time, SealedEntry{std::move(bytes)}}};
  HOLDFAST_TRY(catalog_->append(entries));
  if (stores_.features) stores_.features->keep();
  const auto noted = catalog_->view().set_fields(record.id, fields, last_pack);
  if (!noted) log_warning("noting a snapshot in the view: " + noted.error().message());
  tell_of_compression(database);
  expect_bases();
  ++seals_;
  close_packs_soon_ = true;
  background_wake_.notify_all();

  SealResult result;
  HOLDFAST_ASSIGN(result.snapshot, info_of(record.id));
  result.bytes_stored_new = record.bytes_new;
  result.seconds = std::chrono::duration<double>(options_.clock->mono_now() - began).count();
  return result;
}

}  // namespace holdfast
