// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/catalog_view.h"

#include "core/base/log.h"
#include "core/catalog/view_rows.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kFoldBatch = 1024;

}  // namespace

/// Changes that reach memory only when the store has taken them.
struct CatalogView::Batch {
  std::vector<ViewStore::Put> puts;
  std::unordered_map<IncarnationId, std::uint64_t> cursors;
  std::unordered_map<SnapshotId, SnapshotRow> snapshots;
  std::vector<KeyTableEntry> keys;
  std::unordered_map<DatabaseId, DatabaseRow> databases;
  std::unordered_map<PackId, std::vector<CopyRow>> copies;
  std::vector<WriterRow> writers;
};

Result<std::unique_ptr<CatalogView>> CatalogView::open(ViewStore& store, const RepositoryId& repository, ByteView k_cat) {
  std::unique_ptr<CatalogView> view(new CatalogView(store, repository, k_cat));
  const auto loaded = view->load();
  if (!loaded) {
    log_warning("the folded catalog is dropped and folded again: " + loaded.error().message());
    HOLDFAST_TRY(view->clear());
  }
  return view;
}

Status CatalogView::load() {
  HOLDFAST_ASSIGN(const auto mark, store_.get(view_mark_key()));
  if (!mark) {
    HOLDFAST_TRY(store_.clear());
    const std::vector<ViewStore::Put> puts{{view_mark_key(), view_mark_value(repository_)}};
    return store_.apply(puts);
  }
  if (*mark != view_mark_value(repository_)) return Error(ErrorCode::kCorrupt, "it is of another repository or layout");
  Status status;
  HOLDFAST_TRY(store_.scan({}, [&](ByteView key, ByteView value) {
    ViewRowVisitor visitor{
        [&](const IncarnationId& id, std::uint64_t count) { cursors_[id] = count; },
        [&](SnapshotRow row) {
          by_time_.emplace(std::pair(row.record.time, row.record.id), row.record.id);
          const SnapshotId id = row.record.id;
          snapshots_.insert_or_assign(id, std::move(row));
        },
        [&](const KeyTableEntry& entry) { keys_.insert_or_assign(entry.snapshot, entry); },
        [&](DatabaseRow row) { databases_.insert_or_assign(row.id, std::move(row)); },
        [&](const PackId& pack, CopyRow row) { copies_[pack].push_back(std::move(row)); },
        [&](WriterRow row) { writers_.insert_or_assign(row.id, std::move(row)); }};
    status = decode_view_row(key, value, visitor);
    return status.has_value();
  }));
  return status;
}

Status CatalogView::clear() {
  const std::lock_guard lock(mutex_);
  HOLDFAST_TRY(store_.clear());
  const std::vector<ViewStore::Put> puts{{view_mark_key(), view_mark_value(repository_)}};
  HOLDFAST_TRY(store_.apply(puts));
  cursors_.clear();
  snapshots_.clear();
  by_time_.clear();
  keys_.clear();
  databases_.clear();
  copies_.clear();
  writers_.clear();
  ++generation_;
  return ok_status();
}

Status CatalogView::commit(Batch& batch) {
  for (const auto& [id, count] : batch.cursors) batch.puts.push_back(encode_cursor_row(id, count));
  for (const auto& [id, row] : batch.snapshots) batch.puts.push_back(encode_snapshot_row(row));
  for (const auto& key : batch.keys) batch.puts.push_back(encode_key_row(key));
  for (const auto& [id, row] : batch.databases) batch.puts.push_back(encode_database_row(row));
  for (const auto& [pack, rows] : batch.copies) {
    for (const auto& row : rows) batch.puts.push_back(encode_copy_row(pack, row));
  }
  for (const auto& row : batch.writers) batch.puts.push_back(encode_writer_row(row));
  if (batch.puts.empty()) return ok_status();
  HOLDFAST_TRY(store_.apply(batch.puts));
  if (!batch.snapshots.empty() || !batch.databases.empty()) ++generation_;
  for (const auto& [id, count] : batch.cursors) cursors_[id] = count;
  for (auto& [id, row] : batch.snapshots) {
    by_time_.emplace(std::pair(row.record.time, id), id);
    snapshots_.insert_or_assign(id, std::move(row));
  }
  for (const auto& key : batch.keys) keys_.insert_or_assign(key.snapshot, key);
  for (auto& [id, row] : batch.databases) databases_.insert_or_assign(id, std::move(row));
  for (auto& [pack, rows] : batch.copies) copies_.insert_or_assign(pack, std::move(rows));
  for (auto& row : batch.writers) writers_.insert_or_assign(row.id, row);
  return ok_status();
}

