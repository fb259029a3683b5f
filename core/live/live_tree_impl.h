// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <list>
#include <thread>

#include "core/live/live_state.h"
#include "core/live/open_file.h"

namespace holdfast {

/// LiveTree over LiveState. Lock order: fold_mutex_, an OpenFile's writer lock, mutex_, an OpenFile's attributes lock.
/// mutex_ is never held while chunks are read or written: names are looked up again after it was let go.
class LiveTreeImpl final : public LiveTree {
 public:
  LiveTreeImpl(const LiveTreeOptions& options, const Parts& parts, GearChunker chunker, Inode root, TreeRoot links, std::uint64_t next_ino);
  ~LiveTreeImpl() override;

  Status replay(ByteView payload) override;
  Status finish_replay() override;
  std::vector<Bytes> checkpoint_records() override;
  void append_checkpoint() override;

  Result<LiveAttributes> lookup(std::uint64_t parent, std::string_view name, const CallContext& context) override;
  void forget(std::uint64_t ino, std::uint64_t count) override;
  std::vector<HeldName> held_names(std::size_t count_max) const override;
  Result<LiveAttributes> make_node(std::uint64_t parent, std::string_view name, const NewNode& node, const CallContext& context) override;
  Result<LiveAttributes> link(std::uint64_t ino, std::uint64_t parent, std::string_view name, const CallContext& context) override;
  Status unlink(std::uint64_t parent, std::string_view name, const CallContext& context) override;
  Status remove_directory(std::uint64_t parent, std::string_view name, const CallContext& context) override;
  Status rename(std::uint64_t parent, std::string_view name, std::uint64_t new_parent, std::string_view new_name, RenameMode mode,
                const CallContext& context) override;
  Result<std::vector<LiveItem>> list(std::uint64_t directory, std::string_view after, std::size_t count_max, bool pin,
                                     const CallContext& context) override;
  Result<std::uint64_t> parent_of(std::uint64_t directory) override;

  Result<LiveAttributes> attributes(std::uint64_t ino, const CallContext& context) override;
  Result<LiveAttributes> set_attributes(std::uint64_t ino, const SetAttributes& changes, const CallContext& context) override;
  Result<std::string> read_link(std::uint64_t ino, const CallContext& context) override;
  Result<std::shared_ptr<LiveFile>> open_file(std::uint64_t ino, bool for_writing, const CallContext& context) override;
  Result<std::string> get_xattr(std::uint64_t ino, const std::string& name, const CallContext& context) override;
  Result<std::vector<std::string>> list_xattrs(std::uint64_t ino, const CallContext& context) override;
  Status set_xattr(std::uint64_t ino, const std::string& name, std::string value, XattrMode mode, const CallContext& context) override;
  Status remove_xattr(std::uint64_t ino, const std::string& name, const CallContext& context) override;
  Result<Inode> inode(std::uint64_t ino, const CallContext& context) override;
  Result<FileVersion> file_version(std::uint64_t ino) override;

  Status sync() override;
  Result<SealedTree> seal(const CompletenessJudge& judge, const CallContext& context) override;
  void set_judge(CompletenessJudge judge) override;
  Stats stats() const override;
  void mark_changed() override;
  Inode base_root() const override;
  TreeRoot base_links() const override;
  Base settled_base() override;

  // For OpenFile and its handles.
  [[nodiscard]] const ContentParts& content_parts() const noexcept { return content_parts_; }
  [[nodiscard]] WallNanos now() const noexcept { return clock_.wall_now(); }
  /// The inode as last published. Errors: kNotFound.
  Result<LiveInodePtr> value_of(std::uint64_t ino) const;
  /// Makes new content visible; gives its serial. Errors: kNotFound.
  Result<std::uint64_t> publish(OpenFile& file, const ContentUpdate& update);
  void note_change();
  void close_inode(std::uint64_t ino);
  void writer_opened(OpenFile& file);
  void writer_closed(OpenFile& file);

 private:
  class Operation;

  Result<LiveState::Node*> directory_node(std::uint64_t ino);
  Result<LiveState::Node*> pinned_node(std::uint64_t ino);
  [[nodiscard]] LiveAttributes attributes_of_node(const LiveState::Node& node) const;
  std::shared_ptr<OpenFile> open_shared(LiveState::Node& node);
  void touch_directory(LiveBatch& batch, std::uint64_t ino, WallNanos now, int subdirectories);
  void remove_name_of(LiveBatch& batch, std::uint64_t ino, WallNanos now);
  void log(const LiveBatch& batch);
  Status make_room(const CallContext& context);
  [[nodiscard]] bool is_full() const;
  [[nodiscard]] bool is_far_too_full() const;
  void want_fold_if_full();
  void run_folds(const std::stop_token& stop);
  Status change_inode(std::uint64_t ino, const std::function<Status(LiveInode&)>& change, const CallContext& context);
  Status exchange_names(Operation& operation, std::uint64_t parent, std::string_view name, std::uint64_t new_parent, std::string_view new_name);
  Status replace_name(Operation& operation, std::uint64_t parent, std::string_view name, std::uint64_t new_parent, std::string_view new_name);

  /// fold_mutex_ held.
  Status fold(const CompletenessJudge& judge, bool is_seal, SealedTree& sealed, const CallContext& context);
  void describe(SealedTree& sealed, bool has_judge) const;
  bool note_open_writers(bool is_seal, SealedTree& sealed) const;

  const LiveTreeOptions options_;
  ChunkSource& source_;
  ChunkPipeline& pipeline_;
  Journal& journal_;
  Clock& clock_;
  std::atomic<std::uint64_t> chunks_cut_{0};
  std::atomic<std::uint64_t> dirty_bytes_{0};
  const ContentParts content_parts_;
  const std::shared_ptr<NodeCache> node_cache_;
  const TreeReader reader_;
  const TreeEditor editor_;

  std::mutex fold_mutex_;
  mutable std::mutex mutex_;
  LiveState state_;
  CompletenessJudge judge_;
  bool changed_since_seal_ = false;
  bool fold_wanted_ = false;
  std::optional<Error> last_fold_error_;  ///< of the last fold, where it failed
  MonoTime last_change_{};
  std::unordered_set<OpenFile*> open_writers_;
  std::uint64_t pins_ = 0;
  std::condition_variable_any fold_changed_;
  std::jthread folder_;  ///< started when the tree first folds by itself; last, so that it ends first
};

}  // namespace holdfast
