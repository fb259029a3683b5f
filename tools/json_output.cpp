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

std::string json_text(const nlohmann::json& document) {
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace holdfast
