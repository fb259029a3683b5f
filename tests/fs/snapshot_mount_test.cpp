// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/fs/mount_fixture.h"
#include "tests/support/not_tested.h"
#include "tests/support/seeded_random.h"

#ifdef __SANITIZE_THREAD__
/// A child that mounts by itself starts threads after a fork, where the thread sanitizer would end it.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

namespace holdfast::testing {
namespace {

using SnapshotMount = MountTest;

std::set<std::string> names_in(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) names.insert(entry.path().filename().string());
  return names;
}

std::string xattr(const std::string& path, const std::string& name) {
  std::string value(4096, '\0');
  const ssize_t size = ::getxattr(path.c_str(), name.c_str(), value.data(), value.size());
  if (size < 0) return std::string("errno ") + strerror(errno);
  value.resize(static_cast<std::size_t>(size));
  return value;
}

TEST_F(SnapshotMount, Root_ShowsThreeFolders_AndHidesStatus) {
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"at", "live", "snapshots"}));
  EXPECT_EQ(names_in(path(".holdfast")), (std::set<std::string>{"metrics", "status.json"}));
  EXPECT_EQ(read(".holdfast/status.json"), kStatus);
  EXPECT_NE(read(".holdfast/metrics").find("holdfast_snapshots 0"), std::string::npos);
  EXPECT_EQ(error_of([&] { return ::mkdir(path("other").c_str(), 0700); }), EROFS);
  EXPECT_EQ(error_of([&] { return ::access(path("other").c_str(), F_OK); }), ENOENT);
}

TEST_F(SnapshotMount, SealedTree_ReadsBack_AndCannotBeChanged) {
  make_database("orders");
  ASSERT_EQ(::mkdir(path("live/orders/sub").c_str(), 0755), 0);
  const Bytes big = SeededRandom(7).bytes(3'000'001);
  spew(path("live/orders/sub/big"), big);
  write("live/orders/small", "hello");
  ASSERT_EQ(::symlink("sub/big", path("live/orders/link").c_str()), 0);
  const std::string name = seal("orders").name;
  const std::string at = "snapshots/orders/" + name;
  EXPECT_EQ(names_in(path(at)), (std::set<std::string>{"link", "small", "sub"}));
  EXPECT_EQ(slurp(path(at + "/sub/big")), big);
  EXPECT_EQ(slurp(path(at + "/link")), big);
  EXPECT_EQ(read(at + "/small"), "hello");
  EXPECT_EQ(error_of([&] { return ::open(path(at + "/small").c_str(), O_WRONLY); }), EROFS);
  EXPECT_EQ(error_of([&] { return ::open(path(at + "/new").c_str(), O_WRONLY | O_CREAT, 0600); }), EROFS);
  EXPECT_EQ(error_of([&] { return ::unlink(path(at + "/small").c_str()); }), EROFS);
  EXPECT_EQ(error_of([&] { return ::rename(path(at + "/small").c_str(), path(at + "/b").c_str()); }), EROFS);
  EXPECT_EQ(error_of([&] { return ::chmod(path(at + "/small").c_str(), 0600); }), EROFS);
  EXPECT_EQ(error_of([&] { return ::rmdir(path(at).c_str()); }), EPERM);
  EXPECT_EQ(error_of([&] { return ::access(path("snapshots/orders/2026-01-01T000000Z").c_str(), F_OK); }), ENOENT);
  write("live/orders/small", "changed");
  EXPECT_EQ(read(at + "/small"), "hello");
}

TEST_F(SnapshotMount, NewSnapshots_AppearAtOnce_AndLatestMovesOnlyToCompleteOnes) {
  make_database("orders");
  write("live/orders/f", "1");
  const auto first = seal("orders");
  EXPECT_EQ(std::filesystem::read_symlink(path("snapshots/orders/latest")).string(), first.name);
  EXPECT_EQ(read("snapshots/orders/latest/f"), "1");
  write("live/orders/f", "2");
  SealOptions cut_off;
  cut_off.forced_incomplete = true;
  const auto second = seal("orders", cut_off);
  mount->on_catalog_changed();
  EXPECT_TRUE(second.name.ends_with(".incomplete"));
  EXPECT_EQ(read("snapshots/orders/" + second.name + "/f"), "2");
  EXPECT_EQ(std::filesystem::read_symlink(path("snapshots/orders/latest")).string(), first.name);
  const auto third = seal("orders");
  mount->on_catalog_changed();
  EXPECT_EQ(std::filesystem::read_symlink(path("snapshots/orders/latest")).string(), third.name);
  EXPECT_EQ(names_in(path("snapshots/orders")), (std::set<std::string>{first.name, second.name, third.name, "latest"}));
}

