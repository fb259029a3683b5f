// SPDX-License-Identifier: Apache-2.0
#include "cache/lmdb_chunk_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "core/base/log.h"
#include "core/crypto/hash.h"
#include "core/format/byte_writer.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_folder.h"

namespace holdfast {
namespace {

using testing::SeededRandom;
using testing::TempFolder;

constexpr std::uint64_t kLimit = kChunkCacheLimitMinBytes;

struct Record {
  ChunkId id;
  Bytes bytes;
};

/// A stored record (FORMAT.md §3) whose payload is noise: no key opens it, but its id is right.
Record record_of(std::uint64_t number, std::size_t payload_size) {
  Record record;
  const auto size = static_cast<std::uint32_t>(payload_size);
  ByteWriter writer(record.bytes);
  writer.raw(as_bytes("HC")).u8(1).u8(1).u8(1).u8(0).u16(0).u32(size).u32(size);
  writer.raw(SeededRandom(number).bytes(12 + payload_size + 16));
  record.id = best_chunk_hasher().chunk_id(record.bytes);
  return record;
}

std::unique_ptr<LmdbChunkCache> open_cache(const std::string& folder, std::uint64_t limit = kLimit) {
  auto cache = LmdbChunkCache::open({folder, limit});
  if (!cache) ADD_FAILURE() << cache.error().message();
  return cache ? std::move(*cache) : nullptr;
}

int count_found(LmdbChunkCache& cache, const std::vector<Record>& records) {
  int found = 0;
  for (const auto& record : records) {
    const auto got = cache.get(record.id);
    if (!got) continue;
    EXPECT_EQ(*got, record.bytes);
    ++found;
  }
  return found;
}

std::vector<Record> fill(LmdbChunkCache& cache, std::uint64_t first, int count, std::size_t payload_size) {
  std::vector<Record> records;
  for (int i = 0; i < count; ++i) {
    records.push_back(record_of(first + static_cast<std::uint64_t>(i), payload_size));
    cache.put(records.back().id, records.back().bytes);
    if (i % 16 == 15) cache.flush();
  }
  cache.flush();
  return records;
}

TEST(LmdbChunkCache, Hits_SurviveRestartAndKill) {
  const TempFolder folder;
  std::vector<Record> records;
  {
    const auto cache = open_cache(folder.path());
    records = fill(*cache, 1, 200, 3000);
    EXPECT_EQ(count_found(*cache, records), 200);
  }
  EXPECT_EQ(count_found(*open_cache(folder.path()), records), 200);
  const auto more = record_of(999, 1000);
  ASSERT_EQ(testing::status_of_child([&] {
              auto cache = LmdbChunkCache::open({folder.path(), kLimit});
              if (!cache) return 1;
              (*cache)->put(more.id, more.bytes);
              (*cache)->flush();
              ::_exit(0);  // as after kill -9: nothing is closed
              return 0;
            }),
            0);
  records.push_back(more);
  const auto cache = open_cache(folder.path());
  cache->flush();  // the index is being made again
  EXPECT_EQ(count_found(*cache, records), 201);
  EXPECT_EQ(cache->stats().hits, 201U);
  EXPECT_EQ(cache->stats().damaged, 0U);
}

TEST(LmdbChunkCache, PutIsFoundBeforeItIsWritten_AndDropForgets) {
  const TempFolder folder;
  const auto cache = open_cache(folder.path());
  const auto record = record_of(1, 100);
  cache->put(record.id, record.bytes);
  EXPECT_EQ(cache->get(record.id), record.bytes);
  cache->drop(record.id);
  EXPECT_FALSE(cache->get(record.id));
  cache->flush();
  EXPECT_FALSE(cache->get(record.id));
  cache->put(record.id, record.bytes);
  cache->flush();
  EXPECT_EQ(cache->get(record.id), record.bytes);
  cache->drop(record.id);
  cache->flush();
  EXPECT_FALSE(cache->get(record.id));
  EXPECT_EQ(cache->stats().misses, 3U);
}

TEST(LmdbChunkCache, Limit_IsNeverExceededAndWhatIsUsedStays) {
  const TempFolder folder;
  const auto cache = open_cache(folder.path());
  const std::vector<Record> favourites = fill(*cache, 1, 8, 60000);
  std::uint64_t largest = 0;
  for (std::uint64_t round = 0; round < 40; ++round) {
    fill(*cache, 1000 + round * 100, 64, 60000);  // 3.8 MB
    largest = std::max(largest, testing::folder_size_bytes(folder.path()));
    EXPECT_EQ(count_found(*cache, favourites), 8) << "round " << round;
  }
  EXPECT_LE(largest, kLimit);
  EXPECT_GT(largest, kLimit * 3 / 4) << "the room should be used";
  const auto stats = cache->stats();
  EXPECT_GT(stats.evicted, 1000U);
  EXPECT_EQ(stats.limit_bytes, kLimit);
  EXPECT_LE(stats.used_bytes, kLimit);
}

TEST(LmdbChunkCache, TinyRecords_KeepTheIndexWithinTheLimitToo) {
  const TempFolder folder;
  const auto cache = open_cache(folder.path());
  std::vector<Record> records;
  for (std::uint64_t i = 0; i < 60000; ++i) {
    records.push_back(record_of(i, 1));
    cache->put(records.back().id, records.back().bytes);
    if (i % 1024 == 0) cache->flush();
  }
  cache->flush();
  EXPECT_LE(testing::folder_size_bytes(folder.path()), kLimit);
  EXPECT_GT(cache->stats().evicted, 10000U);
  EXPECT_GT(count_found(*cache, {records.end() - 1000, records.end()}), 900);
}

TEST(LmdbChunkCache, SmallerLimit_HoldsFromTheStart) {
  const TempFolder folder;
  {
    const auto cache = open_cache(folder.path(), 2 * kLimit);
    fill(*cache, 1, 1800, 60000);
    EXPECT_GT(cache->stats().used_bytes, kLimit);
  }
  const auto cache = open_cache(folder.path(), kLimit);
  cache->flush();
  EXPECT_LE(testing::folder_size_bytes(folder.path()), kLimit);
  EXPECT_GT(cache->stats().used_bytes, kLimit / 2);
  EXPECT_EQ(LmdbChunkCache::open({folder.path("other"), kLimit - 1}).error().code(), ErrorCode::kInvalidArgument);
}

TEST(LmdbChunkCache, LargestRecord_IsKept) {
  const TempFolder folder;
  const auto cache = open_cache(folder.path());
  // Each lies in a file of its own; a new one is begun while 64 MiB - 5 (itself) - 4 (index) - 1 (reserve) hold the others.
  EXPECT_EQ(count_found(*cache, fill(*cache, 1, 20, 4U << 20U)), 54 / 4 + 1);
  EXPECT_LE(testing::folder_size_bytes(folder.path()), kLimit);
}

TEST(LmdbChunkCache, DeletedWhileOpen_NeverCrashesAndGoesOn) {
  const TempFolder folder;
  const std::string path = folder.path("cache");
  const auto cache = open_cache(path);
  fill(*cache, 1, 50, 60000);
  std::filesystem::remove_all(path);
  const auto after = fill(*cache, 1000, 200, 60000);
  EXPECT_EQ(count_found(*cache, after), 200);
  EXPECT_FALSE(cache->close());
  EXPECT_FALSE(cache->get(after[0].id));
  const auto again = open_cache(path);
  ASSERT_TRUE(again);
}

TEST(LmdbChunkCache, SegmentDeletedWhileClosed_IsAMissOnly) {
  const TempFolder folder;
  std::vector<Record> records;
  {
    const auto cache = open_cache(folder.path());
    records = fill(*cache, 1, 200, 60000);
  }
  std::filesystem::remove(folder.path("records-00000000000000000001"));
  const auto cache = open_cache(folder.path());
  const int found = count_found(*cache, records);
  EXPECT_GT(found, 50);
  EXPECT_LT(found, 150);
  EXPECT_EQ(cache->stats().damaged, 0U);
  EXPECT_EQ(count_found(*cache, fill(*cache, 1, 200, 60000)), 200) << "what is lost can be put again";
}

TEST(LmdbChunkCache, FlippedBitsAnywhere_AreMissesAndNeverWrongBytes) {
  constexpr std::uint64_t kSeed = 4711;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  set_log_sink([](LogLevel, std::string_view) {}, LogLevel::kError);
  const TempFolder folder;
  std::vector<Record> records;
  {
    const auto cache = open_cache(folder.path("good"));
    records = fill(*cache, 1, 60, 2000);
  }
  SeededRandom random(kSeed);
  std::vector<std::string> files;
  for (const auto& item : std::filesystem::recursive_directory_iterator(folder.path("good"))) {
    if (item.is_regular_file() && item.file_size() > 0) files.push_back(std::filesystem::relative(item.path(), folder.path("good")));
  }
  std::sort(files.begin(), files.end());
  int damaged = 0;
  for (int round = 0; round < 120; ++round) {
    std::filesystem::remove_all(folder.path("bad"));
    std::filesystem::copy(folder.path("good"), folder.path("bad"), std::filesystem::copy_options::recursive);
    const std::string& name = files[static_cast<std::size_t>(round) % files.size()];
    const std::string path = folder.path("bad/" + name);
    const std::uint64_t bit = random.next_below(std::filesystem::file_size(path) * 8);
    testing::flip_bit(path, bit);
    const int status = testing::status_of_child([&] {
      auto cache = LmdbChunkCache::open({folder.path("bad"), kLimit});
      if (!cache) return 100;
      (*cache)->flush();
      int missing = 0;
      for (const auto& record : records) {
        const auto got = (*cache)->get(record.id);
        if (got && *got != record.bytes) return 101;
        if (!got) ++missing;
      }
      for (const auto& record : records) (*cache)->put(record.id, record.bytes);
      (*cache)->flush();
      for (const auto& record : records) {
        if ((*cache)->get(record.id) != record.bytes) return 102;
      }
      return (*cache)->close() ? missing : 103;
    });
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) <= 60) << name << " bit " << bit << ": " << testing::describe_child(status);
    // A flip in the index costs nothing (it is made again), one in a record that record, one in a file's head the file.
    if (WEXITSTATUS(status) > 0) ++damaged;
  }
  EXPECT_GT(damaged, 10);
}

