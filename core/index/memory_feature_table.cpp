// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <mutex>

#include "core/index/feature_table.h"

namespace holdfast {
namespace {

class MemoryFeatureTable final : public FeatureTable {
 public:
  std::optional<SimilarChunk> find(const FeatureKey& key) override {
    const std::lock_guard lock(mutex_);
    const auto found = chunks_.find(key);
    return found == chunks_.end() ? std::nullopt : std::optional(found->second);
  }
  void add(std::span<const Entry> entries) override {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : entries) chunks_[entry.key] = entry.chunk;
  }
  void keep() override {}
  void clear() override {
    const std::lock_guard lock(mutex_);
    chunks_.clear();
  }
  [[nodiscard]] Stats stats() const override {
    const std::lock_guard lock(mutex_);
    return {chunks_.size(), 0, chunks_.size() * sizeof(Entry)};
  }

 private:
  mutable std::mutex mutex_;
  std::map<FeatureKey, SimilarChunk> chunks_;
};

}  // namespace

std::shared_ptr<FeatureTable> make_memory_feature_table() { return std::make_shared<MemoryFeatureTable>(); }

}  // namespace holdfast
