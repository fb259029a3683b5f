// SPDX-License-Identifier: Apache-2.0
#include "fs/errno_map.h"

#include <cerrno>

#include "core/live/live_error.h"

namespace holdfast::fs {

namespace {

int errno_of_refusal(NameRefusal refusal) noexcept {
  switch (refusal) {
    case NameRefusal::kNone: return 0;
    case NameRefusal::kNotDirectory: return ENOTDIR;
    case NameRefusal::kIsDirectory: return EISDIR;
    case NameRefusal::kNotEmpty: return ENOTEMPTY;
    case NameRefusal::kTooManyLinks: return EMLINK;
    case NameRefusal::kNameTooLong: return ENAMETOOLONG;
    case NameRefusal::kIntoItself: return EINVAL;
    case NameRefusal::kNoAttribute: return ENODATA;
    case NameRefusal::kAttributeSize: return ENOSPC;
    case NameRefusal::kFileTooBig: return EFBIG;
    case NameRefusal::kNotPermitted: return EPERM;
  }
  return EIO;  // a detail of another module that reached us by mistake
}

int errno_of_code(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument: return EINVAL;
    case ErrorCode::kNotFound: return ENOENT;
    case ErrorCode::kAlreadyExists: return EEXIST;
    case ErrorCode::kOutOfRange: return ENXIO;
    case ErrorCode::kCorrupt: return EIO;
    case ErrorCode::kUnsupported: return EOPNOTSUPP;
    case ErrorCode::kPermissionDenied: return EACCES;
    case ErrorCode::kUntrusted: return EIO;
    case ErrorCode::kWrongKey: return EACCES;
    case ErrorCode::kUnavailable: return EIO;
    case ErrorCode::kDeadlineExceeded: return EIO;
    case ErrorCode::kCancelled: return EINTR;
    case ErrorCode::kQuotaExceeded: return EDQUOT;
    case ErrorCode::kNoSpace: return ENOSPC;
    case ErrorCode::kConflict: return EBUSY;
    case ErrorCode::kRefused: return EPERM;
    case ErrorCode::kIncomplete: return EIO;
    case ErrorCode::kInternal: return EIO;
  }
  return EIO;
}

}  // namespace

int errno_of(const Error& error) noexcept {
  const int refusal = errno_of_refusal(name_refusal(error));
  return refusal != 0 ? refusal : errno_of_code(error.code());
}

bool is_worth_logging(const Error& error) noexcept {
  const int number = errno_of(error);
  return number == EIO || number == ENOSPC || number == EDQUOT;
}

}  // namespace holdfast::fs
