// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "core/place/placer.h"
#include "core/repo/compression_notices.h"
#include "core/repo/repository.h"

namespace holdfast {

/// A database of this writer. `id`, `name` and `options` are constant; the rest is guarded by `mutex`.
struct Database {
  DatabaseId id;
  std::string name;
  LiveTreeOptions options;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::unique_ptr<LiveTree> live;  ///< set before anybody else sees the database
  std::mutex sealing;              ///< one seal at a time; held over the whole seal
  mutable std::mutex mutex;
  DatabasePolicy policy;
  CompressionNotices::Amount judged;      ///< files, since the last seal
  std::set<std::string> changed_folders;  ///< whose files were judged since the last seal, and those whose dump was not proved whole then
  struct LiveJudgement {
    std::uint64_t content_serial = 0;
    std::string name;  ///< judged as a file of this name
    Repository::Judgement judgement;
  };
  std::map<std::uint64_t, LiveJudgement>
      live_judgements;             ///< by inode; of files that were asked about since they changed
  WallNanos last_scheduled = 0;    ///< the schedule's moment that was sealed last, or when the database was opened
  MonoTime sealed_at{};
  MonoTime waiting_since{};        ///< a scheduled seal waits for open writers since then
  MonoTime seal_not_before{};      ///< in the background, after one that failed
};

/// A kDatabase journal record: `u8` 10 ‖ database id [16] ‖ `u32` uid ‖ `u32` gid ‖ text policy (policy_text.h, with the name).
struct DatabaseRecord {
  DatabaseId id;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string policy;
};
Bytes encode_database_record(const DatabaseRecord& record);
Result<DatabaseRecord> decode_database_record(ByteView payload);

/// Which networks a domain's packs go to, and when that is safe. Domains are remembered in a file of the state folder, and which of them each database has had, so
/// that packs of a database whose networks were changed still find theirs: those that it had first, and those of today's policy where every database that
/// has packs there names them. A network that the configuration lacks counts as one of this host. Safe from any thread.
class DomainRules final : public PlacementPolicy {
 public:
  /// `path`: the file. Errors: kCorrupt, kInternal.
  static Result<std::unique_ptr<DomainRules>> open(std::string path, const NetworkSet& networks);

  /// Adds a domain, or raises its quorum; durable at return. `quorum` 0: the smaller of 2 and the number of sites.
  Status add(std::uint32_t domain, const std::vector<std::string>& networks, std::uint32_t quorum, const std::optional<ErasureCode>& code = std::nullopt);
  /// A database's packs go to this domain, which has been added, from now on; durable at return.
  Status note_database(const DatabaseId& database, std::uint32_t domain);
  /// All that its packs went to, the present one last; empty for an unknown database.
  [[nodiscard]] std::vector<std::uint32_t> domains_of(const DatabaseId& database) const;
  [[nodiscard]] std::vector<std::string> networks(std::uint32_t domain) const override;
  [[nodiscard]] std::vector<std::string> takers(std::uint32_t domain) const override;
  [[nodiscard]] std::optional<ErasureCode> code(std::uint32_t domain) const override;
  [[nodiscard]] bool is_safe(std::uint32_t domain, const std::vector<std::string>& networks) const override;
  /// The same of packs that are cut by `code`, or whole, whatever the domain's are: by its quorum.
  [[nodiscard]] bool is_safe_in(std::uint32_t domain, const std::optional<ErasureCode>& code, const std::vector<std::string>& networks) const;
  /// On how many of the domain's networks whole objects must be: as many as any of its databases asks for today.
  [[nodiscard]] std::uint32_t quorum(std::uint32_t domain) const;
  /// On how many of them packs, or their shards, must be, so that as many networks can fail as with `quorum` whole copies.
  [[nodiscard]] std::uint32_t holders_needed(std::uint32_t domain) const;
  /// And on how many they are when all is placed.
  [[nodiscard]] std::size_t holders_wanted(std::uint32_t domain) const;
  /// Whether these copies outlive the loss of a network, and of this machine: two whole ones, or one shard more than it takes, where there are so many.
  [[nodiscard]] bool outlive_one(const std::vector<NetworkCopy>& held, std::size_t known) const;
  /// Whether one of them is on another site than this machine.
  [[nodiscard]] bool is_elsewhere(const std::vector<std::string>& networks) const;
  /// Whether *safe* can ever be reached: enough networks, one of them on another site.
  [[nodiscard]] bool can_be_safe(std::uint32_t domain) const;

 private:
  struct Rule {
    std::vector<std::string> networks;
    std::uint32_t quorum = 0;
    std::optional<ErasureCode> code;
  };
  DomainRules(std::string path, const NetworkSet& networks) : path_(std::move(path)), networks_(networks) {}
  [[nodiscard]] std::string site_of(const std::string& network) const;
  [[nodiscard]] std::size_t count_elsewhere(const std::vector<std::string>& networks) const;
  [[nodiscard]] std::uint32_t quorum_of(const Rule& rule) const;
  [[nodiscard]] std::vector<const Rule*> successors(std::uint32_t domain) const;
  [[nodiscard]] Bytes encode() const;

  const std::string path_;
  const NetworkSet& networks_;
  mutable std::mutex mutex_;
  std::map<std::uint32_t, Rule> rules_;
  std::map<DatabaseId, std::vector<std::uint32_t>> databases_;  ///< present domain last
};

}  // namespace holdfast
