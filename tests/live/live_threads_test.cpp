// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "tests/support/live_fixture.h"

namespace holdfast {
namespace {

using testing::LiveFixture;
using testing::SeededRandom;

constexpr std::uint64_t kRoot = LiveTree::kRootIno;
const CallContext kContext;

TEST(LiveThreads, TruncationWhileTheLastWriterCloses_IsKept) {
  LiveFixture live;
  const auto made = live->make_node(kRoot, "f", {0100644, 0, 0, 0, {}}, kContext);
  ASSERT_TRUE(made);
  for (int round = 0; round < 300; ++round) {
    {
      const auto file = live->open_file(made->ino, true, kContext);
      ASSERT_TRUE(file && (*file)->write(0, Bytes(2'000, 1), kContext));
    }
    auto file = live->open_file(made->ino, true, kContext);
    ASSERT_TRUE(file);
    std::thread closer([&] { *file = nullptr; });
    SetAttributes empty;
    empty.size_bytes = 0;
    EXPECT_TRUE(live->set_attributes(made->ino, empty, kContext));
    closer.join();
    ASSERT_EQ(live->attributes(made->ino, kContext)->size_bytes, 0U) << "round " << round;
  }
}

TEST(LiveThreads, ReaderBesideAStream_FindsEveryByteThatTheSizePromises) {
  LiveFixture live;
  SeededRandom random(3);
  const Bytes data = random.bytes(1'000'000);
  const auto made = live->make_node(kRoot, "f", {0100644, 0, 0, 0, {}}, kContext);
  ASSERT_TRUE(made);
  const auto file = live->open_file(made->ino, true, kContext).value();
  std::atomic<bool> is_done{false};
  std::thread reader([&] {
    Bytes out(40'000);
    while (!is_done) {
      const std::uint64_t size = live->attributes(made->ino, kContext)->size_bytes;
      const std::uint64_t at = size > out.size() ? size - out.size() : 0;  // where the stream is just now
      const auto count = file->read(at, out, kContext);
      ASSERT_TRUE(count);
      ASSERT_GE(*count, size - at);
      ASSERT_TRUE(std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*count), data.begin() + static_cast<std::ptrdiff_t>(at)))
          << "near " << at;
    }
  });
  for (std::size_t at = 0; at < data.size();) {
    const std::size_t size = std::min<std::size_t>(1 + random.next_below(9'000), data.size() - at);
    EXPECT_TRUE(file->write(at, ByteView(data).subspan(at, size), kContext));
    at += size;
  }
  is_done = true;
  reader.join();
}

/// Each thread has files of its own and one that all share; what a thread wrote last must be there at the end and after a remount.
TEST(LiveThreads, WritersReadersSealsAndCheckpoints_DontDisturbEachOther) {
  LiveTreeOptions options = LiveFixture::default_options();
  options.dirty_inodes_max = 20;
  LiveFixture live(options);
  constexpr int kThreads = 4;
  constexpr int kRounds = 60;
  const auto shared = live->make_node(kRoot, "shared", {0100644, 0, 0, 0, {}}, kContext);
  ASSERT_TRUE(shared);
  std::array<std::map<std::string, Bytes>, kThreads> expected;
  std::atomic<int> running{kThreads};
  std::vector<std::thread> threads;
  for (int number = 0; number < kThreads; ++number) {
    threads.emplace_back([&, number] {
      SeededRandom random(static_cast<std::uint64_t>(number) + 11);
      const auto all = live->open_file(shared->ino, true, kContext);
      const auto home = live->make_node(kRoot, "d" + std::to_string(number), {0040755, 0, 0, 0, {}}, kContext);
      ASSERT_TRUE(all && home);
      for (int round = 0; round < kRounds; ++round) {
        const std::string name = std::to_string(random.next_below(10));
        auto node = live->lookup(home->ino, name, kContext);
        if (!node) node = live->make_node(home->ino, name, {0100644, 0, 0, 0, {}}, kContext);
        ASSERT_TRUE(node);
        const Bytes data = random.bytes(random.next_below(12'000));
        {
          const auto file = live->open_file(node->ino, true, kContext);
          ASSERT_TRUE(file);
          SetAttributes empty;
          empty.size_bytes = 0;
          ASSERT_TRUE(live->set_attributes(node->ino, empty, kContext));
          ASSERT_TRUE((*file)->write(0, data, kContext));
          ASSERT_TRUE(round % 3 == 0 ? (*file)->sync(kContext) : (*file)->flush(kContext));
        }
        live->forget(node->ino, 1);
        expected[static_cast<std::size_t>(number)][name] = data;
        ASSERT_TRUE((*all)->append(Bytes(50, static_cast<std::uint8_t>(number + 1)), kContext));
        if (round % 5 == 4 && expected[static_cast<std::size_t>(number)].size() > 3) {
          const std::string victim = expected[static_cast<std::size_t>(number)].begin()->first;
          ASSERT_TRUE(live->unlink(home->ino, victim, kContext));
          expected[static_cast<std::size_t>(number)].erase(victim);
        }
      }
      live->forget(home->ino, 1);
      --running;
    });
  }
  threads.emplace_back([&] {
    while (running > 0) ASSERT_TRUE(live->seal(nullptr, kContext));
  });
  threads.emplace_back([&] {
    Bytes out(100'000);
    while (running > 0) {
      const auto items = live->list(kRoot, "", 100, true, kContext);
      ASSERT_TRUE(items);
      for (const LiveItem& item : *items) live->forget(item.attributes.ino, 1);
      const auto file = live->open_file(shared->ino, false, kContext);
      ASSERT_TRUE(file && (*file)->read(0, out, kContext));
      ASSERT_TRUE(live->attributes(shared->ino, kContext));
      ASSERT_TRUE(live.journal().begin_checkpoint());
      live->append_checkpoint();
      ASSERT_TRUE(live.pipeline().commit());
      ASSERT_TRUE(live.journal().finish_checkpoint());
    }
  });
  for (auto& thread : threads) thread.join();
  if (::testing::Test::HasFailure()) return;

  const auto check = [&] {
    for (int number = 0; number < kThreads; ++number) {
      const auto home = live->lookup(kRoot, "d" + std::to_string(number), kContext);
      ASSERT_TRUE(home);
      const auto items = live->list(home->ino, "", 100, false, kContext);
      ASSERT_TRUE(items);
      EXPECT_EQ(items->size(), expected[static_cast<std::size_t>(number)].size());
      for (const auto& [name, data] : expected[static_cast<std::size_t>(number)]) {
        const auto node = live->lookup(home->ino, name, kContext);
        ASSERT_TRUE(node) << name;
        Bytes out(data.size() + 1);
        const auto file = live->open_file(node->ino, false, kContext);
        const auto count = (*file)->read(0, out, kContext);
        ASSERT_TRUE(count);
        out.resize(*count);
        EXPECT_EQ(out, data) << number << "/" << name;
      }
    }
    const auto node = live->lookup(kRoot, "shared", kContext);
    ASSERT_TRUE(node);
    EXPECT_EQ(node->size_bytes, static_cast<std::uint64_t>(kThreads * kRounds * 50));
  };
  check();
  live.remount();
  check();
}

}  // namespace
}  // namespace holdfast
