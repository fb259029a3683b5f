// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/fair_mutex.h"
#include "core/live/file_content.h"
#include "core/live/live_tree.h"

namespace holdfast {

class LiveTreeImpl;

/// What all handles of one open inode share. Lock order: writer_mutex_, then the tree's mutex, then attributes_mutex_.
/// Safe from any thread. The tree outlives it.
class OpenFile {
 public:
  OpenFile(LiveTreeImpl& tree, std::uint64_t ino);
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  Result<std::size_t> read(std::uint64_t offset, MutableByteView out, const CallContext& context);
  /// At `offset`, or at the end when there is none. Gives the offset.
  Result<std::uint64_t> write(std::optional<std::uint64_t> offset, const LentBytes& data, const CallContext& context);
  Status truncate(std::uint64_t size_bytes, const CallContext& context);
  Status punch(std::uint64_t offset, std::uint64_t size, bool keep_size, const CallContext& context);
  Status allocate(std::uint64_t end, const CallContext& context);
  Result<std::uint64_t> seek(std::uint64_t offset, bool to_data, const CallContext& context);
  /// Makes what was written visible to folds, and journals it. With `keep_tail` (fsync) an uncut end travels as bytes.
  Status publish(bool keep_tail, const CallContext& context);

  [[nodiscard]] std::uint64_t ino() const noexcept { return ino_; }
  [[nodiscard]] bool has_unpublished() const noexcept { return unpublished_; }
  void add_writer() noexcept { ++writers_; }
  /// Whether it was the last one.
  bool remove_writer() noexcept { return --writers_ == 0; }
  [[nodiscard]] bool has_writer() const noexcept { return writers_ > 0; }
  /// A seal took the file while it was open for writing: once it is closed there is something to seal, changed or not.
  void set_open_at_seal() noexcept { open_at_seal_ = true; }
  /// Whether that was so since it was asked last.
  bool take_open_at_seal() noexcept { return open_at_seal_.exchange(false); }

  /// Puts what is not published yet over an inode's attributes.
  void overlay(LiveAttributes& attributes) const;
  struct Times {
    std::optional<WallNanos> mtime;
    std::optional<WallNanos> ctime;
  };
  /// Times of writes that are not in the inode yet; they are then forgotten here.
  Times take_times();

 private:
  Status load(const CallContext& context);
  void note_change();
  template <typename Change>
  Status change(const CallContext& context, Change apply);

  LiveTreeImpl& tree_;
  const std::uint64_t ino_;
  /// Fair, so that a stream which the mount's threads hand over side by side is taken in order: bytes ahead of their
  /// turn cost copies and cuts.
  FairMutex writer_mutex_;
  FileContent content_;
  bool loose_ = false;  ///< published with a tail, or with more extents than a closed file has
  std::atomic<bool> unpublished_{false};
  std::atomic<int> writers_{0};
  std::atomic<bool> open_at_seal_{false};
  mutable std::mutex attributes_mutex_;
  Times times_;
};

}  // namespace holdfast
