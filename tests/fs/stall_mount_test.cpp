// SPDX-License-Identifier: Apache-2.0
// Requests that must wait, and all the others that must not wait for them.
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <thread>

#include "fs/worker_pool.h"
#include "tests/fs/mount_fixture.h"
#include "tests/support/seeded_random.h"

namespace holdfast::testing {
namespace {

class StallMount : public MountTest, public WithWriteback {
 protected:
  void SetUp() override {
    options.writeback_cache = GetParam();
    options.read_timeout = read_timeout;
    MountTest::SetUp();
    if (mount) make_database("db");
  }
  [[nodiscard]] std::string at(const std::string& name) const { return path("live/db/" + name); }
  std::string seal_big_file() {
    spew(at("big"), SeededRandom(9).bytes(2U << 20));
    return path("snapshots/db/" + seal("db").name + "/big");
  }
  std::chrono::seconds read_timeout{120};
};

TEST_P(StallMount, SixtyFourStalledWriters_StopNobodyElse) {
  write("live/db/other", "readable");
  repository.room().fill();
  constexpr int kWriters = 64;
  std::vector<std::jthread> writers;
  std::atomic<int> finished = 0;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] {
      spew(at("w" + std::to_string(i)), SeededRandom(static_cast<std::uint64_t>(i)).bytes(60'000));
      ++finished;
    });
  }
  wait_until([&] { return mount->counters().parked >= 32; });
  EXPECT_EQ(read("live/db/other"), "readable");
  struct stat status{};
  EXPECT_EQ(::stat(at("other").c_str(), &status), 0);
  // In this process: a child would inherit the writers' descriptors and wait for their data when it closes them.
  std::size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path("live/db"))) seen += ::lstat(entry.path().c_str(), &status) == 0 ? 1U : 0U;
  EXPECT_GE(seen, static_cast<std::size_t>(kWriters / 2));
  EXPECT_EQ(::mkdir(at("dir").c_str(), 0700), 0);
  EXPECT_EQ(finished, 0);
  EXPECT_LT(mount->counters().threads, 40U);
  repository.room().relieve(ok_status());
  writers.clear();
  for (int i = 0; i < kWriters; ++i) {
    EXPECT_EQ(slurp(at("w" + std::to_string(i))), SeededRandom(static_cast<std::uint64_t>(i)).bytes(60'000));
  }
}

TEST_P(StallMount, End_WithStalledWriters_AnswersThem) {
  repository.room().fill();
  std::vector<std::jthread> writers;
  for (int i = 0; i < 8; ++i) {
    writers.emplace_back([&, i] {
      const int file = ::open(at("w" + std::to_string(i)).c_str(), O_WRONLY | O_CREAT, 0600);
      (void)!::write(file, "data", 4);
      ::fsync(file);
      ::close(file);
    });
  }
  wait_until([&] { return mount->counters().parked >= 8; });
  EXPECT_TRUE(mount->end(std::chrono::seconds(0)));
  EXPECT_FALSE(mount->is_mounted());
  writers.clear();  // each was answered
  mount.reset();
}

/// A seal that has begun is brought to its end, whatever became of who asked for it.
TEST_P(StallMount, EndWhileMkdirSeals_KeepsTheSnapshotWhole) {
  write("live/db/f", "sealed");
  repository.hold_seals(true);
  int outcome = 0;
  std::jthread maker([&] { outcome = error_of([&] { return ::mkdir(path("snapshots/db/label").c_str(), 0700); }); });
  wait_until([&] { return repository.seals_held >= 1; });
  // Who unmounts is told that somebody is still at work, and disturbs nobody.
  const Status stopped = mount->stop(false);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ErrorCode::kConflict);
  EXPECT_TRUE(mount->is_mounted());
  // A signal ends the mount all the same.
  EXPECT_TRUE(mount->end(std::chrono::seconds(0)));
  EXPECT_FALSE(mount->is_mounted());
  maker.join();
  EXPECT_NE(outcome, 0);  // it was not told that it is done
  EXPECT_TRUE(repository.snapshots("db").empty());
  repository.hold_seals(false);
  mount.reset();  // waits for the seal
  ASSERT_EQ(repository.snapshots("db").size(), 1U);
  start();
  EXPECT_EQ(read("snapshots/db/label/f"), "sealed");
  EXPECT_EQ(read("live/db/f"), "sealed");
}

class CollectingMount : public StallMount {};

TEST_P(CollectingMount, NoRoomUntilTheDeadline_IsEnospcAtClose_AndGoesOnAfterwards) {
  const int file = ::open(at("f").c_str(), O_WRONLY | O_CREAT, 0600);
  repository.room().fill();
  ASSERT_EQ(::write(file, "data", 4), 4);
  std::jthread deadline([&] {
    wait_until([&] { return mount->counters().parked >= 1; });
    repository.room().relieve(Error(ErrorCode::kNoSpace, "staging stayed full"));
  });
  EXPECT_EQ(error_of([&] { return ::fsync(file); }), ENOSPC);
  deadline.join();
  repository.room().relieve(ok_status());
  EXPECT_EQ(::pwrite(file, "data", 4, 0), 4);
  EXPECT_EQ(::fsync(file), 0);
  ::close(file);
  EXPECT_EQ(read("live/db/f"), "data");
}

