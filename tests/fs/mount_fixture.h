// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <mutex>
#include <thread>

#include "fs/fuse_session.h"
#include "tests/fs/fake_repository.h"
#include "tests/support/not_tested.h"
#include "tests/support/temp_folder.h"

namespace holdfast::testing {

/// Of tests that hold with the kernel's writeback cache (MountOptions::writeback_cache) and without.
struct WithWriteback : ::testing::WithParamInterface<bool> {
  static auto both() { return ::testing::Bool(); }
  static std::string name(const ::testing::TestParamInfo<bool>& info) { return info.param ? "Collected" : "Direct"; }
};

/// A real mount, through /dev/fuse, of a repository in memory. Skips loudly where there is no /dev/fuse.
class MountTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access("/dev/fuse", R_OK | W_OK) != 0) {
      HOLDFAST_NOT_TESTED << "there is no usable /dev/fuse on this machine, so nothing can be mounted";
    }
    start();
  }
  void TearDown() override {
    repository.stalling().stall(false);
    repository.hold_seals(false);
    repository.room().relieve(ok_status());
    if (!mount) return;
    const Status stopped = mount->stop(false);
    EXPECT_TRUE(stopped) << stopped.error().message();
  }
  void start() {
    options.mountpoint = folder.path();
    options.status_json = [] { return std::string(kStatus); };
    auto started = FuseMount::start(repository, system_clock(), options);
    ASSERT_TRUE(started) << started.error().message();
    mount = *std::move(started);
  }
  void restart() {
    ASSERT_TRUE(mount->stop(false));
    mount.reset();
    start();
  }

  [[nodiscard]] std::string path(const std::string& below) const { return folder.path() + "/" + below; }
  void write(const std::string& below, const std::string& text) const { spew(path(below), as_bytes(text)); }
  [[nodiscard]] std::string read(const std::string& below) const { return std::string(as_text(slurp(path(below)))); }
  /// 0 or the errno of `call`.
  static int error_of(const std::function<int()>& call) {
    errno = 0;
    return call() < 0 ? errno : 0;
  }
  void make_database(const std::string& name) const { ASSERT_EQ(::mkdir(path("live/" + name).c_str(), 0700), 0) << strerror(errno); }
  SnapshotInfo seal(const std::string& database, const SealOptions& options_in = {}) {
    auto sealed = repository.seal(database, options_in, CallContext::unbounded());
    EXPECT_TRUE(sealed) << sealed.error().message();
    return sealed->snapshot;
  }
  /// Waits, without bound but for the test's own, until `condition` holds.
  static void wait_until(const std::function<bool()>& condition) {
    while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  static std::string run(const std::string& command) {
    std::string output;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    char buffer[4096];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) output += buffer;
    ::pclose(pipe);
    return output;
  }

  static constexpr std::string_view kStatus = "{\"repository\": {}}\n";
  TempFolder folder;
  FakeRepository repository{system_clock()};
  MountOptions options;
  std::unique_ptr<FuseMount> mount;
  /// A request that is never answered would hold the test's own threads in the kernel, out of reach of signals, and ctest with them: the connection is cut.
  std::jthread watchdog{[where = folder.path()](const std::stop_token& stop) {
    constexpr std::chrono::seconds kPatience(100);
    std::mutex mutex;
    std::condition_variable_any ended;
    std::unique_lock lock(mutex);
    ended.wait_for(lock, stop, kPatience, [] { return false; });
    if (stop.stop_requested()) return;
    std::fprintf(stderr, "HUNG: a request was not answered; the connection is cut\n");
    (void)::umount2(where.c_str(), MNT_FORCE);
  }};
};

}  // namespace holdfast::testing