TEST_F(SnapshotMount, Mkdir_Seals_UnderItsLabel) {
  make_database("orders");
  write("live/orders/f", "v1");
  ASSERT_EQ(::mkdir(path("snapshots/orders/before-upgrade").c_str(), 0755), 0) << strerror(errno);
  write("live/orders/f", "v2");
  EXPECT_EQ(read("snapshots/orders/before-upgrade/f"), "v1");
  const auto infos = repository.snapshots("orders");
  ASSERT_EQ(infos.size(), 1U);
  EXPECT_EQ(std::filesystem::read_symlink(path("snapshots/orders/before-upgrade")).string(), infos[0].name);
  EXPECT_EQ(error_of([&] { return ::mkdir(path("snapshots/orders/before-upgrade").c_str(), 0755); }), EEXIST);
  EXPECT_EQ(error_of([&] { return ::mkdir(path("snapshots/orders/yesterday").c_str(), 0755); }), EINVAL);
  EXPECT_EQ(error_of([&] { return ::mkdir(path("snapshots/nosuch").c_str(), 0755); }), EROFS);
}

TEST_F(SnapshotMount, At_GivesTheNewestCompleteOneBeforeTheMoment) {
  make_database("orders");
  repository.set_next_time(1'795'000'000LL * 1'000'000'000);
  write("live/orders/f", "old");
  seal("orders");  // 2026-11-18T11:06:40Z
  repository.set_next_time(1'795'100'000LL * 1'000'000'000);
  write("live/orders/f", "new");
  seal("orders");  // 2026-11-19T14:53:20Z
  EXPECT_EQ(read("at/2026-11-18/orders/f"), "old");
  EXPECT_EQ(read("at/2026-11-19T14:00Z/orders/f"), "old");
  EXPECT_EQ(read("at/2026-11-20/orders/f"), "new");
  EXPECT_EQ(names_in(path("at/2026-11-20")), (std::set<std::string>{"orders"}));
  EXPECT_EQ(names_in(path("at/2026-11-01")), (std::set<std::string>{}));
  EXPECT_EQ(names_in(path("at")), (std::set<std::string>{}));
  EXPECT_EQ(error_of([&] { return ::access(path("at/gibberish").c_str(), F_OK); }), ENOENT);
  EXPECT_EQ(error_of([&] { return ::access(path("at/2026-11-01/orders").c_str(), F_OK); }), ENOENT);
}

/// Two names for one directory node would make the kernel move its dentry: then `cd ..` leads elsewhere and find complains.
TEST_F(SnapshotMount, OneSnapshotUnderTwoPaths_NeitherDirectoryMoves) {
  make_database("orders");
  ASSERT_EQ(::mkdir(path("live/orders/sub").c_str(), 0755), 0);
  write("live/orders/sub/f", "x");
  const std::string name = seal("orders").name;
  const std::string one = path("snapshots/orders/" + name + "/sub");
  const std::string other = path("at/2027-01-01/orders/sub");
  const std::string output = run("cd " + one + " && cat " + other + "/f && ls " + other + " && pwd -P && ls .. && cd " + other +
                                 " && cat " + one + "/f && pwd -P && cd .. && pwd -P");
  EXPECT_EQ(output, "xf\n" + one + "\nsub\nx" + other + "\n" + path("at/2027-01-01/orders") + "\n");
  EXPECT_EQ(run("find " + path("at/2027-01-01") + " " + path("snapshots") + " -name f | sort"),
            other + "/f\n" + one + "/f\n");
  TempFolder copy;
  run("cp -a " + path("at/2027-01-01") + " " + copy.path("c"));
  EXPECT_EQ(as_text(slurp(copy.path("c/orders/sub/f"))), "x");
}

