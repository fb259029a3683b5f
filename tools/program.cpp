// SPDX-License-Identifier: Apache-2.0
#include "tools/program.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "core/base/log.h"
#include "tools/client_commands.h"
#include "tools/cli.h"
#include "tools/mount_command.h"
#include "tools/session.h"
#include "tools/setup_commands.h"

namespace holdfast {

namespace {

Result<int> run_local_command(const Invocation& invocation, const Config& config, const Environment& environment, Io& io) {
  const std::string& command = invocation.command;
  if (command == "init") return run_init(invocation, config, environment, io);
  if (command == "recover" || command == "connect") return run_recover(invocation, config, environment, io);
  if (command == "mount") return run_mount(invocation, config, environment, io);
  return run_network_command(invocation, config, io);
}

/// SIGINT and SIGTERM call the command off in an orderly way; a second one ends the process. The mount has its own way with signals.
void watch_interruptions(std::stop_source& source) {
  static sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  std::thread([&source] {
    for (bool again = false;; again = true) {
      int signal = 0;
      if (::sigwait(&wanted, &signal) != 0) continue;
      if (again) ::_exit(static_cast<int>(ExitCode::kInterrupted));
      source.request_stop();
    }
  }).detach();
}

/// The program without what holds for the exit codes of wal-fetch as a whole.
int run_command(const std::vector<std::string>& arguments, const Invocation& invocation, const Environment& environment, Io& io) {
  io.json = invocation.json;
  io.quiet = invocation.quiet;
  if (invocation.verbose || invocation.quiet) set_log_sink({}, invocation.verbose ? LogLevel::kDebug : LogLevel::kError);
  if (io.interruption != nullptr && invocation.command != "mount") watch_interruptions(*io.interruption);
  std::string config_file = invocation.config_file;
  if (invocation.command == "mount" && config_file.empty()) {
    const Result<MountRequest> request = parse_mount_options(invocation.mount_options);
    if (!request) return io.fail(request.error());
    config_file = request->config_file;
  }
  const Result<Config> config = load_config(config_file, environment);
  if (!config) {
    (void)io.fail(config.error());
    return static_cast<int>(ExitCode::kUsage);
  }
  if (invocation.command == "run") return run_wrapped_command(invocation, *config, environment, io);
  if (needs_repository(invocation.command)) {
    return run_repository_command(arguments, invocation, *config, environment, io);
  }
  const Result<int> code = run_local_command(invocation, *config, environment, io);
  if (code) return *code;
  const int exit = io.fail(code.error());
  if (invocation.command == "mount") return static_cast<int>(opening_exit_code(code.error()));
  if (code.error().code() == ErrorCode::kConflict) return static_cast<int>(ExitCode::kOwnerSilent);
  return exit;
}

}  // namespace

std::vector<std::string> mount_helper_arguments(const std::vector<std::string>& arguments) {
  std::vector<std::string> ours{"mount"};
  std::vector<std::string> operands;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "-o" && i + 1 < arguments.size()) {
      ours.insert(ours.end(), {"-o", arguments[++i]});
    } else if (argument == "-t" && i + 1 < arguments.size()) {
      ++i;  // the type, which we know
    } else if (argument.starts_with("-")) {
      continue;  // -s, -f, -n, -v of mount(8)
    } else {
      operands.push_back(argument);
    }
  }
  if (!operands.empty()) ours.push_back(operands.back());
  return ours;
}

int run_holdfast(const std::vector<std::string>& arguments, const Environment& environment, Io& io) {
  // Whatever is written belongs to the user alone; what others may see gets its mode explicitly.
  ::umask(077);
  const Parsed parsed = parse_command_line(arguments);
  if (!parsed.invocation) {
    const auto ours_end = std::find(arguments.begin(), arguments.end(), "--");
    if (parsed.exit == 0) {
      io.print(parsed.text);
    } else if (std::find(arguments.begin(), ours_end, "--json") != ours_end) {
      io.json = true;
      (void)io.fail(Error(ErrorCode::kInvalidArgument, parsed.text.substr(0, parsed.text.find_last_not_of('\n') + 1)));
    } else {
      io.complain(parsed.text);
    }
    // Nothing was understood, so the word alone tells that it is PostgreSQL who must not take a mistake for the end of its archive.
    const bool fetch = std::find(arguments.begin(), arguments.end(), "wal-fetch") != arguments.end();
    return fetch && parsed.exit != 0 ? wal_fetch_failure(parsed.exit) : parsed.exit;
  }
  const int code = run_command(arguments, *parsed.invocation, environment, io);
  // 1 says that the segment is proved absent; whatever else is no success must not be taken for that.
  const bool is_other_failure = code != 0 && code != 1 && code < wal_fetch_failure(0);
  return parsed.invocation->command == "wal-fetch" && is_other_failure ? wal_fetch_failure(code) : code;
}

}  // namespace holdfast