TEST_P(StallMount, StalledRead_EndsWithSigkill) {
  const std::string file = seal_big_file();
  repository.stalling().stall(true);
  const pid_t child = ::fork();
  if (child == 0) {
    const int descriptor = ::open(file.c_str(), O_RDONLY);
    char buffer[4096];
    (void)!::read(descriptor, buffer, sizeof buffer);
    ::_exit(0);
  }
  wait_until([&] { return repository.stalling().stalled_now > 0; });
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);  // returns only if the read was called off
  EXPECT_TRUE(WIFSIGNALED(status));
  repository.stalling().stall(false);
  EXPECT_EQ(slurp(file), SeededRandom(9).bytes(2U << 20));
}

/// Programs don't expect EINTR from a file: a timer's signal must not end a read, and a kill after it must.
TEST_P(StallMount, HarmlessSignal_DoesNotEndARead_AKillAfterItDoes) {
  const std::string file = seal_big_file();
  repository.stalling().stall(true);
  const pid_t child = ::fork();
  if (child == 0) {
    struct sigaction action{};
    action.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &action, nullptr);
    const int descriptor = ::open(file.c_str(), O_RDONLY);
    char buffer[4096];
    ::_exit(::read(descriptor, buffer, sizeof buffer) == 4096 ? 0 : 1);
  }
  wait_until([&] { return repository.stalling().stalled_now > 0; });
  ::kill(child, SIGUSR1);
  repository.stalling().stall(false);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(describe_child(status), "exit code 0");
}

TEST_P(StallMount, ManyStalledReads_StopNobodyElse) {
  const std::string file = seal_big_file();
  write("live/db/other", "readable");
  repository.stalling().stall(true);
  std::vector<std::jthread> readers;
  for (int i = 0; i < 100; ++i) {
    readers.emplace_back([&, i] {
      const int descriptor = ::open(file.c_str(), O_RDONLY | O_DIRECT);
      char buffer[512];
      (void)!::pread(descriptor, buffer, sizeof buffer, 4096 * i);
      ::close(descriptor);
    });
  }
  wait_until([&] { return repository.stalling().stalled_now >= 100; });
  write("live/db/new", "written");
  EXPECT_EQ(read("live/db/other"), "readable");
  EXPECT_NE(run("ls " + path("snapshots/db")).find("latest"), std::string::npos);
  repository.stalling().stall(false);
}

TEST_P(StallMount, SealsThatTakeLong_DontHoldBackWritesThatHaveRoomAgain) {
  constexpr std::size_t kSeals = 8;
  for (std::size_t i = 0; i < kSeals; ++i) {
    make_database("sealed" + std::to_string(i));
    seal("sealed" + std::to_string(i));
  }
  repository.hold_seals(true);
  std::vector<std::jthread> sealers;
  for (std::size_t i = 0; i < kSeals; ++i) {
    sealers.emplace_back(
        [&, i] { EXPECT_EQ(::mkdir(path("snapshots/sealed" + std::to_string(i) + "/label").c_str(), 0700), 0); });
  }
  wait_until([&] { return repository.seals_held >= fs::kSealThreads; });
  repository.room().fill();
  std::jthread writer([&] { write("live/db/f", "written"); });
  wait_until([&] { return mount->counters().parked >= 1; });
  repository.room().relieve(ok_status());
  writer.join();
  EXPECT_EQ(read("live/db/f"), "written");
  EXPECT_GE(repository.seals_held, fs::kSealThreads);
  repository.hold_seals(false);
}

/// More often than there are places for requests that may wait.
TEST_P(StallMount, RequestsThatThrow_AreEio_AndKeepNoPlace) {
  for (std::size_t i = 0; i <= fs::kSlowRunningMax; ++i) {
    const std::string name = std::string(FakeLiveTree::kNameThatThrows) + std::to_string(i);
    ASSERT_EQ(error_of([&] { return ::access(at(name).c_str(), F_OK); }), EIO) << i;
  }
  write("live/db/f", "written");
  EXPECT_EQ(read("live/db/f"), "written");
}

class ShortTimeout : public StallMount {
 protected:
  ShortTimeout() { read_timeout = std::chrono::seconds(1); }
};

TEST_P(ShortTimeout, ReadThatNoNetworkAnswers_IsEio) {
  const std::string file = seal_big_file();
  repository.stalling().stall(true);
  const int descriptor = ::open(file.c_str(), O_RDONLY);
  char byte = 0;
  EXPECT_EQ(error_of([&] { return static_cast<int>(::pread(descriptor, &byte, 1, 0)); }), EIO);
  ::close(descriptor);
}

INSTANTIATE_TEST_SUITE_P(Writes, StallMount, WithWriteback::both(), WithWriteback::name);
INSTANTIATE_TEST_SUITE_P(Writes, CollectingMount, ::testing::Values(true), WithWriteback::name);
INSTANTIATE_TEST_SUITE_P(Writes, ShortTimeout, WithWriteback::both(), WithWriteback::name);

}  // namespace
}  // namespace holdfast::testing
