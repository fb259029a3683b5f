// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "fs/open_handles.h"
#include "fs/request.h"
#include "fs/view_node.h"

namespace holdfast::fs {

/// The kernel's file handle is the address of a shared pointer (OpenHandles keeps it), so that work that goes on after the kernel let go still has the handle.
inline std::shared_ptr<Handle>& handle_of(std::uint64_t file_handle) {
  return *reinterpret_cast<std::shared_ptr<Handle>*>(file_handle);  // NOLINT: made by OpenHandles::keep
}
template <typename T>
std::shared_ptr<T> handle_as(const fuse_file_info& info) {
  return std::static_pointer_cast<T>(handle_of(info.fh));
}
/// Answers an open; when the kernel did not take the answer no release will come, so the handle goes at once.
inline void answer_opened(Request request, fuse_file_info info, std::shared_ptr<Handle> handle) {
  OpenHandles& handles = request.services().handles;
  info.fh = handles.keep(std::move(handle));
  if (!request.opened(info)) handles.release(info.fh);
}

}  // namespace holdfast::fs
