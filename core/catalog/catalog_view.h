// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "core/catalog/key_table.h"
#include "core/catalog/log_entry.h"
#include "core/catalog/log_file.h"
#include "core/catalog/snapshot_record.h"
#include "core/index/chunk_index.h"
#include "core/ingest/placement_directory.h"

namespace holdfast {

/// A snapshot as the logs tell it.
struct SnapshotRow {
  SnapshotRecord record;
  std::optional<SnapshotFields> fields;  ///< where this machine could open them
  /// Every chunk of it that this writer stored lies in packs up to here; 0: not known (another writer's, or the view was folded again).
  PackNumber last_pack = 0;
  bool stated_safe = false;  ///< its writer said in its log that it was safe once
};

/// A database as its newest policy entry tells it.
struct DatabaseRow {
  DatabaseId id;
  WriterId writer;
  WallNanos time = 0;
  std::string toml;
};

/// A copy of a pack on a network, or a shard of it, and what the last look at it gave.
struct CopyRow {
  NetworkCopy copy;
  VerifiedOutcome outcome = VerifiedOutcome::kGood;
  bool is_superseded = false;  ///< the shard was placed on another network since
  /// Whether the last look did not find it missing or damaged.
  [[nodiscard]] bool is_good() const noexcept { return outcome == VerifiedOutcome::kGood || outcome == VerifiedOutcome::kUnreachable; }
};

/// Of `rows`, those that were found good when they were last looked at.
std::vector<NetworkCopy> good_copies(const std::vector<CopyRow>& rows);

/// Another writer, as its newest head showed it.
struct WriterRow {
  WriterId id;
  std::uint32_t slot = 0;
  IncarnationId incarnation;
  LogState log;
  WallNanos head_time = 0;
  Bytes certificate;
};

/// The fold of all logs: what is true by them, in memory (some 2 KiB a snapshot, 300 bytes a copy of a pack) and, so that opening costs only what is new, in a
/// ViewStore. Derived: it may be cleared and folded again at any time. Safe from any thread.
class CatalogView final : public PlacementDirectory {
 public:
  /// Loads what `store` holds; a store that is damaged or of another layout is cleared (then all cursors are 0). `store` outlives the view.
  static Result<std::unique_ptr<CatalogView>> open(ViewStore& store, const RepositoryId& repository, ByteView k_cat);

  /// Entries of that log which are folded already.
  [[nodiscard]] std::uint64_t folded(const IncarnationId& incarnation) const;
  /// Folds entries [first, first + size) of the cipher's log; those that are folded already are skipped. An entry that does not parse is logged and skipped: one bad
  /// entry must not hide the others. Errors: kConflict for a gap; kCorrupt for an entry that does not open; the store's. Nothing is folded after an error.
  Status fold(const LogCipher& cipher, std::uint64_t first, std::span<const SignedEntry> entries);
  /// Folds entries of a log whose earlier ones are not here yet: what is shown until fold() has all of them, in order, over it. Once for each `part`, until clear().
  /// Errors: as fold.
  Status fold_part(const LogCipher& cipher, const Digest& part, std::uint64_t first, std::span<const SignedEntry> entries);
  /// Folds what `log` has and the view lacks.
  Status fold_file(const LogCipher& cipher, const LogFile& log);

  Status add_keys(std::span<const KeyTableEntry> keys);
  [[nodiscard]] std::optional<KeyTableEntry> key(const SnapshotId& id) const;
  /// Opens the private fields of every snapshot that lacks them, through `open` (nullopt: can't).
  using FieldOpener = std::function<std::optional<SnapshotFields>(const SnapshotRecord&, const KeyTableEntry*)>;
  Status open_fields(const FieldOpener& open);
  Status set_fields(const SnapshotId& id, const SnapshotFields& fields, PackNumber last_pack);
  Status set_last_pack(const SnapshotId& id, PackNumber last_pack);

  [[nodiscard]] std::optional<SnapshotRow> snapshot(const SnapshotId& id) const;
  /// Calls `visit` with each, newest first, under the view's lock: it must not call back.
  void for_each_snapshot(const std::function<void(const SnapshotRow&)>& visit) const;
  [[nodiscard]] std::vector<DatabaseRow> databases() const;

  [[nodiscard]] std::vector<NetworkCopy> copies(const PackId& pack) const override;
  [[nodiscard]] std::vector<NetworkCopy> held_copies(const PackId& pack) const override;
  [[nodiscard]] bool has_good_copy(const PackId& pack) const override;
  /// Of copies that stand, not of shards that were placed elsewhere since.
  [[nodiscard]] std::vector<CopyRow> copy_rows(const PackId& pack) const;
  /// Also copies that are superseded.
  void for_each_pack(const std::function<void(const PackId&, const std::vector<CopyRow>&)>& visit) const;
  [[nodiscard]] std::size_t pack_count() const;

  Status set_writer(const WriterRow& row);
  [[nodiscard]] std::vector<WriterRow> writers() const;

  /// Grows whenever snapshots or databases changed.
  [[nodiscard]] std::uint64_t generation() const noexcept;
  /// Forgets everything, also in the store.
  Status clear();

 private:
  CatalogView(ViewStore& store, const RepositoryId& repository, ByteView k_cat)
      : store_(store), repository_(repository), k_cat_(SecretBytes::copy_of(k_cat)) {}
  struct Batch;
  Status load();
  Status commit(Batch& batch);
  Status fold_entries(const LogCipher& cipher, std::uint64_t first, std::span<const SignedEntry> entries, Batch& batch);
  void fold_one(const LogEntry& entry, const WriterId& writer, Batch& batch);
  void fold_sealed(const SealedEntry& body, Batch& batch);
  void fold_placed(const PlacedEntry& body, Batch& batch);
  void fold_verified(const VerifiedEntry& body, Batch& batch);
  void fold_policy(const PolicyEntry& body, WallNanos time, const WriterId& writer, Batch& batch);
  const SnapshotRow* find_snapshot(const SnapshotId& id, const Batch& batch) const;
  std::vector<CopyRow> find_copies(const PackId& id, const Batch& batch) const;

  ViewStore& store_;
  RepositoryId repository_;
  SecretBytes k_cat_;
  mutable std::mutex mutex_;
  std::unordered_map<IncarnationId, std::uint64_t> cursors_;
  std::unordered_map<SnapshotId, SnapshotRow> snapshots_;
  std::map<std::pair<WallNanos, SnapshotId>, SnapshotId> by_time_;
  std::unordered_map<SnapshotId, KeyTableEntry> keys_;
  std::unordered_map<DatabaseId, DatabaseRow> databases_;
  std::unordered_map<PackId, std::vector<CopyRow>> copies_;
  std::unordered_map<WriterId, WriterRow> writers_;
  std::uint64_t generation_ = 1;
};

}  // namespace holdfast
