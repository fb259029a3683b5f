// SPDX-License-Identifier: Apache-2.0
#include "cache/lmdb_chunk_cache.h"

#include "cache/cache_files.h"
#include "core/base/log.h"
#include "core/chunk/chunk_codec.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kWaitingBytesMax = 16ULL << 20U;  // of memory, between put() and the disk; more is not kept
constexpr std::uint64_t kDropCost = 128;                  // what a waiting drop counts as, so that drops are bounded too
constexpr std::size_t kBatchCount = 256;                  // records a transaction
constexpr std::uint64_t kBatchBytes = 4ULL << 20U;

}  // namespace

LmdbChunkCache::LmdbChunkCache(std::unique_ptr<CacheFiles> files, std::uint64_t limit_bytes)
    : limit_(limit_bytes), files_(std::move(files)) {
  thread_ = std::thread([this] { write_loop(); });
}

Result<std::unique_ptr<LmdbChunkCache>> LmdbChunkCache::open(const ChunkCacheOptions& options) {
  if (options.limit_bytes < kChunkCacheLimitMinBytes) {
    return Error(ErrorCode::kInvalidArgument, "the limit of the chunk cache must be at least 64 MiB");
  }
  HOLDFAST_ASSIGN(auto files, CacheFiles::open(options.folder, options.limit_bytes));
  return std::unique_ptr<LmdbChunkCache>(new LmdbChunkCache(std::move(files), options.limit_bytes));
}

LmdbChunkCache::~LmdbChunkCache() {
  const Status closed = close();
  if (!closed) log_warning("the index of the chunk cache will be made again at the next start: " + closed.error().message());
}

std::optional<VerifiedRecord> LmdbChunkCache::miss(bool damaged) {
  misses_.fetch_add(1, std::memory_order_relaxed);
  if (damaged) damaged_.fetch_add(1, std::memory_order_relaxed);
  return std::nullopt;
}

std::optional<VerifiedRecord> LmdbChunkCache::get(const ChunkId& id) {
  std::shared_ptr<const Bytes> waits;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return miss(false);
    const auto found = waiting_.find(id);
    if (found != waiting_.end()) {
      if (!found->second.record) return miss(false);
      waits = found->second.record;
    }
  }
  if (waits != nullptr) {
    std::optional<VerifiedRecord> verified = VerifiedRecord::check(id, waits);
    if (!verified) return miss(true);
    hits_.fetch_add(1, std::memory_order_relaxed);
    return verified;
  }
  auto found = files_->find(id);
  if (found && !*found) return miss(false);
  std::optional<VerifiedRecord> verified;
  if (found) verified = VerifiedRecord::check(id, SharedBytes::of(std::move((*found)->record)));
  if (!verified) {
    drop(id);
    return miss(true);
  }
  (*found)->segment->mark_hit((*found)->place);
  hits_.fetch_add(1, std::memory_order_relaxed);
  return verified;
}

void LmdbChunkCache::put(const ChunkId& id, ByteView record) {
  hand_over(id, std::make_shared<const Bytes>(record.begin(), record.end()));
}

void LmdbChunkCache::drop(const ChunkId& id) { hand_over(id, nullptr); }

void LmdbChunkCache::hand_over(const ChunkId& id, std::shared_ptr<const Bytes> record) {
  const std::uint64_t cost = record ? record->size() : kDropCost;
  {
    const std::lock_guard lock(mutex_);
    // The writer is behind: readers don't wait for it. A drop that is not kept leaves an entry that is damaged again next time.
    if (closing_ || waiting_bytes_ + cost > kWaitingBytesMax) return;
    const std::uint64_t turn = ++turns_;
    waiting_.insert_or_assign(id, Item{std::move(record), turn});
    order_.push_back({id, turn, cost});
    waiting_bytes_ += cost;
  }
  work_.notify_one();
}

void LmdbChunkCache::write_batch(std::unique_lock<std::mutex>& lock) {
  std::vector<CacheFiles::Item> batch;
  std::vector<std::uint64_t> turns;
  std::uint64_t bytes = 0;
  while (!order_.empty() && batch.size() < kBatchCount && bytes < kBatchBytes) {
    const auto [id, turn, cost] = order_.front();
    order_.pop_front();
    bytes += cost;
    const auto found = waiting_.find(id);
    if (found == waiting_.end() || found->second.turn != turn) continue;  // a later turn says otherwise
    batch.push_back({id, found->second.record});
    turns.push_back(turn);
  }
  lock.unlock();
  const Status written = files_->apply(batch);
  if (!written) log_warning("the chunk cache could not keep what it was given: " + written.error().message());
  lock.lock();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto found = waiting_.find(batch[i].id);
    if (found != waiting_.end() && found->second.turn == turns[i]) waiting_.erase(found);
  }
  waiting_bytes_ -= bytes;
}

void LmdbChunkCache::write_loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (files_->needs_rebuild()) {
      lock.unlock();
      const Status rebuilt = files_->rebuild();
      if (!rebuilt) log_warning("making the index of the chunk cache again: " + rebuilt.error().message());
      lock.lock();
    } else if (!order_.empty()) {
      write_batch(lock);
    } else {
      busy_ = false;
      idle_.notify_all();
      if (closing_) return;
      work_.wait(lock, [this] { return closing_ || !order_.empty(); });
      busy_ = true;
    }
  }
}

ChunkCache::Stats LmdbChunkCache::stats() const {
  Stats stats;
  stats.hits = hits_.load(std::memory_order_relaxed);
  stats.misses = misses_.load(std::memory_order_relaxed);
  stats.damaged = damaged_.load(std::memory_order_relaxed);
  stats.evicted = files_->evicted_count();
  stats.used_bytes = files_->used_bytes();
  stats.limit_bytes = limit_;
  return stats;
}

void LmdbChunkCache::flush() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return !busy_ && order_.empty(); });
}

Status LmdbChunkCache::close() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return ok_status();
    closing_ = true;
    closed_ = true;
  }
  work_.notify_all();
  thread_.join();
  return files_->close();
}

}  // namespace holdfast
