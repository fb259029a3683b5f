// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace holdfast::fs {

struct Mount;

/// The text of /.holdfast/status.json.
std::string status_json(Mount& mount);
/// The text of /.holdfast/metrics: Repository::metrics() and the mount's own figures (Prometheus text format 0.0.4).
std::string metrics_text(Mount& mount);

}  // namespace holdfast::fs
