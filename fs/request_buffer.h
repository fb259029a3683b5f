// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <vector>

namespace holdfast::fs {

/// What a request is read into: 1 MiB and a page, allocated by libfuse with malloc at the first request.
struct RequestMemory {
  void* bytes = nullptr;
};

/// Keeps the memory of requests. What is not in use is kept for the next, up to kKeptMax.
/// Safe from any thread.
class RequestBuffers : public std::enable_shared_from_this<RequestBuffers> {
 public:
  static constexpr std::size_t kKeptMax = 16;

  RequestBuffers() = default;
  ~RequestBuffers();
  RequestBuffers(const RequestBuffers&) = delete;
  RequestBuffers& operator=(const RequestBuffers&) = delete;

  /// A buffer for one reader; may be without bytes yet. Goes back by itself, or is freed when the pool is gone.
  std::shared_ptr<RequestMemory> take();

 private:
  void give_back(void* memory);

  std::mutex mutex_;
  std::vector<void*> kept_;
};

/// The buffer of the request that this thread processes, for who wants to keep data of it without a copy: its memory stays as it is
/// while somebody holds it. Null outside of a request.
std::shared_ptr<const void> request_buffer() noexcept;

/// Says whose buffer request_buffer() gives, as long as it lives. One a thread.
class CurrentRequestBuffer {
 public:
  explicit CurrentRequestBuffer(std::shared_ptr<RequestMemory> buffer) noexcept;
  ~CurrentRequestBuffer();
  CurrentRequestBuffer(const CurrentRequestBuffer&) = delete;
  CurrentRequestBuffer& operator=(const CurrentRequestBuffer&) = delete;

  /// Whether somebody asked for it, and may hold it still.
  [[nodiscard]] bool was_lent() const noexcept { return was_lent_; }

 private:
  friend std::shared_ptr<const void> request_buffer() noexcept;
  const std::shared_ptr<RequestMemory> buffer_;
  bool was_lent_ = false;
};

}  // namespace holdfast::fs
