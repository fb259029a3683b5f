// SPDX-License-Identifier: Apache-2.0
#include "tools/json_output.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(StatusJson, HasEverythingThatTheReportSays) {
  StatusReport report;
  report.repository.bytes[0] = 0xab;
  report.snapshots = 101;
  report.chunks = 102;
  report.packs = 103;
  report.bytes_logical = 104;
  report.bytes_stored = 105;
  report.bytes_staged = 106;
  report.staging_limit_bytes = 107;
  StatusReport::Network network;
  network.name = "far";
  network.type = "ipfs";
  network.site = "dc1";
  network.state = "ok";
  network.last_error = "it was slow";
  network.bytes_stored = 108;
  network.capacity_bytes = 109;
  network.used_bytes = 110;
  network.latency_ms = 111.5;
  network.faults = 112;
  network.warnings = {"postage ends"};
  report.networks.push_back(network);
  report.pending.push_back({"pack 12ab34cd", "far", 113, "refused", true});
  report.recovery = {"far", 120, 121, "out of time"};
  report.catalog_problems = {"entries 1 to 2 are missing"};
  report.notices = {"orders: compressed inside"};
  report.cache = {114, 115, 116, 117, 118, 119};
  Config config;
  NetworkConfig configured;
  configured.name = "far";
  configured.values["quota"] = "1KiB";
  config.networks.push_back(configured);

  const nlohmann::json expected = nlohmann::json::parse(R"({
    "repository": {"id": "ab000000000000000000000000000000", "snapshots": 101, "chunks": 102, "packs": 103, "bytes_logical": 104, "bytes_stored": 105,
                   "bytes_staged": 106, "staging_limit_bytes": 107},
    "mounts": ["/mnt/backup"],
    "recovery": {"network": "far", "parts_read": 120, "parts_total": 121, "problem": "out of time"},
    "catalog_problems": ["entries 1 to 2 are missing"],
    "notices": ["orders: compressed inside"],
    "networks": [{"name": "far", "type": "ipfs", "site": "dc1", "state": "ok", "bytes_stored": 108, "quota": 1024, "capacity_bytes": 109, "used_bytes": 110,
                  "latency_ms": 111.5, "faults": 112, "last_error": "it was slow", "warnings": ["postage ends"]}],
    "pending": [{"what": "pack 12ab34cd", "network": "far", "bytes": 113, "reason": "refused", "failed": true}],
    "cache": {"hits": 114, "misses": 115, "damaged": 116, "evicted": 117, "used_bytes": 118, "limit_bytes": 119}})");
  EXPECT_EQ(status_json(config, {"/mnt/backup"}, report), expected);
}

}  // namespace
}  // namespace holdfast
