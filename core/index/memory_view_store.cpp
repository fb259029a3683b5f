// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <mutex>

#include "core/index/memory_chunk_index.h"

namespace holdfast {
namespace {

class MemoryViewStore final : public ViewStore {
 public:
  Result<std::optional<Bytes>> get(ByteView key) const override {
    HOLDFAST_TRY(check_key(key));
    const std::lock_guard lock(mutex_);
    const auto found = values_.find(Bytes(key.begin(), key.end()));
    if (found == values_.end()) return std::optional<Bytes>();
    return std::optional<Bytes>(found->second);
  }

  Status apply(std::span<const Put> batch) override {
    for (const auto& put : batch) HOLDFAST_TRY(check_key(put.key));
    const std::lock_guard lock(mutex_);
    for (const auto& put : batch) {
      if (put.value) {
        values_[put.key] = *put.value;
      } else {
        values_.erase(put.key);
      }
    }
    return ok_status();
  }

  Status scan(ByteView prefix, const std::function<bool(ByteView key, ByteView value)>& visit) const override {
    std::map<Bytes, Bytes> copy;
    {
      // The visitor may call this store, so it runs on a copy and without the lock.
      const std::lock_guard lock(mutex_);
      for (auto at = values_.lower_bound(Bytes(prefix.begin(), prefix.end())); at != values_.end(); ++at) {
        if (at->first.size() < prefix.size() || !std::equal(prefix.begin(), prefix.end(), at->first.begin())) break;
        copy.insert(*at);
      }
    }
    for (const auto& [key, value] : copy) {
      if (!visit(key, value)) break;
    }
    return ok_status();
  }

  Status clear() override {
    const std::lock_guard lock(mutex_);
    values_.clear();
    return ok_status();
  }

 private:
  static Status check_key(ByteView key) {
    if (key.empty() || key.size() > kViewKeyMaxBytes) {
      return Error(ErrorCode::kInvalidArgument, "a view key of " + std::to_string(key.size()) + " bytes; 1 to 511 are possible");
    }
    return ok_status();
  }

  mutable std::mutex mutex_;
  std::map<Bytes, Bytes> values_;
};

}  // namespace

std::unique_ptr<ViewStore> make_memory_view_store() { return std::make_unique<MemoryViewStore>(); }

}  // namespace holdfast
