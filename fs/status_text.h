// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/repo/repository.h"

namespace holdfast::fs {

struct Mount;

/// The text of /.holdfast/status.json: MountOptions::status_json, else Repository::status() in the shape of `holdfast status --json`.
std::string status_json(Mount& mount);
/// The text of /.holdfast/metrics: Repository::metrics() and the mount's own figures (Prometheus text format 0.0.4).
std::string metrics_text(Mount& mount);
std::string status_to_json(const StatusReport& report, const std::string& mountpoint);

}  // namespace holdfast::fs
