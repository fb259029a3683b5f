// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace holdfast {

enum class LogLevel : unsigned char { kDebug, kInfo, kWarning, kError };

/// Writes one line to the log sink. Never a key, token, plaintext, file content or full credential URL.
/// Safe from any thread; does not fail.
void log_line(LogLevel level, std::string_view message) noexcept;

inline void log_debug(std::string_view message) noexcept { log_line(LogLevel::kDebug, message); }
inline void log_info(std::string_view message) noexcept { log_line(LogLevel::kInfo, message); }
inline void log_warning(std::string_view message) noexcept { log_line(LogLevel::kWarning, message); }
inline void log_error(std::string_view message) noexcept { log_line(LogLevel::kError, message); }

/// Where lines go from now on (standard error until somebody calls this), and the lowest level that is kept.
/// Set at start by the program, not while other threads log.
using LogSink = std::function<void(LogLevel, std::string_view)>;
void set_log_sink(LogSink sink, LogLevel lowest);

}  // namespace holdfast
