// SPDX-License-Identifier: Apache-2.0
#include "tools/json_output.h"

#include "tools/units.h"

namespace holdfast {

nlohmann::json snapshot_json(const SnapshotInfo& snapshot) {
  return {{"id", snapshot.id.hex()},
          {"database", snapshot.database},
          {"time", time_text(snapshot.time)},
          {"name", snapshot.name},
          {"label", snapshot.label},
          {"strategy", snapshot.strategy},
          {"tags", snapshot.tags},
          {"completeness", std::string(completeness_name(snapshot.completeness))},
          {"state", std::string(durability_state_name(snapshot.state))},
          {"networks", snapshot.networks},
          {"files", snapshot.files},
          {"bytes_logical", snapshot.bytes_logical},
          {"bytes_new", snapshot.bytes_new},
          {"bytes_stored", snapshot.bytes_stored},
          {"content_hash", snapshot.content_hash.hex()},
          {"merkle_root", snapshot.merkle_root.hex()},
          {"key_id", snapshot.key_id.hex()},
          {"writer", snapshot.writer.hex()},
          {"host", snapshot.host},
          {"readable", snapshot.readable},
          {"incomplete_paths", snapshot.incomplete_paths}};
}

namespace {

/// What the configuration allows a network to take, or null.
nlohmann::json quota_of(const Config& config, const std::string& name) {
  for (const NetworkConfig& network : config.networks) {
    const auto quota = network.values.find("quota");
    if (network.name != name || quota == network.values.end()) continue;
    const Result<std::uint64_t> bytes = parse_size(quota->second);
    if (bytes) return *bytes;
  }
  return nullptr;
}

}  // namespace

nlohmann::json status_json(const Config& config, const std::vector<std::string>& mounts, const StatusReport& report) {
  nlohmann::json networks = nlohmann::json::array();
  for (const auto& network : report.networks) {
    nlohmann::json one = {{"name", network.name},
                          {"type", network.type},
                          {"site", network.site},
                          {"state", network.state},
                          {"bytes_stored", network.bytes_stored},
                          {"quota", quota_of(config, network.name)},
                          {"latency_ms", network.latency_ms},
                          {"faults", network.faults},
                          {"warnings", network.warnings},
                          {"last_error", network.last_error}};
    if (network.capacity_bytes) one["capacity_bytes"] = *network.capacity_bytes;
    if (network.used_bytes) one["used_bytes"] = *network.used_bytes;
    networks.push_back(std::move(one));
  }
  nlohmann::json pending = nlohmann::json::array();
  for (const auto& item : report.pending) {
    pending.push_back({{"what", item.what},
                       {"network", item.network},
                       {"bytes", item.size_bytes},
                       {"reason", item.reason},
                       {"failed", item.failed}});
  }
  nlohmann::json recovery = nullptr;
  if (report.recovery) {
    recovery = {{"network", report.recovery->network},
                {"parts_read", report.recovery->parts_read},
                {"parts_total", report.recovery->parts_total},
                {"problem", report.recovery->problem}};
  }
  return {{"recovery", recovery},
          {"catalog_problems", report.catalog_problems},
          {"notices", report.notices},
          {"repository",
           {{"id", report.repository.hex()},
            {"snapshots", report.snapshots},
            {"chunks", report.chunks},
            {"packs", report.packs},
            {"bytes_logical", report.bytes_logical},
            {"bytes_stored", report.bytes_stored},
            {"bytes_staged", report.bytes_staged},
            {"staging_limit_bytes", report.staging_limit_bytes}}},
          {"mounts", mounts},
          {"networks", networks},
          {"pending", pending},
          {"cache",
           {{"hits", report.cache.hits},
            {"misses", report.cache.misses},
            {"damaged", report.cache.damaged},
            {"evicted", report.cache.evicted},
            {"used_bytes", report.cache.used_bytes},
            {"limit_bytes", report.cache.limit_bytes}}}};
}

std::string json_text(const nlohmann::json& document) {
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string json_line(const nlohmann::json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace holdfast
