// SPDX-License-Identifier: Apache-2.0
#include "adapters/registry.h"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

#include "adapters/http/curl_transport.h"
#include "adapters/http/range_get.h"
#include "adapters/ipfs/ipfs_store.h"
#include "adapters/local/directory_store.h"
#include "adapters/memory/memory_store.h"
#include "adapters/s3/s3_store.h"
#include "adapters/sia/sia_store.h"
#include "adapters/swarm/swarm_store.h"
#include "core/store/whole_file.h"

namespace holdfast {

namespace {

using Made = Result<std::shared_ptr<ObjectStore>>;

struct Factory {
  std::vector<std::string> values;  ///< keys with one value
  std::vector<std::string> lists;   ///< keys with a list of values
  std::function<Made(const NetworkConfig&)> make;
  std::map<std::string, std::vector<std::string>> tables = {};  ///< keys with a list of tables, and the keys of these
};

std::string value_of(const NetworkConfig& config, const std::string& key, std::string fallback = {}) {
  const auto found = config.values.find(key);
  return found == config.values.end() ? std::move(fallback) : found->second;
}

Result<bool> switch_of(const NetworkConfig& config, const std::string& key, bool fallback) {
  const auto found = config.values.find(key);
  if (found == config.values.end()) return fallback;
  if (found->second == "true") return true;
  if (found->second == "false") return false;
  return Error(ErrorCode::kInvalidArgument,
               "network '" + config.name + "': " + key + " is true or false, not '" + found->second + "'");
}

/// A whole number of `key` within bounds; 0 when it is not set.
Result<std::uint32_t> number_of(const NetworkConfig& config, const std::string& key, std::uint32_t least, std::uint32_t most) {
  const std::string text = value_of(config, key);
  if (text.empty() && !config.values.contains(key)) return std::uint32_t{0};
  const auto value = http::number_in(text);
  if (value && *value >= least && *value <= most) return static_cast<std::uint32_t>(*value);
  return Error(ErrorCode::kInvalidArgument, "network '" + config.name + "': " + key + " is " + std::to_string(least) + " to " + std::to_string(most) +
                                                ", not '" + text + "'");
}

Made make_local(const NetworkConfig& config) {
  HOLDFAST_ASSIGN(const bool create, switch_of(config, "create", true));
  HOLDFAST_ASSIGN(std::shared_ptr<ObjectStore> store,
                  DirectoryStore::open({.name = config.name,
                                        .path = value_of(config, "path"),
                                        .site = value_of(config, "site", "this-host"),
                                        .jurisdiction = value_of(config, "jurisdiction"),
                                        .create = create}));
  return store;
}

Made make_memory(const NetworkConfig& config) {
  return std::shared_ptr<ObjectStore>(
      std::make_shared<MemoryStore>(MemoryStore::Options{.name = config.name,
                                                         .site = value_of(config, "site", "this-host"),
                                                         .jurisdiction = value_of(config, "jurisdiction"),
                                                         .object_size_max_bytes = 0}));
}

/// One transport for all networks of the process: connections are kept per host anyway.
Result<std::shared_ptr<http::HttpTransport>> shared_transport() {
  static const Result<std::shared_ptr<http::HttpTransport>> transport = http::make_curl_transport();
  return transport;
}

/// The first line of a small file; `key` is what names it in the configuration.
Result<std::shared_ptr<const SecretBytes>> secret_at(const NetworkConfig& config, const std::string& key, const std::string& path) {
  constexpr std::uint64_t kSecretFileMaxBytes = 4096;
  if (path.empty()) return Error(ErrorCode::kInvalidArgument, "network '" + config.name + "' needs " + key + ", a file with the secret");
  Result<Bytes> text = read_whole_file(path, kSecretFileMaxBytes, {});
  if (!text) return std::move(text).error().with_code(ErrorCode::kInvalidArgument).with_context("network '" + config.name + "', " + key);
  const auto end = std::find_if(text->begin(), text->end(), [](std::uint8_t c) { return c == '\n' || c == '\r'; });
  auto secret = std::make_shared<const SecretBytes>(SecretBytes::copy_of({text->begin(), end}));
  wipe(*text);
  if (secret->empty()) return Error(ErrorCode::kInvalidArgument, "network '" + config.name + "': the file of " + key + " is empty");
  return secret;
}

Result<std::shared_ptr<const SecretBytes>> secret_in(const NetworkConfig& config, const std::string& key) { return secret_at(config, key, value_of(config, key)); }

/// The services of `pinning`, whose keys are known ones.
Result<std::vector<ipfs::PinningService::Options>> pinning_of(const NetworkConfig& config) {
  std::vector<ipfs::PinningService::Options> services;
  const auto found = config.tables.find("pinning");
  if (found == config.tables.end()) return services;
  for (const auto& table : found->second) {
    const auto text = [&](const char* key) { return table.contains(key) ? table.at(key) : std::string(); };
    ipfs::PinningService::Options service{.name = text("name"), .endpoint = text("endpoint")};
    if (service.name.empty() || service.endpoint.empty()) {
      return Error(ErrorCode::kInvalidArgument, "network '" + config.name + "': pinning wants name and endpoint of each service, and token_file where it wants a token");
    }
    if (table.contains("token_file")) {
      HOLDFAST_ASSIGN(service.token, secret_at(config, "token_file of " + service.name, text("token_file")));
    }
    services.push_back(std::move(service));
  }
  return services;
}

Made make_ipfs(const NetworkConfig& config) {
  HOLDFAST_ASSIGN(std::shared_ptr<http::HttpTransport> transport, shared_transport());
  IpfsStore::Options options{.name = config.name};
  options.api = value_of(config, "api", options.api);
  options.site = value_of(config, "site");
  options.jurisdiction = value_of(config, "jurisdiction");
  if (const auto found = config.lists.find("gateways"); found != config.lists.end()) options.gateways = found->second;
  HOLDFAST_ASSIGN(options.pinning, pinning_of(config));
  HOLDFAST_ASSIGN(const std::uint32_t find_seconds, number_of(config, "find_timeout_seconds", 1, 600));
  if (find_seconds > 0) options.find_timeout = std::chrono::seconds(find_seconds);
  HOLDFAST_ASSIGN(std::shared_ptr<ObjectStore> store, IpfsStore::make(options, std::move(transport)));
  return store;
}

Made make_s3(const NetworkConfig& config) {
  constexpr std::uint32_t kLockDaysMax = 36'500;
  HOLDFAST_ASSIGN(std::shared_ptr<http::HttpTransport> transport, shared_transport());
  S3Store::Options options{.name = config.name};
  options.type = config.type.empty() ? config.name : config.type;
  options.endpoint = value_of(config, "endpoint");
  options.bucket = value_of(config, "bucket");
  options.prefix = value_of(config, "prefix");
  options.region = value_of(config, "region", options.region);
  options.access_key = value_of(config, "access_key");
  options.site = value_of(config, "site");
  options.jurisdiction = value_of(config, "jurisdiction");
  const std::string addressing = value_of(config, "addressing", "path");
  if (addressing != "path" && addressing != "virtual") {
    return Error(ErrorCode::kInvalidArgument, "network '" + config.name + "': addressing is path or virtual, not '" + addressing + "'");
  }
  options.virtual_host = addressing == "virtual";
  options.counts_used = config.values.contains("quota");
  HOLDFAST_ASSIGN(options.object_lock_days, number_of(config, "object_lock_days", 0, kLockDaysMax));
  HOLDFAST_ASSIGN(options.secret_key, secret_in(config, "secret_key_file"));
  HOLDFAST_ASSIGN(std::shared_ptr<ObjectStore> store, S3Store::make(std::move(options), std::move(transport)));
  return store;
}

const Factory& s3_factory() {
  static const Factory factory{{"endpoint", "bucket", "prefix", "region", "access_key", "secret_key_file", "addressing", "object_lock_days"}, {}, make_s3};
  return factory;
}

Made make_sia(const NetworkConfig& config) {
  constexpr std::uint32_t kShardsMax = 255;
  HOLDFAST_ASSIGN(std::shared_ptr<http::HttpTransport> transport, shared_transport());
  SiaStore::Options options{.name = config.name};
  options.api = value_of(config, "api", options.api);
  if (config.values.contains("password_file")) {
    HOLDFAST_ASSIGN(options.password, secret_in(config, "password_file"));
  }
  options.bucket = value_of(config, "bucket", options.bucket);
  HOLDFAST_ASSIGN(options.min_shards, number_of(config, "min_shards", 1, kShardsMax));
  HOLDFAST_ASSIGN(options.total_shards, number_of(config, "total_shards", 1, kShardsMax));
  options.site = value_of(config, "site");
  options.jurisdiction = value_of(config, "jurisdiction");
  HOLDFAST_ASSIGN(std::shared_ptr<ObjectStore> store, SiaStore::make(options, std::move(transport)));
  return store;
}

/// What looks after a postage batch.
Status read_batch_keys(const NetworkConfig& config, SwarmStore::Options& options) {
  constexpr std::uint32_t kHoursMax = 10'000;
  constexpr std::uint32_t kDaysMax = 3'650;
  HOLDFAST_ASSIGN(const std::uint32_t ttl_min, number_of(config, "ttl_min_hours", 0, kHoursMax));
  if (config.values.contains("ttl_min_hours")) options.ttl_min = std::chrono::hours(ttl_min);
  HOLDFAST_ASSIGN(const std::uint32_t ttl_warn, number_of(config, "ttl_warn_days", 0, kDaysMax));
  if (config.values.contains("ttl_warn_days")) options.ttl_warn = std::chrono::days(ttl_warn);
  HOLDFAST_ASSIGN(const bool tops_up, switch_of(config, "batch_top_up", false));
  HOLDFAST_ASSIGN(const std::uint32_t top_up_days, number_of(config, "batch_top_up_days", 1, kDaysMax));
  HOLDFAST_ASSIGN(options.top_up_max_bzz, number_of(config, "batch_top_up_max_bzz", 1, 1'000'000));
  if (tops_up != (top_up_days > 0) || tops_up != (options.top_up_max_bzz > 0)) {
    return Error(ErrorCode::kInvalidArgument, "network '" + config.name + "': batch_top_up = true, batch_top_up_days (how long the batch shall live then) and batch_top_up_max_bzz "
                                              "(what one top-up may cost) go together");
  }
  options.top_up_to = std::chrono::days(top_up_days);
  HOLDFAST_ASSIGN(options.depth_max, number_of(config, "batch_depth_max", 17, 41));
  HOLDFAST_ASSIGN(const std::uint32_t block_seconds, number_of(config, "batch_block_seconds", 1, 3'600));
  if (block_seconds > 0) options.block_time = std::chrono::seconds(block_seconds);
  return ok_status();
}

Made make_swarm(const NetworkConfig& config) {
  HOLDFAST_ASSIGN(std::shared_ptr<http::HttpTransport> transport, shared_transport());
  SwarmStore::Options options{.name = config.name};
  options.api = value_of(config, "api", options.api);
  options.batch = value_of(config, "batch");
  HOLDFAST_ASSIGN(options.redundancy, number_of(config, "redundancy", 0, 4));
  HOLDFAST_TRY(read_batch_keys(config, options));
  options.counts_used = config.values.contains("quota");
  options.site = value_of(config, "site");
  options.jurisdiction = value_of(config, "jurisdiction");
  HOLDFAST_ASSIGN(std::shared_ptr<ObjectStore> store, SwarmStore::make(options, std::move(transport)));
  return store;
}

const Factory& swarm_factory() {
  static const Factory factory{{"api", "batch", "redundancy", "ttl_min_hours", "ttl_warn_days", "batch_top_up", "batch_top_up_days", "batch_top_up_max_bzz", "batch_depth_max", "batch_block_seconds"},
                               {},
                               make_swarm};
  return factory;
}

const std::map<std::string, Factory>& factories() {
  static const std::map<std::string, Factory> known = {
      {"ipfs", {{"api", "find_timeout_seconds"}, {"gateways"}, make_ipfs, {{"pinning", {"name", "endpoint", "token_file"}}}}},
      {"local", {{"path", "create"}, {}, make_local}},
      {"memory", {{}, {}, make_memory}},
      {"s3", s3_factory()},
      {"storj", s3_factory()},
      {"sia", {{"api", "password_file", "bucket", "min_shards", "total_shards"}, {}, make_sia}},
      {"swarm", swarm_factory()},
  };
  return known;
}

/// Keys that every network has. `type` may stand there as it came; quotas are the decorators' work.
const std::vector<std::string>& common_values() {
  static const std::vector<std::string> keys = {"type", "site", "jurisdiction", "quota", "traffic_quota"};
  return keys;
}

/// Levenshtein's distance: for messages that name what was probably meant.
std::size_t distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < left.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < right.size(); ++j) {
      const std::size_t changed = diagonal + (left[i] == right[j] ? 0U : 1U);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

Error unknown_key(const NetworkConfig& config, const std::string& key, const std::vector<std::string>& known) {
  const auto nearest = std::ranges::min_element(known, {}, [&](const std::string& k) { return distance(key, k); });
  return {ErrorCode::kInvalidArgument,
          "network '" + config.name + "' has an unknown key '" + key + "': did you mean '" + *nearest + "'?"};
}

Status check_tables(const NetworkConfig& config, const std::string& key, const std::vector<std::string>& known) {
  for (const auto& table : config.tables.at(key)) {
    for (const auto& [inner, value] : table) {
      if (std::ranges::find(known, inner) == known.end()) return unknown_key(config, inner, known).with_context(key);
    }
  }
  return ok_status();
}

Status check_keys(const NetworkConfig& config, const Factory& factory) {
  enum class Kind : std::uint8_t { kValue, kList, kTables };
  constexpr std::array<const char*, 3> kWords = {" is one value", " is a list of strings", " is a list of tables, [{ key = value }]"};
  std::map<std::string, Kind> known;
  for (const std::string& key : factory.values) known[key] = Kind::kValue;
  for (const std::string& key : common_values()) known[key] = Kind::kValue;
  for (const std::string& key : factory.lists) known[key] = Kind::kList;
  for (const auto& [key, inner] : factory.tables) known[key] = Kind::kTables;
  const auto check = [&](const std::string& key, Kind given) -> Status {
    const auto found = known.find(key);
    std::vector<std::string> all;
    for (const auto& [name, kind] : known) all.push_back(name);
    if (found == known.end()) return unknown_key(config, key, all);
    if (found->second == given) return ok_status();
    return Error(ErrorCode::kInvalidArgument, "network '" + config.name + "': " + key + kWords.at(static_cast<std::size_t>(found->second)) +
                                                  (found->second == Kind::kValue ? ", not a list" : ""));
  };
  for (const auto& [key, value] : config.values) HOLDFAST_TRY(check(key, Kind::kValue));
  for (const auto& [key, value] : config.lists) {
    // An empty list is as well one of tables.
    if (!value.empty() || !factory.tables.contains(key)) HOLDFAST_TRY(check(key, Kind::kList));
  }
  for (const auto& [key, value] : config.tables) {
    HOLDFAST_TRY(check(key, Kind::kTables));
    HOLDFAST_TRY(check_tables(config, key, factory.tables.at(key)));
  }
  return ok_status();
}

}  // namespace

Result<std::shared_ptr<ObjectStore>> make_store(const NetworkConfig& config) {
  const std::string type = config.type.empty() ? config.name : config.type;
  const auto found = factories().find(type);
  if (found == factories().end()) {
    std::string known;
    for (const std::string& name : network_types()) known += (known.empty() ? "" : ", ") + name;
    return Error(ErrorCode::kInvalidArgument,
                 "network '" + config.name + "' has the unknown type '" + type + "': known are " + known);
  }
  HOLDFAST_TRY(check_keys(config, found->second));
  return found->second.make(config);
}

NetworkKeys network_keys(const std::string& type) {
  const auto found = factories().find(type);
  if (found == factories().end()) return {};
  NetworkKeys keys{found->second.values, found->second.lists};
  for (const auto& [key, inner] : found->second.tables) keys.tables.push_back(key);
  for (const std::string& key : common_values()) {
    if (key != "type") keys.values.push_back(key);
  }
  return keys;
}

std::vector<std::string> network_types() {
  std::vector<std::string> types;
  for (const auto& [name, factory] : factories()) types.push_back(name);
  return types;
}

}  // namespace holdfast
