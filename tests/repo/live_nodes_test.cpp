// SPDX-License-Identifier: Apache-2.0
#include "tests/repo/repository_fixture.h"

// Live trees are local truth: each opening of the fixture's machine begins with an empty chunk cache, and the network
// is down when it says so.
namespace holdfast {
namespace {

using testing::Fault;
using testing::FaultyStore;
using testing::Machine;
using testing::read_live;
using testing::seal;
using testing::SeededRandom;
using testing::write_file;

constexpr int kFiles = 600;  // some tree nodes

std::string name_of(int i) { return "file-" + std::to_string(i); }
Bytes content_of(int i) { return SeededRandom(static_cast<std::uint64_t>(i) + 1).bytes(50); }

class LiveNodesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    machine_.use_index(make_memory_chunk_index());
    sheet_ = machine_.init();
    machine_.open();
    ASSERT_TRUE(machine_.repository().create_database("orders", {}, 0, 0).has_value());
    for (int i = 0; i < kFiles; ++i) write_file(machine_.repository(), "orders", name_of(i), content_of(i));
    write_file(machine_.repository(), "orders", "large", large_);
    seal(machine_.repository(), "orders");
    leave_staging();
  }
  /// Everything is on the network alone.
  void leave_staging() {
    const auto settled = machine_.repository().settle(true, testing::patient());
    ASSERT_TRUE(settled.has_value()) << settled.error().message();
    wait_until([&] { return std::filesystem::is_empty(machine_.state() + "/packs"); });
  }
  /// The same machine as after a restart, with an empty cache.
  void reopen() {
    machine_.close();
    machine_.open();
  }
  void wait_until_whole() {
    wait_until([&] { return std::filesystem::exists(machine_.state() + "/nodes/whole"); });
  }
  /// Has what no live tree needs any more freed.
  void sweep() {
    machine_.close();
    std::filesystem::remove(machine_.state() + "/nodes/whole");
    machine_.open();
    wait_until_whole();
  }
  static void wait_until(const std::function<bool()>& is_so) {
    const auto limit = testing::patient();
    while (!is_so()) {
      ASSERT_TRUE(check_context(limit, system_clock(), "waiting").has_value());
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void cut_the_network() { network_->always(Fault{}); }
  LiveTree& live() { return **machine_.repository().live("orders"); }
  std::set<std::string> names() {
    std::set<std::string> out;
    const auto items = live().list(LiveTree::kRootIno, "", 10'000, false, CallContext::unbounded());
    EXPECT_TRUE(items.has_value()) << (items ? "" : items.error().message());
    if (items) {
      for (const auto& item : *items) out.insert(item.name);
    }
    return out;
  }
  static std::set<std::string> all_names() {
    std::set<std::string> out{"large"};
    for (int i = 0; i < kFiles; ++i) out.insert(name_of(i));
    return out;
  }

  const Bytes large_ = SeededRandom(99).bytes(3'000'000);
  std::shared_ptr<FaultyStore> network_ =
      std::make_shared<FaultyStore>(testing::memory_network("alpha", "dc1"), system_clock(), 3);
  Machine machine_{std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{network_})};
  InitResult sheet_;
};

TEST_F(LiveNodesTest, NetworkDownAndCacheGone_TreeIsReadAndChanged) {
  machine_.close();
  cut_the_network();
  machine_.open();
  EXPECT_EQ(names(), all_names());
  const auto context = CallContext::unbounded();
  EXPECT_EQ(live().lookup(LiveTree::kRootIno, "large", context)->size_bytes, large_.size());
  EXPECT_EQ(read_live(machine_.repository(), "orders", name_of(7)).value(), content_of(7));  // lies in its node
  const auto far = read_live(machine_.repository(), "orders", "large");
  ASSERT_FALSE(far.has_value());
  EXPECT_EQ(far.error().code(), ErrorCode::kUnavailable);

  ASSERT_TRUE(live()
                  .rename(LiveTree::kRootIno, name_of(1), LiveTree::kRootIno, "renamed", RenameMode::kReplace, context)
                  .has_value());
  ASSERT_TRUE(live().unlink(LiveTree::kRootIno, name_of(2), context).has_value());
  write_file(machine_.repository(), "orders", "new", large_);
  seal(machine_.repository(), "orders");
  reopen();
  std::set<std::string> expected = all_names();
  expected.erase(name_of(1));
  expected.erase(name_of(2));
  expected.insert({"renamed", "new"});
  EXPECT_EQ(names(), expected);
  EXPECT_EQ(read_live(machine_.repository(), "orders", "renamed").value(), content_of(1));
}

TEST_F(LiveNodesTest, LostIndex_IsRebuiltFromWhatIsKept) {
  machine_.close();
  cut_the_network();
  machine_.use_index(make_memory_chunk_index());
  machine_.open();
  EXPECT_EQ(names(), all_names());
}

TEST_F(LiveNodesTest, ListOfALargeFilesChunks_IsHereToo) {
  machine_.close();
  cut_the_network();
  machine_.open();
  const auto context = CallContext::unbounded();
  const auto found = live().lookup(LiveTree::kRootIno, "large", context);
  ASSERT_TRUE(found.has_value()) << found.error().message();
  const auto file = live().open_file(found->ino, false, context);
  ASSERT_TRUE(file.has_value()) << file.error().message();
  const auto hole = (*file)->seek_hole(0, context);
  ASSERT_TRUE(hole.has_value()) << hole.error().message();
  EXPECT_EQ(*hole, large_.size());
}

TEST_F(LiveNodesTest, OldNodeThatIsOnNetworksAlone_IsNotLeanedOn) {
  const auto context = CallContext::unbounded();
  write_file(machine_.repository(), "orders", "file-0a", content_of(0));
  seal(machine_.repository(), "orders");
  leave_staging();
  sweep();
  cut_the_network();
  // The folder is again as it was at first, whose nodes are known and not here.
  ASSERT_TRUE(live().unlink(LiveTree::kRootIno, "file-0a", context).has_value());
  seal(machine_.repository(), "orders");
  reopen();
  EXPECT_EQ(names(), all_names());
}

TEST_F(LiveNodesTest, Sweep_FreesSupersededNodesAndKeepsTheTree) {
  const auto kept_bytes = [&] {
    const std::string metrics = machine_.repository().metrics();
    const std::string line = "\nholdfast_kept_nodes_bytes ";
    return std::stoull(metrics.substr(metrics.find(line) + line.size()));
  };
  wait_until_whole();
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kFiles; ++i)
      write_file(machine_.repository(), "orders", name_of(i), content_of(i + 1000 * round));
    seal(machine_.repository(), "orders");
    leave_staging();
  }
  const auto before = kept_bytes();
  sweep();
  EXPECT_LT(kept_bytes(), before / 2);
  cut_the_network();
  reopen();
  EXPECT_EQ(names(), all_names());
  EXPECT_EQ(read_live(machine_.repository(), "orders", name_of(3)).value(), content_of(2003));
}

