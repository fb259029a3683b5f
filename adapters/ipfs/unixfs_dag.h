// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/bytes.h"

namespace holdfast::ipfs {

inline constexpr std::size_t kLeafMaxBytes = 1U << 20;  // Kubo's largest chunk; what fits into one is one raw block

/// Computes what `add` with CIDv1, raw leaves and chunks of 1 MiB makes of a file (specs.ipfs.tech/unixfs: balanced, 174 links a node), piece by piece, and keeps no more than a leaf of
/// it: so an object has its CID before a node is asked for it, and bytes that are read back can be held against it. One thread.
class UnixfsDag {
 public:
  void add(ByteView piece);
  /// The CIDs of all blocks, the root's last. The object starts anew afterwards.
  std::vector<std::string> finish();

 private:
  struct Node {
    Bytes cid;
    std::uint64_t file_bytes = 0;  ///< of the file, under it
    std::uint64_t dag_bytes = 0;   ///< of blocks, itself and under it
  };
  void add_leaf(ByteView leaf);
  /// The node above `children`.
  static Node parent_of(const std::vector<Node>& children);

  Bytes rest_;  // of a leaf that is not full yet
  std::vector<Node> leaves_;
};

}  // namespace holdfast::ipfs
