// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "core/index/chunk_index.h"

namespace holdfast {

class CacheFiles;

struct ChunkCacheOptions {
  std::string folder;  ///< of this cache alone, on a local disk; made when absent
  /// Bound of everything in the folder, at least kChunkCacheLimitMinBytes.
  std::uint64_t limit_bytes = 10ULL << 30U;
};
inline constexpr std::uint64_t kChunkCacheLimitMinBytes = 64ULL << 20U;

/// The ChunkCache port on this machine's disk: records in segment files, their places in LMDB (cache/README.md says why).
///
/// put() only hands over: one thread writes, in batches; what is waiting is found by get(). The oldest segment is evicted
/// whole, and what was asked for in it since it was written is carried on (second chance). Everything in the folder may be
/// deleted at any time, and damage costs misses. Safe from any thread; not to be used in a forked child.
class LmdbChunkCache final : public ChunkCache {
 public:
  /// Errors: kInvalidArgument (limit), kConflict (open elsewhere), kNoSpace, kPermissionDenied, kInternal.
  static Result<std::unique_ptr<LmdbChunkCache>> open(const ChunkCacheOptions& options);
  /// Closes as close() does; a failure is logged and costs the next start a scan.
  ~LmdbChunkCache() override;

  std::optional<VerifiedRecord> get(const ChunkId& id) override;
  void put(const ChunkId& id, ByteView record) override;
  void drop(const ChunkId& id) override;
  /// used_bytes is what the files take, never above limit_bytes.
  Stats stats() const override;

  /// Returns when everything that was put before is in the files (not synced: it is a cache), and, after an unclean
  /// start, the index has been made again.
  void flush();
  /// Flushes and leaves the index for the next open(); later calls find nothing and keep nothing.
  Status close();

 private:
  explicit LmdbChunkCache(std::unique_ptr<CacheFiles> files, std::uint64_t limit_bytes);
  struct Item {
    std::shared_ptr<const Bytes> record;  // null: to be forgotten
    std::uint64_t turn = 0;               // which put or drop of this id it is
  };
  void hand_over(const ChunkId& id, std::shared_ptr<const Bytes> record);
  void write_loop();
  void write_batch(std::unique_lock<std::mutex>& lock);
  std::optional<VerifiedRecord> miss(bool damaged);

  const std::uint64_t limit_;
  std::unique_ptr<CacheFiles> files_;
  std::atomic<std::uint64_t> hits_{0};
  std::atomic<std::uint64_t> misses_{0};
  std::atomic<std::uint64_t> damaged_{0};
  mutable std::mutex mutex_;  // of everything below
  std::condition_variable work_;
  std::condition_variable idle_;
  std::unordered_map<ChunkId, Item> waiting_;
  struct Turn {
    ChunkId id;
    std::uint64_t turn;
    std::uint64_t cost_bytes;
  };
  std::deque<Turn> order_;
  std::uint64_t waiting_bytes_ = 0;  // sum of the costs in order_ and of the batch that is being written
  std::uint64_t turns_ = 0;
  bool busy_ = true;  // the writer has not come to rest yet
  bool closing_ = false;
  bool closed_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace holdfast