TEST_F(SnapshotMount, Xattrs_DescribeSnapshotsAndFiles_AndAreNotListed) {
  make_database("orders");
  write("live/orders/f", std::string(5000, 'x'));
  ASSERT_EQ(::setxattr(path("live/orders/f").c_str(), "user.mine", "v", 1, 0), 0);
  SealOptions tagged;
  tagged.tags = {"sox", "q4"};
  const auto info = seal("orders", tagged);
  const std::string root = path("snapshots/orders/" + info.name);
  EXPECT_EQ(xattr(root, "user.holdfast.id"), info.id.hex());
  EXPECT_EQ(xattr(root, "user.holdfast.completeness"), "complete");
  EXPECT_EQ(xattr(root, "user.holdfast.tags"), "sox,q4");
  EXPECT_EQ(xattr(root, "user.holdfast.stored_bytes"), "4711");
  EXPECT_EQ(xattr(root + "/f", "user.holdfast.completeness"), "unchecked");
  EXPECT_EQ(xattr(root + "/f", "user.mine"), "v");
  EXPECT_EQ(xattr(root, "user.holdfast.nonsense"), std::string("errno ") + strerror(ENODATA));
  char list[256];
  EXPECT_EQ(std::string(list, static_cast<std::size_t>(::listxattr((root + "/f").c_str(), list, sizeof list))), std::string("user.mine\0", 10));
  EXPECT_EQ(error_of([&] { return ::setxattr((root + "/f").c_str(), "user.mine", "w", 1, 0); }), EROFS);
}

TEST_F(SnapshotMount, HugeDirectory_ListsEveryNameOnce_AndKernelForgetsAll) {
  make_database("orders");
  constexpr int kCount = 5000;
  auto* tree = *repository.live("orders");
  for (int i = 0; i < kCount; ++i) {
    NewNode node;
    node.mode = 0100644;
    const auto made = tree->make_node(LiveTree::kRootIno, "file" + std::to_string(i), node, {});
    ASSERT_TRUE(made);
    tree->forget(made->ino, 1);
  }
  const std::string name = seal("orders").name;
  EXPECT_EQ(names_in(path("live/orders")).size(), static_cast<std::size_t>(kCount));
  EXPECT_EQ(names_in(path("snapshots/orders/" + name)).size(), static_cast<std::size_t>(kCount));
  EXPECT_EQ(run("ls -l " + path("snapshots/orders/" + name) + " | wc -l"), std::to_string(kCount + 1) + "\n");
  EXPECT_EQ(run("ls -l " + path("live/orders") + " | wc -l"), std::to_string(kCount + 1) + "\n");
  EXPECT_GE(repository.tree("orders").total_pins(), static_cast<std::uint64_t>(kCount));
  // Unmounting sends no FORGETs (fuse_evict_inode in Linux), so the kernel is made to forget before: every look-up that was counted is given back.
  if (!std::ofstream("/proc/sys/vm/drop_caches").write("2", 1).flush())
    HOLDFAST_NOT_TESTED << "dropping the kernel's caches needs root";
  wait_until([&] { return repository.tree("orders").total_pins() == 0; });
}

TEST_F(SnapshotMount, ManyNames_KernelIsAskedToForgetSome_AndFindsThemAgain) {
  options.held_bytes_max = 400'000;
  restart();
  make_database("orders");
  constexpr int kCount = 3000;
  for (int i = 0; i < kCount; ++i) write("live/orders/file" + std::to_string(i), "content " + std::to_string(i));
  const std::string at = "snapshots/orders/" + seal("orders").name;
  const int held_open = ::open(path(at + "/file7").c_str(), O_RDONLY);
  ASSERT_GE(held_open, 0);
  EXPECT_EQ(run("ls -l " + path(at) + " | wc -l"), std::to_string(kCount + 1) + "\n");
  EXPECT_EQ(run("ls -l " + path("live/orders") + " | wc -l"), std::to_string(kCount + 1) + "\n");
  // What either takes alone is above the bound.
  wait_until([&] { return mount->counters().nodes < 1000 && repository.tree("orders").stats().inodes_in_memory < 1000; });
  char byte = 0;
  EXPECT_EQ(::pread(held_open, &byte, 1, 8), 1);
  EXPECT_EQ(byte, '7');
  ::close(held_open);
  for (const int i : {0, 7, 1500, kCount - 1}) {
    EXPECT_EQ(read(at + "/file" + std::to_string(i)), "content " + std::to_string(i));
    EXPECT_EQ(read("live/orders/file" + std::to_string(i)), "content " + std::to_string(i));
  }
  EXPECT_EQ(names_in(path(at)).size(), static_cast<std::size_t>(kCount));
}

