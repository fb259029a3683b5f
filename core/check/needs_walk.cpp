// SPDX-License-Identifier: Apache-2.0
#include "core/check/needs_walk.h"

#include <algorithm>

#include "core/check/reference_walk.h"

namespace holdfast {
namespace {

/// Ids that are remembered as found nowhere; further ones are looked for each time that they come up.
constexpr std::size_t kNowhereMax = 1U << 16;
constexpr std::string_view kDoing = "finding what a snapshot needs";

}  // namespace

/// An index that is being rebuilt is waited for before a chunk is called nowhere.
Result<std::optional<ChunkLocation>> NeedsWalk::locate(const ChunkId& id, const CallContext& context) {
  for (;;) {
    const auto before = parts_.directories.progress();
    if (const auto staged = parts_.stage.find(id)) return staged;
    HOLDFAST_ASSIGN(const auto location, parts_.index.find(id));
    if (location && parts_.stage.is_usable(location->pack)) return location;
    const auto after = parts_.directories.progress();
    if (after.round != before.round || after.done != before.done) continue;  // it may be there by now
    if (!after.is_running) return std::optional<ChunkLocation>();
    HOLDFAST_TRY(parts_.directories.wait_beyond(after, context));
  }
}

/// A new one is walked: what is below it is needed, too.
Result<NeedsWalk::Added> NeedsWalk::add(const ChunkId& id, const std::string& path, const CallContext& context) {
  HOLDFAST_TRY(check_context(context, parts_.clock, kDoing));
  if (needs_.knows(id) || nowhere_.contains(id)) return Added{};
  HOLDFAST_ASSIGN(const auto location, locate(id, context));
  if (!location) {
    needs_.note_nowhere(path);
    if (nowhere_.size() < kNowhereMax) nowhere_.insert(id);
    return Added{true, std::nullopt};  // reading it tells why
  }
  if (!needs_.add(id, *location, path)) return Added{};
  grown_.insert(location->pack);
  return Added{true, location};
}

Status NeedsWalk::add_bases_of(PackNumber number, const CallContext& context) {
  const auto row = parts_.stage.table().find(number);
  if (!row) return ok_status();  // still open
  auto directory = parts_.directories.read_directory(*row, context);
  if (!directory) {
    HOLDFAST_TRY(check_context(context, parts_.clock, kDoing));
    return needs_.note_no_directory(number, directory.error());
  }
  // A base was mostly stored before what leans on it: backwards, one pass over a pack finds whole chains.
  auto& entries = directory->entries;
  std::sort(entries.begin(), entries.end(), [](const PackEntry& a, const PackEntry& b) { return a.offset > b.offset; });
  bool has_all = true;
  for (const auto& entry : entries) {
    if (entry.bases.empty() || !needs_.needs(number, entry)) continue;
    for (const ChunkId& base : entry.bases) {
      HOLDFAST_ASSIGN(const Added added, add(base, needs_.path_of(entry.id), context));
      const bool is_here = added.at && added.at->pack == number;
      has_all = has_all && (!is_here || added.at->offset < entry.offset);
    }
  }
  if (has_all) grown_.erase(number);
  return ok_status();
}

/// Bases of differences stand in the packs' directories: those of needed records are needed too. Packs get numbers in
/// the order in which they are written, so most bases lie in a pack that is still to come.
Status NeedsWalk::add_bases(const CallContext& context) {
  while (!grown_.empty()) {
    const PackNumber number = *grown_.rbegin();
    grown_.erase(number);
    HOLDFAST_TRY(add_bases_of(number, context));
  }
  return ok_status();
}

Status NeedsWalk::walk(const SnapshotView& snapshot, const CallContext& context) {
  ReferenceWalk walk;
  walk.visit = [&](const ChunkRef& ref, const std::string& path) -> Result<bool> {
    HOLDFAST_ASSIGN(const Added added, add(ref.id, path, context));
    return added.is_new;
  };
  walk.unreadable = [&](const ChunkRef&, const std::string& path, const Error& error) -> Status {
    HOLDFAST_TRY(check_context(context, parts_.clock, kDoing));
    return needs_.note_unreadable(path, error);
  };
  HOLDFAST_TRY(walk_references(parts_.source, snapshot.root, snapshot.links, walk, context));
  return add_bases(context);
}

}  // namespace holdfast
