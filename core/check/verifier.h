// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>

#include "core/catalog/catalog_view.h"
#include "core/repo/databases.h"
#include "core/repo/index_rebuilder.h"
#include "core/repo/repository.h"

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
  struct Record {
    ChunkId id;
    ChunkLocation location;
  };
  struct Needs {
    std::map<PackNumber, std::vector<Record>> packs;
    std::unordered_map<ChunkId, std::string> paths;  ///< one path that needs the chunk
    std::vector<std::string> damaged;
  };
  Result<Needs> collect(const SnapshotView& snapshot, const CallContext& context);
  Status add_chunk(const ChunkId& id, const std::string& path, Needs& needs);
  Status add_bases(Needs& needs, const CallContext& context);
  struct Outcome {
    VerifiedOutcome outcome = VerifiedOutcome::kGood;
    std::set<ChunkId> bad;
  };
  Result<Outcome> check_copy(const NetworkCopy& copy, const std::vector<Record>& records, VerifyLevel level, VerifyReport::Network& report,
                             const CallContext& context);
  std::vector<Record> sample(const std::vector<Record>& records);
  void conclude(const Needs& needs, std::uint32_t domain, const std::map<PackNumber, std::vector<std::string>>& good,
                const std::map<ChunkId, std::set<std::string>>& bad_on, VerifyReport::Snapshot& out) const;

  Parts parts_;
  std::map<std::pair<PackId, std::string>, VerifiedOutcome> findings_;
};

}  // namespace holdfast
