// SPDX-License-Identifier: Apache-2.0
#include "fs/open_handles.h"

#include "core/base/check.h"

namespace holdfast::fs {

std::uint64_t OpenHandles::keep(std::shared_ptr<Handle> handle) {
  auto held = std::make_unique<std::shared_ptr<Handle>>(std::move(handle));
  const auto number = reinterpret_cast<std::uint64_t>(held.get());
  const std::lock_guard lock(mutex_);
  held_.emplace(number, std::move(held));
  return number;
}

std::shared_ptr<Handle> OpenHandles::release(std::uint64_t file_handle) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(file_handle);
  HOLDFAST_CHECK(found != held_.end());  // the kernel repeats only numbers that we gave, and releases each once
  std::shared_ptr<Handle> handle = std::move(*found->second);
  held_.erase(found);
  return handle;
}

std::vector<std::shared_ptr<Handle>> OpenHandles::release_all() {
  std::vector<std::shared_ptr<Handle>> left;
  const std::lock_guard lock(mutex_);
  for (const auto& [number, handle] : held_) left.push_back(std::move(*handle));
  held_.clear();
  return left;
}

}  // namespace holdfast::fs
