// SPDX-License-Identifier: Apache-2.0
#include "fs/parking_lot.h"

#include <utility>

#include "core/base/log.h"

namespace holdfast::fs {

namespace {
Error ending() { return {ErrorCode::kCancelled, "the folder is being unmounted"}; }
}  // namespace

bool ParkingLot::admits(std::uint64_t bytes) const {
  {
    const std::lock_guard lock(mutex_);
    if (!line_.empty()) return false;
  }
  return pressure_.admits(bytes);
}

std::size_t ParkingLot::parked_count() const {
  const std::lock_guard lock(mutex_);
  return line_.size();
}

void ParkingLot::park(std::uint64_t bytes, const std::stop_token& stop, Resume resume) {
  bool ask = false;
  bool closed = false;
  {
    const std::lock_guard lock(mutex_);
    closed = closed_;
    if (!closed && bytes_ + bytes <= bytes_max_) {
      bytes_ += bytes;
      auto& parked = line_.emplace_back(Parked{bytes, stop, std::move(resume), nullptr});
      // The callback may run under a lock of the library, so it only leaves word.
      parked.on_stop =
          std::make_unique<std::stop_callback<std::function<void()>>>(stop, [weak = weak_from_this(), pool = pool_] {
            pool->submit([weak] {
              if (const auto lot = weak.lock()) lot->sweep_cancelled();
            });
          });
      ask = !std::exchange(asked_, true);
      resume = nullptr;
    }
  }
  if (closed) {
    resume(ending());
    return;
  }
  if (resume) {
    log_warning("staging is full and so is the memory for writes that wait for it; a write gets ENOSPC");
    resume(Error(ErrorCode::kNoSpace, "staging is full, and too much data waits for it already"));
    return;
  }
  if (ask) ask_for_relief();
}

void ParkingLot::close() {
  std::list<Parked> left;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    left.swap(line_);
    bytes_ = 0;
  }
  for (auto& parked : left) {
    parked.on_stop.reset();
    parked.resume(ending());
  }
}

void ParkingLot::ask_for_relief() {
  pressure_.when_relieved([weak = weak_from_this()](const Status& relief) {
    if (const auto lot = weak.lock()) {
      lot->pool_->submit([lot, relief] { lot->go_on(relief); });
    }
  });
}

/// After a relief the first in line goes on whatever its size: room for it was told of, and where staging is small it
/// may never fit below the limit where writers begin to wait, though below the one that the disk sets.
void ParkingLot::go_on(const Status& relief) {
  bool is_first = true;
  if (!relief) log_error("writers waited for room in staging in vain and get ENOSPC: " + relief.error().message());
  while (true) {
    std::list<Parked> next;
    {
      const std::lock_guard lock(mutex_);
      if (line_.empty()) {
        asked_ = false;
        return;
      }
      if (!relief) {
        next.swap(line_);
        bytes_ = 0;
        asked_ = false;
      } else if (std::exchange(is_first, false) || pressure_.admits(line_.front().bytes)) {
        bytes_ -= line_.front().bytes;
        next.splice(next.begin(), line_, line_.begin());
      }
    }
    if (next.empty()) {
      ask_for_relief();
      return;
    }
    for (auto& parked : next) {
      parked.on_stop.reset();
      parked.resume(relief);
    }
    if (!relief) return;
  }
}

void ParkingLot::sweep_cancelled() {
  std::list<Parked> cancelled;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = line_.begin(); at != line_.end();) {
      const auto here = at++;
      if (!here->stop.stop_requested()) continue;
      bytes_ -= here->bytes;
      cancelled.splice(cancelled.end(), line_, here);
    }
  }
  for (auto& parked : cancelled) {
    parked.on_stop.reset();
    parked.resume(Error(ErrorCode::kCancelled, "the caller was killed while it waited for room in staging"));
  }
}

}  // namespace holdfast::fs
