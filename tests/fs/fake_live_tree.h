// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "core/live/live_error.h"
#include "core/live/live_tree.h"
#include "core/tree/content.h"

namespace holdfast::testing {

/// A live tree in memory: plain maps behind one lock, enough of POSIX for the mount's own tests. Counts pins, so that tests see what the kernel holds.
class FakeLiveTree final : public LiveTree {
 public:
  FakeLiveTree(Clock& clock, std::uint32_t uid, std::uint32_t gid, std::uint32_t mode) : clock_(clock) {
    Item& root = make(0040000U | mode, uid, gid);
    root.attributes.nlink = 2;
  }

  Status replay(ByteView) override { return ok_status(); }
  Status finish_replay() override { return ok_status(); }
  std::vector<Bytes> checkpoint_records() override { return {}; }
  void append_checkpoint() override {}
  void set_judge(CompletenessJudge) override {}

  Result<LiveAttributes> lookup(std::uint64_t parent, std::string_view name, const CallContext&) override {
    if (name.starts_with(kNameThatThrows)) throw std::bad_alloc();
    const std::lock_guard lock(mutex_);
    Item& above = items_.at(parent);
    if (!is_dir(above)) return name_error(NameRefusal::kNotDirectory, "not a directory");
    const auto found = above.entries.find(std::string(name));
    if (found == above.entries.end()) return Error(ErrorCode::kNotFound, "no such name");
    Item& item = items_.at(found->second);
    ++item.pins;
    return item.attributes;
  }
  void forget(std::uint64_t ino, std::uint64_t count) override {
    const std::lock_guard lock(mutex_);
    const auto found = items_.find(ino);
    HOLDFAST_CHECK(found != items_.end() && found->second.pins >= count);
    found->second.pins -= count;
    drop_if_unused(ino);
  }
  Result<LiveAttributes> make_node(std::uint64_t parent, std::string_view name, const NewNode& node, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    if (items_.at(parent).entries.contains(std::string(name))) return Error(ErrorCode::kAlreadyExists, "the name is taken");
    if (name.size() > 255) return name_error(NameRefusal::kNameTooLong, "a long name");
    Item& item = make(node.mode, node.uid, node.gid);
    item.attributes.rdev = node.rdev;
    item.data = Bytes(node.symlink_target.begin(), node.symlink_target.end());
    item.attributes.size_bytes = item.data.size();
    item.attributes.nlink = is_dir(item) ? 2 : 1;
    item.parent = parent;
    item.pins = 1;
    Item& above = items_.at(parent);
    above.entries[std::string(name)] = item.attributes.ino;
    if (is_dir(item)) ++above.attributes.nlink;
    touch(above);
    return item.attributes;
  }
  Result<LiveAttributes> link(std::uint64_t ino, std::uint64_t parent, std::string_view name, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    Item& item = items_.at(ino);
    Item& above = items_.at(parent);
    if (is_dir(item)) return name_error(NameRefusal::kNotPermitted, "a directory");
    if (!above.entries.emplace(std::string(name), ino).second) return Error(ErrorCode::kAlreadyExists, "taken");
    ++item.attributes.nlink;
    ++item.pins;
    touch(above);
    return item.attributes;
  }
  Status unlink(std::uint64_t parent, std::string_view name, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    return remove(parent, std::string(name), false);
  }
  Status remove_directory(std::uint64_t parent, std::string_view name, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    return remove(parent, std::string(name), true);
  }
  Status rename(std::uint64_t parent, std::string_view name, std::uint64_t new_parent, std::string_view new_name,
                RenameMode mode, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    Item& from = items_.at(parent);
    Item& to = items_.at(new_parent);
    const auto source = from.entries.find(std::string(name));
    if (source == from.entries.end()) return Error(ErrorCode::kNotFound, "no such name");
    const std::uint64_t moved = source->second;
    const auto target = to.entries.find(std::string(new_name));
    if (mode == RenameMode::kExchange) {
      if (target == to.entries.end()) return Error(ErrorCode::kNotFound, "no such name");
      std::swap(source->second, target->second);
      return ok_status();
    }
    if (target != to.entries.end()) {
      if (mode == RenameMode::kNoReplace) return Error(ErrorCode::kAlreadyExists, "taken");
      if (target->second == moved) return ok_status();
      HOLDFAST_TRY(remove(new_parent, std::string(new_name), is_dir(items_.at(moved))));
    }
    from.entries.erase(std::string(name));
    to.entries[std::string(new_name)] = moved;
    items_.at(moved).parent = new_parent;
    touch(from);
    touch(to);
    return ok_status();
  }
  Result<std::vector<LiveItem>> list(std::uint64_t directory, std::string_view after, std::size_t count_max, bool pin,
                                     const CallContext&) override {
    const std::lock_guard lock(mutex_);
    std::vector<LiveItem> items;
    auto& entries = items_.at(directory).entries;
    for (auto at = entries.upper_bound(std::string(after)); at != entries.end() && items.size() < count_max; ++at) {
      Item& item = items_.at(at->second);
      if (pin) ++item.pins;
      items.push_back({at->first, item.attributes});
    }
    return items;
  }
  Result<std::uint64_t> parent_of(std::uint64_t directory) override {
    const std::lock_guard lock(mutex_);
    return items_.at(directory).parent;
  }
  Result<LiveAttributes> attributes(std::uint64_t ino, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    return items_.at(ino).attributes;
  }
  Result<LiveAttributes> set_attributes(std::uint64_t ino, const SetAttributes& changes, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    Item& item = items_.at(ino);
    LiveAttributes& to = item.attributes;
    if (changes.mode) to.mode = (to.mode & 0170000U) | *changes.mode;
    if (changes.uid) to.uid = *changes.uid;
    if (changes.gid) to.gid = *changes.gid;
    if (changes.clear_suid) {
      to.mode &= ~04000U;
      if ((to.mode & 010U) != 0) to.mode &= ~02000U;
    }
    if (changes.size_bytes) resize(item, *changes.size_bytes);
    to.ctime = changes.ctime.value_or(clock_.wall_now());
    if (changes.atime) to.atime = *changes.atime;
    if (changes.mtime) to.mtime = *changes.mtime;
    return to;
  }
  Result<std::string> read_link(std::uint64_t ino, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    return std::string(as_text(items_.at(ino).data));
  }
  Result<std::shared_ptr<LiveFile>> open_file(std::uint64_t ino, bool for_writing, const CallContext&) override;
  Result<std::string> get_xattr(std::uint64_t ino, const std::string& name, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    ++xattr_reads_;
    const auto& xattrs = items_.at(ino).xattrs;
    const auto found = xattrs.find(name);
    if (found == xattrs.end()) return name_error(NameRefusal::kNoAttribute, "none");
    return found->second;
  }
  Result<std::vector<std::string>> list_xattrs(std::uint64_t ino, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, value] : items_.at(ino).xattrs) names.push_back(name);
    return names;
  }
  Status set_xattr(std::uint64_t ino, const std::string& name, std::string value, XattrMode mode, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    auto& xattrs = items_.at(ino).xattrs;
    if (mode == XattrMode::kCreate && xattrs.contains(name)) return Error(ErrorCode::kAlreadyExists, "there");
    if (mode == XattrMode::kReplace && !xattrs.contains(name)) return name_error(NameRefusal::kNoAttribute, "none");
    xattrs[name] = std::move(value);
    return ok_status();
  }
  Status remove_xattr(std::uint64_t ino, const std::string& name, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    if (items_.at(ino).xattrs.erase(name) == 0) return name_error(NameRefusal::kNoAttribute, "none");
    return ok_status();
  }
  Result<Inode> inode(std::uint64_t ino, const CallContext&) override {
    const std::lock_guard lock(mutex_);
    Inode result;
    result.ino = ino;
    result.completeness = Completeness::kComplete;
    return result;
  }
  Status sync() override { return ok_status(); }
  Result<SealedTree> seal(const CompletenessJudge&, const CallContext&) override {
    return Error(ErrorCode::kUnsupported, "the fake repository builds snapshots itself");
  }
  std::vector<HeldName> held_names(std::size_t count_max) const override {
    const std::lock_guard lock(mutex_);
    std::vector<HeldName> names;
    for (const auto& [name, ino] : items_.at(kRootIno).entries) {
      if (names.size() < count_max && !is_dir(items_.at(ino)) && items_.at(ino).pins > 0) names.push_back({kRootIno, name});
    }
    return names;
  }
  Stats stats() const override {
    const std::lock_guard lock(mutex_);
    Stats stats;
    for (const auto& [ino, item] : items_) stats.inodes_in_memory += item.pins > 0 ? 1 : 0;
    return stats;
  }
  void mark_changed() override {}
  Inode base_root() const override { return {}; }
  TreeRoot base_links() const override { return {}; }
  Base settled_base() override { return {}; }
  Result<FileVersion> file_version(std::uint64_t) override { return FileVersion{}; }

  /// Looking up names that begin so throws, as out of memory does.
  static constexpr std::string_view kNameThatThrows = "throws";

  // What tests look at.
  struct Item {
    LiveAttributes attributes;
    std::map<std::string, std::uint64_t> entries;
    Bytes data;
    std::vector<bool> pages;  ///< which 4 KiB were ever written (others are holes)
    std::map<std::string, std::string> xattrs;
    std::uint64_t parent = kRootIno;
    std::uint64_t pins = 0;
    std::uint64_t opens = 0;
  };
  std::uint64_t total_pins() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t sum = 0;
    for (const auto& [ino, item] : items_) sum += item.pins;
    return sum;
  }
  std::size_t item_count() const {
    const std::lock_guard lock(mutex_);
    return items_.size();
  }
  std::uint64_t xattr_reads() const {
    const std::lock_guard lock(mutex_);
    return xattr_reads_;
  }
  /// Inodes whose files were flushed.
  std::vector<std::uint64_t> flushed() const {
    const std::lock_guard lock(mutex_);
    return flushed_;
  }
  /// A sealed copy of everything.
  Result<SealedTree> freeze(ChunkSource& source, ChunkSink& sink) {
    const std::lock_guard lock(mutex_);
    SealedTree tree;
    HOLDFAST_ASSIGN(tree.root, freeze_item(kRootIno, source, sink));
    return tree;
  }

 private:
  friend class FakeLiveFile;
  static constexpr std::uint64_t kPage = 4096;
  static bool is_dir(const Item& item) { return (item.attributes.mode & 0170000U) == 0040000U; }
  Item& make(std::uint32_t mode, std::uint32_t uid, std::uint32_t gid) {
    Item& item = items_[next_ino_];
    item.attributes.ino = next_ino_++;
    item.attributes.mode = mode;
    item.attributes.uid = uid;
    item.attributes.gid = gid;
    item.attributes.nlink = 1;
    item.attributes.atime = item.attributes.mtime = item.attributes.ctime = clock_.wall_now();
    return item;
  }
  void touch(Item& item) { item.attributes.mtime = item.attributes.ctime = clock_.wall_now(); }
  void resize(Item& item, std::uint64_t size) {
    item.data.resize(size);
    item.pages.resize((size + kPage - 1) / kPage);
    item.attributes.size_bytes = size;
    count_blocks(item);
    touch(item);
  }
  static void count_blocks(Item& item) {
    item.attributes.allocated_bytes = static_cast<std::uint64_t>(std::count(item.pages.begin(), item.pages.end(), true)) * kPage;
  }
  void drop_if_unused(std::uint64_t ino) {
    const auto found = items_.find(ino);
    if (ino != kRootIno && found->second.attributes.nlink == 0 && found->second.pins == 0 && found->second.opens == 0) items_.erase(found);
  }
  Status remove(std::uint64_t parent, const std::string& name, bool directory) {
    Item& above = items_.at(parent);
    const auto found = above.entries.find(name);
    if (found == above.entries.end()) return Error(ErrorCode::kNotFound, "no such name");
    const std::uint64_t ino = found->second;
    Item& item = items_.at(ino);
    if (directory && !is_dir(item)) return name_error(NameRefusal::kNotDirectory, "not a directory");
    if (!directory && is_dir(item)) return name_error(NameRefusal::kIsDirectory, "a directory");
    if (!item.entries.empty()) return name_error(NameRefusal::kNotEmpty, "not empty");
    above.entries.erase(found);
    if (directory) --above.attributes.nlink;
    item.attributes.nlink = directory ? 0 : item.attributes.nlink - 1;
    item.attributes.ctime = clock_.wall_now();
    touch(above);
    drop_if_unused(ino);
    return ok_status();
  }
  Result<Inode> freeze_item(std::uint64_t ino, ChunkSource& source, ChunkSink& sink) {
    const Item& item = items_.at(ino);
    Inode inode;
    inode.ino = ino;
    inode.mode = item.attributes.mode;
    inode.uid = item.attributes.uid;
    inode.gid = item.attributes.gid;
    inode.atime = item.attributes.atime;
    inode.mtime = item.attributes.mtime;
    inode.ctime = item.attributes.ctime;
    inode.xattrs = item.xattrs;
    inode.size_bytes = item.data.size();
    if (is_dir(item)) {
      inode.size_bytes = 0;
      std::vector<TreeEdit> edits;
      for (const auto& [name, child] : item.entries) {
        HOLDFAST_ASSIGN(auto sealed, freeze_item(child, source, sink));
        edits.push_back({name, std::move(sealed)});
      }
      HOLDFAST_ASSIGN(const auto root, TreeEditor(source, sink, 1).apply(std::nullopt, edits, CallContext::unbounded()));
      if (root) inode.content = DirectoryContent{*root};
    } else if (item.data.size() > 512) {
      std::vector<Extent> extents;
      for (std::size_t at = 0; at < item.data.size(); at += 65536) {
        const auto piece = ByteView(item.data).subspan(at, std::min<std::size_t>(65536, item.data.size() - at));
        HOLDFAST_ASSIGN(const auto ref, sink.put(1, ChunkKind::kData, piece, {}));
        extents.push_back({piece.size(), ref});
      }
      HOLDFAST_ASSIGN(inode.content, build_content(extents, sink, 1));
      inode.completeness = Completeness::kUnchecked;
    } else if (!item.data.empty()) {
      inode.content = InlineContent{item.data};
    }
    return inode;
  }

  Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Item> items_;
  std::uint64_t next_ino_ = kRootIno;
  std::uint64_t xattr_reads_ = 0;
  std::vector<std::uint64_t> flushed_;
};

