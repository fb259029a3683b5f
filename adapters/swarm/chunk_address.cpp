// SPDX-License-Identifier: Apache-2.0
#include "adapters/swarm/chunk_address.h"

#include <algorithm>
#include <vector>

namespace holdfast::swarm {

namespace {

constexpr std::size_t kSegmentBytes = 32;
constexpr std::size_t kBranches = kChunkMaxBytes / kSegmentBytes;
constexpr std::size_t kLevels = 7;  // 128 segments

std::array<std::uint8_t, kSpanBytes> span_bytes(std::uint64_t span) {
  std::array<std::uint8_t, kSpanBytes> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(span >> (8 * i));
  return out;
}

/// Roots of subtrees of nothing but zeros, by their level.
const std::array<Keccak256, kLevels + 1>& zero_roots() {
  static const auto roots = [] {
    std::array<Keccak256, kLevels + 1> made{};
    for (std::size_t level = 1; level <= kLevels; ++level) made[level] = keccak256({made[level - 1].view(), made[level - 1].view()});
    return made;
  }();
  return roots;
}

struct Reference {
  std::uint64_t span = 0;
  Address address;
};

/// The node over references that stand side by side.
Reference node_over(std::span<const Reference> children) {
  Bytes payload;
  payload.reserve(children.size() * kSegmentBytes);
  std::uint64_t span = 0;
  for (const Reference& child : children) {
    span += child.span;
    append(payload, child.address.view());
  }
  return {span, chunk_address(span, payload)};
}

}  // namespace

Address chunk_address(std::uint64_t span, ByteView payload) {
  HOLDFAST_CHECK(payload.size() <= kChunkMaxBytes);
  std::vector<Keccak256> nodes((payload.size() + kSegmentBytes - 1) / kSegmentBytes);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const ByteView segment = payload.subspan(i * kSegmentBytes, std::min(kSegmentBytes, payload.size() - i * kSegmentBytes));
    std::ranges::copy(segment, nodes[i].bytes.begin());
  }
  for (std::size_t level = 0; level < kLevels; ++level) {
    if (nodes.size() % 2 == 1) nodes.push_back(zero_roots()[level]);
    for (std::size_t i = 0; i < nodes.size() / 2; ++i) nodes[i] = keccak256({nodes[2 * i].view(), nodes[2 * i + 1].view()});
    nodes.resize(nodes.size() / 2);
  }
  return keccak256({span_bytes(span), nodes.empty() ? zero_roots()[kLevels].view() : nodes.front().view()});
}

Address object_address(ByteView object) {
  std::vector<Reference> level;
  for (std::size_t at = 0; at == 0 || at < object.size(); at += kChunkMaxBytes) {
    const ByteView leaf = object.subspan(at, std::min(kChunkMaxBytes, object.size() - at));
    level.push_back({leaf.size(), chunk_address(leaf.size(), leaf)});
  }
  while (level.size() > 1) {
    std::vector<Reference> above;
    for (std::size_t at = 0; at < level.size(); at += kBranches) {
      const std::span<const Reference> children = std::span<const Reference>(level).subspan(at, std::min(kBranches, level.size() - at));
      above.push_back(children.size() == 1 ? children.front() : node_over(children));
    }
    level = std::move(above);
  }
  return level.front().address;
}

}  // namespace holdfast::swarm
