// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <string_view>

#include "core/live/live_tree.h"
#include "core/tree/inode.h"

namespace holdfast::fs {

timespec to_timespec(WallNanos time) noexcept;
WallNanos from_timespec(const timespec& time) noexcept;

/// stat's numbers for inode `ino` of the tree `space`: the same for one inode under all its names, different between trees (rsync and tar find hard links by them).
std::uint64_t public_ino(std::uint64_t space, std::uint64_t ino) noexcept;
/// A tree's number for public_ino().
std::uint64_t space_of(std::string_view name) noexcept;

struct stat to_stat(const LiveAttributes& attributes, std::uint64_t space) noexcept;

}  // namespace holdfast::fs
