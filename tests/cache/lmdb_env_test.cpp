// SPDX-License-Identifier: Apache-2.0
#include "cache/lmdb_env.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "core/base/log.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_folder.h"

namespace holdfast {
namespace {

using testing::SeededRandom;
using testing::TempFolder;

constexpr std::uint64_t kBound = 16U << 20U;

Bytes bytes_of(std::string_view text) { return Bytes(text.begin(), text.end()); }
Bytes key_of(int number) { return bytes_of("key " + std::to_string(number)); }
Bytes value_of(int number) {
  return SeededRandom(static_cast<std::uint64_t>(number)).bytes(static_cast<std::size_t>(number % 900));
}
Status put(LmdbEnv& env, std::vector<LmdbPut> batch) { return env.write(batch); }

void fill(LmdbEnv& env, int count) {
  std::vector<LmdbPut> batch;
  for (int i = 0; i < count; ++i) batch.push_back({key_of(i), value_of(i)});
  ASSERT_TRUE(env.write(batch));
}

/// 0: holds exactly what fill() put; 1: empty and says so; 2: anything else.
int what_is_in(const LmdbEnv& env, int count) {
  if (env.count() == 0) return env.was_empty_at_open() ? 1 : 2;
  if (env.count() != static_cast<std::uint64_t>(count)) return 2;
  for (int i = 0; i < count; ++i) {
    auto value = env.get(key_of(i));
    if (!value || *value != value_of(i)) return 2;
  }
  return 0;
}

TEST(LmdbEnv, CleanClose_KeepsEverything) {
  const TempFolder folder;
  {
    auto env = LmdbEnv::open({folder.path(), kBound});
    ASSERT_TRUE(env);
    EXPECT_TRUE((*env)->was_empty_at_open());
    fill(**env, 300);
    ASSERT_TRUE(put(**env, {{key_of(299), std::nullopt}, {key_of(999), std::nullopt}}));
    ASSERT_TRUE((*env)->close());
    EXPECT_EQ((*env)->get(key_of(1)).error().code(), ErrorCode::kInternal);
    EXPECT_TRUE((*env)->close());
  }
  auto env = LmdbEnv::open({folder.path(), kBound});
  ASSERT_TRUE(env);
  EXPECT_FALSE((*env)->was_empty_at_open());
  EXPECT_EQ(what_is_in(**env, 299), 0);
}

TEST(LmdbEnv, UncleanExit_StartsEmpty) {
  const TempFolder folder;
  ASSERT_EQ(testing::status_of_child([&] {
              auto env = LmdbEnv::open({folder.path(), kBound});
              return env && put(**env, {{key_of(1), value_of(1)}}) ? 0 : 1;  // then _exit, as after kill -9
            }),
            0);
  auto env = LmdbEnv::open({folder.path(), kBound});
  ASSERT_TRUE(env);
  EXPECT_TRUE((*env)->was_empty_at_open());
  EXPECT_EQ((*env)->count(), 0U);
}

TEST(LmdbEnv, AbandonedAfterACleanClose_StartsEmpty) {
  const TempFolder folder;
  {
    auto env = LmdbEnv::open({folder.path(), kBound});
    fill(**env, 3);
    ASSERT_TRUE((*env)->close());
  }
  { auto env = LmdbEnv::open({folder.path(), kBound}); }
  auto env = LmdbEnv::open({folder.path(), kBound});
  EXPECT_TRUE((*env)->was_empty_at_open());
}

TEST(LmdbEnv, SecondOpen_IsAConflictHereAndInAnotherProcess) {
  const TempFolder folder;
  auto env = LmdbEnv::open({folder.path(), kBound});
  ASSERT_TRUE(env);
  EXPECT_EQ(LmdbEnv::open({folder.path(), kBound}).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(testing::status_of_child([&] {
              const auto other = LmdbEnv::open({folder.path(), kBound});
              return other || other.error().code() != ErrorCode::kConflict ? 1 : 0;
            }),
            0);
}

TEST(LmdbEnv, UseInAForkedChild_IsRefusedAndLeavesTheParentAlone) {
  const TempFolder folder;
  auto env = LmdbEnv::open({folder.path(), kBound});
  fill(**env, 5);
  EXPECT_EQ(testing::status_of_child([&] {
              const bool refused = (*env)->get(key_of(1)).error().code() == ErrorCode::kInternal && !(*env)->close() &&
                                   !put(**env, {{key_of(1), std::nullopt}});
              env->reset();
              return refused ? 0 : 1;
            }),
            0);
  EXPECT_EQ((*env)->count(), 5U);
}

TEST(LmdbEnv, List_GivesThePrefixInOrderPageByPage) {
  const TempFolder folder;
  auto env = LmdbEnv::open({folder.path(), kBound});
  std::vector<LmdbPut> batch;
  for (const char* name : {"a", "b", "b1", "b2", "b3", "c"}) batch.push_back({bytes_of(name), Bytes{1}});
  ASSERT_TRUE((*env)->write(batch));
  const auto names = [&](std::string_view prefix, std::string_view after, std::size_t count) {
    std::string joined;
    const auto listed = (*env)->list(as_bytes(prefix), as_bytes(after), count);
    for (const auto& pair : *listed) joined += std::string(as_text(pair.key)) + " ";
    return joined;
  };
  EXPECT_EQ(names("b", "", 2), "b b1 ");
  EXPECT_EQ(names("b", "b1", 9), "b2 b3 ");
  EXPECT_EQ(names("", "", 9), "a b b1 b2 b3 c ");
  EXPECT_EQ(names("", "c", 9), "");
  EXPECT_EQ(names("d", "", 9), "");
}

TEST(LmdbEnv, FullEnvironment_RefusesTheBatchWholeAndReadsOn) {
  const TempFolder folder;
  auto env = LmdbEnv::open({folder.path(), 1U << 20U});
  ASSERT_TRUE(env);
  fill(**env, 10);
  Status status = ok_status();
  int number = 1000;
  for (; status && number < 100000; ++number) {
    status = put(**env, {{key_of(number), Bytes(3000)}, {key_of(number + 100000), Bytes(3000)}});
  }
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kNoSpace);
  EXPECT_FALSE((*env)->get(key_of(number - 1))->has_value());
  EXPECT_FALSE((*env)->get(key_of(number - 1 + 100000))->has_value());
  EXPECT_EQ((*env)->get(key_of(5)).value(), value_of(5));
  EXPECT_LE((*env)->size_bytes(), 1U << 20U);
  ASSERT_TRUE((*env)->reset());
  EXPECT_EQ((*env)->count(), 0U);
  fill(**env, 10);
  EXPECT_EQ((*env)->get(key_of(5)).value(), value_of(5));
}

TEST(LmdbEnv, KeysOutOfBounds_AreRefused) {
  const TempFolder folder;
  auto env = LmdbEnv::open({folder.path(), kBound});
  EXPECT_EQ((*env)->get({}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ((*env)->get(Bytes(512)).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(put(**env, {{key_of(1), Bytes{1}}, {Bytes(512), Bytes{1}}}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE((*env)->get(key_of(1))->has_value());
  EXPECT_TRUE(put(**env, {{Bytes(511, 9), Bytes{}}}));
  EXPECT_EQ((*env)->get(Bytes(511, 9)).value(), Bytes{});
}

TEST(LmdbEnv, FolderRemovedWhileOpen_ReadsOnAndTheNextStartIsEmpty) {
  const TempFolder folder;
  const std::string path = folder.path("env");
  auto env = LmdbEnv::open({path, kBound});
  fill(**env, 50);
  std::filesystem::remove_all(path);
  EXPECT_EQ((*env)->get(key_of(7)).value(), value_of(7));
  EXPECT_TRUE(put(**env, {{key_of(7), Bytes{1}}}));
  EXPECT_FALSE((*env)->close());
  env->reset();
  auto again = LmdbEnv::open({path, kBound});
  ASSERT_TRUE(again);
  EXPECT_TRUE((*again)->was_empty_at_open());
}

TEST(LmdbEnv, FolderRemovedWhileOpen_ResetMakesItAnew) {
  const TempFolder folder;
  const std::string path = folder.path("env");
  auto env = LmdbEnv::open({path, kBound});
  std::filesystem::remove_all(path);
  ASSERT_TRUE((*env)->reset());
  fill(**env, 50);
  ASSERT_TRUE((*env)->close());
  env->reset();
  auto again = LmdbEnv::open({path, kBound});
  EXPECT_EQ(what_is_in(**again, 50), 0);
}

/// Opens a damaged copy in a child, where a crash of LMDB is seen and harmless.
void expect_safe(const std::string& folder, int count, const std::string& what) {
  const int status = testing::status_of_child([&] {
    auto env = LmdbEnv::open({folder, kBound});
    if (!env) return 3;
    const int content = what_is_in(**env, count);
    if (content == 2) return 4;
    if (!put(**env, {{key_of(70000), Bytes(5000)}}) || !(*env)->close()) return 5;
    return content;
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) <= 1) << what << ": " << testing::describe_child(status);
}

TEST(LmdbEnv, DamageAnywhere_NeverCrashesAndNeverLies) {
  constexpr int kCount = 400;
  constexpr std::uint64_t kSeed = 20261123;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  set_log_sink([](LogLevel, std::string_view) {}, LogLevel::kError);
  const TempFolder folder;
  {
    auto env = LmdbEnv::open({folder.path(), kBound});
    fill(**env, kCount);
    ASSERT_TRUE((*env)->close());
  }
  std::map<std::string, Bytes> good;
  for (const char* name : {"data.mdb", "lock.mdb", "clean", "owner.lock"}) good[name] = testing::slurp(folder.path(name));
  const std::size_t data_size = good["data.mdb"].size();
  ASSERT_GT(data_size, 100000U);
  SeededRandom random(kSeed);
  const auto restore = [&] {
    for (const auto& [name, content] : good) testing::spew(folder.path(name), content);
  };
  for (int round = 0; round < 300; ++round) {
    restore();
    const char* name = round % 8 == 0 ? "clean" : round % 8 == 1 ? "lock.mdb" : "data.mdb";
    std::uint64_t byte = random.next_below(good[name].size());
    // Every other flip hits the head of a page, where LMDB keeps what it trusts.
    if (round % 2 == 0 && good[name].size() > 4096) byte = byte / 4096 * 4096 + random.next_below(64);
    testing::flip_bit(folder.path(name), byte * 8 + random.next_below(8));
    expect_safe(folder.path(), kCount, std::string(name) + " byte " + std::to_string(byte));
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4096}, data_size / 2, data_size - 1}) {
    restore();
    std::filesystem::resize_file(folder.path("data.mdb"), size);
    expect_safe(folder.path(), kCount, "cut to " + std::to_string(size));
  }
  for (const auto& [name, content] : good) {
    restore();
    std::filesystem::remove(folder.path(name));
    expect_safe(folder.path(), kCount, "without " + name);
    restore();
    testing::spew(folder.path(name), random.bytes(content.size() + 4096));
    expect_safe(folder.path(), kCount, "noise in " + name);
  }
  restore();
  auto env = LmdbEnv::open({folder.path(), kBound});
  EXPECT_EQ(what_is_in(**env, kCount), 0) << "the undamaged copy must be taken";
}

TEST(LmdbEnv, ReadersAndAWriter_SeeWholeBatches) {
  const TempFolder folder;
  auto env = LmdbEnv::open({folder.path(), kBound});
  ASSERT_TRUE(put(**env, {{key_of(0), Bytes{0}}, {key_of(1), Bytes{0}}}));
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        const auto pairs = (*env)->list({}, {}, 10);
        if (!pairs || pairs->size() != 2 || (*pairs)[0].value != (*pairs)[1].value) ++wrong;
      }
    });
  }
  for (std::uint8_t i = 1; i < 200; ++i) {
    EXPECT_TRUE(put(**env, {{key_of(0), Bytes{i}}, {key_of(1), Bytes{i}}}));
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace holdfast
