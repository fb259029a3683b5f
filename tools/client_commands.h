// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/cli.h"
#include "tools/config.h"
#include "tools/io.h"

namespace holdfast {

/// Runs a repository command: by asking the owner where there is one, else by becoming the owner for as long as it takes. Returns the exit code.
int run_repository_command(const std::vector<std::string>& arguments, const Invocation& invocation, const Config& config,
                           const Environment& environment, Io& io);

/// `run DB -- CMD`: runs the command here, then seals; passes the command's code on when it failed.
int run_wrapped_command(const Invocation& invocation, const Config& config, const Environment& environment, Io& io);

/// Starts a command, its standard output going to `out` (-1: ours); returns its process number. Errors: kInternal.
Result<int> start_command(const std::vector<std::string>& command, int out);
/// Its exit code, as a shell reports it (128 + signal). `stop`, when triggered, sends it SIGTERM. `unwanted`, when
/// triggered, says that nobody reads its output any more: a command that does not end by that within seconds, since it
/// ignores SIGPIPE or writes nothing, is ended. Errors: kInternal.
Result<int> wait_for_command(int process, const std::stop_token& stop, const std::stop_token& unwanted = {});

}  // namespace holdfast
