// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include "fs/mount.h"

namespace holdfast::fs {

/// Runs `work(request)` in this thread, or later in another one when kSlowRunningMax requests may be waiting for a disk or network already.
/// `work` must own what it needs.
template <typename Work>
void run_slowly(Mount& mount, Request request, Work work) {
  if (const SlowGate::Place place(mount.gate); place) {
    work(std::move(request));
    return;
  }
  auto held = std::make_shared<Request>(std::move(request));
  mount.gate.run([held, work = std::move(work)]() mutable { run_guarded(std::move(*held), work); });
}

}  // namespace holdfast::fs
