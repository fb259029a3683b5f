// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/base/ids.h"

namespace holdfast {

/// A chunk that later ones may be like.
struct SimilarChunk {
  Fingerprint fp;            ///< what the chunk index knows it by
  std::uint8_t version = 0;  ///< how many versions of its content came between it and one that was stored whole, which has 0
  friend bool operator==(const SimilarChunk&, const SimilarChunk&) = default;
};

/// A hash of what is looked for.
using FeatureKey = std::array<std::uint8_t, 16>;

/// Chunks by features that they have in common with others. A help, never truth: it may forget anything and may be wrong, since what a base is good for is
/// found out by using it. Errors never reach the caller: they are misses, logged. Safe from any thread.
class FeatureTable {
 public:
  virtual ~FeatureTable() = default;
  /// What was added last under that key.
  virtual std::optional<SimilarChunk> find(const FeatureKey& key) = 0;
  struct Entry {
    FeatureKey key;
    SimilarChunk chunk;
  };
  virtual void add(std::span<const Entry> entries) = 0;
  /// Has a restart find what was added; what comes after may be forgotten by one.
  virtual void keep() = 0;
  virtual void clear() = 0;
  struct Stats {
    std::uint64_t entries = 0;  ///< some may be counted twice, replaced ones too
    std::uint64_t disk_bytes = 0;
    std::uint64_t memory_bytes = 0;
  };
  [[nodiscard]] virtual Stats stats() const = 0;
};

/// In memory, unbounded: for tests and dry runs.
std::shared_ptr<FeatureTable> make_memory_feature_table();

}  // namespace holdfast
