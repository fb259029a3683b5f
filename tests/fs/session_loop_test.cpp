// SPDX-License-Identifier: Apache-2.0
#include "fs/session_loop.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "tests/support/fake_clock.h"

namespace holdfast::fs {
namespace {

/// What the test and the loop's threads share: requests as the test sends them, answered and left when the test lets
/// them.
class Desk {
 public:
  struct Counts {
    std::size_t sent = 0;
    std::size_t receiving = 0;  ///< threads that wait for a request
    std::size_t working = 0;
    std::size_t leaving = 0;
    std::size_t done = 0;
    std::size_t no_memory = 0;  ///< so many receptions fail
    bool hold_work = false;
    bool hold_leaving = false;
    bool ended = false;
  };
  using Condition = std::function<bool(const Counts&)>;

  void change(const std::function<void(Counts&)>& apply) {
    const std::lock_guard lock(mutex_);
    apply(counts_);
    changed_.notify_all();
  }
  /// Waits, without bound but for the test's own.
  void wait_until(const Condition& condition) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return condition(counts_); });
  }
  Counts counts() {
    const std::lock_guard lock(mutex_);
    return counts_;
  }
  /// As RequestReader::receive.
  int take() {
    std::unique_lock lock(mutex_);
    if (counts_.no_memory > 0) {
      --counts_.no_memory;
      return -ENOMEM;
    }
    ++counts_.receiving;
    changed_.notify_all();
    changed_.wait(lock, [&] { return counts_.sent > 0 || counts_.ended; });
    --counts_.receiving;
    if (counts_.sent == 0) return 0;
    --counts_.sent;
    return 1;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Counts counts_;
};

class DeskReader final : public RequestReader {
 public:
  explicit DeskReader(Desk& desk) : desk_(desk) {}
  ~DeskReader() override {
    desk_.change([](Desk::Counts& counts) { ++counts.leaving; });
    desk_.wait_until([](const Desk::Counts& counts) { return !counts.hold_leaving; });
    desk_.change([](Desk::Counts& counts) { --counts.leaving; });
  }
  int receive() override { return desk_.take(); }
  void process() override {
    desk_.change([](Desk::Counts& counts) { ++counts.working; });
    desk_.wait_until([](const Desk::Counts& counts) { return !counts.hold_work; });
    desk_.change([](Desk::Counts& counts) {
      --counts.working;
      ++counts.done;
    });
  }

 private:
  Desk& desk_;
};

class DeskRequests final : public RequestSource {
 public:
  explicit DeskRequests(Desk& desk) : desk_(desk) {}
  std::unique_ptr<RequestReader> make_reader() override { return std::make_unique<DeskReader>(desk_); }
  [[nodiscard]] bool has_ended() const override { return desk_.counts().ended; }
  void end() override {
    desk_.change([](Desk::Counts& counts) { counts.ended = true; });
  }

 private:
  Desk& desk_;
};

class SessionLoopTest : public ::testing::Test {
 protected:
  ~SessionLoopTest() override {
    desk.change([](Desk::Counts& counts) {
      counts.ended = true;
      counts.hold_work = counts.hold_leaving = false;
    });
    loop.wait_ended();
  }
  void send() {
    desk.change([](Desk::Counts& counts) { ++counts.sent; });
  }
  /// Until what was sent is done (or held), and every thread waits for a request, works or is leaving. None may end
  /// meanwhile.
  void settle() {
    desk.wait_until([this](const Desk::Counts& counts) {
      return counts.sent == 0 && (counts.hold_work || counts.working == 0) &&
             counts.receiving + counts.working + counts.leaving == loop.thread_count();
    });
  }
  /// Has `count` requests under way at once.
  void hold(std::size_t count) {
    desk.change([](Desk::Counts& counts) { counts.hold_work = true; });
    for (std::size_t i = 1; i <= count; ++i) {
      send();
      desk.wait_until([i](const Desk::Counts& counts) { return counts.working == i; });
    }
  }
  Desk desk;
  testing::FakeClock clock;
  SessionLoop loop{std::make_unique<DeskRequests>(desk), clock};
};

TEST_F(SessionLoopTest, WhateverTheOthersWaitFor_OneReads) {
  ASSERT_TRUE(loop.start());
  hold(20);
  settle();
  EXPECT_EQ(loop.thread_count(), 21U);
  EXPECT_EQ(desk.counts().receiving, 1U);
}

/// Once the last one left: each took the others that were leaving just then for ones that read.
TEST_F(SessionLoopTest, ThreadsThatTakeLongToLeave_AreNotCountedAsReading) {
  ASSERT_TRUE(loop.start());
  hold(20);
  desk.change([](Desk::Counts& counts) {
    counts.hold_leaving = true;
    counts.hold_work = false;
  });
  settle();
  EXPECT_EQ(desk.counts().receiving, SessionLoop::kIdleMax);
  for (std::size_t i = 0; i <= SessionLoop::kIdleMax; ++i) {
    send();
    settle();
    ASSERT_EQ(desk.counts().receiving, SessionLoop::kIdleMax) << "after " << i + 1 << " requests";
  }
}

TEST_F(SessionLoopTest, NoMemoryToReadWith_IsTriedAgain) {
  desk.change([](Desk::Counts& counts) { counts.no_memory = 3; });
  ASSERT_TRUE(loop.start());
  send();
  desk.wait_until([](const Desk::Counts& counts) { return counts.done == 1; });
  EXPECT_EQ(desk.counts().no_memory, 0U);
  EXPECT_FALSE(loop.has_ended());
}

TEST_F(SessionLoopTest, Unmounted_AllThreadsEnd) {
  ASSERT_TRUE(loop.start());
  hold(3);
  desk.change([](Desk::Counts& counts) {
    counts.ended = true;
    counts.hold_work = false;
  });
  loop.wait_ended();
  EXPECT_EQ(loop.thread_count(), 0U);
  EXPECT_EQ(desk.counts().done, 3U);
}

}  // namespace
}  // namespace holdfast::fs
