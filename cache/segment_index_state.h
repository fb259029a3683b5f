// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "cache/index_segment.h"
#include "cache/segment_index.h"

namespace holdfast {

using IndexSegments = std::vector<std::shared_ptr<IndexSegment>>;  // newest first

/// How many of the newest segments should become one now: 0, or 2 and more. Sizes are put into tiers, each four times the one
/// below; four of one tier are merged with everything newer, so that an entry is written about log4(n / memtable) times.
std::size_t merge_count(const IndexSegments& segments);

/// What a SegmentIndex is made of. Lock order: write_mutex, manifest_mutex, view_mutex; memtable_mutex is taken alone.
struct SegmentIndex::State {
  /// What readers look through, consistent at one moment.
  struct View {
    std::shared_ptr<IndexMemtable> memtable = std::make_shared<IndexMemtable>();
    std::shared_ptr<const IndexSegments> segments = std::make_shared<IndexSegments>();
  };

  IndexFolder folder;
  std::size_t memtable_count_max = 0;
  std::optional<cache::File> lock_file;
  std::atomic<std::uint64_t> position{0};

  std::mutex write_mutex;                  // one add, sync or clear at a time
  mutable std::shared_mutex memtable_mutex;  // of the content of the memtable that is being filled
  std::atomic<bool> damaged{false};

  [[nodiscard]] View view() const {
    const std::shared_lock lock(view_mutex_);
    return view_;
  }
  /// kCorrupt once damage was found.
  [[nodiscard]] Status usable() const;
  /// Passes an error on; damage takes the manifest away first.
  Error note(Error error);
  Status take_lock();
  Status load();
  Status remove_all_files() const;
  Status start_over();
  /// The memtable becomes a segment (not durable yet); nothing happens when it is empty. Needs write_mutex.
  Status flush();
  /// Makes all segments durable and writes the manifest with that position. Needs write_mutex.
  Status commit(std::uint64_t new_position);

  void start_merging();
  void stop_merging();
  Status wait_for_merges();

 private:
  Status load_segments(const IndexManifest& manifest);
  Status write_manifest(std::uint64_t new_position);
  void merge_loop();
  Status merge_once(std::size_t count);
  Status install(const IndexSegments& inputs, const std::shared_ptr<IndexSegment>& merged);
  void set_view(View view) {
    const std::unique_lock lock(view_mutex_);
    view_ = std::move(view);
  }

  std::mutex manifest_mutex_;
  std::vector<std::uint64_t> retired_;  // segments no manifest from now on lists; under manifest_mutex_
  mutable std::shared_mutex view_mutex_;
  View view_;
  std::atomic<std::uint64_t> next_segment_{1};

  std::mutex merge_mutex_;  // of what follows; taken alone
  std::condition_variable merge_work_;
  std::condition_variable merge_idle_;
  bool merge_wanted_ = false;
  bool merge_busy_ = false;
  Status merge_status_;
  std::atomic<bool> merge_stop_{false};
  std::thread merge_thread_;
};

}  // namespace holdfast
