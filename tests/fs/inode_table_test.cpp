// SPDX-License-Identifier: Apache-2.0
#include "fs/inode_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "tests/support/seeded_random.h"

namespace holdfast::fs {
namespace {

std::shared_ptr<Node> node(const std::shared_ptr<Node>& parent, const std::string& name) {
  return std::make_shared<Node>(parent, name);
}

class InodeTableTest : public ::testing::Test {
 protected:
  InodeTableTest() { table.add_fixed(1, root); }
  std::shared_ptr<Node> root = std::make_shared<Node>(nullptr, "");
  InodeTable table;
};

TEST_F(InodeTableTest, SameParentAndKey_OneId) {
  const auto first = table.acquire(node(root, "a"));
  const auto second = table.acquire(node(root, "a"));
  EXPECT_EQ(first, second);
  EXPECT_NE(table.acquire(node(root, "b"))->id(), first->id());
  EXPECT_EQ(table.size(), 2U);
}

TEST_F(InodeTableTest, Release_CountsDown_ThenForgets) {
  const auto held = table.acquire(node(root, "a"));
  table.acquire(node(root, "a"));
  table.acquire(node(root, "a"));
  const NodeId id = held->id();
  table.release(id, 2);
  EXPECT_EQ(table.find(id), held);
  table.release(id, 1);
  EXPECT_EQ(table.find(id), nullptr);
  EXPECT_EQ(table.acquire_held(1, "a"), nullptr);
  EXPECT_EQ(table.size(), 0U);
}

TEST_F(InodeTableTest, ForgottenAndFoundAgain_NewId) {
  const NodeId before = table.acquire(node(root, "a"))->id();
  table.release(before, 1);
  EXPECT_NE(table.acquire(node(root, "a"))->id(), before);
}

TEST_F(InodeTableTest, FixedNodes_AreNeverForgotten) {
  table.release(1, 1000);
  EXPECT_EQ(table.find(1), root);
}

TEST_F(InodeTableTest, UnknownId_IsIgnored) {
  table.release(123456, 7);
  EXPECT_EQ(table.find(123456), nullptr);
}

TEST_F(InodeTableTest, ForgottenParent_LivesAsLongAsItsChild) {
  auto parent = table.acquire(node(root, "dir"));
  const auto child = table.acquire(node(parent, "file"));
  const NodeId parent_id = parent->id();
  table.release(parent_id, 1);
  parent.reset();
  EXPECT_EQ(table.find(parent_id), nullptr);
  EXPECT_EQ(child->parent()->key(), "dir");
}

TEST_F(InodeTableTest, BatchForget_DropsAll) {
  std::vector<InodeTable::Forget> batch;
  for (int i = 0; i < 100; ++i) batch.push_back({table.acquire(node(root, std::to_string(i)))->id(), 1});
  table.release(batch);
  EXPECT_EQ(table.size(), 0U);
}

TEST_F(InodeTableTest, AcquireHeld_CountsWhatIsThere_AndMakesNothing) {
  EXPECT_EQ(table.acquire_held(1, "a"), nullptr);
  const auto held = table.acquire(node(root, "a"));
  EXPECT_EQ(table.acquire_held(1, "a"), held);
  table.release(held->id(), 1);
  EXPECT_EQ(table.find(held->id()), held);  // the second count is still there
  table.release(held->id(), 1);
  EXPECT_EQ(table.size(), 0U);
}

/// Threads look names up and forget them as the kernel does; each knows what it holds. At the end the table holds exactly nothing.
TEST_F(InodeTableTest, ManyThreads_EveryCountIsKept) {
  constexpr int kThreads = 8;
  constexpr int kSteps = 20000;
  const std::uint64_t seed = 20261123;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      holdfast::testing::SeededRandom random(seed + static_cast<std::uint64_t>(t));
      std::map<NodeId, std::uint64_t> held;
      for (int step = 0; step < kSteps; ++step) {
        if (random.next_below(2) == 0 || held.empty()) {
          const std::string name = std::to_string(random.next_below(32));
          auto found = table.acquire_held(1, name);
          if (!found) found = table.acquire(node(root, name));
          ++held[found->id()];
        } else {
          auto at = held.begin();
          std::advance(at, static_cast<std::ptrdiff_t>(random.next_below(held.size())));
          if (table.find(at->first) == nullptr) ++wrong;  // held by us, so it must be there
          const std::uint64_t count = 1 + random.next_below(at->second);
          table.release(at->first, count);
          if ((at->second -= count) == 0) held.erase(at);
        }
      }
      for (const auto& [id, count] : held) table.release(id, count);
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(table.size(), 0U);
}

}  // namespace
}  // namespace holdfast::fs
