// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/crypto/hash.h"
#include "core/tree/codec.h"

namespace holdfast {

/// Content hash C of FORMAT.md §4 for the content of an entry; zeros where there is nothing to hash (empty, special files,
/// what the link table holds).
Digest content_hash_of(const Content& content);
/// The same of an extent list.
Digest extents_hash(std::span<const Extent> extents);

/// Adds up the totals of a node from its items in order (FORMAT.md §4 "Totals", "Merkle value", "Content hash"). One thread.
class TotalsBuilder {
 public:
  enum class Node { kTreeLeaf, kTreeInner, kListLeaf, kListInner };
  explicit TotalsBuilder(Node node);
  void add(const Entry& entry);
  void add(const NodeRef& child);
  void add(const Extent& extent);
  /// The direct references of the items so far: what the sink is told.
  [[nodiscard]] const std::vector<ChunkId>& children() const noexcept { return children_; }
  /// The totals of the node that is stored as `id`, the node itself counted. Errors: kCorrupt where a sum exceeds 64 bits.
  Result<Totals> finish(const ChunkId& id) const;

 private:
  void add_sums(const Totals& totals);
  void add_merkle(ByteView value) { append(merkle_children_, value); }
  Node node_;
  Totals sums_;
  bool overflow_ = false;
  Bytes merkle_children_;
  Bytes hashed_;
  std::vector<ChunkId> children_;
};

/// The counts alone (no hashes), as readers check them. Each gives false on overflow of 64 bits.
[[nodiscard]] bool add_counts(Totals& sums, const Totals& more);
[[nodiscard]] bool add_counts(Totals& sums, const Entry& entry);
[[nodiscard]] bool add_counts(Totals& sums, const Extent& extent);
[[nodiscard]] bool equal_counts(const Totals& a, const Totals& b);

}  // namespace holdfast
