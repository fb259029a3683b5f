// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "core/base/shared_bytes.h"
#include "core/base/ids.h"

namespace holdfast {

/// Verified plaintext in memory, of a bounded size; what was not used for longest goes first. Never on disk. Safe from any thread.
class PlainCache {
 public:
  explicit PlainCache(std::uint64_t limit_bytes);
  ~PlainCache();
  struct Item {
    SharedBytes plain;
    int depth = 0;  ///< of a difference; 0: whole
  };
  /// What was put under an equal reference (key and kind included, not only the id).
  [[nodiscard]] std::optional<Item> get(const ChunkRef& ref);
  /// Larger ones than an eighth of the limit are not kept.
  void put(const ChunkRef& ref, Item item);
  [[nodiscard]] std::uint64_t used_bytes() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
