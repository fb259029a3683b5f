// SPDX-License-Identifier: Apache-2.0
#include "tools/client_commands.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "core/base/errno_code.h"
#include "core/base/log.h"
#include "fs/mount_guard.h"
#include "tools/compose.h"
#include "tools/owner_socket.h"
#include "tools/session.h"

namespace holdfast {

namespace {

constexpr int kReleaseAttempts = 1200;  // of 50 ms: an owner that closes a large journal
constexpr int kOwnerAttempts = 50;  // of 100 ms: an owner that is just starting or ending
/// How long a command that wrote waits for its networks without any progress.
constexpr std::chrono::seconds kPatience{20};
constexpr std::chrono::seconds kPushPatience{2};
/// How long a command may go on whose output nobody reads any more, and then after SIGTERM.
constexpr std::chrono::seconds kUnwantedPatience{5};
constexpr std::chrono::seconds kTerminationPatience{10};

/// What a command's client side prepares, and cleans up when the command has ended.
struct Preparation {
  int in = -1;
  int out = -1;
  int child = 0;
  std::string temporary;    ///< of wal-fetch
  std::string destination;

  ~Preparation() {
    if (in >= 0) ::close(in);
    if (out >= 0) ::close(out);
  }
};

Error open_error(const std::string& path) {
  const int code = errno;
  return Error(code == ENOENT ? ErrorCode::kNotFound : code_of_errno(code),
               "opening " + path + ": " + std::strerror(code));
}

Status prepare_wal_fetch(const Invocation& invocation, const Io& io, Preparation& to) {
  to.destination = io.absolute(invocation.operands.at(1));
  to.temporary = to.destination + ".holdfast-part";
  to.out = ::open(to.temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (to.out < 0) return open_error(to.temporary);
  return ok_status();
}

/// The three secrets go through a file that has no name, never through arguments or the environment.
Status prepare_passphrases(const Invocation& invocation, const Environment& environment, Preparation& to) {
  HOLDFAST_ASSIGN(const SecretBytes old_one, find_passphrase(invocation.passphrase_file, environment, false, "old passphrase"));
  HOLDFAST_ASSIGN(const SecretBytes new_one, find_secret(invocation.new_passphrase_file, environment, "HOLDFAST_NEW_PASSPHRASE", "new passphrase", true));
  SecretBytes code;
  if (!invocation.code_file.empty() || environment("HOLDFAST_RECOVERY_CODE")) {
    HOLDFAST_ASSIGN(code, find_secret(invocation.code_file, environment, "HOLDFAST_RECOVERY_CODE", "recovery code"));
  }
  to.in = ::memfd_create("holdfast", MFD_CLOEXEC);
  if (to.in < 0) return Error(ErrorCode::kInternal, "making memory for the passphrases failed");
  static constexpr std::array<std::uint8_t, 1> kEnd{0};
  for (const SecretBytes* secret : {&old_one, &new_one, static_cast<const SecretBytes*>(&code)}) {
    HOLDFAST_TRY(write_all(to.in, secret->view()));
    HOLDFAST_TRY(write_all(to.in, kEnd));
  }
  ::lseek(to.in, 0, SEEK_SET);
  return ok_status();
}

Status prepare_stream(const Invocation& invocation, Preparation& to) {
  if (invocation.child.empty()) {
    return Error(ErrorCode::kInvalidArgument, "--stdin-from-command wants a command after --");
  }
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return Error(ErrorCode::kInternal, "making a pipe failed");
  (void)::fcntl(pipe[0], F_SETPIPE_SZ, 1 << 20);
  const Result<int> child = start_command(invocation.child, pipe[1]);
  ::close(pipe[1]);
  to.in = pipe[0];
  if (!child) return child.error();
  to.child = *child;
  return ok_status();
}

Status prepare(const Invocation& invocation, const Environment& environment, const Io& io, Preparation& to) {
  if (invocation.command == "wal-push") {
    const std::string path = io.absolute(invocation.operands.front());
    to.in = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (to.in < 0) return open_error(path);
    return ok_status();
  }
  if (invocation.command == "wal-fetch") return prepare_wal_fetch(invocation, io, to);
  if (invocation.command == "change-passphrase") return prepare_passphrases(invocation, environment, to);
  if (!invocation.stdin_command_name.empty()) return prepare_stream(invocation, to);
  return ok_status();
}

int finish_wal_fetch(const Preparation& done, int code, const Io& io) {
  const bool good = code == 0 && ::fsync(done.out) == 0 && ::rename(done.temporary.c_str(), done.destination.c_str()) == 0;
  if (good) return 0;
  ::unlink(done.temporary.c_str());
  if (code != 0) return code;
  io.complain("holdfast: writing " + done.destination + ": " + std::strerror(errno) + "\n");
  return wal_fetch_failure(static_cast<int>(ExitCode::kFailed));
}

/// Uploads what is staged, as long as it gets less: a network that is down must not hold a command for ever.
Status bring_out(Repository& repository, std::chrono::seconds patience, const CallContext& context) {
  std::uint64_t left_before = UINT64_MAX;
  while (true) {
    Status settled = repository.settle(true, with_timeout(context, system_clock(), patience));
    if (settled || settled.error().code() != ErrorCode::kDeadlineExceeded || context.stop.stop_requested()) return settled;
    std::uint64_t left = 0;
    for (const auto& item : repository.status().pending) left += item.size_bytes;
    if (left >= left_before) return settled;
    left_before = left;
  }
}

bool leaves_data(const std::string& command) { return command == "snapshot" || command == "backup" || command == "wal-push"; }

/// Waits for the commands of others that joined, and brings out what they wrote: they count on the owner for that, as on a mount.
void see_clients_off(OwnerServer& server, Repository& repository, std::atomic<bool>& clients_wrote, const Io& io) {
  const auto bring_out_theirs = [&] {
    const Status settled = bring_out(repository, kPatience, {MonoTime::max(), io.stop});
    if (!settled) (void)io.fail(settled.error().with_context("what another command wrote is staged, but not everywhere yet"));
  };
  server.wait_idle(io.stop);
  while (clients_wrote.exchange(false) && !io.stop.stop_requested()) {
    bring_out_theirs();
    server.wait_idle(io.stop);
  }
  server.finish(io.stop);
  if (clients_wrote && !io.stop.stop_requested()) bring_out_theirs();
}

/// Becomes the owner: opens the repository, serves others meanwhile, runs the command, brings what is new to the networks, closes.
Result<int> run_as_owner(const Invocation& invocation, const Config& config, const Environment& environment, Io& io) {
  HOLDFAST_ASSIGN(const OpenOptions options, make_open_options(config));
  HOLDFAST_ASSIGN(const SecretBytes passphrase, find_passphrase(invocation.passphrase_file, environment, false, "passphrase"));
  HOLDFAST_ASSIGN(const std::unique_ptr<Repository> repository, Repository::open(options, passphrase.view()));
  std::atomic<bool> clients_wrote{false};
  Result<std::unique_ptr<OwnerServer>> server = serve_others(*repository, config, clients_wrote);
  if (!server) {
    (void)repository->close().has_value();
    return std::move(server).error();
  }
  Session session{*repository, config, invocation, io, {}, nullptr};
  int code = run_in_repository(session);
  if (leaves_data(invocation.command) && (code == 0 || code == static_cast<int>(ExitCode::kIncomplete))) {
    // Nobody else will upload it: this process is all there is. What can't be brought out now is staged and goes out with the next command or mount.
    // A pushed segment is archived once it is staged: PostgreSQL must neither hear of networks nor wait for them, or it would push it again for ever.
    const bool pushed = invocation.command == "wal-push";
    const Status settled = bring_out(*repository, pushed ? kPushPatience : kPatience, session.context());
    if (settled && !pushed && code == 0) code = code_of_missed_networks(session);
    // The quorum doesn't hold: what was promised is that it is staged, and so it is.
    if (!settled && !pushed) (void)io.fail(settled.error().with_context("staged on this machine, and not on enough networks yet"));
  }
  see_clients_off(**server, *repository, clients_wrote, io);
  server->reset();
  HOLDFAST_TRY(repository->close());
  return code;
}

Result<int> run_prepared(const std::vector<std::string>& arguments, const Invocation& invocation, const Config& config,
                         const Environment& environment, Io& io) {
  OwnerRequest request{arguments, io.directory, {}};
  for (int attempt = 0;; ++attempt) {
    const Result<std::optional<int>> answered = ask_owner(config.state_directory, request, io, io.command_exit);
    if (answered && *answered) return **answered;
    if (!answered && answered.error().code() != ErrorCode::kUnavailable) return answered.error();
    const Result<int> code = answered ? run_as_owner(invocation, config, environment, io) : Result<int>(Error(ErrorCode::kConflict, answered.error().message()));
    if (code || code.error().code() != ErrorCode::kConflict) return code;
    if (io.stop.stop_requested()) return Error(ErrorCode::kCancelled, "interrupted while another process owned the repository");
    if (attempt >= kOwnerAttempts) return code;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

/// After an unmount: until the owner has let go of the state, so that what follows finds it free.
void wait_until_released(const std::string& state_directory) {
  const int lock = ::open((state_directory + "/lock").c_str(), O_RDWR | O_CLOEXEC);
  if (lock < 0) return;
  for (int attempt = 0; attempt < kReleaseAttempts && ::flock(lock, LOCK_EX | LOCK_NB) != 0; ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ::close(lock);
}

int code_of_failure(const Error& error, const Io& io, const std::string& command) {
  (void)io.fail(error);
  const int code = static_cast<int>(opening_exit_code(error));
  return command == "wal-fetch" ? wal_fetch_failure(code) : code;
}

/// Sees to it that a command ends whose output nobody reads. It mostly does so by itself, with SIGPIPE or with what it
/// makes of EPIPE.
void end_command(int process, const std::stop_token& ended) {
  const auto still_runs_after = [&](std::chrono::seconds patience) {
    return system_clock().sleep_until(system_clock().mono_now() + patience, ended).has_value();
  };
  if (!still_runs_after(kUnwantedPatience)) return;
  log_warning("the command still runs, though its output is not read any more: it is ended");
  ::kill(process, SIGTERM);
  if (!still_runs_after(kTerminationPatience)) return;
  log_warning("the command does not end: it is killed");
  ::kill(process, SIGKILL);
}

}  // namespace

Result<std::unique_ptr<OwnerServer>> serve_others(Repository& repository, const Config& config, std::atomic<bool>& clients_wrote) {
  return OwnerServer::start(config.state_directory, [&](const OwnerRequest& request, Io& other) {
    const Parsed parsed = parse_command_line(request.arguments);
    if (!parsed.invocation) return parsed.exit;
    other.json = parsed.invocation->json;
    other.quiet = parsed.invocation->quiet;
    Session session{repository, config, *parsed.invocation, other, {}, nullptr};
    const int code = run_in_repository(session);
    if (leaves_data(parsed.invocation->command)) clients_wrote = true;
    return code;
  });
}

Result<int> start_command(const std::vector<std::string>& command, int out) {
  std::vector<char*> arguments;
  std::vector<std::string> texts = command;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return Error(ErrorCode::kInternal, std::string("starting ") + command.front() + ": " + std::strerror(errno));
  if (child == 0) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    if (out >= 0) ::dup2(out, 1);
    ::execvp(arguments[0], arguments.data());
    const std::string text = "holdfast: starting " + command.front() + ": " + std::strerror(errno) + "\n";
    (void)!::write(2, text.data(), text.size());
    ::_exit(errno == ENOENT ? 127 : 126);
  }
  return static_cast<int>(child);
}

Result<int> wait_for_command(int process, const std::stop_token& stop, const std::stop_token& unwanted) {
  {
    // Not reaped yet while it can be sent a signal, so that the number is still its own.
    const std::stop_callback on_stop(stop, [process] { ::kill(process, SIGTERM); });
    std::jthread ender;
    const std::stop_callback when_unwanted(unwanted, [process, &ender] {
      ender = std::jthread([process](const std::stop_token& ended) { end_command(process, ended); });
    });
    siginfo_t ended{};
    while (::waitid(P_PID, static_cast<id_t>(process), &ended, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
  }
  int state = 0;
  while (::waitpid(process, &state, 0) < 0) {
    if (errno != EINTR) return Error(ErrorCode::kInternal, std::string("waiting for the command: ") + std::strerror(errno));
  }
  if (WIFEXITED(state)) return WEXITSTATUS(state);
  return 128 + WTERMSIG(state);
}

int run_repository_command(const std::vector<std::string>& arguments, const Invocation& invocation, const Config& config,
                           const Environment& environment, Io& io) {
  if (invocation.command == "umount") {
    // A mount whose process is gone has no owner that could be asked, and needs no passphrase.
    const Result<bool> was_dead = fs::take_dead_mount_away(io.absolute(invocation.operands.front()));
    if (!was_dead) return io.fail(was_dead.error());
    if (*was_dead) return 0;
  }
  Preparation prepared;
  const Status ready = prepare(invocation, environment, io, prepared);
  if (!ready) {
    const int code = io.fail(ready.error());
    return invocation.command == "wal-fetch" ? wal_fetch_failure(code) : code;
  }
  Io inner = io;
  if (prepared.in >= 0) inner.in = prepared.in;
  if (prepared.out >= 0) inner.out = prepared.out;
  std::optional<int> child_code;
  if (prepared.child != 0) {
    inner.command_exit = [&](const std::stop_token& unwanted) -> Result<int> {
      // Whoever reads the output has it by now. With an end of ours open, the command would wait for ever when the reader gives up.
      ::close(std::exchange(prepared.in, -1));
      HOLDFAST_ASSIGN(child_code, wait_for_command(prepared.child, io.stop, unwanted));
      return *child_code;
    };
  }
  const Result<int> result = run_prepared(arguments, invocation, config, environment, inner);
  int code = result ? *result : code_of_failure(result.error(), io, invocation.command);
  if (prepared.child != 0 && !child_code) {
    ::close(std::exchange(prepared.in, -1));
    std::stop_source unwanted;
    unwanted.request_stop();
    (void)wait_for_command(prepared.child, io.stop, unwanted.get_token()).has_value();
  }
  // The command's own failure is what the caller wants to know, unless it failed because we did.
  const bool ours = code != 0 && code != static_cast<int>(ExitCode::kIncomplete);
  if (child_code && *child_code != 0 && !ours) code = *child_code;
  if (invocation.command == "wal-fetch") code = finish_wal_fetch(prepared, code, io);
  const bool is_done = code == 0 || code == static_cast<int>(ExitCode::kNetworkMissed);
  if (invocation.command == "umount" && is_done) wait_until_released(config.state_directory);
  return code;
}

int run_wrapped_command(const Invocation& invocation, const Config& config, const Environment& environment, Io& io) {
  if (invocation.child.empty()) return io.fail(Error(ErrorCode::kInvalidArgument, "run wants a command after --"));
  const Result<int> child = start_command(invocation.child, -1);
  if (!child) return io.fail(child.error());
  const Result<int> child_code = wait_for_command(*child, io.stop);
  if (!child_code) return io.fail(child_code.error());
  Invocation seal = invocation;
  seal.command = "snapshot";
  seal.child.clear();
  seal.command_exit = *child_code;
  std::vector<std::string> arguments{"snapshot", invocation.operands.front(), "--exit-of-command", std::to_string(*child_code)};
  if (!invocation.label.empty()) arguments.insert(arguments.end(), {"--label", invocation.label});
  for (const std::string& tag : invocation.tags) arguments.insert(arguments.end(), {"--tag", tag});
  if (!invocation.wait_for.empty()) arguments.insert(arguments.end(), {"--wait", invocation.wait_for});
  if (!invocation.timeout.empty()) arguments.insert(arguments.end(), {"--timeout", invocation.timeout});
  if (invocation.json) arguments.emplace_back("--json");
  if (invocation.quiet) arguments.emplace_back("--quiet");
  // Interrupted, the command has been ended; what it left is sealed all the same, as incomplete.
  Io sealing = io;
  if (io.stop.stop_requested()) sealing.stop = {};
  const int sealed = run_repository_command(arguments, seal, config, environment, sealing);
  return *child_code != 0 ? *child_code : sealed;
}

}  // namespace holdfast
