// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>

#include "core/base/result.h"

namespace holdfast {

/// What a failed call on a local file is by its errno: kNoSpace, kPermissionDenied, else kInternal. What a missing or
/// existing file means is for the caller to say.
inline ErrorCode code_of_errno(int number) noexcept {
  switch (number) {
    case ENOSPC:
    case EDQUOT: return ErrorCode::kNoSpace;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::kPermissionDenied;
    default: return ErrorCode::kInternal;
  }
}

}  // namespace holdfast
