// SPDX-License-Identifier: Apache-2.0
#include "core/base/result.h"

#include <cstdio>
#include <cstdlib>

namespace holdfast {

void check_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "holdfast: broken invariant: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

std::string_view error_code_name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid_argument";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kAlreadyExists: return "already_exists";
    case ErrorCode::kOutOfRange: return "out_of_range";
    case ErrorCode::kCorrupt: return "corrupt";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kPermissionDenied: return "permission_denied";
    case ErrorCode::kUntrusted: return "untrusted";
    case ErrorCode::kWrongKey: return "wrong_key";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kDeadlineExceeded: return "deadline_exceeded";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kQuotaExceeded: return "quota_exceeded";
    case ErrorCode::kNoSpace: return "no_space";
    case ErrorCode::kConflict: return "conflict";
    case ErrorCode::kRefused: return "refused";
    case ErrorCode::kIncomplete: return "incomplete";
    case ErrorCode::kInternal: return "internal";
  }
  return "internal";
}

RetryAdvice retry_advice(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded: return RetryAdvice::kSameSource;
    case ErrorCode::kNotFound:
    case ErrorCode::kOutOfRange:
    case ErrorCode::kCorrupt:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUntrusted:
    case ErrorCode::kQuotaExceeded: return RetryAdvice::kOtherSource;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kUnsupported:
    case ErrorCode::kWrongKey:
    case ErrorCode::kCancelled:
    case ErrorCode::kNoSpace:
    case ErrorCode::kConflict:
    case ErrorCode::kRefused:
    case ErrorCode::kIncomplete:
    case ErrorCode::kInternal: return RetryAdvice::kNever;
  }
  return RetryAdvice::kNever;
}

}  // namespace holdfast