TEST_F(LiveNodesTest, RecoveredTree_IsBroughtHere) {
  machine_.close();
  Machine second(std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{network_}), "db2");
  second.use_index(make_memory_chunk_index());
  const auto recovered = second.recover(sheet_, "alpha");
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
  wait_until([&] { return std::filesystem::exists(second.state() + "/nodes/whole"); });
  second.close();
  cut_the_network();
  second.open();
  const auto items =
      (*second.repository().live("orders"))->list(LiveTree::kRootIno, "", 10'000, false, CallContext::unbounded());
  ASSERT_TRUE(items.has_value()) << items.error().message();
  EXPECT_EQ(items->size(), all_names().size());
}

TEST_F(LiveNodesTest, LostOrDamagedNodes_ComeBackFromTheNetwork) {
  wait_until_whole();
  machine_.close();
  for (const auto& item : std::filesystem::directory_iterator(machine_.state() + "/nodes")) {
    if (item.path().extension() == ".nodes") std::filesystem::resize_file(item.path(), 3000);
  }
  cut_the_network();
  machine_.open();
  // What the disk lost is missed by who reads it, and looked for from then on.
  EXPECT_FALSE(live().list(LiveTree::kRootIno, "", 10'000, false, CallContext::unbounded()).has_value());
  EXPECT_FALSE(std::filesystem::exists(machine_.state() + "/nodes/whole"));
  network_->clear();
  wait_until_whole();
  cut_the_network();
  reopen();
  EXPECT_EQ(names(), all_names());
}

}  // namespace
}  // namespace holdfast
