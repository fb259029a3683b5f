// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "core/base/check.h"

namespace holdfast {

/// What went wrong, classed by what can be done about it. The list is closed: every switch over it is
/// exhaustive, so that a new code makes each place that must know it fail to compile.
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,   ///< the caller asked for something that can't be (usage, configuration)
  kNotFound,          ///< proved absent here
  kAlreadyExists,     ///< the name is taken
  kOutOfRange,        ///< a range beyond the end of the object
  kCorrupt,           ///< bytes that don't verify or don't parse
  kUnsupported,       ///< a newer format, an unknown suite, a verb that this network lacks
  kPermissionDenied,  ///< rights: on a file, on a network, towards the owner of the state
  kUntrusted,         ///< signed by the wrong key, or of another repository or writer
  kWrongKey,          ///< wrong passphrase, recovery code, or too few shares
  kUnavailable,       ///< refused, reset, 5xx: try again later
  kDeadlineExceeded,  ///< the call's deadline passed
  kCancelled,         ///< the call's stop token was triggered
  kQuotaExceeded,     ///< a network's or the user's byte quota is used up
  kNoSpace,           ///< the local disk or the staging limit is full
  kConflict,          ///< somebody else was first: state is not what the caller believed
  kRefused,           ///< refused by retention, hold or policy
  kIncomplete,        ///< a dump that was cut off
  kInternal,          ///< a bug or an impossible answer of the operating system
};

/// What a caller may usefully do after an error.
enum class RetryAdvice : std::uint8_t {
  kNever,        ///< the same call will fail again
  kSameSource,   ///< the same call may succeed later, on the same network
  kOtherSource,  ///< another network may have it good
};

/// The stable snake_case name of `code`, as JSON output shows it.
std::string_view error_code_name(ErrorCode code) noexcept;

/// Total: every code has an advice.
RetryAdvice retry_advice(ErrorCode code) noexcept;

/// An error value: a code, a message for people (lower case, no final stop: what was tried, on what,
/// what came back), the network concerned if any, and where it was made.
class Error {
 public:
  Error(ErrorCode code, std::string message,
        std::source_location where = std::source_location::current())
      : code_(code), message_(std::move(message)), where_(where) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  [[nodiscard]] const std::string& network() const noexcept { return network_; }
  [[nodiscard]] const std::source_location& where() const noexcept { return where_; }
  /// A finer reason inside the code, for those who know the module that made the error; 0: none.
  [[nodiscard]] std::uint8_t detail() const noexcept { return detail_; }
  [[nodiscard]] Error with_detail(std::uint8_t detail) && {
    detail_ = detail;
    return std::move(*this);
  }

  /// Prefixes the message with what the caller was doing: "reading pack 12ab: <message>".
  [[nodiscard]] Error with_context(std::string_view doing) && {
    message_.insert(0, ": ").insert(0, doing);
    return std::move(*this);
  }
  [[nodiscard]] Error with_context(std::string_view doing) const& {
    return Error(*this).with_context(doing);
  }
  [[nodiscard]] Error with_code(ErrorCode code) && {
    code_ = code;
    return std::move(*this);
  }
  [[nodiscard]] Error on_network(std::string_view name) && {
    if (network_.empty()) network_ = name;
    return std::move(*this);
  }

 private:
  ErrorCode code_;
  std::string message_;
  std::string network_;
  std::uint8_t detail_ = 0;
  std::source_location where_;
};

/// A value or an Error. Member names equal std::expected's (C++23) for a later swap; the class is
/// [[nodiscard]], which g++ 12 honours for types returned by value.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  [[nodiscard]] T& value() & {
    HOLDFAST_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T& value() const& {
    HOLDFAST_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && {
    HOLDFAST_CHECK(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }
  template <typename U>
  [[nodiscard]] T value_or(U&& other) && {
    return has_value() ? std::move(*this).value() : static_cast<T>(std::forward<U>(other));
  }

  [[nodiscard]] const Error& error() const& {
    HOLDFAST_CHECK(state_.index() == 1);
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] Error&& error() && {
    HOLDFAST_CHECK(state_.index() == 1);
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

/// Success or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  [[nodiscard]] bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] const Error& error() const& {
    HOLDFAST_CHECK(error_.has_value());
    return *error_;
  }
  [[nodiscard]] Error&& error() && {
    HOLDFAST_CHECK(error_.has_value());
    return std::move(*error_);
  }

  /// Keeps an earlier error: `status.keep_first(next)` never hides what failed first.
  void keep_first(Result<void> next) {
    if (has_value() && !next.has_value()) error_ = std::move(next).error();
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

/// Success, to be returned from functions that give a Status.
inline Status ok_status() { return {}; }

}  // namespace holdfast

#define HOLDFAST_CONCAT_INNER(a, b) a##b
#define HOLDFAST_CONCAT(a, b) HOLDFAST_CONCAT_INNER(a, b)

/// Returns the error of `expression` (a Result or Status) from the enclosing function, if it has one.
#define HOLDFAST_TRY(expression)                                        \
  do {                                                                  \
    auto holdfast_try_result = (expression);                            \
    if (!holdfast_try_result) return std::move(holdfast_try_result).error(); \
  } while (false)

/// Declares `target` from the value of `expression`, or returns its error from the enclosing function.
#define HOLDFAST_ASSIGN(target, expression)                                            \
  auto HOLDFAST_CONCAT(holdfast_result_, __LINE__) = (expression);                     \
  if (!HOLDFAST_CONCAT(holdfast_result_, __LINE__))                                    \
    return std::move(HOLDFAST_CONCAT(holdfast_result_, __LINE__)).error();             \
  target = std::move(HOLDFAST_CONCAT(holdfast_result_, __LINE__)).value()
