// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>

#include "core/tree/content.h"
#include "fs/view_node.h"

namespace holdfast::fs {

/// An open file of a snapshot: reads, and has the chunks that a sequential reader will want next fetched ahead.
class SnapshotFile final : public ReadableHandle {
 public:
  SnapshotFile(Mount& mount, std::shared_ptr<const ViewNode> node, std::shared_ptr<const Inode> inode)
      : mount_(mount), node_(std::move(node)), inode_(std::move(inode)) {}
  void read(Request request, std::size_t size, std::uint64_t offset) override;
  void seek(Request request, std::uint64_t offset, int whence) override;

 private:
  Result<std::uint64_t> next(std::uint64_t offset, bool data, const CallContext& context) const;
  void read_ahead(std::size_t size, std::uint64_t offset, const CallContext& context);

  Mount& mount_;
  const std::shared_ptr<const ViewNode> node_;
  const std::shared_ptr<const Inode> inode_;

  std::mutex mutex_;
  std::uint64_t expected_ = 0;       ///< where a sequential reader would read next
  std::uint64_t fetched_to_ = 0;     ///< asked for up to here
  std::uint64_t window_bytes_ = 0;   ///< how far ahead; grows while reading stays sequential
};

}  // namespace holdfast::fs
