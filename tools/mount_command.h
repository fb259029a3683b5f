// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>

#include "tools/cli.h"
#include "tools/config.h"
#include "tools/io.h"

namespace holdfast {

/// `holdfast mount`: asks for the passphrase here, forks unless --foreground, and returns when the folder can be used (0) or why not.
/// In the foreground it returns when the folder was unmounted.
Result<int> run_mount(const Invocation& invocation, const Config& config, const Environment& environment, Io& io);

/// What `-o` options mean to us. Options of mount(8) itself (rw, noauto, _netdev, x-…) are understood and have no effect.
struct MountRequest {
  bool allow_other = false;
  bool read_only = false;
  std::optional<bool> writeback_cache;  ///< as MountOptions has it
  std::string passphrase_file;
  std::string config_file;
  std::string fsname = "holdfast";
  std::chrono::seconds read_timeout{120};
};
/// Errors: kInvalidArgument, naming the nearest known option; kUnsupported for what a later version will have.
Result<MountRequest> parse_mount_options(const std::vector<std::string>& options);

}  // namespace holdfast
