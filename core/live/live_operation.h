// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/live/live_tree_impl.h"

namespace holdfast {

/// One operation on names: holds the tree's mutex from its making to its end, but for the moments in which the base is read. What it found stays in
/// the table until it ends. On one thread.
class LiveTreeImpl::Operation {
 public:
  Operation(LiveTreeImpl& tree, const CallContext& context);
  ~Operation();
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  /// The inode under a name of a pinned directory, now in the table; nullopt when there is none. May let the mutex go: what was
  /// found before holds only if version() is unchanged.
  Result<std::optional<std::uint64_t>> find(std::uint64_t directory, std::string_view name);
  /// Whether a directory has no names. May let the mutex go.
  Result<bool> is_empty(std::uint64_t directory);
  /// Names after `after` with their values, at most count_max; `after` moves on. Empty when there are no more.
  Result<std::vector<LiveItem>> list(std::uint64_t directory, std::string after, std::size_t count_max, bool pin);
  /// What runs without the mutex.
  template <typename Work>
  auto unlocked(Work work) {
    lock_.unlock();
    auto result = work();
    lock_.lock();
    return result;
  }
  [[nodiscard]] std::uint64_t version() const noexcept { return tree_.state_.version(); }

 private:
  struct Page;
  struct NameAnswer {
    ChunkId root;
    std::string name;
    std::optional<Entry> entry;
  };
  struct LinkAnswer {
    ChunkId root;
    std::uint64_t ino = 0;
    std::optional<Inode> inode;
  };
  void hold(std::uint64_t ino);
  Result<const NameAnswer*> ask_base(std::uint64_t directory, std::string_view name);
  Result<const LinkAnswer*> ask_links(std::uint64_t ino);
  Result<bool> materialize(std::uint64_t directory, const Entry& entry);
  Result<bool> merge_page(std::uint64_t directory, Page& page, const std::vector<Entry>& base, bool base_ends, std::size_t count_max, bool pin);

  LiveTreeImpl& tree_;
  const CallContext& context_;
  std::unique_lock<std::mutex> lock_;
  std::vector<std::uint64_t> held_;
  std::list<NameAnswer> names_;  ///< what the base said; good while the directory's root is the same
  std::list<LinkAnswer> links_;
};

/// Refuses names that can't be made. Errors: as name_error; kInvalidArgument.
Status check_new_name(std::string_view name);

}  // namespace holdfast
