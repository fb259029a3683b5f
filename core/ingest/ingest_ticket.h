// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include "core/ingest/chunk_pipeline.h"

namespace holdfast {

/// The pipeline's ticket: answered once, by a worker. Safe from any thread.
class IngestTicket final : public ChunkTicket {
 public:
  explicit IngestTicket(PlainChunk chunk) : chunk_(std::move(chunk)) {}

  bool is_ready() const noexcept override { return ready_.load(std::memory_order_acquire); }
  Result<ChunkRef> wait() override {
    ready_.wait(false, std::memory_order_acquire);
    return *answer_;
  }
  const SharedBytes& plain() const noexcept override { return chunk_.plain; }
  [[nodiscard]] const PlainChunk& chunk() const noexcept { return chunk_; }
  /// What is known of the chunk before it is stored, for the one that follows it in its stream.
  struct Traits {
    std::optional<Fingerprint> fp;
    std::optional<Fingerprint> like;  ///< of the older chunk that it is like, or its own where it was known already
  };
  [[nodiscard]] Traits traits() const {
    const std::lock_guard lock(traits_mutex_);
    return traits_;
  }
  void set_fingerprint(const Fingerprint& fp) {
    const std::lock_guard lock(traits_mutex_);
    traits_.fp = fp;
  }
  void set_like(const Fingerprint& like) {
    const std::lock_guard lock(traits_mutex_);
    traits_.like = like;
  }

  /// Once.
  void answer(Result<ChunkRef> result) {
    answer_.emplace(std::move(result));
    ready_.store(true, std::memory_order_release);
    ready_.notify_all();
  }

 private:
  const PlainChunk chunk_;
  std::optional<Result<ChunkRef>> answer_;  // written before ready_ is set, read after
  std::atomic<bool> ready_{false};
  mutable std::mutex traits_mutex_;
  Traits traits_;
};

}  // namespace holdfast
