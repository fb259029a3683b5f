// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>

#include "core/catalog/catalog_view.h"
#include "core/check/needs_walk.h"
#include "core/repo/databases.h"
#include "core/store/record_ranges.h"

namespace holdfast {

/// Looks at what networks really hold of a snapshot. Which packs that is follows from its trees: every chunk, bases included. Reads each network directly, past staging
/// and caches. One thread.
class Verifier {
 public:
  struct Parts {
    Stage& stage;
    ChunkIndex& index;
    CatalogView& view;
    const NetworkSet& networks;
    ChunkSource& source;  ///< for the trees themselves
    const IndexRebuilder& directories;
    const DomainRules& rules;
    Clock& clock;
    RandomSource& random;
  };
  explicit Verifier(Parts parts) : parts_(std::move(parts)) {}

  /// availability: every pack is probed on each network that should have it. sample: besides, at most 8 random records of each are read and verified.
  /// full: every record of the snapshot is read from each network and verified. Errors: kDeadlineExceeded, kCancelled, kInternal; what is wrong with the
  /// stored data is in the report.
  Result<VerifyReport::Snapshot> verify(const SnapshotView& snapshot, std::uint32_t domain, VerifyLevel level,
                                        const std::function<void(std::uint64_t, std::uint64_t)>& progress, const CallContext& context);

  /// What was found out about copies since the last call, for the catalog.
  std::vector<LogEntry> take_findings();

 private:
  using CopyId = std::pair<PackId, std::string>;
  struct Record {
    ChunkId id;
    ChunkLocation location;
  };
  struct Needs final : NeededChunks {
    std::map<PackNumber, std::vector<Record>> packs;
    std::unordered_map<ChunkId, std::string> paths;  ///< one path that needs the chunk
    std::vector<std::string> damaged;

    [[nodiscard]] bool knows(const ChunkId& id) const override { return paths.contains(id); }
    bool add(const ChunkId& id, const ChunkLocation& at, const std::string& path) override;
    [[nodiscard]] bool needs(PackNumber, const PackEntry& entry) const override { return paths.contains(entry.id); }
    [[nodiscard]] std::string path_of(const ChunkId& id) const override { return paths.at(id); }
    void note_nowhere(const std::string& path) override;
    Status note_unreadable(const std::string& path, const Error& error) override;
    /// The copies' own checks tell what is wrong.
    Status note_no_directory(PackNumber, const Error&) override { return ok_status(); }
  };
  /// What was found of a pack on one network.
  struct Copy {
    std::string network;
    VerifiedOutcome outcome = VerifiedOutcome::kGood;
    bool is_there = true;   ///< false: the network lacks it as a whole
    bool answered = true;   ///< false: of records that were not read nothing is known
    std::set<ChunkId> bad;  ///< needed records that are not good there
    std::optional<ShardPlan> shard = std::nullopt;  ///< it is one of several that give the pack together
    [[nodiscard]] bool gives(const ChunkId& id) const { return !shard && is_there && answered && !bad.contains(id); }
  };
  struct Pack {
    std::optional<PackRow> row;  ///< nullopt: still open
    bool is_here = false;        ///< its file is in the staging folder
    std::set<ChunkId> bad_here;
    std::vector<Copy> copies;
    std::optional<Copy> together;  ///< what shards give that are not all good
    /// Whether copies that were found good give all of it.
    [[nodiscard]] bool is_held() const;
    [[nodiscard]] bool gives(const ChunkId& id) const;
  };
  Result<Pack> check_pack(PackNumber number, const std::vector<Record>& records, VerifyLevel level, std::map<std::string, VerifyReport::Network>& networks,
                          const CallContext& context);
  Status check_here(const std::vector<Record>& records, VerifyLevel level, Pack& pack, const CallContext& context);
  Result<Copy> check_copy(const PackRow& pack, const CopyRow& row, const std::vector<Record>& records, VerifyLevel level, VerifyReport::Network& report,
                          const CallContext& context);
  /// Blocks of a shard: some by level, or all.
  Status check_shard(const NetworkCopy& copy, ObjectStore& store, VerifyLevel level, VerifyReport::Network& report, Copy& out, const CallContext& context);
  /// Reads every record through what is left of the shards.
  Result<Copy> check_together(const std::vector<NetworkCopy>& shards, const std::vector<Record>& records, const CallContext& context);
  /// One copy that is read, and what that gives.
  struct Reading {
    const NetworkCopy& copy;
    ObjectStore& store;
    VerifyReport::Network& report;
    Copy& out;
    std::vector<std::uint64_t> good;  ///< offsets of records that were found good
  };
  Status read_records(const CopyId& id, const std::vector<Record>& records, Reading& reading,
                      const CallContext& context);
  Status read_run(std::span<const RecordRange> run, Reading& reading, const CallContext& context);
  static void note_failure(Reading& reading, const Error& error, VerifiedOutcome outcome);
  std::vector<Record> sample(const std::vector<Record>& records);
  void note_finding(const PackId& pack, const Copy& copy);
  void conclude(const Needs& needs, std::uint32_t domain, const std::map<PackNumber, Pack>& packs, VerifyReport::Snapshot& out) const;

  static constexpr std::size_t kDamagedMax = 100;
  /// Adds a text that is not there yet, while there are fewer than `max`.
  static void note(std::vector<std::string>& list, std::size_t max, std::string text);

  Parts parts_;
  std::map<CopyId, VerifiedOutcome> findings_;  ///< the worst of the run
  std::map<CopyId, std::vector<std::uint64_t>> good_;  ///< offsets of records that this run has read and found good, ascending: snapshots share them
  std::map<CopyId, Copy> shards_;               ///< looked at by this run: snapshots share them
  std::set<CopyId> cleared_;                    ///< said to be corrupt by the catalog, and read as a whole and found good
};

}  // namespace holdfast
