// SPDX-License-Identifier: Apache-2.0
#include "tools/mount_command.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "core/base/log.h"
#include "fs/fuse_session.h"
#include "tools/compose.h"
#include "tools/json_output.h"
#include "tools/owner_socket.h"
#include "tools/session.h"
#include "tools/units.h"

#if defined(HOLDFAST_HAVE_SYSTEMD)
#include <systemd/sd-daemon.h>
#endif

namespace holdfast {

namespace {

/// A third of the time that systemd gives a service to stop.
constexpr std::chrono::seconds kShutdownPatience{30};

void notify_systemd([[maybe_unused]] const char* state) {
#if defined(HOLDFAST_HAVE_SYSTEMD)
  ::sd_notify(0, state);
#endif
}

/// Tells the waiting parent how the start went: nothing more than a zero byte, or a one, the error's code and its message.
class StartReport {
 public:
  explicit StartReport(int pipe) : pipe_(pipe) {}
  void succeeded() { send(std::string(1, '\0')); }
  void failed(const Error& error) { send(std::string{'\1', static_cast<char>(error.code())} + error.message()); }

 private:
  void send(const std::string& text) {
    if (pipe_ < 0) return;
    (void)write_all(pipe_, as_bytes(text)).has_value();
    ::close(pipe_);
    pipe_ = -1;
  }

  int pipe_;
};

/// Serves one mount until it ends. Everything is opened here, after the fork.
class Mounted {
 public:
  Mounted(const Invocation& invocation, const Config& config, const MountRequest& request, std::string directory)
      : invocation_(invocation), config_(config), request_(request), directory_(std::move(directory)) {}

  Status start(const SecretBytes& passphrase);
  /// Until a signal, `holdfast umount`, or umount(8).
  Status serve();
  Status stop();

 private:
  int handle(const OwnerRequest& request, Io& io);
  Status request_unmount(const std::string& directory);

  const Invocation& invocation_;
  const Config& config_;
  const MountRequest& request_;
  const std::string directory_;
  std::unique_ptr<Repository> repository_;
  std::unique_ptr<OwnerServer> server_;
  std::unique_ptr<FuseMount> mount_;
};

/// A process that was killed or is just ending holds the lock for a moment longer.
Result<std::unique_ptr<Repository>> open_when_free(const OpenOptions& options, const SecretBytes& passphrase) {
  constexpr int kAttempts = 30;
  for (int attempt = 1;; ++attempt) {
    Result<std::unique_ptr<Repository>> opened = Repository::open(options, passphrase.view());
    if (opened || opened.error().code() != ErrorCode::kConflict || attempt == kAttempts) return opened;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

Status Mounted::start(const SecretBytes& passphrase) {
  HOLDFAST_ASSIGN(const OpenOptions options, make_open_options(config_));
  HOLDFAST_ASSIGN(repository_, open_when_free(options, passphrase));
  MountOptions mount;
  mount.mountpoint = directory_;
  mount.state_directory = config_.state_directory;
  mount.fsname = request_.fsname;
  mount.allow_other = request_.allow_other;
  mount.read_only = request_.read_only;
  mount.read_timeout = request_.read_timeout;
  mount.other_folders.push_back(config_.cache_directory);
  for (const NetworkConfig& network : config_.networks) {
    if (network.type == "local") mount.other_folders.push_back(network.values.at("path"));
  }
  mount.status_json = [this] { return json_text(status_json(config_, {directory_}, repository_->status())); };
  mount.writeback_cache = request_.writeback_cache;
  mount.uid = ::geteuid();
  mount.gid = ::getegid();
  HOLDFAST_ASSIGN(mount_, FuseMount::start(*repository_, system_clock(), mount));
  HOLDFAST_ASSIGN(server_, OwnerServer::start(config_.state_directory,
                                              [this](const OwnerRequest& request, Io& io) { return handle(request, io); }));
  return ok_status();
}

int Mounted::handle(const OwnerRequest& request, Io& io) {
  const Parsed parsed = parse_command_line(request.arguments);
  if (!parsed.invocation) {
    io.complain(parsed.text);
    return parsed.exit;
  }
  io.json = parsed.invocation->json;
  io.quiet = parsed.invocation->quiet;
  Session session{*repository_, config_, *parsed.invocation, io, {directory_},
                  [this](const std::string& directory) { return request_unmount(directory); }};
  const int code = run_in_repository(session);
  mount_->on_catalog_changed();
  return code;
}

Status Mounted::request_unmount(const std::string& directory) {
  std::array<char, PATH_MAX> resolved{};
  const char* real = ::realpath(directory.c_str(), resolved.data());
  if (real == nullptr || directory_ != real) {
    return Error(ErrorCode::kNotFound, directory + " is not mounted by this repository; " + directory_ + " is");
  }
  return mount_->stop(false);
}

Status Mounted::serve() {
  // Signals are blocked in every thread (see run_mount); one thread turns them into an unmount.
  std::atomic<bool> ended{false};
  std::thread signals([this, &ended] {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int signal : {SIGTERM, SIGINT, SIGUSR2}) sigaddset(&wanted, signal);
    while (!ended) {
      int signal = 0;
      if (::sigwait(&wanted, &signal) != 0 || ended) continue;
      notify_systemd("STOPPING=1");
      const Status stopped = mount_->end(kShutdownPatience);
      if (!stopped) log_error("unmounting on a signal: " + stopped.error().message());
    }
  });
  mount_->wait();
  ended = true;
  ::pthread_kill(signals.native_handle(), SIGUSR2);
  signals.join();
  return ok_status();
}

Status Mounted::stop() {
  server_.reset();
  mount_.reset();
  if (!repository_) return ok_status();
  Status closed = repository_->close();
  repository_.reset();
  return closed;
}

void block_signals() {
  sigset_t blocked;
  sigemptyset(&blocked);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR2, SIGHUP, SIGPIPE}) sigaddset(&blocked, signal);
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

void set_limits() {
  // One arena a thread would each keep its own free chunk buffers: 550 MB resident instead of 220 after 1 GiB in and out, at equal CPU time.
  (void)::mallopt(M_ARENA_MAX, 2);
  // Fixed, where glibc would let both grow to tens of megabytes; above any buffer of ours, since mapping each costs more than its use.
  (void)::mallopt(M_MMAP_THRESHOLD, 2 << 20);
  (void)::mallopt(M_TRIM_THRESHOLD, 16 << 20);
  // No core: buffers in it would hold plaintext. (Keys are left out of it in any case.)
  const rlimit none{0, 0};
  (void)::setrlimit(RLIMIT_CORE, &none);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &files);
  }
}

