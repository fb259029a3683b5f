// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/repo/repository.h"
#include "tools/cli.h"
#include "tools/config.h"
#include "tools/io.h"

namespace holdfast {

/// init, recover and connect: what makes a state folder. Each returns an exit code.
Result<int> run_init(const Invocation& invocation, const Config& config, const Environment& environment, Io& io);
Result<int> run_recover(const Invocation& invocation, const Config& config, const Environment& environment, Io& io);
/// network list, network test: need no repository.
Result<int> run_network_command(const Invocation& invocation, const Config& config, Io& io);

/// The page to keep: what is needed to recover from nothing, with the commands to type.
std::string recovery_sheet_text(const InitResult& result, const Config& config);

}  // namespace holdfast
