// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fuse_lowlevel.h>

namespace holdfast::fs {

/// What libfuse calls; the session's user data is the Mount. Every call is noexcept: whatever is thrown becomes EIO.
const fuse_lowlevel_ops& fuse_operations() noexcept;

}  // namespace holdfast::fs