void log_to_syslog() {
  ::openlog("holdfast", LOG_PID, LOG_DAEMON);
  set_log_sink(
      [](LogLevel level, std::string_view message) {
        static constexpr std::array<int, 4> kPriorities{LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR};
        ::syslog(kPriorities.at(static_cast<std::size_t>(level)), "%.*s", static_cast<int>(message.size()), message.data());
      },
      LogLevel::kInfo);
}

/// A background mount also keeps its log beside the state, where `status` can point at it without a syslog.
void log_to_file(const std::string& path, LogLevel lowest) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) {
    log_to_syslog();
    return;
  }
  set_log_sink(
      [file](LogLevel level, std::string_view message) {
        static constexpr std::array<const char*, 4> kNames{"debug", "info", "warning", "error"};
        const std::string line = time_text(system_clock().wall_now() / 1'000'000 * 1'000'000) + " " +
                                 kNames.at(static_cast<std::size_t>(level)) + " " + std::string(message) + "\n";
        (void)write_all(file, as_bytes(line)).has_value();
      },
      lowest);
}

void detach_from_terminal() {
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    for (const int descriptor : {0, 1, 2}) ::dup2(null, descriptor);
    if (null > 2) ::close(null);
  }
  (void)!::chdir("/");
}

Result<int> serve_here(Mounted& mounted, const SecretBytes& passphrase, StartReport report) {
  block_signals();
  set_limits();
  Status started = mounted.start(passphrase);
  if (!started) {
    started.keep_first(mounted.stop());
    Error error = std::move(started).error();
    report.failed(error);
    return error;
  }
  notify_systemd("READY=1");
  report.succeeded();
  HOLDFAST_TRY(mounted.serve());
  notify_systemd("STOPPING=1");
  HOLDFAST_TRY(mounted.stop());
  return 0;
}

/// The parent waits for the child's word.
Result<int> wait_for_start(int pipe, pid_t child) {
  HOLDFAST_ASSIGN(const Bytes word, read_all(pipe, 64 * 1024));
  if (word.empty()) {
    int state = 0;
    ::waitpid(child, &state, 0);
    return Error(ErrorCode::kInternal, "the mount process ended before the folder could be used");
  }
  if (word.front() == 0) return 0;
  if (word.size() < 2) return Error(ErrorCode::kInternal, "the mount process ended before it could say why");
  return Error(static_cast<ErrorCode>(word[1]), std::string(as_text(ByteView(word).subspan(2))));
}

}  // namespace

