// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "core/restore/restorer.h"
#include "tests/repo/repository_fixture.h"
#include "tests/support/temporary_folder.h"

namespace holdfast {
namespace {

using testing::Machine;
using testing::two_sites;

/// A source that has lost one chunk.
class Lacking final : public ChunkSource {
 public:
  Lacking(ChunkSource& inner, const ChunkId& lost) : inner_(inner), lost_(lost) {}
  Result<SharedBytes> read(const ChunkRef& ref, const CallContext& context) override {
    if (ref.id == lost_) return Error(ErrorCode::kNotFound, "no network has the chunk");
    return inner_.read(ref, context);
  }
  void prefetch(std::span<const ChunkRef> refs) override { inner_.prefetch(refs); }

 private:
  ChunkSource& inner_;
  const ChunkId lost_;
};

TEST(Restore, ManySmallFiles_ShareSyncsAndAllGetTheirNames) {
  Machine machine(two_sites());
  machine.init();
  Repository& repository = machine.open();
  ASSERT_TRUE(repository.create_database("orders", {}, 0, 0).has_value());
  constexpr int kFiles = 600;  // two shared syncs, and what is left for the end
  for (int i = 0; i < kFiles; ++i) {
    testing::write_file(repository, "orders", "f" + std::to_string(i), as_bytes("content " + std::to_string(i)));
  }
  testing::write_file(repository, "orders", "large", testing::SeededRandom(5).bytes(5U << 20));
  const auto context = CallContext::unbounded();
  const auto view = repository.open_snapshot(testing::seal(repository, "orders").snapshot.id, context);
  ASSERT_TRUE(view.has_value());
  testing::TemporaryFolder target;
  RestoreOptions options;
  options.target = target.path();
  options.verify_full = true;
  const auto report =
      restore_tree(repository.source(), std::get<DirectoryContent>(view->root.content).root, view->links, options, system_random(), context);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  EXPECT_EQ(report->failure_count, 0U);
  EXPECT_EQ(report->done.files, static_cast<std::uint64_t>(kFiles) + 1);
  std::size_t names = 0;
  for (const auto& entry : std::filesystem::directory_iterator(target.path())) names += entry.is_regular_file() ? 1U : 0U;
  EXPECT_EQ(names, static_cast<std::size_t>(kFiles) + 1);  // no temporary name is left
  for (int i = 0; i < kFiles; ++i) {
    std::ifstream in(target.path() + "/f" + std::to_string(i));
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "content " + std::to_string(i));
  }
}

TEST(Restore, OneUnreadableDirectory_IsAFailureAndTheRestIsRestored) {
  Machine machine(two_sites());
  machine.init();
  Repository& repository = machine.open();
  ASSERT_TRUE(repository.create_database("orders", {}, 0, 0).has_value());
  LiveTree& live = **repository.live("orders");
  const auto context = CallContext::unbounded();
  for (const std::string name : {"a", "b", "c"}) {
    NewNode node;
    node.mode = 0040750;
    const auto folder = live.make_node(LiveTree::kRootIno, name, node, context);
    ASSERT_TRUE(folder.has_value());
    node.mode = 0100640;
    const auto made = live.make_node(folder->ino, "file", node, context);
    ASSERT_TRUE(made.has_value());
    const auto file = live.open_file(made->ino, true, context);
    ASSERT_TRUE((*file)->write(0, as_bytes("content of " + name), context).has_value());
    ASSERT_TRUE((*file)->flush(context).has_value());
    ASSERT_TRUE(live.link(made->ino, LiveTree::kRootIno, "link-" + name, context).has_value());
  }
  const auto view = repository.open_snapshot(testing::seal(repository, "orders").snapshot.id, context);
  ASSERT_TRUE(view.has_value());
  const TreeRoot root = std::get<DirectoryContent>(view->root.content).root;
  const auto lost = TreeReader(repository.source()).find(root, "b", context);
  ASSERT_TRUE(lost.has_value() && lost->has_value());
  Lacking source(repository.source(), std::get<DirectoryContent>((*lost)->inode.content).root.ref.id);

  testing::TemporaryFolder target;
  RestoreOptions options;
  options.target = target.path();
  const auto report = restore_tree(source, root, view->links, options, system_random(), context);
  ASSERT_TRUE(report.has_value()) << report.error().message();
  ASSERT_EQ(report->failure_count, 1U);
  EXPECT_EQ(report->failures.front().path, "b");
  for (const std::string name : {"a", "c"}) {
    std::ifstream in(target.path() + "/" + name + "/file");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "content of " + name);
    EXPECT_EQ(std::filesystem::hard_link_count(target.path() + "/" + name + "/file"), 2U);
    EXPECT_EQ(std::filesystem::status(target.path() + "/" + name).permissions(), std::filesystem::perms(0750));
  }
}

}  // namespace
}  // namespace holdfast
