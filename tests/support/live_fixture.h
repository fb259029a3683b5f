// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <stdexcept>

#include "core/live/live_tree.h"
#include "core/tree/content.h"
#include "tests/support/fake_clock.h"
#include "tests/support/memory_pipeline.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"

namespace holdfast::testing {

/// A live tree over chunks in memory and a journal in a temporary folder, that can be mounted again as after a crash.
class LiveFixture {
 public:
  explicit LiveFixture(LiveTreeOptions options = default_options(), std::uint64_t seed = 1) : options_(options), random_(seed) {
    for (auto& value : gear_) value = random_.next();
    mount(folder_ / "journal");
  }
  ~LiveFixture() { tree_.reset(); }

  static LiveTreeOptions default_options() {
    LiveTreeOptions options;
    options.database = DatabaseId{{7}};
    options.chunk_sizes = {256, 1024, 4096};  // small, so that small files have many chunks
    options.dirty_bytes_max_per_file = 16 * 1024;
    return options;
  }

  LiveTree& tree() { return *tree_; }
  LiveTree* operator->() { return tree_.get(); }
  Journal& journal() { return *journal_; }
  MemoryPipeline& pipeline() { return *pipeline_; }
  MemoryChunks& chunks() { return chunks_; }
  FakeClock& clock() { return clock_; }
  const GearTable& gear() const { return gear_; }

  /// The state as a crash now would leave it: what was not committed is gone; then everything is opened again. `close_handles` has to let every handle go.
  void crash(const std::function<void()>& close_handles = [] {}) {
    std::string copy;
    pipeline_->crash([&] { copy = copy_journal(); });
    close_handles();
    open(copy);
  }
  /// An orderly end and a new start.
  void remount() {
    if (!pipeline_->commit()) throw std::runtime_error("the last commit failed");
    open(copy_journal());
  }

  /// What lies under the sealed tree, by path.
  std::map<std::string, Inode> walk(const SealedTree& sealed) {
    std::map<std::string, Inode> found;
    const auto* content = std::get_if<DirectoryContent>(&sealed.root.content);
    const TreeRoot root = content == nullptr ? TreeRoot() : TreeRoot(content->root);
    const Status status = walk_tree(
        *pipeline_, root, sealed.links,
        [&](const std::string& path, const Inode& inode) {
          found[path] = inode;
          return ok_status();
        },
        {});
    if (!status) throw std::runtime_error("walking a sealed tree: " + status.error().message());
    return found;
  }
  Bytes content_of(const Inode& inode) {
    Bytes out(inode.size_bytes);
    const auto count = ContentReader(*pipeline_).read(inode, 0, out, {});
    if (!count) throw std::runtime_error("reading a sealed file: " + count.error().message());
    out.resize(*count);
    return out;
  }

 private:
  std::string copy_journal() {
    std::string copy = folder_ / ("journal" + std::to_string(++mounts_));
    std::filesystem::copy(directory_, copy);
    return copy;
  }
  void open(const std::string& journal) {
    tree_.reset();
    pipeline_.reset();
    journal_.reset();
    mount(journal);
  }
  void mount(const std::string& directory) {
    directory_ = directory;
    std::vector<Bytes> records;
    auto journal = Journal::open(directory, RepositoryId{{1}}, WriterId{{2}}, key_, random_, [&](Journal::Position, ByteView payload) {
      records.emplace_back(payload.begin(), payload.end());
      return ok_status();
    });
    if (!journal) throw std::runtime_error(journal.error().message());
    journal_ = std::move(*journal);
    pipeline_ = std::make_unique<MemoryPipeline>(chunks_, *journal_);
    Inode root;
    root.ino = 1;
    root.mode = 0040755;
    root.nlink = 2;
    auto tree = LiveTree::open(options_, {*pipeline_, *pipeline_, *journal_, clock_, gear_}, root, std::nullopt, 2);
    if (!tree) throw std::runtime_error(tree.error().message());
    tree_ = std::move(*tree);
    for (const Bytes& record : records) {
      const Status status = tree_->replay(record);
      if (!status) throw std::runtime_error("replay: " + status.error().message());
    }
    const Status status = tree_->finish_replay();
    if (!status) throw std::runtime_error("finish_replay: " + status.error().message());
  }

  LiveTreeOptions options_;
  SeededRandom random_;
  FakeClock clock_;
  GearTable gear_{};
  Bytes key_ = Bytes(32, 5);
  TemporaryFolder folder_;
  std::string directory_;
  int mounts_ = 0;
  MemoryChunks chunks_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<MemoryPipeline> pipeline_;
  std::unique_ptr<LiveTree> tree_;
};

}  // namespace holdfast::testing
