// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "tools/io.h"

namespace holdfast {

/// The whole program: parses, configures, asks the owner or becomes it, runs the command, returns the exit code. `arguments` without the
/// program's name. Called once a process, except in tests.
int run_holdfast(const std::vector<std::string>& arguments, const Environment& environment, Io& io);

/// `mount.fuse.holdfast SOURCE DIR [-o OPTS]`, as mount(8) calls it for an fstab line, turned into `mount` arguments.
std::vector<std::string> mount_helper_arguments(const std::vector<std::string>& arguments);

}  // namespace holdfast
