// SPDX-License-Identifier: Apache-2.0
#include "core/ingest/pack_windows.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr std::size_t kWindowsMax = 32;              ///< 8 MiB in all: more than a chain has links
constexpr std::uint64_t kWindowBytes = 256 * 1024;
constexpr std::uint64_t kCloseBytes = 128 * 1024;    ///< records of chunks that are not wanted lie between

}  // namespace

PackWindows::Window* PackWindows::window_of(PackNumber pack) {
  const auto found = std::find_if(windows_.begin(), windows_.end(), [pack](const Window& window) { return window.pack == pack; });
  return found == windows_.end() ? nullptr : &*found;
}

/// The one that was not used for longest makes room.
PackWindows::Window& PackWindows::new_window(PackNumber pack) {
  if (windows_.size() < kWindowsMax) {
    windows_.emplace_back();
  } else {
    std::iter_swap(std::min_element(windows_.begin(), windows_.end(), [](const Window& a, const Window& b) { return a.used < b.used; }), windows_.end() - 1);
  }
  windows_.back() = Window{};
  windows_.back().pack = pack;
  return windows_.back();
}

std::optional<SharedBytes> PackWindows::find(const ChunkLocation& at) {
  SharedBytes bytes;
  std::uint64_t skip = 0;
  {
    const std::lock_guard lock(mutex_);
    Window* window = window_of(at.pack);
    if (window == nullptr || at.offset < window->offset || at.offset + at.record_size_bytes > window->offset + window->bytes.size()) return std::nullopt;
    window->used = ++uses_;
    window->last_end = at.offset + at.record_size_bytes;
    bytes = window->bytes;
    skip = at.offset - window->offset;
  }
  return bytes.part(skip, at.record_size_bytes);
}

Result<SharedBytes> PackWindows::read(const ChunkLocation& at, std::uint64_t pack_size_bytes, const Read& read) {
  const std::uint64_t end = at.offset + at.record_size_bytes;
  bool goes_on = false;
  bool lags = false;  // a thread that is a little behind another one, whose stretch shall stay
  {
    const std::lock_guard lock(mutex_);
    const Window* window = window_of(at.pack);
    lags = window != nullptr && !window->bytes.empty() && at.offset < window->offset && window->offset - at.offset <= kCloseBytes;
    goes_on = window != nullptr && at.offset >= window->last_end && at.offset - window->last_end <= kCloseBytes;
  }
  const std::uint64_t size = goes_on && end < pack_size_bytes ? std::clamp<std::uint64_t>(kWindowBytes, at.record_size_bytes, pack_size_bytes - at.offset) : at.record_size_bytes;
  FreshBytes stretch(size);
  HOLDFAST_TRY(read(at.offset, stretch.view()));
  const SharedBytes bytes = std::move(stretch).share();
  if (!lags) {
    const std::lock_guard lock(mutex_);
    Window* window = window_of(at.pack);
    if (window == nullptr) window = &new_window(at.pack);
    window->offset = at.offset;
    window->bytes = goes_on ? bytes : SharedBytes();
    window->last_end = end;
    window->used = ++uses_;
  }
  return bytes.part(0, at.record_size_bytes);
}

}  // namespace holdfast
