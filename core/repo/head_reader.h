// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "core/repo/repository_catalog.h"

namespace holdfast {

/// A whole small object of a network, checked against what a head says of it. Errors: kCorrupt for another digest; those of the network.
Result<Bytes> fetch_meta(ObjectReader& store, const MetaObject& meta, const CallContext& context);

/// A segment that `head` names, with every signature checked. Errors: kCorrupt, kUntrusted; those of the network.
/// `object` gets its bytes.
Result<LogSegment> fetch_segment(ObjectReader& store, const VerifiedHead& head, const MetaObject& meta, Bytes& object, const CallContext& context);

/// The segments that `head` names from entry `first` on, with every signature checked. Errors: kCorrupt, kUntrusted;
/// those of the network.
Result<std::vector<SignedEntry>> fetch_entries(ObjectReader& store, const VerifiedHead& head, std::uint64_t first, const CallContext& context);

/// The lowest slot that is not in `taken` and where no network shows a head (of another writer than `own`, which may have been there before). Networks that can't be
/// asked are passed over with a warning, `needed` is not. Errors: those of `needed`; kConflict when all slots are taken.
Result<std::uint32_t> find_free_slot(const NetworkSet& networks, const std::string& needed, const RepositoryKeys& keys, const std::set<std::uint32_t>& taken,
                                     const WriterId& own, const CallContext& context);

/// Reads other writers' heads from networks and brings this machine's copies of their logs up to date. Where much is missing, as in a recovery, the newest parts of all logs are
/// read first, kept, and shown. A part that can't be read hides only itself. Safe from any thread.
class HeadReader {
 public:
  HeadReader(RepositoryCatalog& catalog, std::shared_ptr<const RepositorySecrets> secrets, const NetworkSet& networks)
      : catalog_(catalog), secrets_(std::move(secrets)), networks_(networks) {}

  /// Asks every network with mutable names for the heads of all slots. A network that does not answer, serves an older head than before, or lies
  /// is a problem, not an error: the newest head of all of them wins. True when something new was learnt.
  bool refresh(const CallContext& context);
  struct Refreshed {
    bool learnt = false;
    bool any_head = false;
    Status problem;  ///< what could not be read; an error that may pass (retry_advice: same source) goes before others
  };
  /// The same on one network. What can be read is taken, whatever the problem with the rest is.
  Refreshed refresh_from(ObjectStore& store, const CallContext& context);
  /// A head of another writer that was got from `network` in another way than by its name: read where the name shows no newer one.
  void know_head(const std::string& network, VerifiedHead head);

  struct Progress {
    std::uint64_t done = 0;   ///< segments and key tables that are here, or can't be read
    std::uint64_t total = 0;  ///< that the refresh under way (or the last one) found missing
  };
  [[nodiscard]] Progress progress() const noexcept { return {read_.load(), wanted_.load()}; }

  /// The head in `slot` of this repository, verified; nullopt when there is none. Errors: kCorrupt, kUntrusted (another
  /// repository's root), the network's.
  Result<std::optional<VerifiedHead>> resolve(ObjectStore& store, std::uint32_t slot, const CallContext& context);

  struct OwnHead {
    std::uint32_t slot = 0;  ///< that was looked at
    bool is_there = false;
  };
  /// Compares what `store` shows in the own slot with the own log: a log that is ahead of it, or that this state folder did not write, begins a new incarnation.
  /// Keys of own snapshots that the head's tables have and this folder lacks are taken.
  /// Where another writer stands in the slot, this one is certified for a free slot and looks there. A head of just `published` is known to be good.
  /// Errors: of the network (nothing may be published there then); kPermissionDenied when the slot is another writer's and there is no vault here.
  Result<OwnHead> check_own(ObjectStore& store, const RepositoryCatalog::OwnState& published, const CallContext& context);

  /// For people, by network; empty when all is well.
  [[nodiscard]] std::map<std::string, std::string> problems() const;
  /// For people: which entries of which logs no network has given so far, though a head tells of them.
  [[nodiscard]] std::vector<std::string> gaps() const;

 private:
  /// A head, and what of all that it names is to be read, newest first.
  struct Reading {
    VerifiedHead head;
    std::vector<MetaObject> tables;
    std::vector<MetaObject> segments;
  };
  std::vector<VerifiedHead> find_heads(ObjectStore& store, const CallContext& context, Refreshed& out);
  Result<Reading> plan(const VerifiedHead& head, const std::string& network);
  Status read_table(ObjectStore& store, const Reading& reading, const MetaObject& meta, const CallContext& context, bool& learnt);
  Status read_segment(ObjectStore& store, const Reading& reading, const MetaObject& meta, const CallContext& context, bool& learnt);
  Status take_key_tables(ObjectStore& store, const VerifiedHead& head, const CallContext& context, bool& learnt);
  Status leave_slot(ObjectStore& store, std::uint32_t slot, const WriterId& other, const CallContext& context);
  Status take_own_keys(ObjectStore& store, const VerifiedHead& head, const CallContext& context);
  Status adopt_ahead(ObjectStore& store, const VerifiedHead& head, const CallContext& context);
  void note(const std::string& network, std::string problem);

  RepositoryCatalog& catalog_;
  std::shared_ptr<const RepositorySecrets> secrets_;
  const NetworkSet& networks_;
  std::atomic<std::uint64_t> read_{0}, wanted_{0};
  mutable std::mutex mutex_;
  std::map<std::string, std::string> problems_;
  struct LongestLog {
    LogIdentity log;
    std::uint64_t size = 0;
  };
  std::map<IncarnationId, LongestLog> longest_;  // that any head has told of
  std::vector<std::pair<std::string, VerifiedHead>> known_heads_;
  std::map<std::pair<std::string, std::uint32_t>, WallNanos> newest_;  // of the heads that each network has shown
  std::map<Digest, bool> tables_taken_;
  std::set<std::pair<IncarnationId, Digest>> adopted_;  // states of own logs, by their roots, that the own log repeats
  std::mutex refresh_mutex_;  // one refresh at a time; held over networks, so nobody else takes it
  std::mutex slot_mutex_;     // one change of the slot at a time; held over networks too
};

}  // namespace holdfast
