// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "core/repo/repository.h"
#include "tools/config.h"

namespace holdfast {

/// One snapshot as `list` gives it, and `show` with more; keys are stable.
nlohmann::json snapshot_json(const SnapshotInfo& snapshot);
/// `status --json`, and what a mount shows in /.holdfast/status.json.
nlohmann::json status_json(const Config& config, const std::vector<std::string>& mounts, const StatusReport& report);
/// A document and a line feed; text that is no UTF-8 is shown with replacement characters.
std::string json_text(const nlohmann::json& document);
/// The same on one line, without a line feed.
std::string json_line(const nlohmann::json& document);

}  // namespace holdfast
