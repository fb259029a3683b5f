// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cache/segment_index_state.h"
#include "core/base/log.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kTierBase = 4096;  // segments of up to so many entries are one tier
constexpr std::size_t kMergeFan = 4;

std::size_t tier_of(const IndexSegment& segment) {
  std::size_t tier = 0;
  for (std::uint64_t bound = kTierBase; segment.count() > bound; bound *= kMergeFan) ++tier;
  return tier;
}

}  // namespace

std::size_t merge_count(const IndexSegments& segments) {
  std::size_t wanted = 0;
  for (std::size_t tier = 0; tier < 32; ++tier) {
    std::size_t newest = 0;  // so many newest segments are of this tier or below
    std::size_t of_tier = 0;
    while (newest < segments.size() && tier_of(*segments[newest]) <= tier) {
      if (tier_of(*segments[newest]) == tier) ++of_tier;
      ++newest;
    }
    if (of_tier >= kMergeFan) wanted = newest;
  }
  return wanted;
}

void SegmentIndex::State::start_merging() {
  merge_stop_ = false;
  merge_wanted_ = true;
  merge_status_ = ok_status();
  merge_thread_ = std::thread([this] { merge_loop(); });
}

void SegmentIndex::State::stop_merging() {
  {
    const std::lock_guard lock(merge_mutex_);
    merge_stop_ = true;
  }
  merge_work_.notify_all();
  if (merge_thread_.joinable()) merge_thread_.join();
}

Status SegmentIndex::State::wait_for_merges() {
  std::unique_lock lock(merge_mutex_);
  merge_idle_.wait(lock, [this] { return !merge_wanted_ && !merge_busy_; });
  return merge_status_;
}

void SegmentIndex::State::merge_loop() {
  std::unique_lock lock(merge_mutex_);
  while (!merge_stop_) {
    merge_work_.wait(lock, [this] { return merge_stop_ || merge_wanted_; });
    merge_wanted_ = false;
    merge_busy_ = true;
    lock.unlock();
    Status status;
    while (!merge_stop_ && !damaged && status) {
      const std::size_t count = merge_count(*view().segments);
      if (count == 0) break;
      status = merge_once(count);
    }
    if (!status && status.error().code() != ErrorCode::kCancelled) {
      // Tried again after the next flush; until then lookups have more segments to look through.
      log_warning("merging segments of the chunk index: " + status.error().message());
    }
    lock.lock();
    merge_status_ = std::move(status);
    merge_busy_ = false;
    merge_idle_.notify_all();
  }
}

Status SegmentIndex::State::merge_once(std::size_t count) {
  const auto segments = view().segments;
  const IndexSegments inputs(segments->begin(), segments->begin() + static_cast<std::ptrdiff_t>(count));
  auto merged = IndexSegment::merge(folder, next_segment_++, inputs, merge_stop_);
  if (!merged) return note(std::move(merged).error());
  return install(inputs, *merged);
}

Status SegmentIndex::State::install(const IndexSegments& inputs, const std::shared_ptr<IndexSegment>& merged) {
  const std::lock_guard manifest_lock(manifest_mutex_);
  HOLDFAST_TRY(usable());
  {
    const std::unique_lock lock(view_mutex_);
    auto segments = std::make_shared<IndexSegments>(*view_.segments);
    // Newer ones may have come in front meanwhile; nobody else takes any away.
    const auto first = std::find(segments->begin(), segments->end(), inputs.front());
    const auto rest = segments->erase(first, first + static_cast<std::ptrdiff_t>(inputs.size()));
    segments->insert(rest, merged);
    view_.segments = std::move(segments);
  }
  for (const auto& input : inputs) retired_.push_back(input->number);
  return write_manifest(position);
}

}  // namespace holdfast
