// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/bytes.h"
#include "core/base/call_context.h"

namespace holdfast {

/// All bytes of a regular file of at most `size_max_bytes` (0: no bound): how adapters put_file without a better way.
/// Errors: kNotFound, kPermissionDenied, kInvalidArgument (no regular file, or too big), kCorrupt (the disk gives no
/// bytes), kCancelled, kDeadlineExceeded.
Result<Bytes> read_whole_file(const std::string& path, std::uint64_t size_max_bytes, const CallContext& context);

}  // namespace holdfast
