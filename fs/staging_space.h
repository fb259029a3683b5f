// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/statvfs.h>

#include <mutex>

#include "core/base/call_context.h"

namespace holdfast::fs {

struct Mount;

/// What df shows: the staging limit as size and what of it is free, as Repository::status() said at most a second ago. One caller at a time asks;
/// others get the last answer, so that df never waits for long. Safe from any thread.
class StagingSpace {
 public:
  struct statvfs statistics(Mount& mount);

 private:
  std::mutex asking_;
  std::mutex mutex_;
  struct statvfs last_{};
  MonoTime asked_at_{};
  bool known_ = false;
};

}  // namespace holdfast::fs
