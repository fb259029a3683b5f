// SPDX-License-Identifier: Apache-2.0
#include "core/live/live_tree_impl.h"

#include "core/base/log.h"

namespace holdfast {
namespace {

// Nodes of directories that were read last, in plaintext; about as much again as objects.
constexpr std::size_t kNodeCacheBytes = 4U << 20;
// Operations wait once so many times the bounds have changed while a fold is still at work.
constexpr std::uint64_t kFullFactor = 3;
// A fold that failed is tried again after such a time, which doubles; operations that wait for it give up after the other.
constexpr std::chrono::seconds kFoldAgainAfter{1};
constexpr std::chrono::seconds kFoldAgainAfterMax{60};
constexpr std::chrono::seconds kRoomWaitMax{30};

}  // namespace

Result<std::unique_ptr<LiveTree>> LiveTree::open(const LiveTreeOptions& options, Parts parts, Inode root, TreeRoot links, std::uint64_t next_ino) {
  if (!root.is_directory()) return Error(ErrorCode::kInvalidArgument, "a live tree needs a directory as root");
  HOLDFAST_ASSIGN(GearChunker chunker, GearChunker::create(parts.gear, options.chunk_sizes));
  if (root.nlink < 2) root.nlink = 2;
  return std::unique_ptr<LiveTree>(
      std::make_unique<LiveTreeImpl>(options, parts, std::move(chunker), std::move(root), std::move(links), next_ino));
}

LiveTreeImpl::LiveTreeImpl(const LiveTreeOptions& options, const Parts& parts, GearChunker chunker, Inode root, TreeRoot links,
                           std::uint64_t next_ino)
    : options_(options),
      source_(parts.source),
      pipeline_(parts.pipeline),
      journal_(parts.journal),
      clock_(parts.clock),
      content_parts_{parts.source, parts.pipeline, std::move(chunker), options.domain, options.dirty_bytes_max_per_file, options.dirty_bytes_max,
                     chunks_cut_, dirty_bytes_},
      node_cache_(make_node_cache(kNodeCacheBytes)),
      reader_(parts.source, node_cache_),
      editor_(parts.source, parts.pipeline, options.domain, node_cache_),
      state_(std::move(root), std::move(links), next_ino) {}

LiveTreeImpl::~LiveTreeImpl() {
  if (folder_.joinable()) {
    folder_.request_stop();
    folder_.join();
  }
}

Status LiveTreeImpl::replay(ByteView payload) {
  HOLDFAST_ASSIGN(const DatabaseId database, live_record_database(payload));
  if (database != options_.database) return ok_status();
  const std::lock_guard lock(mutex_);
  changed_since_seal_ = true;
  if (payload[0] == static_cast<std::uint8_t>(JournalKind::kLiveBatch)) return read_live_batch(payload, state_);
  HOLDFAST_ASSIGN(LiveBase base, decode_live_base(payload));
  state_.replay_base(std::move(base));
  return ok_status();
}

Status LiveTreeImpl::finish_replay() {
  std::vector<LiveInodePtr> with_tail;
  {
    const std::lock_guard lock(mutex_);
    state_.abandon_fold();
    for (const auto& [ino, value] : state_.active().inodes) {
      if (value->tail) with_tail.push_back(value);
    }
    changed_since_seal_ = !state_.active().empty();
    last_change_ = clock_.mono_now();
  }
  for (const LiveInodePtr& value : with_tail) {
    const Result<ChunkRef> ref = pipeline_.put(options_.domain, ChunkKind::kData, *value->tail, {});
    if (!ref && ref.error().code() == ErrorCode::kNoSpace) {
      // Nothing could leave a full staging area if the repository did not open: the tails stay bytes, as they are between an fsync and the close.
      log_warning("the ends of some files stay in the journal for now: " + ref.error().message());
      return ok_status();
    }
    if (!ref) return ref.error();
    LiveInode fresh = *value;
    if (!std::holds_alternative<ExtentContent>(fresh.inode.content)) fresh.inode.content = ExtentContent{};
    std::get<ExtentContent>(fresh.inode.content).extents.push_back({value->tail->size(), *ref});
    fresh.tail = nullptr;
    const std::lock_guard lock(mutex_);
    LiveBatch batch;
    fresh.content_serial = state_.take_serial();
    state_.put_content(batch, std::move(fresh), {});
    log(batch);
  }
  return ok_status();
}

std::vector<Bytes> LiveTreeImpl::checkpoint_records() {
  const std::lock_guard lock(mutex_);
  return state_.checkpoint(options_.database);
}

void LiveTreeImpl::append_checkpoint() {
  const std::lock_guard lock(mutex_);
  // Together: a commit that took the record which voids what came before, and not all that stands for it, would lose the rest at a crash.
  journal_.append(state_.checkpoint(options_.database));
}

void LiveTreeImpl::log(const LiveBatch& batch) {
  if (batch.empty()) return;
  journal_.append(batch.payload(options_.database));
  changed_since_seal_ = true;
  last_change_ = clock_.mono_now();
  want_fold_if_full();
}

Status LiveTreeImpl::sync() { return pipeline_.commit(); }

LiveTree::Stats LiveTreeImpl::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats;
  stats.dirty_inodes = state_.active().inodes.size();
  stats.pinned_inodes = pins_;
  stats.inodes_in_memory = state_.node_count();
  stats.open_for_writing = open_writers_.size();
  stats.dirty_bytes = dirty_bytes_;
  stats.chunks_cut = chunks_cut_;
  stats.last_change = last_change_;
  stats.changed_since_seal = changed_since_seal_;
  return stats;
}

