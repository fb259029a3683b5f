// SPDX-License-Identifier: Apache-2.0
#include "adapters/local/directory_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/not_tested.h"
#include "tests/support/temporary_folder.h"

namespace holdfast {
namespace {

using testing::TemporaryFolder;
const CallContext kNow = CallContext::unbounded();

std::shared_ptr<DirectoryStore> open_store(const std::string& path) {
  auto store = DirectoryStore::open({.path = path});
  EXPECT_TRUE(store) << store.error().message();
  return *store;
}

void write_file(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
}

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

ino_t inode_of(const std::string& path) {
  struct stat about {};
  EXPECT_EQ(::stat(path.c_str(), &about), 0) << path;
  return about.st_ino;
}

int count_files(const std::string& folder) {
  int count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) count += entry.is_regular_file();
  return count;
}

TEST(DirectoryStore, Put_LiesUnderItsNameAndLeavesNothingElse) {
  const TemporaryFolder folder;
  const auto store = open_store(folder / "a/b/store");
  ASSERT_TRUE(store->put("packs/0a", as_bytes("sealed"), kNow));
  EXPECT_EQ(file_text(folder / "a/b/store/packs/0a"), "sealed");
  EXPECT_EQ(count_files(folder / "a/b/store"), 2);  // the marker and the object
}

TEST(DirectoryStore, PutFile_SharesTheInodeWithinOneFilesystem) {
  const TemporaryFolder folder;
  const auto store = open_store(folder / "store");
  write_file(folder / "staged", "sealed");
  const auto ref = store->put_file("packs/0a", folder / "staged", kNow);
  ASSERT_TRUE(ref);
  EXPECT_EQ(ref->size_bytes, 6U);
  EXPECT_EQ(inode_of(folder / "staged"), inode_of(folder / "store/packs/0a"));
  std::filesystem::remove(folder / "staged");
  EXPECT_EQ(file_text(folder / "store/packs/0a"), "sealed");
}

TEST(DirectoryStore, PutFile_AcrossFilesystemsCopies) {
  // Where there is no second filesystem there is nothing to see.
  std::error_code failed;
  const TemporaryFolder folder;
  struct stat here {};
  struct stat there {};
  if (::stat("/dev/shm", &there) != 0 || ::stat(folder.path().c_str(), &here) != 0 || here.st_dev == there.st_dev) {
    HOLDFAST_NOT_TESTED << "there is no second filesystem at /dev/shm";
  }
  const std::string source = "/dev/shm/holdfast-test-" + std::to_string(::getpid());
  write_file(source, "sealed");
  const auto store = open_store(folder / "store");
  const auto ref = store->put_file("packs/0a", source, kNow);
  const auto again = store->put_file("packs/0a", source, kNow);
  std::filesystem::remove(source, failed);
  ASSERT_TRUE(ref) << ref.error().message();
  EXPECT_TRUE(again);
  EXPECT_EQ(file_text(folder / "store/packs/0a"), "sealed");
  EXPECT_EQ(count_files(folder / "store"), 2);
}

TEST(DirectoryStore, PutOfOtherBytes_IsRefusedAndKeepsTheFirst) {
  const TemporaryFolder folder;
  const auto store = open_store(folder / "store");
  ASSERT_TRUE(store->put("packs/0a", as_bytes("first"), kNow));
  const auto longer = store->put("packs/0a", as_bytes("longer"), kNow);
  const auto other = store->put("packs/0a", as_bytes("other"), kNow);
  ASSERT_FALSE(longer);
  ASSERT_FALSE(other);
  EXPECT_EQ(longer.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(other.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(other.error().network(), "local");
  EXPECT_EQ(file_text(folder / "store/packs/0a"), "first");
}

TEST(DirectoryStore, TruncatedObject_IsOutOfRangeAndNotWhole) {
  const TemporaryFolder folder;
  const auto store = open_store(folder / "store");
  const auto ref = store->put("packs/0a", as_bytes("0123456789"), kNow);
  ASSERT_TRUE(ref);
  ASSERT_EQ(::truncate((folder / "store/packs/0a").c_str(), 5), 0);
  Bytes out(10);
  EXPECT_EQ(store->read(*ref, 0, out, kNow).error().code(), ErrorCode::kOutOfRange);
  EXPECT_EQ(*store->probe(*ref, kNow), Durability::kAbsent);
}

TEST(DirectoryStore, UnmountedDisk_IsUnavailableAndNeverEmpty) {
  const TemporaryFolder folder;
  const auto store = open_store(folder / "store");
  const auto ref = store->put("packs/0a", as_bytes("sealed"), kNow);
  ASSERT_TRUE(ref);
  std::filesystem::rename(folder / "store", folder / "elsewhere");
  for (const bool empty_mount_point : {false, true}) {
    if (empty_mount_point) std::filesystem::create_directory(folder / "store");
    Bytes out(6);
    EXPECT_EQ(store->read(*ref, 0, out, kNow).error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(store->probe(*ref, kNow).error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(store->remove(*ref, kNow).error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(store->put("packs/0b", as_bytes("x"), kNow).error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(store->resolve_head({}, 0, {}, kNow).error().code(), ErrorCode::kUnavailable);
    EXPECT_FALSE(store->health(kNow)->reachable);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder / "store"));
}

TEST(DirectoryStore, DiskThatIsAwayAtTheStart_IsANetworkThatIsDown_AndComesBack) {
  const TemporaryFolder folder;
  const auto ref = open_store(folder / "store")->put("packs/0a", as_bytes("sealed"), kNow);
  ASSERT_TRUE(ref);
  std::filesystem::rename(folder / "store", folder / "elsewhere");
  write_file(folder / "a-file", "no folder");
  for (const DirectoryStore::Options& options : {DirectoryStore::Options{.path = folder / "store", .create = false},
                                                 DirectoryStore::Options{.path = folder / "a-file"}}) {
    const auto store = DirectoryStore::open(options);
    ASSERT_TRUE(store) << store.error().message();
    EXPECT_EQ((*store)->put("packs/0b", as_bytes("x"), kNow).error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ((*store)->resolve_head({}, 0, {}, kNow).error().code(), ErrorCode::kUnavailable);
    EXPECT_FALSE((*store)->health(kNow)->reachable);
  }
  const auto store = DirectoryStore::open({.path = folder / "store", .create = false});
  std::filesystem::rename(folder / "elsewhere", folder / "store");
  Bytes out(6);
  ASSERT_TRUE((*store)->read(*ref, 0, out, kNow));
  EXPECT_EQ(as_text(out), "sealed");
}

TEST(DirectoryStore, FolderOfSomebodyElse_IsRefused) {
  const TemporaryFolder folder;
  write_file(folder / "letter.txt", "mine");
  EXPECT_EQ(DirectoryStore::open({.path = folder.path()}).error().code(), ErrorCode::kInvalidArgument);
}

TEST(DirectoryStore, CopyWithoutItsMarker_IsAStore) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "store/packs");
  write_file(folder / "store/packs/0a", "sealed");
  const auto store = open_store(folder / "store");
  EXPECT_EQ(*store->probe({.locator = "packs/0a", .size_bytes = 6}, kNow), Durability::kDurable);
}

TEST(DirectoryStore, Start_RemovesWhatDeadWritersLeftAndNothingOfLivingOnes) {
  const TemporaryFolder folder;
  { ASSERT_TRUE(open_store(folder / "store")->put("packs/0a", as_bytes("sealed"), kNow)); }
  write_file(folder / "store/packs/.tmp-1-0", "half");
  write_file(folder / "store/packs/.tmp-1-1", "being written");
  const int writer = ::open((folder / "store/packs/.tmp-1-1").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(writer, LOCK_EX), 0);
  (void)open_store(folder / "store");
  EXPECT_FALSE(std::filesystem::exists(folder / "store/packs/.tmp-1-0"));
  EXPECT_TRUE(std::filesystem::exists(folder / "store/packs/.tmp-1-1"));
  ::close(writer);
}

TEST(DirectoryStore, Health_CountsWhatIsPutAndRemoved) {
  const TemporaryFolder folder;
  const auto store = open_store(folder / "store");
  const std::uint64_t before = *store->health(kNow)->used_bytes;
  const auto ref = store->put("packs/0a", Bytes(1000), kNow);
  ASSERT_TRUE(ref);
  EXPECT_EQ(*store->health(kNow)->used_bytes, before + 1000);
  EXPECT_EQ(*open_store(folder / "store")->health(kNow)->used_bytes, before + 1000);
  ASSERT_TRUE(store->remove(*ref, kNow));
  EXPECT_EQ(*store->health(kNow)->used_bytes, before);
  EXPECT_GT(*store->health(kNow)->capacity_bytes, 0U);
}

TEST(DirectoryStore, FullDisk_IsNoSpaceAndLeavesNothing) {
  const TemporaryFolder folder;
  const auto store = open_store(folder / "store");
  const std::string image = folder / "mounted";
  std::filesystem::create_directory(image);
  const std::string mount = "mount -t tmpfs -o size=64k holdfast-test " + image + " 2>/dev/null";
  if (std::system(mount.c_str()) != 0) HOLDFAST_NOT_TESTED << "needs the right to mount a small tmpfs";
  {
    const auto small = open_store(image);
    const auto put = small->put("packs/0a", Bytes(200'000, 7), kNow);
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().code(), ErrorCode::kNoSpace) << put.error().message();
    EXPECT_EQ(count_files(image), 1);  // the marker
    EXPECT_TRUE(small->put("packs/0b", Bytes(1'000, 7), kNow));
  }
  EXPECT_EQ(std::system(("umount " + image).c_str()), 0);
}

TEST(DirectoryStore, Heads_AreFilesAsTheFormatSays) {
  const TemporaryFolder folder;
  const auto store = open_store(folder / "store");
  RepositoryId repository;
  repository.bytes.fill(0xab);
  const auto locator = store->publish_head(repository, 12, {}, as_bytes("head"), kNow);
  ASSERT_TRUE(locator);
  EXPECT_EQ(*locator, "heads/abababababababababababababababab/12");
  EXPECT_EQ(file_text((folder / "store/") + *locator), "head");
  EXPECT_EQ(as_text(*store->fetch_head((folder / "store/") + *locator, kNow)), "head");
  for (const char* bad : {"heads/ab/12", "heads/abababababababababababababababab/", "heads/abababababababababababababababab/x",
                          "heads/abababababababababababababababab/1/2", "packs/0a"}) {
    EXPECT_EQ(store->fetch_head(bad, kNow).error().code(), ErrorCode::kInvalidArgument) << bad;
  }
}

TEST(DirectoryStore, OversizedHeadFile_IsCorrupt) {
  const TemporaryFolder folder;
  const auto store = open_store(folder / "store");
  const auto locator = store->publish_head({}, 0, {}, as_bytes("head"), kNow);
  ASSERT_EQ(::truncate(((folder / "store/") + *locator).c_str(), 2'000'000), 0);
  EXPECT_EQ(store->resolve_head({}, 0, {}, kNow).error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace holdfast