class FakeLiveFile final : public LiveFile {
 public:
  FakeLiveFile(FakeLiveTree& tree, std::uint64_t ino) : tree_(tree), ino_(ino) { ++item().opens; }
  ~FakeLiveFile() override {
    const std::lock_guard lock(tree_.mutex_);
    --item().opens;
    tree_.drop_if_unused(ino_);
  }
  Result<std::size_t> read(std::uint64_t offset, MutableByteView out, const CallContext&) override {
    const std::lock_guard lock(tree_.mutex_);
    const Bytes& data = item().data;
    if (offset >= data.size()) return std::size_t{0};
    const auto size = std::min<std::size_t>(out.size(), data.size() - offset);
    std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(offset), size, out.begin());
    return size;
  }
  Status write(std::uint64_t offset, const LentBytes& lent, const CallContext&) override {
    const ByteView data = lent.view();
    const std::lock_guard lock(tree_.mutex_);
    grow(offset + data.size());
    std::copy(data.begin(), data.end(), item().data.begin() + static_cast<std::ptrdiff_t>(offset));
    mark(offset, data.size(), true);
    tree_.touch(item());
    return ok_status();
  }
  Result<std::uint64_t> append(ByteView data, const CallContext& context) override {
    const std::uint64_t end = item().data.size();
    HOLDFAST_TRY(write(end, data, context));
    return end;
  }
  Status flush(const CallContext&) override {
    const std::lock_guard lock(tree_.mutex_);
    tree_.flushed_.push_back(ino_);
    return ok_status();
  }
  Status sync(const CallContext&) override { return ok_status(); }
  Status punch_hole(std::uint64_t offset, std::uint64_t size, const CallContext&) override {
    const std::lock_guard lock(tree_.mutex_);
    const std::uint64_t end = std::min<std::uint64_t>(offset + size, item().data.size());
    for (std::uint64_t at = offset; at < end; ++at) item().data[at] = 0;
    for (std::uint64_t page = (offset + FakeLiveTree::kPage - 1) / FakeLiveTree::kPage; (page + 1) * FakeLiveTree::kPage <= end; ++page) {
      item().pages[page] = false;
    }
    FakeLiveTree::count_blocks(item());
    return ok_status();
  }
  Status zero_range(std::uint64_t offset, std::uint64_t size, bool keep_size, const CallContext& context) override {
    if (!keep_size) {
      const std::lock_guard lock(tree_.mutex_);
      grow(offset + size);
    }
    return punch_hole(offset, size, context);
  }
  Status allocate(std::uint64_t offset, std::uint64_t size, bool keep_size, const CallContext&) override {
    const std::lock_guard lock(tree_.mutex_);
    if (!keep_size) grow(offset + size);
    return ok_status();
  }
  Result<std::uint64_t> seek_data(std::uint64_t offset, const CallContext&) override { return seek(offset, true); }
  Result<std::uint64_t> seek_hole(std::uint64_t offset, const CallContext&) override { return seek(offset, false); }
  std::uint64_t ino() const noexcept override { return ino_; }

 private:
  FakeLiveTree::Item& item() const { return tree_.items_.at(ino_); }
  void grow(std::uint64_t size) {
    if (size > item().data.size()) tree_.resize(item(), size);
  }
  void mark(std::uint64_t offset, std::uint64_t size, bool written) {
    for (std::uint64_t page = offset / FakeLiveTree::kPage; page * FakeLiveTree::kPage < offset + size; ++page) item().pages[page] = written;
    FakeLiveTree::count_blocks(item());
  }
  Result<std::uint64_t> seek(std::uint64_t offset, bool data) {
    const std::lock_guard lock(tree_.mutex_);
    const std::uint64_t size = item().data.size();
    if (offset >= size) return Error(ErrorCode::kOutOfRange, "past the end");
    for (std::uint64_t at = offset; at < size; at = (at / FakeLiveTree::kPage + 1) * FakeLiveTree::kPage) {
      if (item().pages[at / FakeLiveTree::kPage] == data) return at;
    }
    if (data) return Error(ErrorCode::kOutOfRange, "no data");
    return size;
  }
  FakeLiveTree& tree_;
  const std::uint64_t ino_;
};

inline Result<std::shared_ptr<LiveFile>> FakeLiveTree::open_file(std::uint64_t ino, bool, const CallContext&) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<LiveFile> file = std::make_shared<FakeLiveFile>(*this, ino);
  return file;
}

}  // namespace holdfast::testing
