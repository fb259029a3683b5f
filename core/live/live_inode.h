// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "core/tree/inode.h"

namespace holdfast {

/// An inode of a live tree as it was last made visible: immutable, shared by the table, the memtables and a running fold.
struct LiveInode {
  Inode inode;                        ///< nlink 0: no name is left; of an open file `content` may be a long ExtentContent
  std::shared_ptr<const Bytes> tail;  ///< bytes after the content that are in no chunk yet (fsync of a growing file); null: none
  bool linked = false;                ///< the inode lives in the link table
  std::uint64_t content_serial = 0;   ///< differs whenever the content differs
};
using LiveInodePtr = std::shared_ptr<const LiveInode>;

/// The inode without its content (and with size 0).
Inode attributes_of(const Inode& inode);

/// New content of a file, ready to become visible: all its chunks are in packs.
struct ContentUpdate {
  Content content;
  std::shared_ptr<const Bytes> tail;
  std::uint64_t size_bytes = 0;
  /// Where it only goes on from the content with serial `base_serial`: the first `keep` bytes of that stay, then come `added` and the tail from byte `tail_from` on.
  std::uint64_t base_serial = 0;
  std::uint64_t keep = 0;
  std::vector<Extent> added;
  std::size_t tail_from = 0;
};

}  // namespace holdfast
