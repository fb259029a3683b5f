// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/result.h"

namespace holdfast::fs {

/// The file type that our mounts show in /proc/self/mountinfo ("fuse." and the subtype).
inline constexpr const char* kMountType = "fuse.holdfast";

/// Makes sure that `mountpoint` can be mounted over: takes a dead mount away that was left on it, and refuses what would hide or loop.
/// Returns the path without links. Errors: kInvalidArgument (no directory; is, or lies above, `state_directory`; lies inside another
/// Holdfast mount; is mounted already), kNotFound, kInternal.
Result<std::string> prepare_mountpoint(const std::string& mountpoint, const std::string& state_directory);

/// umount(2), or fusermount3 where that is not allowed. Errors: kConflict (busy), kNotFound (nothing is mounted there), kInternal.
Status unmount_path(const std::string& mountpoint, bool detach);

}  // namespace holdfast::fs
