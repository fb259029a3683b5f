// SPDX-License-Identifier: Apache-2.0
#include "core/ingest/stage_pressure.h"

#include <algorithm>

#include "core/base/log.h"

namespace holdfast {
namespace {

/// Some of FUSE's largest writes (1 MiB).
constexpr std::uint64_t kReliefMarginMaxBytes = 4ULL << 20U;

}  // namespace

StagePressure::StagePressure(Stage& stage, Clock& clock, std::chrono::seconds deadline)
    : stage_(stage),
      clock_(clock),
      deadline_(deadline),
      soft_limit_bytes_(stage.usage().soft_limit_bytes),
      relief_bytes_(soft_limit_bytes_ - std::min(kReliefMarginMaxBytes, soft_limit_bytes_ / 8)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

StagePressure::~StagePressure() {
  thread_.request_stop();
  thread_.join();
  for (Parked& parked : parked_) parked.resume(Error(ErrorCode::kCancelled, "the repository is being closed"));
}

bool StagePressure::admits(std::uint64_t bytes) const noexcept {
  return stage_.staged_bytes() + queued_.load() + bytes <= soft_limit_bytes_;
}

bool StagePressure::is_relieved() const noexcept { return stage_.staged_bytes() + queued_.load() <= relief_bytes_; }

Error StagePressure::full() const {
  return Error(ErrorCode::kNoSpace,
               "staging has been full for " + std::to_string(deadline_.count()) + " s: " +
                   std::to_string(stage_.staged_bytes()) + " bytes wait for their networks, and writers begin to wait at " +
                   std::to_string(soft_limit_bytes_));
}

void StagePressure::when_relieved(std::function<void(Status)> resume) {
  {
    const std::lock_guard lock(mutex_);
    parked_.push_back({clock_.mono_now() + deadline_, std::move(resume)});
    parked_count_ = parked_.size();
  }
  waker_.wake();
}

void StagePressure::remove_queued(std::uint64_t bytes) noexcept {
  queued_ -= bytes;
  look_again();
}

void StagePressure::look_again() noexcept {
  if (parked_count_.load() > 0) waker_.wake();
}

void StagePressure::run(const std::stop_token& stop) {
  bool told = false;
  while (!stop.stop_requested()) {
    std::vector<Parked> resumed;
    MonoTime next = MonoTime::max();
    const bool relieved = is_relieved();
    const MonoTime now = clock_.mono_now();
    {
      const std::lock_guard lock(mutex_);
      const auto ends = [&](const Parked& parked) { return relieved || parked.until <= now; };
      const auto first = std::stable_partition(parked_.begin(), parked_.end(), [&](const Parked& parked) { return !ends(parked); });
      resumed.assign(std::make_move_iterator(first), std::make_move_iterator(parked_.end()));
      parked_.erase(first, parked_.end());
      parked_count_ = parked_.size();
      for (const Parked& parked : parked_) next = std::min(next, parked.until);
    }
    if (!relieved && !resumed.empty()) log_error(full().message());
    for (Parked& parked : resumed) parked.resume(relieved ? ok_status() : Status(full()));
    if (next != MonoTime::max()) {
      if (!told) log_warning("staging is nearly full: writers wait until networks have taken packs");
      told = true;
      // What lies in open packs can't leave: close them where they are a good part of what is staged.
      const Stage::Usage usage = stage_.usage();
      if (usage.open_bytes * 4 >= usage.bytes) {
        if (Status closed = stage_.close_open_packs(); !closed) log_warning(closed.error().message());
      }
    } else {
      told = false;
    }
    waker_.wait_until(clock_, next, stop);
  }
}

}  // namespace holdfast
