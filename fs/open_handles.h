// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace holdfast::fs {

class Handle;

/// The files and directories that the kernel has open. It releases each, unless its connection is cut: what is left then is seen to by the mount's end.
/// The kernel's number of a handle is the address of a shared pointer to it (see handle_as). Owned by the mount; safe from any thread.
class OpenHandles {
 public:
  /// Keeps `handle` for the kernel, under the number given.
  std::uint64_t keep(std::shared_ptr<Handle> handle);
  /// Gives the kernel's share back; `file_handle` is a number that keep() gave and that was not released yet.
  std::shared_ptr<Handle> release(std::uint64_t file_handle);
  /// Gives back all that is left.
  std::vector<std::shared_ptr<Handle>> release_all();

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::unique_ptr<std::shared_ptr<Handle>>> held_;
};

}  // namespace holdfast::fs