std::uint64_t CatalogView::folded(const IncarnationId& incarnation) const {
  const std::lock_guard lock(mutex_);
  const auto found = cursors_.find(incarnation);
  return found == cursors_.end() ? 0 : found->second;
}

Status CatalogView::fold(const LogCipher& cipher, std::uint64_t first, std::span<const SignedEntry> entries) {
  const std::lock_guard lock(mutex_);
  const auto found = cursors_.find(cipher.log().incarnation);
  const std::uint64_t known = found == cursors_.end() ? 0 : found->second;
  if (first > known) return Error(ErrorCode::kConflict, "log entries before these are missing from the fold");
  if (first + entries.size() <= known) return ok_status();
  Batch batch;
  HOLDFAST_TRY(fold_entries(cipher, known, entries.subspan(known - first), batch));
  batch.cursors[cipher.log().incarnation] = first + entries.size();
  return commit(batch);
}

Status CatalogView::fold_part(const LogCipher& cipher, const Digest& part, std::uint64_t first, std::span<const SignedEntry> entries) {
  // A cursor under the part's own name, which is as random as an incarnation's, remembers that it was folded.
  IncarnationId mark;
  std::copy_n(part.bytes.begin(), IncarnationId::size, mark.bytes.begin());
  const std::lock_guard lock(mutex_);
  if (cursors_.contains(mark)) return ok_status();
  Batch batch;
  HOLDFAST_TRY(fold_entries(cipher, first, entries, batch));
  batch.cursors[mark] = entries.size();
  return commit(batch);
}

Status CatalogView::fold_entries(const LogCipher& cipher, std::uint64_t first, std::span<const SignedEntry> entries, Batch& batch) {
  for (std::uint64_t i = 0; i < entries.size(); ++i) {
    HOLDFAST_ASSIGN(const Bytes plain, cipher.open_bytes(first + i, entries[i].sealed));
    const auto entry = decode_log_entry(plain);
    if (entry) {
      fold_one(*entry, cipher.log().writer, batch);
      continue;
    }
    log_warning("skipped log entry " + std::to_string(first + i) + ": " + entry.error().message());
  }
  return ok_status();
}

Status CatalogView::fold_file(const LogCipher& cipher, const LogFile& log) {
  const std::uint64_t size = log.state().size;
  for (std::uint64_t first = folded(cipher.log().incarnation); first < size;) {
    const std::uint64_t count = std::min(kFoldBatch, size - first);
    HOLDFAST_ASSIGN(const auto entries, log.read(first, count));
    HOLDFAST_TRY(fold(cipher, first, entries));
    first += count;
  }
  return ok_status();
}

void CatalogView::fold_one(const LogEntry& entry, const WriterId& writer, Batch& batch) {
  if (const auto* sealed = std::get_if<SealedEntry>(&entry.body)) return fold_sealed(*sealed, batch);
  if (const auto* placed = std::get_if<PlacedEntry>(&entry.body)) return fold_placed(*placed, batch);
  if (const auto* verified = std::get_if<VerifiedEntry>(&entry.body)) return fold_verified(*verified, batch);
  if (const auto* policy = std::get_if<PolicyEntry>(&entry.body)) return fold_policy(*policy, entry.time, writer, batch);
  if (const auto* safe = std::get_if<SafeEntry>(&entry.body)) {
    const SnapshotRow* row = find_snapshot(safe->snapshot, batch);
    if (row == nullptr || row->stated_safe) return;
    SnapshotRow changed = *row;
    changed.stated_safe = true;
    batch.snapshots.insert_or_assign(safe->snapshot, std::move(changed));
  }
}

std::vector<NetworkCopy> good_copies(const std::vector<CopyRow>& rows) {
  std::vector<NetworkCopy> out;
  for (const CopyRow& row : rows) {
    if (row.is_good() && !row.is_superseded) out.push_back(row.copy);
  }
  return out;
}

