// SPDX-License-Identifier: Apache-2.0
#include "tools/io.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/base/errno_code.h"

namespace holdfast {

ExitCode exit_code_of(const Error& error) noexcept {
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported: return ExitCode::kUsage;
    case ErrorCode::kNotFound: return ExitCode::kNoSuch;
    case ErrorCode::kCorrupt:
    case ErrorCode::kUntrusted: return ExitCode::kIntegrity;
    case ErrorCode::kWrongKey: return ExitCode::kWrongKey;
    case ErrorCode::kDeadlineExceeded: return ExitCode::kTimeout;
    case ErrorCode::kCancelled: return ExitCode::kInterrupted;
    case ErrorCode::kRefused: return ExitCode::kRefused;
    case ErrorCode::kIncomplete: return ExitCode::kIncomplete;
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kOutOfRange:
    case ErrorCode::kUnavailable:
    case ErrorCode::kQuotaExceeded:
    case ErrorCode::kNoSpace:
    case ErrorCode::kConflict:
    case ErrorCode::kInternal: return ExitCode::kFailed;
  }
  return ExitCode::kFailed;
}

ExitCode opening_exit_code(const Error& error) noexcept {
  if (error.code() == ErrorCode::kNotFound) return ExitCode::kNoRepository;
  if (error.code() == ErrorCode::kConflict) return ExitCode::kOwnerSilent;
  return exit_code_of(error);
}

int wal_fetch_failure(int code) noexcept {
  constexpr int kExitMax = 255;  // a larger one is cut to its low eight bits
  return std::min(200 + code, kExitMax);
}

namespace {

constexpr int kLookAtStopMilliseconds = 100;

/// Until something can be written without waiting. What can be written at once is written even after a stop, so that a command's last words get out.
Status wait_writable(int descriptor, const std::stop_token& stop) {
  pollfd wait{descriptor, POLLOUT, 0};
  while (true) {
    const int ready = ::poll(&wait, 1, stop.stop_possible() ? kLookAtStopMilliseconds : -1);
    if (ready > 0) return ok_status();
    if (ready < 0 && errno != EINTR) return Error(ErrorCode::kInternal, std::string("waiting for the reader of the output: ") + std::strerror(errno));
    if (stop.stop_requested()) return Error(ErrorCode::kCancelled, "interrupted while nobody read the output");
  }
}

}  // namespace

Status write_all(int descriptor, ByteView bytes, const std::stop_token& stop) {
  struct stat kind {};
  const bool waits = ::fstat(descriptor, &kind) == 0 && !S_ISREG(kind.st_mode);
  while (!bytes.empty()) {
    if (waits) HOLDFAST_TRY(wait_writable(descriptor, stop));
    // A pipe that can be written to takes this much without waiting, and no more is promised.
    const ssize_t count = ::write(descriptor, bytes.data(), waits ? std::min<std::size_t>(bytes.size(), PIPE_BUF) : bytes.size());
    if (count < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return Error(code_of_errno(errno), std::string("writing the output: ") + std::strerror(errno));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return ok_status();
}

Result<Bytes> read_all(int descriptor, std::size_t size_max_bytes) {
  Bytes all;
  Bytes buffer(64 * 1024);
  while (true) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      return Error(ErrorCode::kInternal, std::string("reading: ") + std::strerror(errno));
    }
    if (count == 0) break;
    append(all, ByteView(buffer).first(static_cast<std::size_t>(count)));
    if (all.size() > size_max_bytes) {
      return Error(ErrorCode::kInvalidArgument, "the input is longer than " + std::to_string(size_max_bytes) + " bytes");
    }
  }
  wipe(buffer);
  return all;
}

void Io::print(std::string_view text) const {
  // A reader that has gone away (`holdfast list | head`) is its own affair.
  (void)write_all(out, as_bytes(text), stop).has_value();
}

void Io::complain(std::string_view text) const { (void)write_all(err, as_bytes(text), stop).has_value(); }

int Io::fail(const Error& error) const {
  if (json) {
    nlohmann::json inner = {{"code", std::string(error_code_name(error.code()))}, {"message", error.message()}};
    if (!error.network().empty()) inner["network"] = error.network();
    const nlohmann::json document = {{"error", inner}};
    complain(document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } else {
    const std::string network = error.network().empty() ? "" : " (network " + error.network() + ")";
    complain("holdfast: " + error.message() + network + "\n");
  }
  return static_cast<int>(exit_code_of(error));
}

bool Io::terminal() const noexcept { return ::isatty(err) == 1; }

std::string Io::absolute(const std::string& path) const {
  if (!path.empty() && path.front() == '/') return path;
  return directory + "/" + path;
}

}  // namespace holdfast
