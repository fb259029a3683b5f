// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/hash.h"

namespace holdfast {

namespace {
constexpr std::uint8_t kLeafPrefix[] = {0x00};
constexpr std::uint8_t kNodePrefix[] = {0x01};

Digest node_hash(const Digest& left, const Digest& right) {
  return sha256({kNodePrefix, left.view(), right.view()});
}
}  // namespace

void MerkleAccumulator::add(const Digest& leaf_hash) {
  // One finished subtree for each bit of the count: a carry joins two of equal size, as in RFC 6962's split at powers of two.
  Digest carry = leaf_hash;
  for (std::uint64_t count = count_; (count & 1U) != 0; count >>= 1U) {
    carry = node_hash(subtrees_.back(), carry);
    subtrees_.pop_back();
  }
  subtrees_.push_back(carry);
  ++count_;
}

Digest MerkleAccumulator::root() const {
  if (subtrees_.empty()) return sha256(ByteView{});
  Digest root = subtrees_.back();
  for (auto subtree = subtrees_.rbegin() + 1; subtree != subtrees_.rend(); ++subtree) {
    root = node_hash(*subtree, root);
  }
  return root;
}

Digest merkle_leaf_hash(ByteView leaf) { return sha256({kLeafPrefix, leaf}); }

Digest merkle_root(std::span<const ByteView> leaves) {
  MerkleAccumulator tree;
  for (const ByteView leaf : leaves) tree.add(merkle_leaf_hash(leaf));
  return tree.root();
}

Digest merkle_root_of_hashes(std::span<const Digest> leaf_hashes) {
  MerkleAccumulator tree;
  for (const Digest& leaf : leaf_hashes) tree.add(leaf);
  return tree.root();
}

}  // namespace holdfast
