// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <set>

#include "core/ingest/chunk_pipeline.h"
#include "core/journal/journal.h"
#include "tests/support/memory_chunks.h"

namespace holdfast::testing {

/// A pipeline over chunks in memory whose tickets become ready late: when waited for, or when several younger ones were handed over. Knows
/// which chunks a crash would leave. Safe from any thread.
class MemoryPipeline final : public ChunkPipeline, public ChunkSource {
 public:
  /// `chunks` (what is on disk) and `journal` outlive it.
  MemoryPipeline(MemoryChunks& chunks, Journal& journal) : chunks_(chunks), journal_(journal) {
    for (const auto& [id, stored] : chunks_.all()) durable_.insert(id);
    // As the real stage does: after the records of a round are taken and before they are written, so that none names a chunk that is not durable.
    journal_.set_prepare([this]() -> Result<std::vector<Bytes>> {
      const std::lock_guard lock(mutex_);
      durable_.merge(in_packs_);
      in_packs_.clear();
      return std::vector<Bytes>();
    });
  }
  ~MemoryPipeline() override { journal_.set_prepare({}); }

  std::vector<std::shared_ptr<ChunkTicket>> submit_all(std::uint32_t domain, std::span<const PlainChunk> chunks, const std::shared_ptr<ChunkTicket>&) override {
    std::vector<std::shared_ptr<ChunkTicket>> tickets;
    for (const auto& chunk : chunks) tickets.push_back(hand_over(domain, chunk.plain));
    return tickets;
  }
  Result<ChunkRef> put(std::uint32_t domain, ChunkKind kind, ByteView plain, std::span<const ChunkId> children) override {
    HOLDFAST_ASSIGN(const ChunkRef ref, chunks_.put(domain, kind, plain, children));
    const std::lock_guard lock(mutex_);
    if (!durable_.contains(ref.id)) in_packs_.insert(ref.id);
    return ref;
  }
  Status commit() override { return journal_.commit(); }
  Pressure& pressure() noexcept override { return pressure_; }
  Result<SharedBytes> read(const ChunkRef& ref, const CallContext& context) override { return chunks_.read(ref, context); }
  void prefetch(std::span<const ChunkRef> refs) override { chunks_.prefetch(refs); }

  /// Forgets, as a crash would, every chunk that no commit made durable, and calls `copy_journal` before any other commit: a tree that folds by
  /// itself goes on meanwhile.
  void crash(const std::function<void()>& copy_journal) {
    const std::lock_guard lock(mutex_);
    for (const ChunkId& id : in_packs_) chunks_.lose(id);
    in_packs_.clear();
    copy_journal();
  }

 private:
  static constexpr std::size_t kLateness = 3;
  class Ticket final : public ChunkTicket {
   public:
    Ticket(MemoryPipeline& pipeline, std::uint32_t domain, SharedBytes plain)
        : pipeline_(pipeline), domain_(domain), plain_(std::move(plain)) {}
    bool is_ready() const noexcept override {
      const std::lock_guard lock(mutex_);
      return outcome_.has_value();
    }
    Result<ChunkRef> wait() override {
      const std::lock_guard lock(mutex_);
      if (!outcome_) outcome_ = pipeline_.put(domain_, ChunkKind::kData, plain_.view(), {});
      return *outcome_;
    }
    const SharedBytes& plain() const noexcept override { return plain_; }

   private:
    MemoryPipeline& pipeline_;
    std::uint32_t domain_;
    SharedBytes plain_;
    mutable std::mutex mutex_;
    std::optional<Result<ChunkRef>> outcome_;
  };
  std::shared_ptr<ChunkTicket> hand_over(std::uint32_t domain, const SharedBytes& plain) {
    auto ticket = std::make_shared<Ticket>(*this, domain, plain);
    std::shared_ptr<Ticket> oldest;
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(ticket);
      if (waiting_.size() > kLateness) {
        oldest = waiting_.front().lock();
        waiting_.pop_front();
      }
    }
    if (oldest) (void)oldest->wait().has_value();
    return ticket;
  }
  class NoPressure final : public Pressure {
   public:
    bool admits(std::uint64_t) const noexcept override { return true; }
    void when_relieved(std::function<void(Status)>) override {}
  };

  MemoryChunks& chunks_;
  Journal& journal_;
  NoPressure pressure_;
  std::mutex mutex_;
  std::deque<std::weak_ptr<Ticket>> waiting_;
  std::set<ChunkId> in_packs_;
  std::set<ChunkId> durable_;
};

}  // namespace holdfast::testing
