// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>

#include "core/base/shared_bytes.h"
#include "core/base/call_context.h"
#include "core/base/ids.h"

namespace holdfast {

/// Verified plaintext of chunks. Safe from any thread.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  /// The plaintext behind `ref`, from memory, staging, cache or a network; always verified.
  /// Errors: kNotFound (no network has it), kCorrupt (all that have it have it wrong), kUnavailable, kDeadlineExceeded, kCancelled.
  virtual Result<SharedBytes> read(const ChunkRef& ref, const CallContext& context) = 0;
  /// A hint that these will be read soon, in this order; returns at once, never fails.
  virtual void prefetch(std::span<const ChunkRef> refs) = 0;
  /// A hint that these will be read, though not at once: what lies far away is brought onto this machine, still sealed, with what it leans on. Returns at once, never fails.
  virtual void bring_near(std::span<const ChunkRef> /*refs*/) {}
  /// How many bytes of plaintext ahead of a sequential reader bring_near() is worth asking for, as networks were measured to be; 0 where nothing is far.
  [[nodiscard]] virtual std::uint64_t worth_ahead_bytes() const { return 0; }
};

/// Where nodes and finished chunks go. Safe from any thread.
class ChunkSink {
 public:
  virtual ~ChunkSink() = default;
  /// Stores `plain` in the domain (FORMAT.md §3 "fp"), or finds it stored already; it is readable at once and durable after the next commit.
  /// `children` are the ids that a node refers to directly. Errors: kNoSpace, kInternal.
  virtual Result<ChunkRef> put(std::uint32_t domain, ChunkKind kind, ByteView plain,
                               std::span<const ChunkId> children) = 0;
};

}  // namespace holdfast
