// SPDX-License-Identifier: Apache-2.0
#include "fs/snapshot_names.h"

#include <algorithm>

namespace holdfast::fs {

void SnapshotNameCache::refresh_locked() {
  // The generation is read before the list, so that a change in between is seen at the next look.
  const std::uint64_t generation = repository_.catalog_generation();
  if (filled_ && generation == generation_) return;
  std::unordered_map<std::string, std::shared_ptr<SnapshotNames>> names;
  for (SnapshotInfo& info : repository_.snapshots()) {  // newest first
    if (info.name.empty()) continue;                    // without its key we don't know what it is called
    auto& of_database = names[info.database];
    if (!of_database) of_database = std::make_shared<SnapshotNames>();
    SnapshotNames& target = *of_database;
    target.newest = std::max(target.newest, info.time);
    if (info.completeness != Completeness::kIncomplete) target.links.emplace("latest", info.name);
    if (!info.label.empty()) target.links.emplace(info.label, info.name);
    std::string name = info.name;
    target.by_name.emplace(std::move(name), std::move(info));
  }
  names_.clear();
  for (auto& [database, of_database] : names) {
    // A folder's own name always means that folder.
    std::erase_if(of_database->links, [&](const auto& link) { return of_database->by_name.contains(link.first); });
    names_.emplace(database, std::move(of_database));
  }
  generation_ = generation;
  filled_ = true;
}

std::shared_ptr<const SnapshotNames> SnapshotNameCache::of(const std::string& database) {
  static const auto kNone = std::make_shared<const SnapshotNames>();
  const std::lock_guard lock(mutex_);
  refresh_locked();
  const auto found = names_.find(database);
  return found == names_.end() ? kNone : found->second;
}

std::vector<std::string> SnapshotNameCache::databases() {
  std::vector<std::string> databases = repository_.database_names();
  const std::lock_guard lock(mutex_);
  refresh_locked();
  for (const auto& [database, names] : names_) databases.push_back(database);
  std::sort(databases.begin(), databases.end());
  databases.erase(std::unique(databases.begin(), databases.end()), databases.end());
  return databases;
}

bool SnapshotNameCache::has_database(const std::string& database) {
  const auto all = databases();
  return std::binary_search(all.begin(), all.end(), database);
}

std::vector<std::string> SnapshotNameCache::live_databases() {
  std::vector<std::string> databases = repository_.database_names();
  std::sort(databases.begin(), databases.end());
  return databases;
}

}  // namespace holdfast::fs
