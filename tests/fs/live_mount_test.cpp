// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <filesystem>
#include <set>
#include <thread>
#include <tuple>

#include "tests/fs/mount_fixture.h"
#include "tests/support/not_tested.h"
#include "tests/support/seeded_random.h"

namespace holdfast::testing {
namespace {

class LiveMount : public MountTest, public WithWriteback {
 protected:
  void SetUp() override {
    options.writeback_cache = GetParam();
    MountTest::SetUp();
    if (!mount) return;
    make_database("db");
  }
  [[nodiscard]] std::string at(const std::string& name) const { return path("live/db/" + name); }
  static struct stat stat_of(const std::string& path) {
    struct stat status{};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path << ": " << strerror(errno);
    return status;
  }
};

TEST_P(LiveMount, Folders_OfDatabases_AreMadeButNotRemovedOrRenamed) {
  EXPECT_EQ(error_of([&] { return ::mkdir(path("live/db").c_str(), 0700); }), EEXIST);
  EXPECT_EQ(error_of([&] { return ::mkdir(path("live/bad@name").c_str(), 0700); }), EINVAL);
  EXPECT_EQ(error_of([&] { return ::rmdir(path("live/db").c_str()); }), EPERM);
  EXPECT_EQ(error_of([&] { return ::rename(path("live/db").c_str(), path("live/other").c_str()); }), EPERM);
  EXPECT_EQ(error_of([&] { return ::open(path("live/file").c_str(), O_CREAT | O_WRONLY, 0600); }), EPERM);
  make_database("other");
  write("live/db/f", "x");
  EXPECT_EQ(error_of([&] { return ::rename(at("f").c_str(), path("live/other/f").c_str()); }), EXDEV);
  EXPECT_EQ(error_of([&] { return ::link(at("f").c_str(), path("live/other/f").c_str()); }), EXDEV);
  EXPECT_EQ(stat_of(path("live/db")).st_mode & 0777U, 0700U);
}

TEST_P(LiveMount, Files_ReadBackAfterRandomWrites_EvenWithoutTheKernelsCache) {
  const std::uint64_t seed = 41;
  SCOPED_TRACE("seed 41");
  SeededRandom random(seed);
  Bytes expected;
  const int file = ::open(at("f").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_GE(file, 0);
  for (int step = 0; step < 300; ++step) {
    const Bytes data = random.bytes(1 + random.next_below(70'000));
    const std::uint64_t offset = random.next_below(2'000'000);
    ASSERT_EQ(::pwrite(file, data.data(), data.size(), static_cast<off_t>(offset)), static_cast<ssize_t>(data.size()));
    if (expected.size() < offset + data.size()) expected.resize(offset + data.size());
    std::copy(data.begin(), data.end(), expected.begin() + static_cast<std::ptrdiff_t>(offset));
    if (step % 50 == 49) {
      const std::uint64_t size = random.next_below(2'500'000);
      ASSERT_EQ(::ftruncate(file, static_cast<off_t>(size)), 0);
      expected.resize(size);
    }
  }
  ASSERT_EQ(::fsync(file), 0);
  ::close(file);
  EXPECT_EQ(slurp(at("f")), expected);
  restart();
  EXPECT_EQ(slurp(at("f")), expected);
}

TEST_P(LiveMount, Append_FromTwoHandles_LosesNothing) {
  const int one = ::open(at("log").c_str(), O_WRONLY | O_APPEND | O_CREAT, 0600);
  const int two = ::open(at("log").c_str(), O_WRONLY | O_APPEND);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(::write(one, "a", 1), 1);
    ASSERT_EQ(::write(two, "b", 1), 1);
  }
  ::close(one);
  ::close(two);
  std::string expected;
  for (int i = 0; i < 100; ++i) expected += "ab";
  EXPECT_EQ(read("live/db/log"), expected);
}

TEST_P(LiveMount, OpenWithTruncation_Empties) {
  write("live/db/f", "something");
  const int file = ::open(at("f").c_str(), O_WRONLY | O_TRUNC);
  EXPECT_EQ(stat_of(at("f")).st_size, 0);
  ::close(file);
  EXPECT_EQ(read("live/db/f"), "");
}

TEST_P(LiveMount, UnlinkedWhileOpen_StaysReadable_ThenGoes) {
  write("live/db/f", "still here");
  const std::size_t before = repository.tree("db").item_count();
  const int file = ::open(at("f").c_str(), O_RDWR);
  ASSERT_EQ(::unlink(at("f").c_str()), 0);
  EXPECT_EQ(error_of([&] { return ::access(at("f").c_str(), F_OK); }), ENOENT);
  char buffer[32];
  EXPECT_EQ(::pread(file, buffer, sizeof buffer, 0), 10);
  EXPECT_EQ(::pwrite(file, "STILL", 5, 0), 5);
  struct stat status{};
  ASSERT_EQ(::fstat(file, &status), 0);
  EXPECT_EQ(status.st_nlink, 0U);
  ::close(file);
  wait_until([&] { return repository.tree("db").item_count() == before - 1; });  // the kernel forgets it in its own time
}

TEST_P(LiveMount, RenameOver_NoReplace_Exchange) {
  write("live/db/a", "A");
  write("live/db/b", "B");
  EXPECT_EQ(error_of([&] { return ::renameat2(AT_FDCWD, at("a").c_str(), AT_FDCWD, at("b").c_str(), RENAME_NOREPLACE); }), EEXIST);
  ASSERT_EQ(::renameat2(AT_FDCWD, at("a").c_str(), AT_FDCWD, at("b").c_str(), RENAME_EXCHANGE), 0);
  EXPECT_EQ(read("live/db/a"), "B");
  ASSERT_EQ(::rename(at("a").c_str(), at("b").c_str()), 0);
  EXPECT_EQ(read("live/db/b"), "B");
  EXPECT_EQ(error_of([&] { return ::access(at("a").c_str(), F_OK); }), ENOENT);
}

TEST_P(LiveMount, HardLinks_ShareOneInode) {
  write("live/db/a", "one");
  ASSERT_EQ(::link(at("a").c_str(), at("b").c_str()), 0);
  EXPECT_EQ(stat_of(at("a")).st_ino, stat_of(at("b")).st_ino);
  EXPECT_EQ(stat_of(at("b")).st_nlink, 2U);
  write("live/db/b", "two");
  EXPECT_EQ(read("live/db/a"), "two");
  ASSERT_EQ(::unlink(at("a").c_str()), 0);
  EXPECT_EQ(stat_of(at("b")).st_nlink, 1U);
}

TEST_P(LiveMount, Names_OfAnyBytes_AndDeepPaths) {
  std::string odd(255, '\xff');
  odd[0] = '\n';
  odd[1] = '"';
  write("live/db/" + odd, "odd");
  EXPECT_EQ(read("live/db/" + odd), "odd");
  EXPECT_EQ(error_of([&] { return ::open(at(std::string(256, 'x')).c_str(), O_CREAT | O_WRONLY, 0600); }), ENAMETOOLONG);
  // Deeper than a path may be long, step by step.
  const int depth = 100;
  const std::string step(100, 'd');
  int directory = ::open(at("").c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < depth; ++i) {
    ASSERT_EQ(::mkdirat(directory, step.c_str(), 0700), 0);
    const int next = ::openat(directory, step.c_str(), O_RDONLY | O_DIRECTORY);
    ::close(directory);
    directory = next;
  }
  const int file = ::openat(directory, "leaf", O_WRONLY | O_CREAT, 0600);
  EXPECT_EQ(::write(file, "x", 1), 1);
  ::close(file);
  ::close(directory);
}

/// Writes through a mapping, partly synced and partly left to the kernel; 0, or which step failed. Nothing but system calls: it runs in a forked child.
int write_mapped(const char* path) {
  const int file = ::open(path, O_RDWR);
  auto* memory = static_cast<char*>(::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  if (memory == MAP_FAILED) return 1;
  ::close(file);
  memory[5000] = 'Z';
  if (::msync(memory, 8192, MS_SYNC) != 0) return 2;
  memory[100] = 'Y';
  return ::munmap(memory, 8192) == 0 ? 0 : 3;
}

/// In a process of its own: munmap waits for the mount's answer and holds the lock of its process's memory map meanwhile, which the mount's threads want as soon as they grow a heap.
TEST_P(LiveMount, SharedMapping_IsWritten) {
  write("live/db/m", std::string(8192, 'a'));
  const std::string path = at("m");
  const pid_t child = ::fork();
  if (child == 0) ::_exit(write_mapped(path.c_str()));
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  restart();
  const std::string content = read("live/db/m");
  EXPECT_EQ(content[5000], 'Z');
  EXPECT_EQ(content[100], 'Y');
}

TEST_P(LiveMount, HolesArePunched_AndFound) {
  const int file = ::open(at("sparse").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(::pwrite(file, "end", 3, 1 << 20), 3);
  // Nothing has been flushed: what the kernel still holds must be seen all the same.
  EXPECT_EQ(::lseek(file, 0, SEEK_DATA), 1 << 20);
  EXPECT_EQ(::lseek(file, 0, SEEK_HOLE), 0);
  const std::string block(65536, 'x');
  ASSERT_EQ(::pwrite(file, block.data(), block.size(), 0), 65536);
  EXPECT_EQ(::lseek(file, 0, SEEK_HOLE), 65536);
  ASSERT_EQ(::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 8192), 0);
  EXPECT_EQ(::lseek(file, 0, SEEK_HOLE), 8192);
  EXPECT_EQ(::lseek(file, 8192, SEEK_DATA), 16384);
  ASSERT_EQ(::fallocate(file, 0, 0, 2 << 20), 0);
  EXPECT_EQ(stat_of(at("sparse")).st_size, 2 << 20);
  EXPECT_EQ(error_of([&] { return ::fallocate(file, FALLOC_FL_COLLAPSE_RANGE, 0, 4096); }), EOPNOTSUPP);
  ::close(file);
  EXPECT_LT(stat_of(at("sparse")).st_blocks * 512, 100'000);
  char byte = 'q';
  const int again = ::open(at("sparse").c_str(), O_RDONLY);
  ASSERT_EQ(::pread(again, &byte, 1, 10'000), 1);
  EXPECT_EQ(byte, '\0');
  ::close(again);
}

TEST_P(LiveMount, Attributes_AreKept) {
  write("live/db/f", "x");
  ASSERT_EQ(::chmod(at("f").c_str(), 0751), 0);
  ASSERT_EQ(::chown(at("f").c_str(), 12, 34), 0);
  const timespec times[2] = {{1'600'000'000, 123'456'789}, {1'500'000'000, 987'654'321}};
  ASSERT_EQ(::utimensat(AT_FDCWD, at("f").c_str(), times, 0), 0);
  restart();
  const auto status = stat_of(at("f"));
  EXPECT_EQ(status.st_mode, S_IFREG | 0751U);
  EXPECT_EQ(status.st_uid, 12U);
  EXPECT_EQ(status.st_gid, 34U);
  EXPECT_EQ(status.st_mtim.tv_sec, 1'500'000'000);
  EXPECT_EQ(status.st_mtim.tv_nsec, 987'654'321);
  EXPECT_EQ(status.st_atim.tv_nsec, 123'456'789);
}

TEST_P(LiveMount, SpecialFiles_AndLinks) {
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0640), 0);
  EXPECT_TRUE(S_ISFIFO(stat_of(at("pipe")).st_mode));
  ASSERT_EQ(::mknod(at("null").c_str(), S_IFCHR | 0600, makedev(1, 3)), 0);
  EXPECT_EQ(stat_of(at("null")).st_rdev, makedev(1, 3));
  ASSERT_EQ(::symlink("no/such/target", at("link").c_str()), 0);
  EXPECT_EQ(std::filesystem::read_symlink(at("link")).string(), "no/such/target");
}

TEST_P(LiveMount, Xattrs_SetReplaceListRemove) {
  write("live/db/f", "x");
  const char* file = nullptr;
  const std::string name = at("f");
  file = name.c_str();
  ASSERT_EQ(::setxattr(file, "user.a", "1", 1, XATTR_CREATE), 0);
  EXPECT_EQ(error_of([&] { return ::setxattr(file, "user.a", "2", 1, XATTR_CREATE); }), EEXIST);
  EXPECT_EQ(error_of([&] { return ::setxattr(file, "user.b", "2", 1, XATTR_REPLACE); }), ENODATA);
  ASSERT_EQ(::setxattr(file, "trusted.t", "3", 1, 0), 0);
  char value[16];
  EXPECT_EQ(::getxattr(file, "user.a", value, sizeof value), 1);
  EXPECT_EQ(::listxattr(file, value, 0), 17);  // "user.a" and "trusted.t" with their ends
  EXPECT_EQ(error_of([&] { return static_cast<int>(::getxattr(file, "user.none", value, sizeof value)); }), ENODATA);
  const auto text_of = [&](const char* attribute) {
    const ssize_t size = ::getxattr(file, attribute, value, sizeof value);
    return size < 0 ? std::string("none") : std::string(value, static_cast<std::size_t>(size));
  };
  EXPECT_EQ(text_of("user.holdfast.completeness"), "incomplete");
  EXPECT_EQ(text_of("user.holdfast.completeness_reason"), "it ends early");
  // Version 2, and the entries of mode 0644 (linux/posix_acl_xattr.h).
  const unsigned char acl[28] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 4, 0, 4, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255};
  EXPECT_EQ(error_of([&] { return ::setxattr(file, "system.posix_acl_access", acl, sizeof acl, 0); }), EOPNOTSUPP);
  EXPECT_EQ(error_of([&] { return ::setxattr(file, "user.holdfast.id", "x", 1, 0); }), EPERM);
  ASSERT_EQ(::removexattr(file, "user.a"), 0);
  EXPECT_EQ(error_of([&] { return ::removexattr(file, "user.a"); }), ENODATA);
}

TEST_P(LiveMount, SgidDirectory_HandsItsGroupDown) {
  ASSERT_EQ(::mkdir(at("shared").c_str(), 0770), 0);
  ASSERT_EQ(::chown(at("shared").c_str(), 0, 77), 0);
  ASSERT_EQ(::chmod(at("shared").c_str(), 02770), 0);
  write("live/db/shared/f", "x");
  ASSERT_EQ(::mkdir(at("shared/sub").c_str(), 0770), 0);
  EXPECT_EQ(stat_of(at("shared/f")).st_gid, 77U);
  EXPECT_EQ(stat_of(at("shared/sub")).st_gid, 77U);
  EXPECT_TRUE((stat_of(at("shared/sub")).st_mode & S_ISGID) != 0);
}

TEST_P(LiveMount, SmallWrites_DoNotAskForCapabilities) {
  if (!mount->counters().killpriv) HOLDFAST_NOT_TESTED << "this kernel does not offer FUSE_HANDLE_KILLPRIV_V2";
  const int file = ::open(at("f").c_str(), O_WRONLY | O_CREAT, 0600);
  const std::uint64_t before = repository.tree("db").xattr_reads();
  const std::string block(4096, 'x');
  for (int i = 0; i < 500; ++i) ASSERT_EQ(::write(file, block.data(), block.size()), 4096);
  ::close(file);
  EXPECT_LE(repository.tree("db").xattr_reads() - before, 1U);
}

TEST_P(LiveMount, Write_TakesCapabilitiesAway_AndSuidFromUnprivileged) {
  write("live/db/tool", "x");
  // VFS_CAP_REVISION_2 with CAP_NET_RAW permitted (linux/capability.h).
  const unsigned char capability[20] = {0, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  ASSERT_EQ(::setxattr(at("tool").c_str(), "security.capability", capability, sizeof capability, 0), 0) << strerror(errno);
  write("live/db/tool", "y");
  EXPECT_EQ(error_of([&] { return static_cast<int>(::getxattr(at("tool").c_str(), "security.capability", nullptr, 0)); }), ENODATA);
}

TEST_P(LiveMount, Chown_TakesSuidAway) {
  write("live/db/tool", "x");
  ASSERT_EQ(::chmod(at("tool").c_str(), 06755), 0);
  ASSERT_EQ(::chown(at("tool").c_str(), 5, 5), 0);
  EXPECT_EQ(stat_of(at("tool")).st_mode & 07777U, 0755U);
}

TEST_P(LiveMount, ParallelWriters_DoNotMixTheirFiles) {
  constexpr int kWriters = 16;
  std::vector<std::jthread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] { spew(at("w" + std::to_string(i)), SeededRandom(static_cast<std::uint64_t>(i)).bytes(1'500'000)); });
  }
  writers.clear();
  restart();
  for (int i = 0; i < kWriters; ++i) {
    EXPECT_EQ(slurp(at("w" + std::to_string(i))), SeededRandom(static_cast<std::uint64_t>(i)).bytes(1'500'000)) << i;
  }
}

TEST_P(LiveMount, WhatTheKernelMovesItself_IsWritten) {
  const std::string text(70'000, 's');
  write("live/db/from", text);
  const int from = ::open(at("from").c_str(), O_RDONLY);
  const int sent = ::open(at("sent").c_str(), O_WRONLY | O_CREAT, 0600);
  EXPECT_EQ(::sendfile(sent, from, nullptr, text.size()), static_cast<ssize_t>(text.size()));
  ::close(sent);
  ::close(from);
  EXPECT_EQ(read("live/db/sent"), text);
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  ASSERT_EQ(::write(pipe[1], "through a pipe", 14), 14);
  const int spliced = ::open(at("spliced").c_str(), O_WRONLY | O_CREAT, 0600);
  EXPECT_EQ(::splice(pipe[0], nullptr, spliced, nullptr, 14, 0), 14);
  for (const int descriptor : {spliced, pipe[0], pipe[1]}) ::close(descriptor);
  EXPECT_EQ(read("live/db/spliced"), "through a pipe");
}

class OpenMount : public LiveMount {
 protected:
  void SetUp() override {
    options.allow_other = true;
    LiveMount::SetUp();
  }
};

TEST_P(OpenMount, OtherUsers_HaveTheRightsThatModesGive) {
  ASSERT_EQ(::chmod(path("live/db").c_str(), 0777), 0);
  write("live/db/private", "x");
  ASSERT_EQ(::chmod(at("private").c_str(), 0600), 0);
  write("live/db/suid", "x");
  ASSERT_EQ(::chmod(at("suid").c_str(), 04777), 0);
  const int status = status_of_child([&] {
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) return 1;
    if (::open(at("private").c_str(), O_RDONLY) >= 0 || errno != EACCES) return 2;
    const int own = ::open(at("own").c_str(), O_CREAT | O_WRONLY, 0600);
    if (own < 0 || ::write(own, "x", 1) != 1 || ::close(own) != 0) return 3;
    const int suid = ::open(at("suid").c_str(), O_WRONLY);
    if (suid < 0 || ::write(suid, "yy", 2) != 2 || ::close(suid) != 0) return 4;
    struct stat after{};
    if (::stat(at("suid").c_str(), &after) != 0 || (after.st_mode & 07000U) != 0) return 5;
    if (::mkdir(path("live/mine").c_str(), 0700) == 0) return 6;
    return 0;
  });
  EXPECT_EQ(describe_child(status), "exit code 0");
  EXPECT_EQ(stat_of(at("own")).st_uid, 65534U);
  EXPECT_EQ(read("live/db/suid"), "yy");
}

INSTANTIATE_TEST_SUITE_P(Writes, LiveMount, WithWriteback::both(), WithWriteback::name);
INSTANTIATE_TEST_SUITE_P(Writes, OpenMount, WithWriteback::both(), WithWriteback::name);

/// Each write(2) comes to the tree before it is answered.
class DirectMount : public MountTest {
 protected:
  void SetUp() override {
    options.writeback_cache = false;
    MountTest::SetUp();
    if (mount) make_database("db");
  }
  [[nodiscard]] std::string at(const std::string& name) const { return path("live/db/" + name); }
};

TEST_F(DirectMount, WhatIsWritten_IsThereForOtherHandlesAndForTheTimes) {
  write("live/db/f", std::string(100'000, 'a'));
  const int reader = ::open(at("f").c_str(), O_RDONLY);
  std::string seen(100'000, ' ');
  ASSERT_EQ(::pread(reader, seen.data(), seen.size(), 0), 100'000);  // the kernel keeps these pages
  struct stat before{};
  ASSERT_EQ(::fstat(reader, &before), 0);
  const int writer = ::open(at("f").c_str(), O_RDWR);
  ASSERT_EQ(::pwrite(writer, "bbb", 3, 50'000), 3);
  ASSERT_EQ(::pread(reader, seen.data(), 5, 49'999), 5);
  EXPECT_EQ(seen.substr(0, 5), "abbba");
  ASSERT_EQ(::pread(writer, seen.data(), 5, 49'999), 5);
  EXPECT_EQ(seen.substr(0, 5), "abbba");
  struct stat after{};
  ASSERT_EQ(::fstat(reader, &after), 0);
  EXPECT_GT(std::tie(after.st_mtim.tv_sec, after.st_mtim.tv_nsec), std::tie(before.st_mtim.tv_sec, before.st_mtim.tv_nsec));
  ASSERT_EQ(::pwrite(writer, "c", 1, 200'000), 1);
  ASSERT_EQ(::fstat(reader, &after), 0);
  EXPECT_EQ(after.st_size, 200'001);
  ::close(reader);
  ::close(writer);
}

TEST_F(DirectMount, NoRoom_IsEnospcAtTheWriteItself) {
  const int file = ::open(at("f").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::write(file, "kept", 4), 4);
  repository.room().fill();
  std::jthread deadline([&] {
    wait_until([&] { return mount->counters().parked >= 1; });
    repository.room().relieve(Error(ErrorCode::kNoSpace, "staging stayed full"));
  });
  EXPECT_EQ(error_of([&] { return static_cast<int>(::write(file, "lost", 4)); }), ENOSPC);
  deadline.join();
  repository.room().relieve(ok_status());
  ASSERT_EQ(::write(file, " on", 3), 3);
  EXPECT_EQ(::close(file), 0);
  EXPECT_EQ(read("live/db/f"), "kept on");
}

TEST_F(DirectMount, Unset_IsDirectWhereTheKernelCanMapSuchFiles) {
  ASSERT_TRUE(mount->stop(false));
  mount.reset();
  options.writeback_cache.reset();
  start();
  utsname kernel{};
  ASSERT_EQ(::uname(&kernel), 0);
  unsigned major = 0;
  unsigned minor = 0;
  ASSERT_EQ(std::sscanf(kernel.release, "%u.%u", &major, &minor), 2);
  EXPECT_EQ(mount->counters().collects_writes, std::pair(major, minor) < std::pair(6U, 6U));
}

}  // namespace
}  // namespace holdfast::testing