Result<MountRequest> parse_mount_options(const std::vector<std::string>& options) {
  static const std::vector<std::string> kIgnored{"rw",     "auto",    "noauto", "user",   "nouser",  "users",  "dev",     "nodev",  "suid",   "nosuid",
                                                 "exec",   "noexec",  "async",  "sync",   "defaults", "_netdev", "nofail", "atime", "noatime", "relatime",
                                                 "default_permissions", "nodiratime", "lazytime"};
  MountRequest request;
  for (const std::string& option : options) {
    const std::size_t equals = option.find('=');
    const std::string name = option.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : option.substr(equals + 1);
    if (name == "allow_other") {
      request.allow_other = true;
    } else if (option == "rmdir=forget") {
      return Error(ErrorCode::kUnsupported, "-o rmdir=forget is not there yet: this version forgets no snapshots");
    } else if (option == "ro") {
      request.read_only = true;
    } else if (name == "read_timeout") {
      HOLDFAST_ASSIGN(const auto timeout, parse_duration(value));
      request.read_timeout = std::chrono::duration_cast<std::chrono::seconds>(timeout);
      if (request.read_timeout < std::chrono::seconds(1)) return Error(ErrorCode::kInvalidArgument, "read_timeout=" + value + " is too short; at least 1s");
    } else if (name == "no_writeback") {
      request.writeback_cache = false;
    } else if (name == "writeback") {
      request.writeback_cache = true;
    } else if (name == "passphrase_file") {
      request.passphrase_file = value;
    } else if (name == "config") {
      request.config_file = value;
    } else if (name == "fsname") {
      request.fsname = value;
    } else if (name.starts_with("x-") || name.starts_with("comment") || option.empty() ||
               std::find(kIgnored.begin(), kIgnored.end(), name) != kIgnored.end()) {
      continue;
    } else {
      const std::string near = nearest_word(name, {"allow_other", "writeback", "no_writeback", "passphrase_file", "config", "fsname", "read_timeout"});
      return Error(ErrorCode::kInvalidArgument,
                   "unknown mount option '" + option + "'" + (near.empty() ? "" : "; did you mean '" + near + "'?"));
    }
  }
  return request;
}

Result<int> run_mount(const Invocation& invocation, const Config& config, const Environment& environment, Io& io) {
  HOLDFAST_ASSIGN(const MountRequest request, parse_mount_options(invocation.mount_options));
  const std::string directory = io.absolute(invocation.operands.front());
  std::array<char, PATH_MAX> resolved{};
  // A dead mount can't be resolved; FuseMount::start takes it away.
  const char* real = ::realpath(directory.c_str(), resolved.data());
  if (real == nullptr && errno != ENOTCONN) {
    return Error(ErrorCode::kInvalidArgument, "the mount point " + directory + ": " + std::strerror(errno));
  }
  const std::string passphrase_file = request.passphrase_file.empty() ? invocation.passphrase_file : request.passphrase_file;
  HOLDFAST_ASSIGN(const SecretBytes passphrase, find_passphrase(passphrase_file, environment, false));
  Mounted mounted(invocation, config, request, real != nullptr ? real : directory);
  if (invocation.foreground) return serve_here(mounted, passphrase, StartReport(-1));

  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return Error(ErrorCode::kInternal, "making a pipe failed");
  const pid_t child = ::fork();
  if (child < 0) return Error(ErrorCode::kInternal, std::string("starting the mount process: ") + std::strerror(errno));
  if (child > 0) {
    ::close(pipe[1]);
    Result<int> code = wait_for_start(pipe[0], child);
    ::close(pipe[0]);
    return code;
  }
  ::close(pipe[0]);
  detach_from_terminal();
  log_to_file(config.state_directory + "/holdfast.log", invocation.verbose ? LogLevel::kDebug : LogLevel::kInfo);
  const Result<int> code = serve_here(mounted, passphrase, StartReport(pipe[1]));
  if (!code) log_error("the mount on " + directory + " ended: " + code.error().message());
  ::_exit(code ? *code : static_cast<int>(opening_exit_code(code.error())));
}

}  // namespace holdfast
