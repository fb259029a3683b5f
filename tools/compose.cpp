// SPDX-License-Identifier: Apache-2.0
#include "tools/compose.h"

#include <sys/utsname.h>

#include <filesystem>

#include "cache/lmdb_chunk_cache.h"
#include "cache/lmdb_view_store.h"
#include "cache/segment_feature_table.h"
#include "cache/segment_index.h"
#include "core/base/errno_code.h"
#include "core/base/log.h"
#include "core/repo/traffic_book.h"
#include "core/store/network_stack.h"
#include "tools/units.h"

namespace holdfast {

namespace {

std::string host_name() {
  utsname names{};
  return ::uname(&names) == 0 ? names.nodename : "unknown";
}

/// Made before anything opens in them; the state folder itself is made by Repository::init.
Status make_folder(const std::string& path) {
  std::error_code failure;
  std::filesystem::create_directories(path, failure);
  if (failure) return Error(code_of_errno(failure.value()), "creating the folder " + path + ": " + failure.message());
  return ok_status();
}

Result<LocalStores> open_local_stores(const Config& config, ByteView index_key, ByteView view_key) {
  LocalStores stores;
  HOLDFAST_TRY(make_folder(config.cache_directory));
  HOLDFAST_TRY(make_folder(config.state_directory + "/view"));
  SegmentIndexOptions index;
  index.folder = config.state_directory + "/index";
  HOLDFAST_ASSIGN(stores.index, SegmentIndex::open_or_start_over(index, index_key, system_random()));
  ChunkCacheOptions cache;
  cache.folder = config.cache_directory + "/chunks";
  cache.limit_bytes = config.cache_size_bytes;
  HOLDFAST_ASSIGN(stores.cache, LmdbChunkCache::open(cache));
  LmdbViewOptions view;
  view.folder = config.state_directory + "/view";
  FeatureTableOptions features;
  features.folder = config.state_directory + "/features";
  Result<std::unique_ptr<SegmentFeatureTable>> table = SegmentFeatureTable::open(features, index_key, system_random());
  if (table) {
    stores.features = *std::move(table);
  } else {  // a help, which a full disk may refuse
    log_warning("no chunk will be stored as a difference: " + table.error().message());
  }
  HOLDFAST_ASSIGN(stores.view, LmdbViewStore::open(view, view_key, system_random()));
  return stores;
}

}  // namespace

Result<std::shared_ptr<ObjectStore>> make_bare_network(const Config& config, const std::string& name) {
  for (const NetworkConfig& network : config.networks) {
    if (network.name == name) return make_store(network);
  }
  return Error(ErrorCode::kNotFound, "there is no network '" + name + "' in the configuration");
}

Result<std::shared_ptr<NetworkSet>> make_networks(const Config& config) {
  std::vector<std::shared_ptr<ObjectStore>> stores;
  const auto traffic = std::make_shared<TrafficBook>(config.state_directory + "/traffic", system_clock());
  for (const NetworkConfig& network : config.networks) {
    Result<std::shared_ptr<ObjectStore>> store = make_store(network);
    if (!store) return std::move(store).error().with_context("[network." + network.name + "]");
    LimitOptions limits;
    if (const auto quota = network.values.find("quota"); quota != network.values.end()) {
      HOLDFAST_ASSIGN(limits.storage_quota_bytes, parse_size(quota->second));
    }
    if (const auto quota = network.values.find("traffic_quota"); quota != network.values.end()) {
      HOLDFAST_ASSIGN(limits.traffic_quota_bytes, parse_monthly(quota->second));
      limits.traffic = traffic;
    }
    stores.push_back(stack_network(std::move(*store), system_clock(), system_random(), limits).store);
  }
  return std::make_shared<NetworkSet>(std::move(stores));
}

Result<OpenOptions> make_open_options(const Config& config) {
  OpenOptions options;
  options.state_directory = config.state_directory;
  HOLDFAST_ASSIGN(options.networks, make_networks(config));
  options.open_stores = [config](ByteView index_key, ByteView view_key) {
    return open_local_stores(config, index_key, view_key);
  };
  options.clock = &system_clock();
  options.random = &system_random();
  options.staging_size_bytes = config.staging_size_bytes;
  options.staging_wait = config.staging_wait;
  options.default_networks = config.default_networks;
  for (const auto& [name, policy] : config.databases) {
    std::map<std::string, std::string> keys;
    if (const auto found = config.database_keys.find(name); found != config.database_keys.end()) keys = found->second;
    options.configured_databases[name] = [keys](DatabasePolicy& out) {
      for (const auto& [key, value] : keys) HOLDFAST_CHECK(set_policy_key(out, key, value).has_value());  // taken once already, when the configuration was read
    };
  }
  options.default_schedule = config.default_schedule;
  options.host = host_name();
  return options;
}

}  // namespace holdfast
