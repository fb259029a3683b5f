// SPDX-License-Identifier: Apache-2.0
#include "core/backup/tree_builder.h"

#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "tests/support/live_fixture.h"
#include "tests/support/not_tested.h"

namespace holdfast {
namespace {

using testing::LiveFixture;
using testing::TemporaryFolder;

const CallContext kContext;

/// Leaves in errno what a wait on a full queue leaves.
class WaitingPipeline final : public ChunkPipeline {
 public:
  explicit WaitingPipeline(ChunkPipeline& inner) : inner_(inner) {}
  std::vector<std::shared_ptr<ChunkTicket>> submit_all(std::uint32_t domain, std::span<const PlainChunk> chunks, const std::shared_ptr<ChunkTicket>& before) override {
    auto tickets = inner_.submit_all(domain, chunks, before);
    errno = EAGAIN;
    return tickets;
  }
  Result<ChunkRef> put(std::uint32_t domain, ChunkKind kind, ByteView plain, std::span<const ChunkId> children) override {
    return inner_.put(domain, kind, plain, children);
  }
  Status commit() override { return inner_.commit(); }
  Pressure& pressure() noexcept override { return inner_.pressure(); }

 private:
  ChunkPipeline& inner_;
};

class TreeBuilderTest : public ::testing::Test {
 protected:
  void make_file(const std::string& name, const std::string& content) {
    std::ofstream out(source_ / name, std::ios::binary);
    out << content;
    ASSERT_TRUE(out.good());
  }
  void make_directory(const std::string& name) { ASSERT_TRUE(std::filesystem::create_directories(source_ / name)); }
  /// The tree of one backup of `name`, by path.
  std::map<std::string, Inode> back_up(const std::string& name) {
    TreeBuilder builder(LiveFixture::default_options(), {fixture_.pipeline(), pipeline_, fixture_.clock(), fixture_.gear()}, std::nullopt, nullptr, nullptr);
    const Status added = builder.add_path(source_ / name, kContext);
    EXPECT_TRUE(added) << added.error().message();
    const auto tree = builder.finish(kContext);
    EXPECT_TRUE(tree);
    if (!added || !tree) return {};
    root_ = tree->root;
    return fixture_.walk(*tree);
  }
  TemporaryFolder source_;
  LiveFixture fixture_;
  WaitingPipeline pipeline_{fixture_.pipeline()};
  Inode root_;
};

TEST_F(TreeBuilderTest, Directories_CountThoseBelowThem) {
  make_directory("top/a/deep");
  make_directory("top/b");
  make_file("top/f", "x");
  const auto found = back_up("top");
  EXPECT_EQ(root_.nlink, 3U);
  EXPECT_EQ(found.at("top").nlink, 4U);
  EXPECT_EQ(found.at("top/a").nlink, 3U);
  EXPECT_EQ(found.at("top/a/deep").nlink, 2U);
  EXPECT_EQ(found.at("top/f").nlink, 1U);
}

TEST_F(TreeBuilderTest, Xattrs_OfDirectoriesAndOfASingleFileAreKept) {
  make_directory("top/sub");
  make_file("top/f", "x");
  for (const std::string name : {"top", "top/sub", "top/f"}) {
    if (::setxattr((source_ / name).c_str(), "user.test", name.data(), name.size(), 0) != 0)
      HOLDFAST_NOT_TESTED << "the temporary folder takes no extended attributes";
  }
  auto found = back_up("top");
  for (const std::string name : {"top", "top/sub", "top/f"}) EXPECT_EQ(found.at(name).xattrs["user.test"], name);
  EXPECT_EQ(back_up("top/f").at("f").xattrs["user.test"], "top/f");
}

TEST_F(TreeBuilderTest, FileThatEndsInAHole_IsKeptWhole) {
  const std::string content(100'000, 'x');
  make_file("sparse", content);
  std::filesystem::resize_file(source_ / "sparse", 1'000'000);
  const auto found = back_up("sparse");
  ASSERT_TRUE(found.contains("sparse"));
  Bytes expected(1'000'000);
  std::fill_n(expected.begin(), content.size(), std::uint8_t{'x'});
  EXPECT_EQ(fixture_.content_of(found.at("sparse")), expected);
}

}  // namespace
}  // namespace holdfast
