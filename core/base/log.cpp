// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.h"

#include <cstdio>
#include <mutex>

namespace holdfast {

namespace {

struct LogState {
  std::mutex mutex;
  LogSink sink;
  LogLevel lowest = LogLevel::kInfo;
};

LogState& state() {
  static LogState instance;
  return instance;
}

const char* level_name(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "error";
}

}  // namespace

void log_line(LogLevel level, std::string_view message) noexcept {
  LogState& log = state();
  const std::lock_guard lock(log.mutex);
  if (level < log.lowest) return;
  if (log.sink) {
    log.sink(level, message);
    return;
  }
  std::fprintf(stderr, "holdfast: %s: %.*s\n", level_name(level), static_cast<int>(message.size()),
               message.data());
}

void set_log_sink(LogSink sink, LogLevel lowest) {
  LogState& log = state();
  const std::lock_guard lock(log.mutex);
  log.sink = std::move(sink);
  log.lowest = lowest;
}

}  // namespace holdfast
