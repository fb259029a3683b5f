// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "core/catalog/catalog_view.h"
#include "core/catalog/head.h"
#include "core/catalog/log_file.h"
#include "core/place/placer.h"
#include "core/repo/log_parts.h"
#include "core/repo/repository_secrets.h"

namespace holdfast {

/// All logs and key tables on this machine and their fold: what is written goes to the own log first, then into the view. Safe from any thread.
class RepositoryCatalog final : public PlacementLog {
 public:
  struct Parts {
    StatePaths paths;
    std::shared_ptr<const RepositorySecrets> secrets;
    ViewStore& view_store;
    RandomSource& random;
    Clock& clock;
  };
  /// Opens the logs in the state folder and folds what the view lacks; a view that contradicts the logs is folded anew. The own log is started with its
  /// incarnation entry when it is empty. Where the own log or key file is damaged, what is intact goes into a new one (a log: into a new incarnation), the damaged
  /// file stays under a name that ends in ".damaged", and what is missing comes from the view and the networks' heads.
  /// Errors: kCorrupt (nothing of the own log can be read), kNoSpace, kInternal.
  static Result<std::unique_ptr<RepositoryCatalog>> open(Parts parts, RepositoryIdentity identity);

  /// Appends to the own log (durable: the commit point) and folds. Errors: kNoSpace, kInternal: nothing was said then.
  Status append(std::span<const LogEntry> entries);
  /// Keeps a snapshot's sealed key, durable at return: before the snapshot is appended.
  Status add_key(const KeyTableEntry& entry);
  Status placed(const StagedPack& pack, const NetworkCopy& copy) override;

  [[nodiscard]] CatalogView& view() noexcept { return *view_; }
  [[nodiscard]] const CatalogView& view() const noexcept { return *view_; }

  /// What there is to publish, and where.
  struct OwnState {
    LogIdentity log;
    LogState state;
    std::uint64_t key_count = 0;
    std::uint32_t slot = 0;
    Bytes certificate;  ///< for that slot
    friend bool operator==(const OwnState&, const OwnState&) = default;
  };
  [[nodiscard]] OwnState own_state() const;
  /// The slot that this writer's heads stand in.
  [[nodiscard]] std::uint32_t slot() const;
  /// Certifies this writer for `slot` from now on, durable at return; calls what on_append() was given. Errors: kPermissionDenied where the state folder has no
  /// vault; kNoSpace, kInternal: the old slot stays.
  Status move_to_slot(std::uint32_t slot);
  /// Of the log `log`, which must still be the own one: kConflict otherwise.
  Result<std::vector<SignedEntry>> read_own(const LogIdentity& log, std::uint64_t first, std::uint64_t count) const;
  Result<std::vector<KeyTableEntry>> read_own_keys(std::uint64_t first, std::uint64_t count) const;
  [[nodiscard]] std::vector<OtherWriter> others() const;
  /// Whether the own key file was damaged when it was opened: what the networks hold of its keys is to be taken.
  [[nodiscard]] bool lacks_keys() const noexcept { return lacks_keys_; }

  /// What is here of a log of another writer (or of an earlier incarnation of this one): 0 entries when nothing.
  Result<LogState> known(const LogIdentity& log);
  /// The root that the copy of `log` had at `size`. Errors: kOutOfRange.
  Result<Digest> known_root(const LogIdentity& log, std::uint64_t size);
  /// Takes verified entries that continue the copy of another writer's log up to what `head` says, and folds them. Errors: kConflict: a fork.
  Status take_entries(const VerifiedHead& head, std::span<const SignedEntry> entries);
  /// What of the first `size` entries of a log is neither in its copy nor in parts, ascending.
  [[nodiscard]] std::vector<LogRange> missing(const LogIdentity& log, std::uint64_t size) const;
  /// Keeps a verified segment of a log of which something before it is missing, and shows what its entries say. Errors: kNoSpace, kInternal.
  Status take_part(const Digest& digest, ByteView object, const LogSegment& segment);
  /// Puts the parts of a log together, of which nothing is missing, and takes them as take_entries does. Where they don't give the tree that the head says, what was shown of them is
  /// withdrawn. Errors: kConflict: a fork; kNoSpace, kInternal.
  Status join_parts(const VerifiedHead& head);
  /// Logs of which only parts are here.
  [[nodiscard]] std::vector<LogIdentity> partial_logs() const;
  /// Keys out of a writer's table. Those that are here already are left alone; what on_append() was given is called when own ones have come.
  Status take_keys(const WriterId& writer, std::span<const KeyTableEntry> keys);
  /// Opens private fields of snapshots whose keys have come.
  Status open_fields();

  /// Whether the own log has all that a log of this writer said up to `state`: it is the present one, or one that ended and whose copy here, all of which was
  /// repeated, reached so far.
  Result<bool> covers(const LogIdentity& log, const LogState& state);
  /// The published log of this writer says more than, or other things than, this state folder: starts a new incarnation that repeats all entries of the own
  /// log and those of the published one, and calls what on_append() was given; none begins where an ended one says nothing new. Errors: kCorrupt (nothing was said then); kNoSpace, kInternal: the old incarnation goes on.
  Status start_incarnation(const VerifiedHead& published, std::span<const SignedEntry> entries);

  /// Called when there is something new to publish: an append, keys, another incarnation or slot; from the thread that did it, outside all locks.
  void on_append(std::function<void()> call) { on_append_ = std::move(call); }
  /// Grows with every append, whatever it says.
  [[nodiscard]] std::uint64_t changes() const noexcept { return changes_.load(); }

 private:
  explicit RepositoryCatalog(Parts parts, RepositoryIdentity identity)
      : parts_(std::move(parts)), identity_(std::move(identity)) {}
  [[nodiscard]] std::string key_path(const WriterId& writer) const { return parts_.paths.log() + "/" + writer.hex() + ".hfk"; }
  [[nodiscard]] Bytes key_header(const WriterId& writer) const;
  Status open_keys(const WriterId& writer);
  Status salvage_own_log(Error damage);
  Status salvage_own_keys(Error damage);
  Status open_other_logs();
  Status begin_log(OwnLog& log, const std::vector<LogEntry>& carried);
  Status fold_all();
  Status fold_parts();
  Status fold_part(const Digest& digest, const LogSegment& segment);
  Status take_locked(const VerifiedHead& head, std::span<const SignedEntry> entries);
  Result<LogFile*> other_log(const LogIdentity& log);
  Result<std::vector<LogEntry>> plain_entries(const OwnLog& log) const;
  Status begin_incarnation(std::vector<LogEntry> carried);
  Status keep_ended(const LogIdentity& ended, const VerifiedHead& published, std::span<const SignedEntry> entries);

  Parts parts_;
  mutable std::mutex mutex_;  // taken before the view's; held over the log's disk, never over a network
  RepositoryIdentity identity_;
  std::uint32_t slot_ = 0;  // that of identity_.certificate
  std::shared_ptr<OwnLog> own_;
  std::map<IncarnationId, std::unique_ptr<LogFile>> other_logs_;
  std::optional<LogParts> parts_of_logs_;  // set by open()
  struct KeyFile {
    std::unique_ptr<FramedFile> file;
    std::unordered_map<SnapshotId, KeyTableEntry> keys;
  };
  std::map<WriterId, KeyFile> key_files_;
  bool lacks_keys_ = false;  // constant after opening
  std::unique_ptr<CatalogView> view_;
  std::function<void()> on_append_;
  std::atomic<std::uint64_t> changes_{0};
};

}  // namespace holdfast
