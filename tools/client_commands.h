// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>

#include "core/repo/repository.h"
#include "tools/cli.h"
#include "tools/config.h"
#include "tools/owner_socket.h"

namespace holdfast {

/// Runs a repository command: by asking the owner where there is one, else by becoming the owner for as long as it takes. Returns the exit code.
int run_repository_command(const std::vector<std::string>& arguments, const Invocation& invocation, const Config& config,
                           const Environment& environment, Io& io);

/// Lets other processes' commands run here, on a repository that this one owns. `clients_wrote` is set when one left something to bring to networks. Errors: kInternal.
Result<std::unique_ptr<OwnerServer>> serve_others(Repository& repository, const Config& config, std::atomic<bool>& clients_wrote);

/// `run DB -- CMD`: runs the command here, then seals; passes the command's code on when it failed.
int run_wrapped_command(const Invocation& invocation, const Config& config, const Environment& environment, Io& io);

/// Starts a command, its standard output going to `out` (-1: ours); returns its process number. Errors: kInternal.
Result<int> start_command(const std::vector<std::string>& command, int out);
/// Its exit code, as a shell reports it (128 + signal). `stop`, when triggered, sends it SIGTERM. `unwanted`, when
/// triggered, says that nobody reads its output any more: a command that does not end by that within seconds, since it
/// ignores SIGPIPE or writes nothing, is ended. Errors: kInternal.
Result<int> wait_for_command(int process, const std::stop_token& stop, const std::stop_token& unwanted = {});

}  // namespace holdfast
