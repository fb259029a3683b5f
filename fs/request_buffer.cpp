// SPDX-License-Identifier: Apache-2.0
#include "fs/request_buffer.h"

#include <cstdlib>

namespace holdfast::fs {

namespace {
thread_local CurrentRequestBuffer* current = nullptr;
}  // namespace

RequestBuffers::~RequestBuffers() {
  for (void* memory : kept_) std::free(memory);
}

std::shared_ptr<RequestMemory> RequestBuffers::take() {
  auto buffer = std::make_unique<RequestMemory>();
  {
    const std::lock_guard lock(mutex_);
    if (!kept_.empty()) {
      buffer->bytes = kept_.back();
      kept_.pop_back();
    }
  }
  return {buffer.release(), [pool = weak_from_this()](RequestMemory* done) {
            const std::unique_ptr<RequestMemory> owned(done);
            if (const auto alive = pool.lock()) {
              alive->give_back(done->bytes);
            } else {
              std::free(done->bytes);
            }
          }};
}

void RequestBuffers::give_back(void* memory) {
  if (memory == nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    if (kept_.size() < kKeptMax) {
      kept_.push_back(memory);
      return;
    }
  }
  std::free(memory);
}

std::shared_ptr<const void> request_buffer() noexcept {
  if (current == nullptr) return nullptr;
  current->was_lent_ = true;
  return current->buffer_;
}

CurrentRequestBuffer::CurrentRequestBuffer(std::shared_ptr<RequestMemory> buffer) noexcept : buffer_(std::move(buffer)) { current = this; }
CurrentRequestBuffer::~CurrentRequestBuffer() { current = nullptr; }

}  // namespace holdfast::fs
