// SPDX-License-Identifier: Apache-2.0
#include "fs/staging_space.h"

#include <algorithm>
#include <chrono>

#include "fs/mount.h"

namespace holdfast::fs {

namespace {
constexpr std::uint64_t kBlockBytes = 4096;
constexpr fsfilcnt_t kNoFileLimit = 1ULL << 40U;

/// What the disk under staging still takes: writers are refused by it, too, not by the limit alone.
std::uint64_t left_on_disk(const std::string& state_directory) {
  struct statvfs disk{};
  if (state_directory.empty() || ::statvfs(state_directory.c_str(), &disk) != 0) return UINT64_MAX;
  return std::uint64_t{disk.f_bavail} * disk.f_frsize;
}
}  // namespace

struct statvfs StagingSpace::statistics(Mount& mount) {
  const MonoTime now = mount.clock.mono_now();
  std::unique_lock asking(asking_, std::defer_lock);
  {
    const std::lock_guard lock(mutex_);
    if (known_ && now - asked_at_ < std::chrono::seconds(1)) return last_;
    if (!asking.try_lock() && known_) return last_;
  }
  if (!asking.owns_lock()) asking.lock();  // the first answer is waited for
  const StatusReport report = mount.repository.status();
  struct statvfs result{};
  result.f_bsize = kBlockBytes;
  result.f_frsize = kBlockBytes;
  const std::uint64_t used = std::min(report.bytes_staged, report.staging_limit_bytes);
  const std::uint64_t left = std::min(report.staging_limit_bytes - used, left_on_disk(mount.options.state_directory));
  result.f_blocks = (used + left) / kBlockBytes;
  result.f_bfree = result.f_bavail = left / kBlockBytes;
  result.f_files = kNoFileLimit;
  result.f_ffree = result.f_favail = kNoFileLimit;
  result.f_namemax = 255;
  const std::lock_guard lock(mutex_);
  last_ = result;
  asked_at_ = now;
  known_ = true;
  return result;
}

}  // namespace holdfast::fs
