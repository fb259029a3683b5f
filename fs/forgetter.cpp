// SPDX-License-Identifier: Apache-2.0
#include "fs/forgetter.h"

#include <fuse_lowlevel.h>
#include <malloc.h>

#include <condition_variable>
#include <mutex>

#include "fs/mount.h"

namespace holdfast::fs {
namespace {

// Measured on trees of 1,000,000 and 100,000 files, names and tables included.
constexpr std::uint64_t kViewNodeBytes = 370;
constexpr std::uint64_t kLiveInodeBytes = 900;
constexpr std::size_t kBatch = 1000;
constexpr std::chrono::seconds kLookEvery{1};
constexpr std::chrono::milliseconds kForgetsArriveIn{2};

void forget_name(const Mount& mount, NodeId parent, const std::string& name) {
  (void)fuse_lowlevel_notify_inval_entry(mount.session, parent, name.c_str(), name.size());  // it may be gone already
}

/// Waits, and says whether to go on.
bool pause(const std::stop_token& stop, std::chrono::milliseconds time) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

Forgetter::Forgetter(Mount& mount) : thread_([&mount](const std::stop_token& stop) { run(mount, stop); }) {}

std::uint64_t Forgetter::held_bytes(Mount& mount) { return mount.table.size() * kViewNodeBytes + mount.live.inodes_in_memory() * kLiveInodeBytes; }

void Forgetter::run(Mount& mount, const std::stop_token& stop) {
  while (pause(stop, kLookEvery)) {
    if (held_bytes(mount) > mount.options.held_bytes_max) shrink(mount, stop);
  }
}

/// By a quarter, so that it is done rarely. What is open or in use stays, so one pass has to do.
void Forgetter::shrink(Mount& mount, const std::stop_token& stop) {
  const std::uint64_t goal = mount.options.held_bytes_max / 4 * 3;
  std::size_t asked = 0;
  const auto is_enough = [&] { return asked++ % kBatch == 0 && (!pause(stop, kForgetsArriveIn) || held_bytes(mount) <= goal); };
  for (const NodeId id : mount.table.leaves()) {
    if (is_enough()) break;
    if (const auto leaf = mount.table.find(id)) forget_name(mount, leaf->parent()->id(), leaf->key());
  }
  for (const auto& [parent, name] : mount.live.held_names()) {
    if (is_enough()) break;
    forget_name(mount, parent, name);
  }
  ::malloc_trim(0);  // or what became free in pieces stays ours
}

}  // namespace holdfast::fs