void CatalogView::fold_sealed(const SealedEntry& body, Batch& batch) {
  auto record = decode_snapshot_record(body.record);
  if (!record) {
    log_warning("skipped a snapshot record in a log: " + record.error().message());
    return;
  }
  if (find_snapshot(record->id, batch) != nullptr) return;  // a later incarnation repeats what earlier ones said
  SnapshotRow row;
  row.record = std::move(*record);
  const SnapshotId id = row.record.id;
  batch.snapshots.insert_or_assign(id, std::move(row));
}

void CatalogView::fold_placed(const PlacedEntry& body, Batch& batch) {
  auto rows = find_copies(body.pack, batch);
  CopyRow row{{body.network, {body.locator, body.size_bytes}}, VerifiedOutcome::kGood};
  if (body.shard) {
    row.copy.shard = StoredShard{{body.shard->code, body.shard->index, body.pack, body.size_bytes}, body.shard->id};
    row.copy.ref.size_bytes = row.copy.shard->plan.object_bytes();
    for (auto& each : rows) {
      const bool is_same = each.copy.shard && each.copy.shard->plan == row.copy.shard->plan;
      each.is_superseded = each.is_superseded || (is_same && each.copy.network != body.network);
    }
  }
  const auto same = std::find_if(rows.begin(), rows.end(), [&](const CopyRow& each) { return each.copy.network == body.network; });
  if (same == rows.end()) {
    rows.push_back(std::move(row));
  } else {
    *same = std::move(row);
  }
  batch.copies.insert_or_assign(body.pack, std::move(rows));
}

void CatalogView::fold_verified(const VerifiedEntry& body, Batch& batch) {
  if (body.outcome == VerifiedOutcome::kUnreachable) return;  // says nothing about the copy
  auto rows = find_copies(body.pack, batch);
  for (auto& row : rows) {
    if (row.copy.network == body.network) row.outcome = body.outcome;
  }
  if (!rows.empty()) batch.copies.insert_or_assign(body.pack, std::move(rows));
}

void CatalogView::fold_policy(const PolicyEntry& body, WallNanos time, const WriterId& writer, Batch& batch) {
  auto toml = open_policy(repository_, k_cat_.view(), body);
  if (!toml) {
    log_warning("skipped a policy in a log: " + toml.error().message());
    return;
  }
  const auto in_batch = batch.databases.find(body.database);
  const auto in_memory = databases_.find(body.database);
  const DatabaseRow* known = in_batch != batch.databases.end() ? &in_batch->second : in_memory != databases_.end() ? &in_memory->second : nullptr;
  if (known != nullptr && known->time > time) return;
  batch.databases.insert_or_assign(body.database, DatabaseRow{body.database, writer, time, std::move(*toml)});
}

const SnapshotRow* CatalogView::find_snapshot(const SnapshotId& id, const Batch& batch) const {
  const auto in_batch = batch.snapshots.find(id);
  if (in_batch != batch.snapshots.end()) return &in_batch->second;
  const auto in_memory = snapshots_.find(id);
  return in_memory == snapshots_.end() ? nullptr : &in_memory->second;
}

std::vector<CopyRow> CatalogView::find_copies(const PackId& id, const Batch& batch) const {
  const auto in_batch = batch.copies.find(id);
  if (in_batch != batch.copies.end()) return in_batch->second;
  const auto in_memory = copies_.find(id);
  return in_memory == copies_.end() ? std::vector<CopyRow>() : in_memory->second;
}

Status CatalogView::add_keys(std::span<const KeyTableEntry> keys) {
  const std::lock_guard lock(mutex_);
  Batch batch;
  for (const auto& key : keys) {
    const auto known = keys_.find(key.snapshot);
    if (known == keys_.end() || known->second != key) batch.keys.push_back(key);
  }
  return commit(batch);
}

std::optional<KeyTableEntry> CatalogView::key(const SnapshotId& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = keys_.find(id);
  return found == keys_.end() ? std::nullopt : std::optional(found->second);
}

