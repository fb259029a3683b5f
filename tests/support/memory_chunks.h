// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>

#include "core/crypto/hash.h"
#include "core/tree/node_store.h"

namespace holdfast::testing {

/// Chunks in memory, not sealed: the id is the SHA-256 of the plaintext, key and fingerprint are drawn from it, so that equal
/// chunks have equal references. Counts what is asked of it, and can lose or spoil chunks. Safe from any thread.
class MemoryChunks final : public ChunkSource, public ChunkSink {
 public:
  Result<SharedBytes> read(const ChunkRef& ref, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    ++reads_;
    const auto found = chunks_.find(ref.id);
    if (found == chunks_.end()) return Error(ErrorCode::kNotFound, "no such chunk in memory");
    return found->second.plain;
  }
  void prefetch(std::span<const ChunkRef> refs) override {
    const std::lock_guard lock(mutex_);
    prefetched_ += refs.size();
  }
  Result<ChunkRef> put(std::uint32_t domain, ChunkKind kind, ByteView plain, std::span<const ChunkId> children) override {
    const ChunkRef ref = reference(kind, plain);
    const std::lock_guard lock(mutex_);
    ++puts_;
    if (fail_puts_) return Error(ErrorCode::kNoSpace, "the chunks in memory were told to be full");
    Stored stored{SharedBytes::copy_of(plain), domain, kind, {children.begin(), children.end()}};
    if (chunks_.emplace(ref.id, std::move(stored)).second) ++new_puts_;
    return ref;
  }

  /// What put() returns for these bytes.
  static ChunkRef reference(ChunkKind kind, ByteView plain) {
    ChunkRef ref;
    ref.id.bytes = sha256(plain).bytes;
    const Digest more = sha256({as_bytes("key"), plain});
    ref.key.bytes = more.bytes;
    std::copy_n(sha256({as_bytes("fp"), plain}).bytes.begin(), ref.fp.bytes.size(), ref.fp.bytes.begin());
    ref.plain_size_bytes = static_cast<std::uint32_t>(plain.size());
    ref.kind = kind;
    return ref;
  }

  struct Stored {
    SharedBytes plain;
    std::uint32_t domain = 0;
    ChunkKind kind = ChunkKind::kData;
    std::vector<ChunkId> children;
  };
  [[nodiscard]] std::map<ChunkId, Stored> all() const {
    const std::lock_guard lock(mutex_);
    return chunks_;
  }
  [[nodiscard]] std::size_t reads() const { return counted(reads_); }
  [[nodiscard]] std::size_t puts() const { return counted(puts_); }
  [[nodiscard]] std::size_t new_puts() const { return counted(new_puts_); }  ///< puts of what was not there
  [[nodiscard]] std::size_t prefetched() const { return counted(prefetched_); }
  void reset_counts() {
    const std::lock_guard lock(mutex_);
    reads_ = puts_ = new_puts_ = prefetched_ = 0;
  }
  void lose(const ChunkId& id) {
    const std::lock_guard lock(mutex_);
    chunks_.erase(id);
  }
  /// From now on `id` reads as other bytes.
  void replace(const ChunkId& id, Bytes plain) {
    const std::lock_guard lock(mutex_);
    chunks_[id].plain = std::make_shared<const Bytes>(std::move(plain));
  }
  void fail_puts(bool fail) {
    const std::lock_guard lock(mutex_);
    fail_puts_ = fail;
  }

 private:
  [[nodiscard]] std::size_t counted(const std::size_t& count) const {
    const std::lock_guard lock(mutex_);
    return count;
  }
  mutable std::mutex mutex_;
  std::map<ChunkId, Stored> chunks_;
  std::size_t reads_ = 0;
  std::size_t puts_ = 0;
  std::size_t new_puts_ = 0;
  std::size_t prefetched_ = 0;
  bool fail_puts_ = false;
};

}  // namespace holdfast::testing