void LiveTreeImpl::mark_changed() {
  const std::lock_guard lock(mutex_);
  changed_since_seal_ = true;
}

Inode LiveTreeImpl::base_root() const {
  const std::lock_guard lock(mutex_);
  return state_.base_root();
}

TreeRoot LiveTreeImpl::base_links() const {
  const std::lock_guard lock(mutex_);
  return state_.links();
}

LiveTree::Base LiveTreeImpl::settled_base() {
  const std::lock_guard folding(fold_mutex_);
  const std::lock_guard lock(mutex_);
  return {state_.base_root(), state_.links()};
}

void LiveTreeImpl::set_judge(CompletenessJudge judge) {
  const std::lock_guard lock(mutex_);
  judge_ = std::move(judge);
}

void LiveTreeImpl::note_change() {
  const std::lock_guard lock(mutex_);
  last_change_ = clock_.mono_now();
  changed_since_seal_ = true;
}

void LiveTreeImpl::writer_opened(OpenFile& file) {
  const std::lock_guard lock(mutex_);
  file.add_writer();
  open_writers_.insert(&file);
}

void LiveTreeImpl::writer_closed(OpenFile& file) {
  const std::lock_guard lock(mutex_);
  if (!file.remove_writer()) return;
  open_writers_.erase(&file);
  if (!file.take_open_at_seal()) return;
  changed_since_seal_ = true;
  last_change_ = clock_.mono_now();
}

/// mutex_ held.
bool LiveTreeImpl::is_full() const {
  const Memtable& active = state_.active();
  return active.inodes.size() > options_.dirty_inodes_max || active.bytes > options_.dirty_memory_max_bytes;
}

/// mutex_ held. What a fold is at work on counts too: it comes back when the fold fails.
bool LiveTreeImpl::is_far_too_full() const {
  const Memtable& active = state_.active();
  const Memtable* const frozen = state_.frozen();
  const std::uint64_t inodes = active.inodes.size() + (frozen == nullptr ? 0 : frozen->inodes.size());
  const std::uint64_t bytes = active.bytes + (frozen == nullptr ? 0 : frozen->bytes);
  return inodes > kFullFactor * options_.dirty_inodes_max || bytes > kFullFactor * options_.dirty_memory_max_bytes;
}

/// mutex_ held.
void LiveTreeImpl::want_fold_if_full() {
  if (fold_wanted_ || !is_full()) return;
  if (!folder_.joinable()) folder_ = std::jthread([this](const std::stop_token& stop) { run_folds(stop); });
  fold_wanted_ = true;
  fold_changed_.notify_all();
}

void LiveTreeImpl::run_folds(const std::stop_token& stop) {
  std::chrono::seconds again_after = kFoldAgainAfter;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (!fold_changed_.wait(lock, stop, [this] { return fold_wanted_; })) return;
    }
    CallContext context;
    context.stop = stop;
    Status status;
    {
      const std::lock_guard folding(fold_mutex_);
      SealedTree unused;
      status = fold(nullptr, false, unused, context);
    }
    if (stop.stop_requested()) return;
    {
      const std::lock_guard lock(mutex_);
      fold_wanted_ = !status;
      if (!status && !last_fold_error_) log_warning("folding a live tree: " + status.error().message() + "; it is tried again and again");
      if (!status) last_fold_error_ = status.error();
      fold_changed_.notify_all();
    }
    if (status) {
      again_after = kFoldAgainAfter;
    } else {
      if (!clock_.sleep_until(clock_.mono_now() + again_after, stop)) return;
      again_after = std::min(2 * again_after, kFoldAgainAfterMax);
    }
  }
}

/// Holds an operation back while far more has changed than the tree may hold in memory and a fold is at work on it.
Status LiveTreeImpl::make_room(const CallContext& context) {
  std::unique_lock lock(mutex_);
  const auto has_room = [this] { return !fold_wanted_ || !is_far_too_full(); };
  const MonoTime began = clock_.mono_now();
  while (!has_room()) {
    HOLDFAST_TRY(check_context(context, clock_, "waiting for a fold of the live tree"));
    if (last_fold_error_ && clock_.mono_now() - began >= kRoomWaitMax) {
      Error error = *last_fold_error_;
      return std::move(error).with_context("too much has changed since the live tree could be folded last");
    }
    fold_changed_.wait_for(lock, context.stop, std::chrono::milliseconds(100), has_room);
  }
  return ok_status();
}

Result<LiveInodePtr> LiveTreeImpl::value_of(std::uint64_t ino) const {
  const std::lock_guard lock(mutex_);
  const LiveState::Node* const node = state_.find(ino);
  if (node == nullptr) return Error(ErrorCode::kNotFound, "inode " + std::to_string(ino) + " is not held");
  return node->value;
}

Result<std::uint64_t> LiveTreeImpl::publish(OpenFile& file, const ContentUpdate& update) {
  const std::lock_guard lock(mutex_);
  const LiveState::Node* const node = state_.find(file.ino());
  if (node == nullptr) return Error(ErrorCode::kNotFound, "inode " + std::to_string(file.ino()) + " is not held");
  LiveInode value{attributes_of(node->inode()), update.tail, node->value->linked, state_.take_serial()};
  value.inode.content = update.content;
  value.inode.size_bytes = update.size_bytes;
  value.inode.completeness = Completeness::kNotApplicable;
  const OpenFile::Times times = file.take_times();
  value.inode.mtime = times.mtime.value_or(value.inode.mtime);
  value.inode.ctime = times.ctime.value_or(value.inode.ctime);
  const std::uint64_t serial = value.content_serial;
  LiveBatch batch;
  state_.put_content(batch, std::move(value), update);
  log(batch);
  return serial;
}

}  // namespace holdfast
