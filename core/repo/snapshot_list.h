// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <unordered_map>

#include "core/catalog/catalog_view.h"
#include "core/repo/databases.h"
#include "core/repo/repository.h"
#include "core/stage/stage.h"

namespace holdfast {

/// All snapshots with their names, newest first, as of one generation of the view; states are left at kStaged.
///
/// Names: the folder name is the UTC time to the second; of several in one second the first keeps that name and the others get as many digits (3, 6 or 9) as tell them
/// apart. A name that was given stays, except when another writer's earlier snapshot of the same second becomes known.
/// Two writers' databases of one name are shown as one, by time.
struct SnapshotList {
  std::vector<SnapshotInfo> all;
  std::unordered_map<SnapshotId, std::size_t> by_id;
  std::map<std::string, std::vector<std::size_t>> by_database;  ///< newest first
  std::set<DatabaseId> inherited;  ///< databases of which other writers made snapshots too: their trees lean on packs of those
};
/// `names` are the databases' names by id, for snapshots that can't be opened here.
SnapshotList make_snapshot_list(const CatalogView& view, const std::map<DatabaseId, std::string>& names, const WriterId& self, bool has_vault);

/// Whether a snapshot may be `latest` or answer a moment: complete, or unchecked (most dumps have no ending that could be checked); never incomplete.
[[nodiscard]] inline bool counts_as_whole(const SnapshotInfo& info) noexcept { return info.completeness != Completeness::kIncomplete; }

/// Finds a snapshot by what people type after "DB@", or by an id prefix. Errors: kNotFound; kInvalidArgument (not understood, ambiguous).
Result<const SnapshotInfo*> resolve_snapshot(const SnapshotList& list, const std::string& spec, WallNanos now);
/// Newest whole one at or before `moment`, or nullptr.
const SnapshotInfo* snapshot_at(const SnapshotList& list, const std::string& database, WallNanos moment);

/// How well everything up to a pack is held: made once for many snapshots.
class SafetyTable {
 public:
  SafetyTable(const Stage& stage, const CatalogView& view, const DomainRules& rules);
  struct Answer {
    DurabilityState state = DurabilityState::kStaged;
    std::vector<std::string> networks;  ///< that hold all of it, sorted
  };
  /// What a snapshot of this writer may lean on: packs of any domain that its database has had, since files that did not change stay where they are.
  struct Reach {
    std::vector<std::uint32_t> domains;  ///< the present one last
    PackNumber last = 0;                 ///< its records lie in packs up to here
    bool inherited = false;              ///< the database began with another writer: packs of others too
  };
  [[nodiscard]] Answer own(const Reach& reach, bool stated_safe) const;
  /// Of another writer's snapshot: what its writer stated, unless this machine found packs of others spoilt since; and the networks that hold every pack known
  /// from others.
  [[nodiscard]] Answer other(bool stated_safe) const;

 private:
  struct Step {
    PackNumber number = 0;
    bool all_safe = true;
    bool any_lost = false;
    bool any_copy = false;
    std::vector<std::string> networks;
  };
  std::map<std::uint32_t, std::vector<Step>> steps_;  ///< by domain, running over its packs
  PackNumber first_open_ = 0;                         ///< lowest pack that is still open; 0: none
  [[nodiscard]] const Step* step_of(std::uint32_t domain, PackNumber last) const;
  const DomainRules& rules_;
  bool has_others_ = false;
  bool others_spoilt_ = false;
  std::vector<std::string> other_networks_;
  /// Networks that hold a pack of others, or its shards.
  struct Holders {
    std::vector<std::string> networks;
    std::optional<ErasureCode> code = std::nullopt;
    bool gives_back = true;
    [[nodiscard]] auto key() const { return std::tuple(networks, code ? code->k : 0, code ? code->n : 0, gives_back); }
    friend bool operator<(const Holders& a, const Holders& b) { return a.key() < b.key(); }
  };
  std::map<Holders, PackNumber> others_;  ///< each, and the first such pack
};

}  // namespace holdfast