Status CatalogView::open_fields(const FieldOpener& open) {
  const std::lock_guard lock(mutex_);
  Batch batch;
  for (const auto& [id, row] : snapshots_) {
    if (row.fields) continue;
    const auto key = keys_.find(id);
    auto fields = open(row.record, key == keys_.end() ? nullptr : &key->second);
    if (!fields) continue;
    SnapshotRow changed = row;
    changed.fields = std::move(fields);
    batch.snapshots.insert_or_assign(id, std::move(changed));
  }
  return commit(batch);
}

Status CatalogView::set_fields(const SnapshotId& id, const SnapshotFields& fields, PackNumber last_pack) {
  const std::lock_guard lock(mutex_);
  const auto found = snapshots_.find(id);
  if (found == snapshots_.end()) return Error(ErrorCode::kNotFound, "no snapshot " + id.hex());
  Batch batch;
  SnapshotRow changed = found->second;
  changed.fields = fields;
  changed.last_pack = last_pack;
  batch.snapshots.insert_or_assign(id, std::move(changed));
  return commit(batch);
}

Status CatalogView::set_last_pack(const SnapshotId& id, PackNumber last_pack) {
  const std::lock_guard lock(mutex_);
  const auto found = snapshots_.find(id);
  if (found == snapshots_.end()) return Error(ErrorCode::kNotFound, "no snapshot " + id.hex());
  Batch batch;
  SnapshotRow changed = found->second;
  changed.last_pack = last_pack;
  batch.snapshots.insert_or_assign(id, std::move(changed));
  return commit(batch);
}

std::optional<SnapshotRow> CatalogView::snapshot(const SnapshotId& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = snapshots_.find(id);
  return found == snapshots_.end() ? std::nullopt : std::optional(found->second);
}

void CatalogView::for_each_snapshot(const std::function<void(const SnapshotRow&)>& visit) const {
  const std::lock_guard lock(mutex_);
  for (auto at = by_time_.rbegin(); at != by_time_.rend(); ++at) visit(snapshots_.at(at->second));
}

std::vector<DatabaseRow> CatalogView::databases() const {
  const std::lock_guard lock(mutex_);
  std::vector<DatabaseRow> out;
  for (const auto& [id, row] : databases_) out.push_back(row);
  return out;
}

std::vector<NetworkCopy> CatalogView::copies(const PackId& pack) const {
  std::vector<NetworkCopy> out;
  for (auto& row : copy_rows(pack)) out.push_back(std::move(row.copy));
  return out;
}

/// One whole copy answers without copying anything.
bool CatalogView::has_good_copy(const PackId& pack) const {
  const std::lock_guard lock(mutex_);
  const auto found = copies_.find(pack);
  if (found == copies_.end()) return false;
  const bool is_whole = std::any_of(found->second.begin(), found->second.end(), [](const CopyRow& row) { return row.is_good() && !row.copy.shard; });
  return is_whole || gives_back(good_copies(found->second));
}

std::vector<NetworkCopy> CatalogView::held_copies(const PackId& pack) const { return good_copies(copy_rows(pack)); }

std::vector<CopyRow> CatalogView::copy_rows(const PackId& pack) const {
  const std::lock_guard lock(mutex_);
  const auto found = copies_.find(pack);
  if (found == copies_.end()) return {};
  std::vector<CopyRow> rows = found->second;
  std::erase_if(rows, [](const CopyRow& row) { return row.is_superseded; });
  return rows;
}

void CatalogView::for_each_pack(const std::function<void(const PackId&, const std::vector<CopyRow>&)>& visit) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [pack, rows] : copies_) visit(pack, rows);
}

std::size_t CatalogView::pack_count() const {
  const std::lock_guard lock(mutex_);
  return copies_.size();
}

Status CatalogView::set_writer(const WriterRow& row) {
  const std::lock_guard lock(mutex_);
  Batch batch;
  batch.writers.push_back(row);
  return commit(batch);
}

std::vector<WriterRow> CatalogView::writers() const {
  const std::lock_guard lock(mutex_);
  std::vector<WriterRow> out;
  for (const auto& [id, row] : writers_) out.push_back(row);
  return out;
}

std::uint64_t CatalogView::generation() const noexcept {
  const std::lock_guard lock(mutex_);
  return generation_;
}

}  // namespace holdfast
