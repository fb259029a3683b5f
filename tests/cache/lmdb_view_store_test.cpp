// SPDX-License-Identifier: Apache-2.0
#include "cache/lmdb_view_store.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/seeded_random.h"
#include "tests/support/temp_folder.h"

namespace holdfast {
namespace {

using testing::SeededRandom;
using testing::TempFolder;
using Puts = std::vector<ViewStore::Put>;

const Bytes kKey(32, 0x42);

Bytes bytes_of(std::string_view text) { return Bytes(text.begin(), text.end()); }
Bytes copy_of(ByteView view) { return Bytes(view.begin(), view.end()); }

std::unique_ptr<LmdbViewStore> open_view(const std::string& folder, SeededRandom& random, ByteView key = kKey) {
  auto view = LmdbViewStore::open({folder, 64U << 20U}, key, random);
  if (!view) ADD_FAILURE() << view.error().message();
  return view ? std::move(*view) : nullptr;
}

void apply_random_batch(LmdbViewStore& view, std::map<Bytes, Bytes>& model, SeededRandom& random) {
  Puts batch;
  for (std::uint64_t i = random.next_below(30); i > 0; --i) {
    ViewStore::Put put{random.bytes(1 + random.next_below(2)), std::nullopt};
    if (random.next_below(4) != 0) put.value = random.bytes(random.next_below(5000));
    batch.push_back(put);
    if (put.value) {
      model[put.key] = *put.value;
    } else {
      model.erase(put.key);
    }
  }
  ASSERT_TRUE(view.apply(batch));
}

void compare(const LmdbViewStore& view, const std::map<Bytes, Bytes>& model, SeededRandom& random) {
  const Bytes prefix = random.bytes(random.next_below(2));
  std::vector<std::pair<Bytes, Bytes>> seen;
  ASSERT_TRUE(view.scan(prefix, [&](ByteView key, ByteView value) {
    seen.emplace_back(copy_of(key), copy_of(value));
    return true;
  }));
  std::vector<std::pair<Bytes, Bytes>> expected;
  for (const auto& [key, value] : model) {
    if (key.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), key.begin())) expected.emplace_back(key, value);
  }
  ASSERT_EQ(seen, expected);
  const Bytes key = random.bytes(1);
  const auto value = view.get(key);
  ASSERT_TRUE(value);
  const auto known = model.find(key);
  ASSERT_EQ(value.value(), known == model.end() ? std::nullopt : std::optional<Bytes>(known->second));
}

TEST(LmdbViewStore, RandomOperations_AgreeWithAMapAcrossReopen) {
  constexpr std::uint64_t kSeed = 77;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  SeededRandom random(kSeed);
  const TempFolder folder;
  auto view = open_view(folder.path(), random);
  std::map<Bytes, Bytes> model;
  for (int step = 0; step < 600; ++step) {
    const auto choice = random.next_below(40);
    if (choice == 0) {
      view.reset();
      view = open_view(folder.path(), random);
      ASSERT_TRUE(view);
      ASSERT_FALSE(view->was_empty_at_open());
    } else if (choice == 1) {
      ASSERT_TRUE(view->clear());
      model.clear();
    } else if (choice < 25) {
      ASSERT_NO_FATAL_FAILURE(apply_random_batch(*view, model, random));
    } else {
      ASSERT_NO_FATAL_FAILURE(compare(*view, model, random)) << "step " << step;
    }
  }
}

TEST(LmdbViewStore, WrongKey_IsCorruptAndClearHeals) {
  const TempFolder folder;
  SeededRandom random(1);
  {
    const auto view = open_view(folder.path(), random);
    ASSERT_TRUE(view->apply(Puts{{bytes_of("name"), bytes_of("value")}}));
  }
  const auto view = open_view(folder.path(), random, Bytes(32, 0x43));
  EXPECT_EQ(view->get(bytes_of("name")).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(view->scan({}, [](ByteView, ByteView) { return true; }).error().code(), ErrorCode::kCorrupt);
  ASSERT_TRUE(view->clear());
  EXPECT_FALSE(view->get(bytes_of("name"))->has_value());
}

TEST(LmdbViewStore, ValueUnderAnotherKey_IsCorrupt) {
  const TempFolder folder;
  SeededRandom random(1);
  {
    const auto view = open_view(folder.path(), random);
    ASSERT_TRUE(view->apply(Puts{{bytes_of("snapshot 1"), bytes_of("old")}, {bytes_of("snapshot 2"), bytes_of("new")}}));
  }
  {
    auto env = LmdbEnv::open({folder.path(), 64U << 20U});
    ASSERT_TRUE((*env)->write(std::vector<LmdbPut>{{bytes_of("snapshot 2"), (*env)->get(bytes_of("snapshot 1")).value()}}));
    ASSERT_TRUE((*env)->close());
  }
  const auto view = open_view(folder.path(), random);
  EXPECT_EQ(view->get(bytes_of("snapshot 1")).value(), bytes_of("old"));
  EXPECT_EQ(view->get(bytes_of("snapshot 2")).error().code(), ErrorCode::kCorrupt);
}

TEST(LmdbViewStore, Values_AreNotInTheClearOnDisk) {
  const TempFolder folder;
  SeededRandom random(1);
  const std::string secret = "the quick brown dump of customers";
  {
    const auto view = open_view(folder.path(), random);
    ASSERT_TRUE(view->apply(Puts{{bytes_of("k"), bytes_of(secret)}}));
  }
  for (const auto& item : std::filesystem::recursive_directory_iterator(folder.path())) {
    const Bytes content = testing::slurp(item.path().string());
    EXPECT_EQ(as_text(content).find(secret), std::string_view::npos) << item.path();
    EXPECT_EQ(as_text(content).find(as_text(kKey)), std::string_view::npos) << item.path();
  }
}

TEST(LmdbViewStore, VisitorMayWriteWhileScanning) {
  const TempFolder folder;
  SeededRandom random(1);
  const auto view = open_view(folder.path(), random);
  Puts batch;
  for (int i = 0; i < 400; ++i) {
    batch.push_back({Bytes{static_cast<std::uint8_t>(i / 200), static_cast<std::uint8_t>(i % 200)}, Bytes{1}});
  }
  ASSERT_TRUE(view->apply(batch));
  int seen = 0;
  ASSERT_TRUE(view->scan({}, [&](ByteView key, ByteView) {
    EXPECT_TRUE(view->apply(Puts{{copy_of(key), std::nullopt}}));
    return ++seen < 1000;
  }));
  EXPECT_EQ(seen, 400);
  EXPECT_FALSE(view->get(Bytes{1, 1})->has_value());
}

}  // namespace
}  // namespace holdfast
