// SPDX-License-Identifier: Apache-2.0
#include "adapters/ipfs/unixfs_dag.h"

#include <algorithm>

#include "adapters/ipfs/ipfs_names.h"

namespace holdfast::ipfs {

namespace {

constexpr std::size_t kLinksMax = 174;  // of one node: go-unixfs' default

// Tags of protobuf fields: number · 8 + wire type (0 a number, 2 bytes).
enum : std::uint8_t { kNodeData = 0x0a, kNodeLink = 0x12, kLinkHash = 0x0a, kLinkName = 0x12, kLinkSize = 0x18, kFileType = 0x08, kFileSize = 0x18, kFileBlockSize = 0x20 };
constexpr std::uint64_t kTypeFile = 2;

void put_varint(Bytes& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7U) out.push_back(static_cast<std::uint8_t>(value | 0x80U));
  out.push_back(static_cast<std::uint8_t>(value));
}

void put_number(Bytes& out, std::uint8_t tag, std::uint64_t value) {
  out.push_back(tag);
  put_varint(out, value);
}

void put_bytes(Bytes& out, std::uint8_t tag, ByteView value) {
  put_number(out, tag, value.size());
  append(out, value);
}

}  // namespace

void UnixfsDag::add_leaf(ByteView leaf) { leaves_.push_back({binary_cid(Codec::kRaw, leaf), leaf.size(), leaf.size()}); }

void UnixfsDag::add(ByteView piece) {
  while (!piece.empty()) {
    if (rest_.empty() && piece.size() >= kLeafMaxBytes) {
      add_leaf(piece.first(kLeafMaxBytes));
      piece = piece.subspan(kLeafMaxBytes);
      continue;
    }
    const std::size_t step = std::min(kLeafMaxBytes - rest_.size(), piece.size());
    append(rest_, piece.first(step));
    piece = piece.subspan(step);
    if (rest_.size() < kLeafMaxBytes) continue;
    add_leaf(rest_);
    rest_.clear();
  }
}

UnixfsDag::Node UnixfsDag::parent_of(const std::vector<Node>& children) {
  Node node;
  Bytes block;
  Bytes sizes;
  for (const Node& child : children) {
    Bytes link;
    put_bytes(link, kLinkHash, child.cid);
    put_bytes(link, kLinkName, {});
    put_number(link, kLinkSize, child.dag_bytes);
    put_bytes(block, kNodeLink, link);
    put_number(sizes, kFileBlockSize, child.file_bytes);
    node.file_bytes += child.file_bytes;
    node.dag_bytes += child.dag_bytes;
  }
  Bytes file;
  put_number(file, kFileType, kTypeFile);
  put_number(file, kFileSize, node.file_bytes);
  append(file, sizes);
  put_bytes(block, kNodeData, file);  // behind the links: the canonical form of dag-pb
  node.cid = binary_cid(Codec::kDagPb, block);
  node.dag_bytes += block.size();
  return node;
}

std::vector<std::string> UnixfsDag::finish() {
  if (!rest_.empty() || leaves_.empty()) add_leaf(rest_);
  rest_.clear();
  std::vector<Node> level = std::move(leaves_);
  leaves_.clear();
  std::vector<std::string> cids;
  for (;;) {
    for (const Node& node : level) cids.push_back(cid_text(node.cid));
    if (level.size() == 1) return cids;
    std::vector<Node> above;
    for (std::size_t i = 0; i < level.size(); i += kLinksMax) {
      const auto first = level.begin() + static_cast<std::ptrdiff_t>(i);
      above.push_back(parent_of({first, first + static_cast<std::ptrdiff_t>(std::min(kLinksMax, level.size() - i))}));
    }
    level = std::move(above);
  }
}

}  // namespace holdfast::ipfs
