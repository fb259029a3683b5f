// SPDX-License-Identifier: Apache-2.0
#include "fs/status_text.h"

#include "fs/mount.h"

namespace holdfast::fs {

std::string status_json(Mount& mount) { return mount.options.status_json(); }

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
