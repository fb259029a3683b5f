// SPDX-License-Identifier: Apache-2.0
#include "fs/status_text.h"

#include <nlohmann/json.hpp>

#include "fs/mount.h"

namespace holdfast::fs {

std::string status_to_json(const StatusReport& report, const std::string& mountpoint) {
  using Json = nlohmann::ordered_json;
  Json networks = Json::array();
  for (const auto& network : report.networks) {
    Json entry{{"name", network.name}, {"type", network.type}, {"site", network.site}, {"state", network.state}};
    entry["bytes_stored"] = network.bytes_stored;
    entry["quota"] = network.capacity_bytes ? Json(*network.capacity_bytes) : Json(nullptr);
    entry["latency_ms"] = network.latency_ms;
    entry["faults"] = network.faults;
    entry["last_error"] = network.last_error.empty() ? Json(nullptr) : Json(network.last_error);
    networks.push_back(std::move(entry));
  }
  Json pending = Json::array();
  for (const auto& item : report.pending) {
    pending.push_back({{"what", item.what}, {"network", item.network}, {"bytes", item.size_bytes}, {"reason", item.reason}});
  }
  const Json document{{"repository",
                       {{"id", report.repository.hex()},
                        {"snapshots", report.snapshots},
                        {"chunks", report.chunks},
                        {"packs", report.packs},
                        {"bytes_logical", report.bytes_logical},
                        {"bytes_stored", report.bytes_stored},
                        {"bytes_staged", report.bytes_staged}}},
                      {"mounts", Json::array({mountpoint})},
                      {"networks", std::move(networks)},
                      {"pending", std::move(pending)}};
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string status_json(Mount& mount) {
  if (mount.options.status_json) return mount.options.status_json();
  return status_to_json(mount.repository.status(), mount.options.mountpoint);
}

std::string metrics_text(Mount& mount) {
  std::string text = mount.repository.metrics();
  if (!text.empty() && text.back() != '\n') text.push_back('\n');
  text += "# HELP holdfast_mount_nodes Nodes of snapshots that the kernel holds.\n# TYPE holdfast_mount_nodes gauge\nholdfast_mount_nodes ";
  text += std::to_string(mount.table.size());
  text += "\n# HELP holdfast_mount_parked_requests Requests that wait for room in staging.\n# TYPE holdfast_mount_parked_requests gauge\nholdfast_mount_parked_requests ";
  text += std::to_string(mount.lot->parked_count());
  text += "\n";
  return text;
}

}  // namespace holdfast::fs
