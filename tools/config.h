// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adapters/registry.h"
#include "core/repo/repository.h"

namespace holdfast {

/// Everything that the configuration file and the environment say, checked.
struct Config {
  std::string file;  ///< the file that was read; empty: none
  std::string state_directory;
  std::uint64_t staging_size_bytes = 20ULL << 30;
  std::chrono::seconds staging_wait{600};
  std::string cache_directory;
  std::uint64_t cache_size_bytes = 10ULL << 30;
  std::vector<std::string> default_networks;  ///< of databases whose policy names none
  std::vector<NetworkConfig> networks;        ///< in the order in which new databases prefer them
  std::map<std::string, DatabasePolicy> databases;  ///< defaults where a section says nothing: what a new one gets
  /// The keys, with their texts, that file and environment name for each: they go over what `db set` says.
  std::map<std::string, std::map<std::string, std::string>> database_keys;
  std::string default_schedule;  ///< of databases whose policy has none
  std::string wal_database;  ///< where wal-push puts segments
};

/// A look into the environment; tests give their own.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

/// Reads the configuration: `file_option` (may be empty), else $HOLDFAST_CONFIG, else the user's, else the machine's file; none is fine.
/// Environment variables go over the file: HOLDFAST_<SECTION>_<KEY> (HOLDFAST_REPOSITORY_STAGING_SIZE, HOLDFAST_NETWORK_IPFS_API) for every key of
/// [repository], [cache], networks and those databases that the file has a section for, and the names that people have already. Errors: kInvalidArgument, naming file, key and the nearest known key; kNotFound for a named file that is absent.
Result<Config> load_config(const std::string& file_option, const Environment& environment);

/// Sets one policy key from text, as in `db set DB KEY=VALUE`. Errors: kInvalidArgument.
Status set_policy_key(DatabasePolicy& policy, const std::string& key, const std::string& value);
/// Key and value pairs, as `db show` prints them and set_policy_key takes them.
std::vector<std::pair<std::string, std::string>> policy_fields(const DatabasePolicy& policy);

}  // namespace holdfast