TEST_F(SnapshotMount, Seekdir_ComesBackToTheSamePlace) {
  make_database("orders");
  for (int i = 0; i < 500; ++i) write("live/orders/f" + std::to_string(1000 + i), "");
  DIR* directory = ::opendir(path("live/orders").c_str());
  ASSERT_NE(directory, nullptr);
  std::vector<std::pair<long, std::string>> seen;
  while (true) {
    const long position = ::telldir(directory);
    const dirent* entry = ::readdir(directory);
    if (entry == nullptr) break;
    seen.emplace_back(position, entry->d_name);
  }
  ASSERT_EQ(seen.size(), 502U);
  for (const std::size_t index : {400U, 3U, 250U, 251U, 0U}) {
    ::seekdir(directory, seen[index].first);
    EXPECT_EQ(::readdir(directory)->d_name, seen[index].second);
  }
  ::closedir(directory);
}

TEST_F(SnapshotMount, Statfs_ShowsStaging) {
  struct statvfs space{};
  ASSERT_EQ(::statvfs(folder.path().c_str(), &space), 0);
  EXPECT_EQ(space.f_blocks * space.f_frsize, 1ULL << 30U);
  EXPECT_EQ(space.f_bavail * space.f_frsize, (1ULL << 30U) - (1ULL << 28U));
  EXPECT_EQ(space.f_namemax, 255U);
}

TEST_F(SnapshotMount, Statfs_ShowsNoMoreThanTheDiskHas) {
  options.state_directory = "/proc";  // a filesystem without any room
  restart();
  struct statvfs space{};
  ASSERT_EQ(::statvfs(folder.path().c_str(), &space), 0);
  EXPECT_EQ(space.f_bavail, 0U);
  EXPECT_EQ(space.f_blocks * space.f_frsize, 1ULL << 28U);
}

TEST_F(SnapshotMount, ReadOnly_TakesNoChange) {
  make_database("orders");
  options.read_only = true;
  restart();
  EXPECT_EQ(error_of([&] { return ::mkdir(path("live/more").c_str(), 0700); }), EROFS);
  EXPECT_EQ(error_of([&] { return ::open(path("live/orders/f").c_str(), O_RDWR | O_CREAT, 0600); }), EROFS);
  EXPECT_EQ(error_of([&] { return ::access(path("live/orders").c_str(), R_OK); }), 0);
}

TEST_F(SnapshotMount, RefusedMount_TellsTheReason) {
  MountOptions wrong = options;
  TempFolder elsewhere;
  wrong.mountpoint = elsewhere.path();
  wrong.fsname = std::string(5000, 'x');  // longer than mount(2) takes
  const auto refused = FuseMount::start(repository, system_clock(), wrong);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("mount failed"), std::string::npos) << refused.error().message();
}

TEST_F(SnapshotMount, SequentialRead_FetchesAhead) {
  make_database("orders");
  spew(path("live/orders/big"), SeededRandom(3).bytes(24U << 20));
  const std::string name = seal("orders").name;
  repository.chunks().reset_counts();
  const int file = ::open(path("snapshots/orders/" + name + "/big").c_str(), O_RDONLY);
  std::vector<char> buffer(6U << 20);
  ASSERT_EQ(::read(file, buffer.data(), buffer.size()), static_cast<ssize_t>(buffer.size()));
  ::close(file);
  EXPECT_GT(repository.chunks().prefetched(), 40U);
}

