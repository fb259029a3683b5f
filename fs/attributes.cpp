// SPDX-License-Identifier: Apache-2.0
#include "fs/attributes.h"

#include <algorithm>

namespace holdfast::fs {

namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr blksize_t kPreferredIoBytes = 1 << 20;

// The finalizer of SplitMix64 (Steele et al. 2014): every bit of the input moves every bit of the output.
std::uint64_t mix(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31U);
}

}  // namespace

timespec to_timespec(WallNanos time) noexcept {
  timespec result{};
  result.tv_sec = time / kNanosPerSecond;
  result.tv_nsec = time % kNanosPerSecond;
  if (result.tv_nsec < 0) {
    result.tv_nsec += kNanosPerSecond;
    --result.tv_sec;
  }
  return result;
}

WallNanos from_timespec(const timespec& time) noexcept {
  constexpr std::int64_t kSecondsMax = INT64_MAX / kNanosPerSecond - 1;  // the year 2262; beyond it dates stop there
  const std::int64_t seconds = std::clamp<std::int64_t>(time.tv_sec, -kSecondsMax, kSecondsMax);
  return seconds * kNanosPerSecond + time.tv_nsec;
}

std::uint64_t public_ino(std::uint64_t space, std::uint64_t ino) noexcept {
  const std::uint64_t mixed = mix(space + 0x9e3779b97f4a7c15U * (ino + 1));
  return mixed < 4096 ? mixed + 4096 : mixed;  // small numbers belong to the virtual folders
}

std::uint64_t space_of(std::string_view name) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a, 64 bits
  for (const char byte : name) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  return mix(hash);
}

struct stat to_stat(const LiveAttributes& attributes, std::uint64_t space) noexcept {
  struct stat result{};
  result.st_ino = public_ino(space, attributes.ino);
  result.st_mode = attributes.mode;
  result.st_uid = attributes.uid;
  result.st_gid = attributes.gid;
  result.st_nlink = attributes.nlink;
  result.st_rdev = attributes.rdev;
  result.st_size = static_cast<off_t>(attributes.size_bytes);
  result.st_blocks = static_cast<blkcnt_t>((attributes.allocated_bytes + 511) / 512);
  result.st_blksize = kPreferredIoBytes;
  result.st_atim = to_timespec(attributes.atime);
  result.st_mtim = to_timespec(attributes.mtime);
  result.st_ctim = to_timespec(attributes.ctime);
  return result;
}

}  // namespace holdfast::fs
