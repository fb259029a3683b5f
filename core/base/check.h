// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace holdfast {

/// Prints where an invariant broke and aborts. Used through HOLDFAST_CHECK only.
[[noreturn]] void check_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace holdfast

/// A bug in our own code ends the process in every build type. Bytes from disk, cache or network never
/// reach a check: they give ErrorCode::kCorrupt.
#define HOLDFAST_CHECK(condition)                                              \
  do {                                                                         \
    if (!(condition)) ::holdfast::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