TEST_F(SnapshotMount, DamagedChunk_IsEioForItsFile_TheRestReads) {
  make_database("orders");
  spew(path("live/orders/bad"), SeededRandom(1).bytes(200'000));
  spew(path("live/orders/good"), SeededRandom(2).bytes(200'000));
  const std::string name = seal("orders").name;
  repository.chunks().lose(MemoryChunks::reference(ChunkKind::kData, ByteView(SeededRandom(1).bytes(200'000)).first(65536)).id);
  const int file = ::open(path("snapshots/orders/" + name + "/bad").c_str(), O_RDONLY);
  char byte = 0;
  EXPECT_EQ(error_of([&] { return static_cast<int>(::pread(file, &byte, 1, 0)); }), EIO);
  ::close(file);
  EXPECT_EQ(slurp(path("snapshots/orders/" + name + "/good")), SeededRandom(2).bytes(200'000));
}

TEST_F(SnapshotMount, MountpointChecks_RefuseWhatWouldHideOrLoop) {
  MountOptions wrong = options;
  wrong.mountpoint = folder.path();
  auto again = FuseMount::start(repository, system_clock(), wrong);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::kInvalidArgument);
  make_database("orders");
  wrong.mountpoint = path("live/orders");
  EXPECT_EQ(FuseMount::start(repository, system_clock(), wrong).error().code(), ErrorCode::kInvalidArgument);
  TempFolder state;
  std::filesystem::create_directory(state.path("mnt"));
  std::filesystem::create_directory(state.path("state"));
  wrong.state_directory = state.path("state");
  wrong.mountpoint = state.path();
  EXPECT_EQ(FuseMount::start(repository, system_clock(), wrong).error().code(), ErrorCode::kInvalidArgument);
  wrong.mountpoint = state.path("state");
  EXPECT_EQ(FuseMount::start(repository, system_clock(), wrong).error().code(), ErrorCode::kInvalidArgument);
  wrong.state_directory.clear();
  wrong.other_folders = {state.path("state")};
  wrong.mountpoint = state.path();
  EXPECT_EQ(FuseMount::start(repository, system_clock(), wrong).error().code(), ErrorCode::kInvalidArgument);
  wrong.other_folders.clear();
  wrong.state_directory = path("live/orders");
  wrong.mountpoint = state.path();
  EXPECT_EQ(FuseMount::start(repository, system_clock(), wrong).error().code(), ErrorCode::kInvalidArgument);
  wrong.state_directory.clear();
  wrong.mountpoint = state.path("nosuch");
  EXPECT_EQ(FuseMount::start(repository, system_clock(), wrong).error().code(), ErrorCode::kNotFound);
}

TEST_F(SnapshotMount, DeadMount_IsTakenAway) {
  ASSERT_TRUE(mount->stop(false));
  mount.reset();
  const std::string where = folder.path();
  const int status = status_of_child([&where] {
    FakeRepository other(system_clock());
    MountOptions dying;
    dying.mountpoint = where;
    dying.status_json = [] { return std::string(); };
    auto started = FuseMount::start(other, system_clock(), dying);
    if (!started) return 1;
    ::_exit(7);  // as a crash: nobody unmounts
  });
  ASSERT_EQ(WEXITSTATUS(status), 7);
  struct statvfs space{};
  ASSERT_EQ(error_of([&] { return ::statvfs(where.c_str(), &space); }), ENOTCONN);
  start();
  EXPECT_EQ(error_of([&] { return ::access(path("live").c_str(), F_OK); }), 0);
}

TEST_F(SnapshotMount, Stop_WithOpenFiles_IsRefused_AndDetachWorks) {
  make_database("orders");
  const int file = ::open(path("live/orders/f").c_str(), O_RDWR | O_CREAT, 0600);
  const Status stopped = mount->stop(false);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ErrorCode::kConflict);
  EXPECT_EQ(::write(file, "x", 1), 1);
  ASSERT_TRUE(mount->stop(true));
  EXPECT_FALSE(mount->is_mounted());
  ::close(file);
}

TEST_F(SnapshotMount, End_WithOpenFiles_KeepsWhatWasWrittenToThem) {
  make_database("orders");
  const int file = ::open(path("live/orders/f").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(::write(file, "data", 4), 4);
  ASSERT_TRUE(mount->end(std::chrono::seconds(30)));
  EXPECT_FALSE(mount->is_mounted());
  mount.reset();
  FakeLiveTree& tree = repository.tree("orders");
  const auto found = tree.lookup(LiveTree::kRootIno, "f", CallContext::unbounded());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->size_bytes, 4U);
  EXPECT_EQ(tree.flushed(), std::vector<std::uint64_t>{found->ino});
  ::close(file);
}

}  // namespace
}  // namespace holdfast::testing
