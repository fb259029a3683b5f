// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/base/clock.h"
#include "core/chunk/chunker.h"
#include "core/repo/moment.h"
#include "core/repo/repository.h"
#include "tests/fs/fake_live_tree.h"
#include "tests/support/memory_chunks.h"

namespace holdfast::testing {

/// Room in staging, as the test says.
class FakePressure final : public Pressure {
 public:
  bool admits(std::uint64_t bytes) const noexcept override { return !full_ && bytes <= largest_; }
  void when_relieved(std::function<void(Status)> resume) override {
    const std::lock_guard lock(mutex_);
    ++asked_;
    if (full_) {
      waiting_.push_back(std::move(resume));
    } else {  // who asks may have seen it full just before
      threads_.emplace_back([resume = std::move(resume)] { resume(ok_status()); });
    }
  }
  void fill() { full_ = true; }
  /// Nothing larger is admitted even with room.
  void admit_at_most(std::uint64_t bytes) { largest_ = bytes; }
  /// Ends all waits; with success there is room again.
  void relieve(const Status& status) {
    std::vector<std::function<void(Status)>> waiting;
    {
      const std::lock_guard lock(mutex_);
      if (status) full_ = false;
      waiting.swap(waiting_);
    }
    for (auto& resume : waiting) resume(status);
  }
  /// How often when_relieved was called.
  std::size_t asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  std::atomic<bool> full_ = false;
  std::atomic<std::uint64_t> largest_ = UINT64_MAX;
  mutable std::mutex mutex_;
  std::size_t asked_ = 0;
  std::vector<std::function<void(Status)>> waiting_;
  std::vector<std::jthread> threads_;
};

class FakePipeline final : public ChunkPipeline {
 public:
  Result<ChunkRef> put(std::uint32_t domain, ChunkKind kind, ByteView plain, std::span<const ChunkId> children) override {
    return chunks.put(domain, kind, plain, children);
  }
  std::vector<std::shared_ptr<ChunkTicket>> submit_all(std::uint32_t, std::span<const PlainChunk>, const std::shared_ptr<ChunkTicket>&) override { return {}; }
  Status commit() override { return ok_status(); }
  Pressure& pressure() noexcept override { return room; }

  MemoryChunks chunks;
  FakePressure room;
};

/// Chunks that can be made as slow as a network that doesn't answer.
class StallingSource final : public ChunkSource {
 public:
  explicit StallingSource(MemoryChunks& chunks) : chunks_(chunks) {}
  Result<SharedBytes> read(const ChunkRef& ref, const CallContext& context) override {
    if (ref.kind == ChunkKind::kData) {
      std::unique_lock lock(mutex_);
      ++stalled_now;
      const bool open = moved_.wait_until(lock, context.stop, context.deadline, [this] { return !stalled_; });
      --stalled_now;
      if (context.stop.stop_requested()) return Error(ErrorCode::kCancelled, "called off");
      if (!open) return Error(ErrorCode::kDeadlineExceeded, "no network answered");
    }
    return chunks_.read(ref, context);
  }
  void prefetch(std::span<const ChunkRef> refs) override { chunks_.prefetch(refs); }
  void stall(bool stalled) {
    const std::lock_guard lock(mutex_);
    stalled_ = stalled;
    moved_.notify_all();
  }
  std::atomic<int> stalled_now = 0;

 private:
  MemoryChunks& chunks_;
  std::mutex mutex_;
  std::condition_variable_any moved_;
  bool stalled_ = false;
};

/// A repository in memory whose snapshots are real trees (core/tree) of fake live trees.
class FakeRepository final : public Repository {
 public:
  explicit FakeRepository(Clock& clock) : clock_(clock) {}

