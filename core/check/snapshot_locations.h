// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <vector>

#include "core/check/needs_walk.h"

namespace holdfast {

/// Which records of which packs a snapshot needs, 8 to 16 bytes a record: 256 MiB for a terabyte of chunks of 64 KiB at
/// most. One thread.
class LocatedChunks final : public NeededChunks {
 public:
  static constexpr std::size_t kProblemsMax = 20;

  [[nodiscard]] bool knows(const ChunkId&) const override { return false; }
  bool add(const ChunkId& id, const ChunkLocation& at, const std::string& path) override;
  [[nodiscard]] bool needs(PackNumber pack, const PackEntry& entry) const override;
  [[nodiscard]] std::string path_of(const ChunkId&) const override { return {}; }
  void note_nowhere(const std::string& path) override;
  Status note_unreadable(const std::string& path, const Error& error) override;
  Status note_no_directory(PackNumber pack, const Error& error) override;

  struct Amount {
    std::uint64_t chunks = 0;
    std::uint64_t bytes = 0;
  };
  /// By pack, ascending.
  [[nodiscard]] std::map<PackNumber, Amount> amounts() const;
  /// What kept the walk from finding everything; empty: nothing did. At most kProblemsMax.
  [[nodiscard]] const std::vector<std::string>& problems() const noexcept { return problems_; }

 private:
  void note(std::string problem);

  std::map<PackNumber, std::vector<std::uint64_t>> packs_;  ///< offset and size of each record in one number, ascending
  std::vector<std::string> problems_;
};

/// Where the packs that a snapshot leans on lie, by what is known here; networks are asked only for trees and
/// directories that are not on this machine. Errors: those of NeedsWalk::walk.
Result<SnapshotLocations> find_locations(const SnapshotView& snapshot, const NeedsWalk::Parts& parts,
                                         const CallContext& context);

}  // namespace holdfast
