// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"

namespace holdfast::fs {

/// The file type that our mounts show in /proc/self/mountinfo ("fuse." and the subtype).
inline constexpr const char* kMountType = "fuse.holdfast";

/// Makes sure that `mountpoint` can be mounted over: takes a dead mount away that was left on it, and refuses what would hide or loop.
/// Returns the path without links. Errors: kInvalidArgument (no directory; is, or lies above or below, `state_directory` or one of `other_folders`;
/// lies inside another Holdfast mount; is mounted already; the state lies on a FUSE filesystem), kNotFound, kInternal.
Result<std::string> prepare_mountpoint(const std::string& mountpoint, const std::string& state_directory,
                                       const std::vector<std::string>& other_folders);

/// Takes a mount of ours away whose process is gone; false when there is none on `mountpoint`. Errors: as unmount_path.
Result<bool> take_dead_mount_away(const std::string& mountpoint);

/// umount(2), or fusermount3 where that is not allowed. Errors: kConflict (busy), kNotFound (nothing is mounted there), kInternal.
Status unmount_path(const std::string& mountpoint, bool detach);

}  // namespace holdfast::fs
