// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "fs/request.h"
#include "fs/view_node.h"

namespace holdfast::fs {

/// The kernel's file handle is the address of a shared pointer, so that work that goes on after the kernel let go still has the handle.
inline std::shared_ptr<Handle>& handle_of(std::uint64_t file_handle) {
  return *reinterpret_cast<std::shared_ptr<Handle>*>(file_handle);  // NOLINT: made by keep_handle
}
template <typename T>
std::shared_ptr<T> handle_as(const fuse_file_info& info) {
  return std::static_pointer_cast<T>(handle_of(info.fh));
}
inline std::uint64_t keep_handle(std::shared_ptr<Handle> handle) {
  return reinterpret_cast<std::uint64_t>(new std::shared_ptr<Handle>(std::move(handle)));
}
/// Gives the kernel's share back.
inline std::shared_ptr<Handle> release_handle(std::uint64_t file_handle) {
  const std::unique_ptr<std::shared_ptr<Handle>> held(reinterpret_cast<std::shared_ptr<Handle>*>(file_handle));
  return std::move(*held);
}

/// Answers an open; when the kernel did not take the answer no release will come, so the handle goes at once.
inline void answer_opened(Request request, fuse_file_info info, std::shared_ptr<Handle> handle) {
  info.fh = keep_handle(std::move(handle));
  if (!request.opened(info)) release_handle(info.fh);
}

}  // namespace holdfast::fs
