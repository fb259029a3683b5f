// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/base/shared_bytes.h"
#include "core/chunk/similarity.h"
#include "core/tree/node_store.h"

namespace holdfast {

/// A chunk that was cut.
struct PlainChunk {
  SharedBytes plain;  ///< 1..kChunkPlainMaxBytes
  /// What it is like, where that is known from cutting it; else it is looked for where it is wanted.
  std::optional<Similarity> similarity = std::nullopt;
};

/// A chunk on its way into a pack. Safe from any thread.
class ChunkTicket {
 public:
  virtual ~ChunkTicket() = default;
  virtual bool is_ready() const noexcept = 0;
  /// Waits until the chunk is in an open pack (not yet synced), and gives its reference. Errors: kNoSpace, kInternal.
  virtual Result<ChunkRef> wait() = 0;
  /// The plaintext, readable as long as the ticket lives.
  virtual const SharedBytes& plain() const noexcept = 0;
};

/// How full staging is: what slows writers down before the disk is full. Safe from any thread.
class Pressure {
 public:
  virtual ~Pressure() = default;
  /// Whether a writer may hand over `bytes` more now without waiting. Nothing is reserved.
  virtual bool admits(std::uint64_t bytes) const noexcept = 0;
  /// Calls `resume` once, from a thread of its own, when admits() has become true or the back-pressure deadline has passed
  /// (then with kNoSpace). Never calls it inside this call.
  virtual void when_relieved(std::function<void(Status)> resume) = 0;
};

/// The write path for chunks: fingerprint, known?, compress, seal, append to the domain's open pack. Work runs on a few threads behind a bounded
/// queue. Safe from any thread.
class ChunkPipeline : public ChunkSink {
 public:
  /// Hands data chunks over, which follow each other in a stream; waits only while the queue is full. Those of one call are fingerprinted side by side, so a writer
  /// that has several gives them together. `before` is this pipeline's ticket of the chunk before the first, or null: chunks that stood side by side once help to
  /// find what later ones are like. A ticket for each, in their order, never null.
  virtual std::vector<std::shared_ptr<ChunkTicket>> submit_all(std::uint32_t domain, std::span<const PlainChunk> chunks,
                                                               const std::shared_ptr<ChunkTicket>& before) = 0;
  /// The same of one.
  std::shared_ptr<ChunkTicket> submit(std::uint32_t domain, const PlainChunk& chunk, const std::shared_ptr<ChunkTicket>& before = nullptr) {
    return submit_all(domain, {&chunk, 1}, before).front();
  }
  /// Makes durable on this machine: every chunk whose ticket was ready before the call, and every journal record appended before it.
  /// Concurrent calls share one sync. Errors: kNoSpace, kInternal (the disk failed: what was not durable stays so).
  virtual Status commit() = 0;
  virtual Pressure& pressure() noexcept = 0;
};

}  // namespace holdfast
