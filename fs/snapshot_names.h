// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/repo/repository.h"

namespace holdfast::fs {

/// The names below /snapshots/<db>, as one generation of the catalog had them. Immutable.
struct SnapshotNames {
  std::map<std::string, SnapshotInfo> by_name;     ///< folder names
  std::map<std::string, std::string> links;        ///< label and "latest" to folder name
  WallNanos newest = 0;
};

/// Keeps the names of each database and fetches them anew when the catalog has changed. Safe from any thread.
class SnapshotNameCache {
 public:
  explicit SnapshotNameCache(Repository& repository) : repository_(repository) {}
  /// Never null; empty when the database has no snapshot.
  std::shared_ptr<const SnapshotNames> of(const std::string& database);
  /// Databases with a live tree or with snapshots, ascending.
  std::vector<std::string> databases();
  bool has_database(const std::string& database);
  /// Those with a live tree, ascending.
  std::vector<std::string> live_databases();

 private:
  void refresh_locked();

  Repository& repository_;
  std::mutex mutex_;
  bool filled_ = false;
  std::uint64_t generation_ = 0;
  std::unordered_map<std::string, std::shared_ptr<const SnapshotNames>> names_;
};

}  // namespace holdfast::fs
