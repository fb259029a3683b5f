// SPDX-License-Identifier: Apache-2.0
#include "cache/segment_feature_table.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"

namespace holdfast {
namespace {

using testing::SeededRandom;
using testing::TemporaryFolder;

const Bytes kKey(32, 0x23);

FeatureKey key_of(std::uint64_t number) {
  SeededRandom random(number + 1);
  FeatureKey key{};
  (void)random.fill(key).has_value();
  return key;
}

SimilarChunk chunk_of(std::uint64_t number, std::uint8_t version = 0) {
  SimilarChunk chunk;
  SeededRandom random(number + 1'000'000);
  (void)random.fill(chunk.fp.bytes).has_value();
  chunk.version = version;
  return chunk;
}

class SegmentFeatureTableTest : public ::testing::Test {
 protected:
  std::unique_ptr<SegmentFeatureTable> open(std::uint64_t entries_max = 1U << 20U) {
    auto table = SegmentFeatureTable::open({folder_ / "features", 100, entries_max}, kKey, random_);
    if (!table) ADD_FAILURE() << table.error().message();
    return table ? std::move(*table) : nullptr;
  }
  static void add(FeatureTable& table, std::uint64_t first, std::uint64_t end, std::uint8_t version = 0) {
    for (std::uint64_t i = first; i < end; ++i) {
      const FeatureTable::Entry entry{key_of(i), chunk_of(i, version)};
      table.add({&entry, 1});
    }
  }
  static std::uint64_t count(FeatureTable& table, std::uint64_t first, std::uint64_t end, std::uint8_t version = 0) {
    std::uint64_t found = 0;
    for (std::uint64_t i = first; i < end; ++i) {
      const auto chunk = table.find(key_of(i));
      if (!chunk) continue;
      EXPECT_EQ(*chunk, chunk_of(i, version)) << i;
      ++found;
    }
    return found;
  }
  void damage_first_block() const {
    std::fstream file(files().front(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('x');
  }
  [[nodiscard]] std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> out;
    for (const auto& item : std::filesystem::directory_iterator(folder_ / "features")) {
      if (item.path().extension() == ".features") out.push_back(item.path());
    }
    return out;
  }
  TemporaryFolder folder_;
  SeededRandom random_{8};
};

TEST_F(SegmentFeatureTableTest, WhatWasAddedLast_IsFoundInMemoryAndFilesAndAfterARestart) {
  auto table = open();
  add(*table, 0, 1'234);
  add(*table, 500, 700, 3);
  const auto check = [&] {
    EXPECT_EQ(count(*table, 0, 500), 500U);
    EXPECT_EQ(count(*table, 500, 700, 3), 200U);
    EXPECT_EQ(count(*table, 700, 1'234), 534U);
    EXPECT_EQ(count(*table, 2'000, 2'500), 0U);
  };
  check();
  table->wait_for_merges();
  check();
  EXPECT_LT(files().size(), 8U) << "files are merged";
  table.reset();
  table = open();
  check();
  table->clear();
  EXPECT_EQ(count(*table, 0, 1'234), 0U);
  table.reset();
  EXPECT_EQ(count(*open(), 0, 1'234), 0U);
}

TEST_F(SegmentFeatureTableTest, Killed_KeepsWhatWasKept) {
  auto table = open();
  add(*table, 0, 50);
  table->keep();
  std::filesystem::copy(folder_ / "features", folder_ / "copy", std::filesystem::copy_options::recursive);
  table.reset();
  auto copy = SegmentFeatureTable::open({folder_ / "copy", 100, 1'000}, kKey, random_);
  ASSERT_TRUE(copy) << copy.error().message();
  EXPECT_EQ(count(**copy, 0, 50), 50U);
}

TEST_F(SegmentFeatureTableTest, DamagedFile_IsForgottenAndTheOthersAreNot) {
  auto table = open();
  add(*table, 0, 60);
  table->keep();
  add(*table, 60, 130);
  table.reset();
  ASSERT_EQ(files().size(), 2U);
  const auto damaged = files().front();
  std::filesystem::resize_file(damaged, std::filesystem::file_size(damaged) - 1);
  table = open();
  const std::uint64_t left = count(*table, 0, 130);
  EXPECT_TRUE(left == 60 || left == 70) << left;
  EXPECT_EQ(files().size(), 1U);
  add(*table, 0, 130);
  EXPECT_EQ(count(*table, 0, 130), 130U);
}

TEST_F(SegmentFeatureTableTest, FlippedBlock_IsAMiss) {
  auto table = open();
  add(*table, 0, 90);
  table.reset();
  damage_first_block();
  table = open();
  EXPECT_EQ(count(*table, 0, 90), 0U);
  add(*table, 0, 90);
  EXPECT_EQ(count(*table, 0, 90), 90U);
}

TEST_F(SegmentFeatureTableTest, FileThatCantBeMerged_GoesAndTheOthersAreMerged) {
  auto table = open();
  add(*table, 0, 90);
  table.reset();
  damage_first_block();
  table = open();
  for (std::uint64_t first = 1'000; first < 1'800; first += 80) {
    add(*table, first, first + 80);
    table->keep();
    table->wait_for_merges();
  }
  EXPECT_EQ(count(*table, 1'000, 1'800), 800U);
  EXPECT_LT(files().size(), 8U);
  for (const auto& item : std::filesystem::directory_iterator(folder_ / "features")) EXPECT_NE(item.path().extension(), ".new");
}

TEST_F(SegmentFeatureTableTest, AnotherKey_OpensNothing) {
  open().reset();
  auto table = open();
  add(*table, 0, 90);
  table.reset();
  auto other = SegmentFeatureTable::open({folder_ / "features", 100, 1'000}, Bytes(32, 1), random_);
  ASSERT_TRUE(other) << other.error().message();
  EXPECT_EQ(count(**other, 0, 90), 0U);
}

TEST_F(SegmentFeatureTableTest, TooMany_TheOldestGo) {
  auto table = open(1'000);
  add(*table, 0, 5'000);
  table->keep();
  table->wait_for_merges();
  EXPECT_LE(table->stats().entries, 1'200U);
  EXPECT_EQ(count(*table, 0, 3'000), 0U);
  EXPECT_EQ(count(*table, 4'500, 5'000), 500U);
}

TEST_F(SegmentFeatureTableTest, OpenTwice_IsRefused) {
  const auto table = open();
  const auto second = SegmentFeatureTable::open({folder_ / "features", 100, 1'000}, kKey, random_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kConflict);
}

TEST_F(SegmentFeatureTableTest, ReadersBesideWriters_FindWhatIsThere) {
  const auto table = open();
  add(*table, 0, 300);
  std::atomic<bool> stop{false};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) EXPECT_EQ(count(*table, 0, 300), 300U);
    });
  }
  add(*table, 300, 3'000);
  stop = true;
  readers.clear();
  table->wait_for_merges();
  EXPECT_EQ(count(*table, 0, 3'000), 3'000U);
}

TEST(MemoryFeatureTable, ForgetsOnlyWhenToldTo) {
  const auto table = make_memory_feature_table();
  const FeatureTable::Entry entry{key_of(1), chunk_of(1, 4)};
  table->add({&entry, 1});
  table->keep();
  EXPECT_EQ(table->find(key_of(1)), chunk_of(1, 4));
  table->clear();
  EXPECT_FALSE(table->find(key_of(1)));
}

}  // namespace
}  // namespace holdfast
