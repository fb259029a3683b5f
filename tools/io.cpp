// SPDX-License-Identifier: Apache-2.0
#include "tools/io.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

namespace holdfast {

ExitCode exit_code_of(const Error& error) noexcept {
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported: return ExitCode::kUsage;
    case ErrorCode::kNotFound: return ExitCode::kNoSuch;
    case ErrorCode::kCorrupt:
    case ErrorCode::kPermissionDenied: return ExitCode::kIntegrity;
    case ErrorCode::kWrongKey: return ExitCode::kWrongKey;
    case ErrorCode::kDeadlineExceeded: return ExitCode::kTimeout;
    case ErrorCode::kCancelled: return ExitCode::kInterrupted;
    case ErrorCode::kRefused: return ExitCode::kRefused;
    case ErrorCode::kIncomplete: return ExitCode::kIncomplete;
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

int wal_fetch_failure(int code) noexcept {
  constexpr int kExitMax = 255;  // a larger one is cut to its low eight bits
  return std::min(200 + code, kExitMax);
}

Status write_all(int descriptor, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      return Error(errno == ENOSPC ? ErrorCode::kNoSpace : ErrorCode::kInternal,
                   std::string("writing the output: ") + std::strerror(errno));
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
  (void)write_all(out, as_bytes(text)).has_value();
}

void Io::complain(std::string_view text) const { (void)write_all(err, as_bytes(text)).has_value(); }

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
