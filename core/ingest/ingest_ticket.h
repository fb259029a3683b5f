// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <optional>

#include "core/ingest/chunk_pipeline.h"

namespace holdfast {

/// The pipeline's ticket: answered once, by a worker. Safe from any thread.
class IngestTicket final : public ChunkTicket {
 public:
  explicit IngestTicket(SharedBytes plain) : plain_(std::move(plain)) {}

  bool is_ready() const noexcept override { return ready_.load(std::memory_order_acquire); }
  Result<ChunkRef> wait() override {
    ready_.wait(false, std::memory_order_acquire);
    return *answer_;
  }
  const SharedBytes& plain() const noexcept override { return plain_; }

  /// Once.
  void answer(Result<ChunkRef> result) {
    answer_.emplace(std::move(result));
    ready_.store(true, std::memory_order_release);
    ready_.notify_all();
  }

 private:
  const SharedBytes plain_;
  std::optional<Result<ChunkRef>> answer_;  // written before ready_ is set, read after
  std::atomic<bool> ready_{false};
};

}  // namespace holdfast
