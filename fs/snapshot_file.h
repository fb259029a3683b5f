// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <vector>

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
  struct Stretch {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
  };
  void read_ahead(std::size_t size, std::uint64_t offset, const CallContext& context);
  Stretch next_stretch(std::uint64_t& asked_to, std::uint64_t ahead) const;
  std::vector<ChunkRef> chunks_of(const Stretch& stretch, const CallContext& context) const;

  Mount& mount_;
  const std::shared_ptr<const ViewNode> node_;
  const std::shared_ptr<const Inode> inode_;

  std::mutex mutex_;
  std::uint64_t expected_ = 0;       ///< where a sequential reader would read next
  std::uint64_t fetched_to_ = 0;     ///< prefetched up to here
  std::uint64_t brought_to_ = 0;     ///< brought near up to here, where networks are far
  std::uint64_t window_bytes_ = 0;   ///< how far ahead; grows while reading stays sequential
};

}  // namespace holdfast::fs