TEST(LmdbChunkCache, KilledAtRandomMoments_ReopensWithinTheLimitAndRight) {
  constexpr std::uint64_t kSeed = 99;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  set_log_sink([](LogLevel, std::string_view) {}, LogLevel::kError);
  SeededRandom random(kSeed);
  const TempFolder folder;
  for (int round = 0; round < 12; ++round) {
    const std::uint64_t stop_after = 1 + random.next_below(400);
    ASSERT_EQ(testing::status_of_child([&] {
                auto cache = LmdbChunkCache::open({folder.path(), kLimit});
                if (!cache) return 1;
                for (std::uint64_t i = 0; i < stop_after; ++i) {
                  const auto record = record_of(i, 50000);
                  const auto got = (*cache)->get(record.id);
                  if (got && *got != record.bytes) return 2;
                  (*cache)->put(record.id, record.bytes);
                }
                ::_exit(0);  // while the writer writes
                return 0;
              }),
              0);
    ASSERT_LE(testing::folder_size_bytes(folder.path()), kLimit);
  }
}

TEST(LmdbChunkCache, ManyThreads_GetWhatTheyPut) {
  const TempFolder folder;
  const auto cache = open_cache(folder.path());
  std::vector<Record> records;
  for (std::uint64_t i = 0; i < 40; ++i) records.push_back(record_of(i, 40000));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      SeededRandom random(t);
      for (int i = 0; i < 500; ++i) {
        const auto& record = records[random.next_below(records.size())];
        const auto choice = random.next_below(10);
        if (choice < 4) cache->put(record.id, record.bytes);
        if (choice == 4) cache->drop(record.id);
        if (choice > 4) {
          const auto got = cache->get(record.id);
          if (got && *got != record.bytes) ++wrong;
        }
        if (i % 100 == 0 && cache->stats().used_bytes > kLimit) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(cache->stats().damaged, 0U);
}

}  // namespace
}  // namespace holdfast
