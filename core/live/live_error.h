// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

namespace holdfast {

/// POSIX has more reasons to refuse a name operation than ErrorCode has classes. These make the Errors; fs maps them to errno by code and cause.
enum class NameRefusal : unsigned char {
  kNone,
  kNotDirectory,    ///< ENOTDIR
  kIsDirectory,     ///< EISDIR
  kNotEmpty,        ///< ENOTEMPTY
  kTooManyLinks,    ///< EMLINK
  kNameTooLong,     ///< ENAMETOOLONG
  kIntoItself,      ///< EINVAL: rename of a directory below itself
  kNoAttribute,     ///< ENODATA
  kAttributeSize,   ///< ENOSPC/E2BIG: extended attributes beyond 64 KiB an inode
  kFileTooBig,      ///< EFBIG
  kNotPermitted,    ///< EPERM: hard link to a directory
};

/// An error whose detail() is the refusal (codes: kAlreadyExists for kNotEmpty, kNotFound for kNoAttribute, kNoSpace for kAttributeSize, else kInvalidArgument).
Error name_error(NameRefusal refusal, std::string message);
/// The refusal that an error carries, or kNone.
NameRefusal name_refusal(const Error& error) noexcept;

}  // namespace holdfast