  std::vector<std::string> database_names() const override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, tree] : trees_) names.push_back(name);
    return names;
  }
  Status create_database(const std::string& name, const DatabasePolicy& policy, std::uint32_t uid, std::uint32_t gid) override {
    const std::lock_guard lock(mutex_);
    if (name.empty() || name.front() == '.' || name.find('@') != std::string::npos) {
      return Error(ErrorCode::kInvalidArgument, "a bad name");
    }
    if (trees_.contains(name)) return Error(ErrorCode::kAlreadyExists, "there");
    trees_[name] = std::make_unique<FakeLiveTree>(clock_, uid, gid, policy.mode);
    ++generation_;
    return ok_status();
  }
  Result<SnapshotLocations> locations(const SnapshotId&, const CallContext&) override { return SnapshotLocations{}; }
  std::vector<PackCopy> pack_copies(const PackId&) const override { return {}; }
  std::vector<Awaited> awaited() const override { return {}; }
  Status make_safe(const CallContext&) override { return ok_status(); }
  bool can_be_safe(const std::string&) const override { return false; }
  Result<DatabasePolicy> policy(const std::string&) const override { return DatabasePolicy{}; }
  Status set_policy(const std::string&, const DatabasePolicy&) override { return ok_status(); }
  Result<LiveTree*> live(const std::string& database) override {
    const std::lock_guard lock(mutex_);
    const auto found = trees_.find(database);
    if (found == trees_.end()) return Error(ErrorCode::kNotFound, "no such database");
    return static_cast<LiveTree*>(found->second.get());
  }
  FakeLiveTree& tree(const std::string& database) {
    const std::lock_guard lock(mutex_);
    return *trees_.at(database);
  }

  Result<SealResult> seal(const std::string& database, const SealOptions& options, const CallContext&) override {
    if (reads_as_moment(options.label)) return Error(ErrorCode::kInvalidArgument, "a label that reads as a moment");
    HOLDFAST_ASSIGN(auto sealed, tree(database).freeze(pipeline_.chunks, pipeline_.chunks));
    {
      std::unique_lock lock(seals_mutex_);
      ++seals_held;
      seals_moved_.wait(lock, [this] { return !seals_are_held_; });
      --seals_held;
    }
    const std::lock_guard lock(mutex_);
    SnapshotView view;
    const std::uint64_t number = views_.size() + 1;
    std::copy_n(reinterpret_cast<const std::uint8_t*>(&number), 8, view.info.id.bytes.begin());
    view.info.database = database;
    view.info.label = options.label;
    view.info.time = next_time_;
    next_time_ += 3600LL * 1'000'000'000;
    view.info.completeness = options.forced_incomplete ? Completeness::kIncomplete : Completeness::kComplete;
    view.info.name = snapshot_time_name(view.info.time) + (options.forced_incomplete ? ".incomplete" : "");
    view.info.readable = true;
    view.info.tags = options.tags;
    view.info.bytes_stored = 4711;
    view.root = sealed.root;
    SealResult result;
    result.snapshot = view.info;
    views_.push_back(std::move(view));
    ++generation_;
    return result;
  }
  Result<SealResult> publish_tree(const std::string&, const SealedTree&, const SealOptions&, const CallContext&) override {
    return Error(ErrorCode::kUnsupported, "fake");
  }
  std::vector<SnapshotInfo> snapshots(const std::string& database) const override {
    const std::lock_guard lock(mutex_);
    std::vector<SnapshotInfo> infos;
    for (auto at = views_.rbegin(); at != views_.rend(); ++at) {
      if (database.empty() || at->info.database == database) infos.push_back(at->info);
    }
    return infos;
  }
  std::uint64_t catalog_generation() const noexcept override { return generation_; }
  Result<SnapshotInfo> resolve(const std::string& spec) const override {
    const std::lock_guard lock(mutex_);
    for (const auto& view : views_) {
      if (view.info.id.hex() == spec) return view.info;
    }
    return Error(ErrorCode::kNotFound, "no snapshot");
  }
  Result<SnapshotInfo> at(const std::string& database, WallNanos moment) const override {
    for (const SnapshotInfo& info : snapshots(database)) {
      if (info.time <= moment && info.completeness != Completeness::kIncomplete) return info;
    }
    return Error(ErrorCode::kNotFound, "none that old");
  }
  Result<SnapshotView> open_snapshot(const SnapshotId& id, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    ++opened_;
    for (const auto& view : views_) {
      if (view.info.id == id) return view;
    }
    return Error(ErrorCode::kNotFound, "no snapshot");
  }
  Status wait_for(const std::vector<SnapshotId>&, DurabilityState, const CallContext&) override { return ok_status(); }

  ChunkSource& source() noexcept override { return source_; }
  ChunkPipeline& pipeline() noexcept override { return pipeline_; }
  const GearTable& gear() const noexcept override { return gear_; }
  Result<LiveTreeOptions> tree_options(const std::string&) const override { return LiveTreeOptions{}; }
  Recovery recovery() const override { return {}; }
  Status wait_recovered(const std::function<void(const Recovery&)>&, const CallContext&) override { return ok_status(); }
  Status catalog_is_whole() const override { return ok_status(); }
  CompletenessJudge completeness_judge(const std::string&) override { return {}; }
  std::string notice(const std::string& database) const override { return database == "loud" ? "loud: compressed inside" : ""; }
  Result<Judgement> judge_live(const std::string&, std::uint64_t, bool, const CallContext&) override {
    return Judgement{Completeness::kIncomplete, "it ends early"};
  }
  StatusReport status() override {
    StatusReport report;
    report.staging_limit_bytes = 1ULL << 30U;
    report.bytes_staged = 1ULL << 28U;
    report.snapshots = views_.size();
    return report;
  }
  Result<VerifyReport> verify(const std::vector<SnapshotId>&, VerifyLevel,
                              const std::function<void(std::uint64_t, std::uint64_t)>&, const CallContext&) override {
    return VerifyReport{};
  }
  Result<HealReport> heal(const HealOptions&, const std::function<void(std::uint64_t, std::uint64_t)>&, const CallContext&) override { return HealReport{}; }
  Status settle(bool, const CallContext&) override { return ok_status(); }
  std::string metrics() override { return "holdfast_snapshots " + std::to_string(views_.size()) + "\n"; }
  Status change_passphrase(ByteView, ByteView, const KdfParameters&, const std::optional<RecoveryCode>&) override { return ok_status(); }
  std::vector<KeyInfo> keys() const override { return {}; }
  InitResult recovery_sheet() const override { return {}; }
  Status close() override { return ok_status(); }

  /// Makes seals take until they are let go.
  /// Seals stop once the tree is frozen, before there is a snapshot, until they are let go.
  void hold_seals(bool held) {
    const std::lock_guard lock(seals_mutex_);
    seals_are_held_ = held;
    seals_moved_.notify_all();
  }
  std::atomic<std::size_t> seals_held = 0;
  FakePressure& room() { return pipeline_.room; }
  StallingSource& stalling() { return source_; }
  MemoryChunks& chunks() { return pipeline_.chunks; }
  void set_next_time(WallNanos time) { next_time_ = time; }

 private:
  Clock& clock_;
  std::mutex seals_mutex_;
  std::condition_variable seals_moved_;
  bool seals_are_held_ = false;
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<FakeLiveTree>> trees_;
  std::vector<SnapshotView> views_;
  FakePipeline pipeline_;
  StallingSource source_{pipeline_.chunks};
  GearTable gear_{};
  std::atomic<std::uint64_t> generation_ = 1;
  WallNanos next_time_ = 1'795'417'200LL * 1'000'000'000;  // 2026-11-23T07:00:00Z
  std::uint64_t opened_ = 0;
};

}  // namespace holdfast::testing
