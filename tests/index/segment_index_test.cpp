// SPDX-License-Identifier: Apache-2.0
#include "cache/segment_index.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "cache/index_filter.h"
#include "cache/segment_index_state.h"
#include "core/base/log.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temp_folder.h"

namespace holdfast {
namespace {

using testing::SeededRandom;
using testing::TempFolder;

const Bytes kKey(32, 0x17);

/// The entry of chunk `number`; `version` moves it elsewhere. Every fifth has no reference.
IndexEntry entry_of(std::uint64_t number, std::uint64_t version = 0) {
  SeededRandom random(number);
  IndexEntry entry;
  (void)random.fill(entry.id.bytes).has_value();
  entry.location = {static_cast<PackNumber>(number * 31 + version), (number * 77777 + version) % (1ULL << 40U),
                    static_cast<std::uint32_t>(number * 13 % (1U << 24U))};
  if (number % 5 != 0) {
    ChunkRef ref;
    ref.id = entry.id;
    (void)random.fill(ref.key.bytes).has_value();
    (void)random.fill(ref.fp.bytes).has_value();
    ref.plain_size_bytes = static_cast<std::uint32_t>(number);
    ref.kind = static_cast<ChunkKind>(1 + number % 3);
    entry.ref = ref;
  }
  return entry;
}

std::unique_ptr<SegmentIndex> open_index(const std::string& folder, SeededRandom& random, std::size_t memtable = 500) {
  auto index = SegmentIndex::open({folder, memtable}, kKey, random);
  if (!index) ADD_FAILURE() << index.error().message();
  return index ? std::move(*index) : nullptr;
}

Status add_range(SegmentIndex& index, std::uint64_t first, std::uint64_t end, std::uint64_t version = 0) {
  std::vector<IndexEntry> batch;
  for (std::uint64_t i = first; i < end; ++i) {
    batch.push_back(entry_of(i, version));
    if (batch.size() == 97 || i + 1 == end) {
      HOLDFAST_TRY(index.add(batch));
      batch.clear();
    }
  }
  return ok_status();
}

/// How many of [first, end) are there, exactly as added; anything else than exact or absent is a failure.
std::uint64_t count_found(const SegmentIndex& index, std::uint64_t first, std::uint64_t end, std::uint64_t version = 0) {
  std::uint64_t found = 0;
  for (std::uint64_t i = first; i < end; ++i) {
    const auto entry = entry_of(i, version);
    const auto location = index.find(entry.id);
    if (!location || !*location) continue;
    EXPECT_EQ(**location, entry.location);
    if (entry.ref) { EXPECT_EQ(index.find_known(entry.ref->fp).value(), entry.ref); }
    ++found;
  }
  return found;
}

TEST(SegmentIndex, AddedEntries_AreFoundInMemoryAndAfterSyncAndReopen) {
  const TempFolder folder;
  SeededRandom random(1);
  {
    const auto index = open_index(folder.path(), random);
    EXPECT_EQ(index->position(), 0U);
    ASSERT_TRUE(add_range(*index, 0, 5000));
    EXPECT_EQ(count_found(*index, 0, 5000), 5000U);
    ASSERT_TRUE(index->sync(1234));
    ASSERT_TRUE(add_range(*index, 5000, 5100));
    EXPECT_EQ(count_found(*index, 5000, 5100), 100U);
    EXPECT_EQ(index->position(), 1234U);
  }
  const auto index = open_index(folder.path(), random);
  EXPECT_EQ(index->position(), 1234U);
  EXPECT_EQ(count_found(*index, 0, 5000), 5000U);
  EXPECT_EQ(count_found(*index, 5000, 5100), 0U) << "not synced";
  EXPECT_EQ(count_found(*index, 900000, 901000), 0U);
  EXPECT_TRUE(index->verify());
  EXPECT_EQ(index->stats().chunks, 5000U);
}

TEST(SegmentIndex, EntryWithoutReference_MovesTheChunkAndKeepsTheReference) {
  const TempFolder folder;
  SeededRandom random(1);
  const auto index = open_index(folder.path(), random);
  const auto known = entry_of(7);
  ASSERT_TRUE(index->add({&known, 1}));
  ASSERT_TRUE(index->sync(1));
  auto moved = known;
  moved.location.pack = 99;
  moved.ref.reset();
  ASSERT_TRUE(index->add({&moved, 1}));
  ASSERT_TRUE(index->sync(2));
  EXPECT_EQ(index->find(known.id).value(), moved.location);
  EXPECT_EQ(index->find_known(known.ref->fp).value(), known.ref);
}

TEST(SegmentIndex, EntriesOutOfBounds_AreRefusedWhole) {
  const TempFolder folder;
  SeededRandom random(1);
  const auto index = open_index(folder.path(), random);
  std::vector<IndexEntry> batch{entry_of(1), entry_of(2)};
  batch[1].location.offset = 1ULL << 40U;
  EXPECT_EQ(index->add(batch).error().code(), ErrorCode::kInvalidArgument);
  batch[1].location.offset = (1ULL << 40U) - 1;
  batch[1].location.record_size_bytes = 1U << 24U;
  EXPECT_EQ(index->add(batch).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(index->find(batch[0].id)->has_value());
  batch[1].location.record_size_bytes = (1U << 24U) - 1;
  ASSERT_TRUE(index->add(batch));
  ASSERT_TRUE(index->sync(1));
  EXPECT_EQ(index->find(batch[1].id).value(), batch[1].location);
}

TEST(SegmentIndex, RandomOperations_AgreeWithAMapAcrossReopenAndMerges) {
  constexpr std::uint64_t kSeed = 31337;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const TempFolder folder;
  SeededRandom random(kSeed);
  auto index = open_index(folder.path(), random, 300);
  std::map<std::uint64_t, std::uint64_t> model;   // number → version
  std::map<std::uint64_t, std::uint64_t> synced;  // as of the last sync
  std::uint64_t position = 0;
  for (int step = 0; step < 1500; ++step) {
    const auto choice = random.next_below(200);
    if (choice == 0) {
      index.reset();  // like a crash: what was not synced may be gone
      index = open_index(folder.path(), random, 300);
      ASSERT_TRUE(index);
      ASSERT_EQ(index->position(), position);
      std::vector<IndexEntry> replay;
      for (const auto& [number, version] : model) {
        if (!synced.contains(number) || synced[number] != version) replay.push_back(entry_of(number, version));
      }
      ASSERT_TRUE(index->add(replay));
    } else if (choice < 10) {
      ASSERT_TRUE(index->sync(++position));
      synced = model;
    } else if (choice < 80) {
      std::vector<IndexEntry> batch;
      for (std::uint64_t i = random.next_below(60); i > 0; --i) {
        const std::uint64_t number = random.next_below(3000);
        model[number] = static_cast<std::uint64_t>(step);
        batch.push_back(entry_of(number, model[number]));
      }
      ASSERT_TRUE(index->add(batch));
    } else {
      const std::uint64_t number = random.next_below(3000);
      const auto entry = entry_of(number, model.contains(number) ? model[number] : 0);
      const auto location = index->find(entry.id);
      ASSERT_TRUE(location);
      ASSERT_EQ(location->has_value(), model.contains(number)) << "step " << step;
      if (*location) { ASSERT_EQ(**location, entry.location) << "step " << step; }
      if (entry.ref) { ASSERT_EQ(index->find_known(entry.ref->fp)->has_value(), model.contains(number)); }
    }
  }
  ASSERT_TRUE(index->wait_for_merges());
  for (const auto& [number, version] : model) ASSERT_EQ(count_found(*index, number, number + 1, version), 1U);
}

TEST(SegmentIndex, Merges_KeepTheNewestAndFewFiles) {
  const TempFolder folder;
  SeededRandom random(1);
  const auto index = open_index(folder.path(), random, 100);
  for (std::uint64_t version = 0; version < 40; ++version) {
    ASSERT_TRUE(add_range(*index, 0, 200, version));
    ASSERT_TRUE(index->sync(version + 1));
  }
  ASSERT_TRUE(index->wait_for_merges());
  EXPECT_EQ(count_found(*index, 0, 200, 39), 200U);
  ASSERT_TRUE(index->sync(100));
  std::size_t files = 0;
  for (const auto& item : std::filesystem::directory_iterator(folder.path())) files += item.is_regular_file() ? 1U : 0U;
  EXPECT_LE(files, 2U + 2U * 3U) << "lock, manifest, and at most three segments of one tier";
}

TEST(SegmentIndex, MergeCount_TakesFourOfATierWithAllThatIsNewer) {
  EXPECT_EQ(merge_count({}), 0U);
  // Through files: the sizes of real segments decide.
  const TempFolder folder;
  SeededRandom random(1);
  IndexFolder where{folder.path(), SecretBytes::copy_of(kKey), &random};
  const auto segment = [&](std::uint64_t number, std::size_t count) {
    IndexMemtable table;
    for (std::size_t i = 0; i < count; ++i) {
      IndexKey key{};
      (void)random.fill(key).has_value();
      table.by_id[key] = {};
    }
    return *IndexSegment::write(where, number, table);
  };
  const auto small = segment(1, 10);
  const auto large = segment(2, 5000);
  EXPECT_EQ(merge_count({small, small, small, large}), 0U);
  EXPECT_EQ(merge_count({small, small, small, small, large}), 4U);
  EXPECT_EQ(merge_count({small, large, large, large, large}), 5U);
  EXPECT_EQ(merge_count({large, large, large, small}), 0U);
}

TEST(SegmentIndex, WrongKeyOrVersion_IsRefusedByName) {
  const TempFolder folder;
  SeededRandom random(1);
  {
    const auto index = open_index(folder.path(), random);
    ASSERT_TRUE(add_range(*index, 0, 10));
    ASSERT_TRUE(index->sync(5));
  }
  EXPECT_EQ(SegmentIndex::open({folder.path(), 500}, Bytes(32, 1), random).error().code(), ErrorCode::kCorrupt);
  Bytes manifest = testing::slurp(folder.path("manifest"));
  manifest[8] = 2;
  testing::spew(folder.path("manifest"), manifest);
  const auto newer = SegmentIndex::open({folder.path(), 500}, kKey, random);
  EXPECT_EQ(newer.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(newer.error().message(), "the chunk index has version 2; this program reads 1");
}

TEST(SegmentIndex, SecondOpen_IsAConflict) {
  const TempFolder folder;
  SeededRandom random(1);
  const auto index = open_index(folder.path(), random);
  EXPECT_EQ(SegmentIndex::open({folder.path(), 500}, kKey, random).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(SegmentIndex::open_or_start_over({folder.path(), 500}, kKey, random).error().code(), ErrorCode::kConflict);
}

TEST(SegmentIndex, KeysAndIds_AreNotInTheClearOnDisk) {
  const TempFolder folder;
  SeededRandom random(424242);  // not the seed of an entry: salts are in the clear
  {
    const auto index = open_index(folder.path(), random);
    ASSERT_TRUE(add_range(*index, 0, 1000));
    ASSERT_TRUE(index->sync(5));
  }
  for (const auto& item : std::filesystem::directory_iterator(folder.path())) {
    const Bytes content = testing::slurp(item.path().string());
    for (std::uint64_t i = 1; i < 1000; i += 50) {
      const auto entry = entry_of(i);
      for (const ByteView secret : {entry.id.view().first(12), entry.ref->key.view().first(12), entry.ref->fp.view().first(12)}) {
        ASSERT_EQ(as_text(content).find(as_text(secret)), std::string_view::npos) << item.path();
      }
    }
  }
}

TEST(SegmentIndex, DamageAnywhere_IsCorruptAndNeverAWrongAnswer) {
  constexpr std::uint64_t kSeed = 8086;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  set_log_sink([](LogLevel, std::string_view) {}, LogLevel::kError);
  const TempFolder folder;
  SeededRandom random(kSeed);
  constexpr std::uint64_t kCount = 700;
  {
    const auto index = open_index(folder.path("good"), random, 300);
    ASSERT_TRUE(add_range(*index, 0, kCount));
    ASSERT_TRUE(index->sync(42));
  }
  std::vector<std::string> files;
  for (const auto& item : std::filesystem::directory_iterator(folder.path("good"))) {
    if (item.file_size() > 0) files.push_back(item.path().filename());
  }
  std::sort(files.begin(), files.end());
  ASSERT_EQ(files.size(), 5U) << "manifest and two segments";
  int noticed = 0;
  for (int round = 0; round < 150; ++round) {
    std::filesystem::remove_all(folder.path("bad"));
    std::filesystem::copy(folder.path("good"), folder.path("bad"));
    const std::string& name = files[static_cast<std::size_t>(round) % files.size()];
    const std::string path = folder.path("bad/" + name);
    const auto size = std::filesystem::file_size(path);
    const auto at = random.next_below(size);
    if (round % 10 == 9) {
      std::filesystem::resize_file(path, at);
    } else {
      testing::flip_bit(path, at * 8 + random.next_below(8));
    }
    SCOPED_TRACE(name + " at " + std::to_string(at));
    auto index = SegmentIndex::open({folder.path("bad"), 300}, kKey, random);
    if (index) {
      bool corrupt = false;
      for (std::uint64_t i = 0; i < kCount; ++i) {
        const auto entry = entry_of(i);
        const auto location = (*index)->find(entry.id);
        if (location) {
          ASSERT_EQ(*location, entry.location);
        } else {
          ASSERT_EQ(location.error().code(), ErrorCode::kCorrupt);
          corrupt = true;
        }
        if (!entry.ref) continue;
        const auto ref = (*index)->find_known(entry.ref->fp);
        if (ref) {
          ASSERT_EQ(*ref, entry.ref);
        } else {
          ASSERT_EQ(ref.error().code(), ErrorCode::kCorrupt);
          corrupt = true;
        }
      }
      if (corrupt) {
        ASSERT_EQ((*index)->sync(43).error().code(), ErrorCode::kCorrupt);
        index->reset();
        ASSERT_EQ(SegmentIndex::open({folder.path("bad"), 300}, kKey, random).error().code(), ErrorCode::kCorrupt);
        ++noticed;
      }
    } else {
      ASSERT_TRUE(index.error().code() == ErrorCode::kCorrupt || index.error().code() == ErrorCode::kUnsupported) << index.error().message();
      ++noticed;
    }
    index = Error(ErrorCode::kInternal, "closed");
    auto again = SegmentIndex::open_or_start_over({folder.path("bad"), 300}, kKey, random);
    ASSERT_TRUE(again);
    ASSERT_TRUE((*again)->position() == 42 || (*again)->position() == 0);
    if ((*again)->position() == 0) { ASSERT_EQ((*again)->stats().chunks, 0U); }
    ASSERT_TRUE(add_range(**again, 0, kCount));
    ASSERT_EQ(count_found(**again, 0, kCount), kCount);
  }
  // Padding of blocks is the one thing that no tag covers.
  EXPECT_GT(noticed, 100);
}

TEST(SegmentIndex, FilesDeleted_StartOverFromNothing) {
  const TempFolder folder;
  SeededRandom random(1);
  set_log_sink([](LogLevel, std::string_view) {}, LogLevel::kError);
  for (const std::string pattern : {".ids", ".fps", "manifest", ""}) {
    std::filesystem::remove_all(folder.path("index"));
    {
      const auto index = open_index(folder.path("index"), random);
      ASSERT_TRUE(add_range(*index, 0, 100));
      ASSERT_TRUE(index->sync(9));
    }
    std::vector<std::filesystem::path> gone;
    for (const auto& item : std::filesystem::directory_iterator(folder.path("index"))) {
      if (item.path().filename().string().ends_with(pattern)) gone.push_back(item.path());
    }
    ASSERT_FALSE(gone.empty());
    for (const auto& path : gone) std::filesystem::remove(path);
    const auto index = SegmentIndex::open_or_start_over({folder.path("index"), 500}, kKey, random);
    ASSERT_TRUE(index);
    EXPECT_EQ((*index)->position(), 0U);
    EXPECT_EQ((*index)->stats().chunks, 0U);
  }
}

TEST(SegmentIndex, FolderRemovedWhileOpen_IsCorruptAndClearGoesOn) {
  const TempFolder folder;
  SeededRandom random(1);
  set_log_sink([](LogLevel, std::string_view) {}, LogLevel::kError);
  const auto index = open_index(folder.path("index"), random);
  ASSERT_TRUE(add_range(*index, 0, 1000));
  std::filesystem::remove_all(folder.path("index"));
  EXPECT_EQ(count_found(*index, 0, 1000), 1000U) << "open files are still there";
  EXPECT_FALSE(index->sync(3));
  ASSERT_TRUE(index->clear());
  EXPECT_EQ(index->position(), 0U);
  EXPECT_EQ(count_found(*index, 0, 1000), 0U);
  ASSERT_TRUE(add_range(*index, 0, 1000));
  ASSERT_TRUE(index->sync(4));
  EXPECT_EQ(count_found(*index, 0, 1000), 1000U);
}

TEST(SegmentIndex, KilledAtRandomMoments_HoldsWhatWasSynced) {
  constexpr std::uint64_t kSeed = 5;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const TempFolder folder;
  SeededRandom random(kSeed);
  std::uint64_t last = 0;
  for (int round = 0; round < 25; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      SeededRandom inner(static_cast<std::uint64_t>(round));
      auto index = SegmentIndex::open({folder.path(), 200}, kKey, inner);
      if (!index) ::_exit(1);
      for (std::uint64_t n = (*index)->position(); n < last + 100000; n += 50) {
        if (!add_range(**index, n, n + 50) || !(*index)->sync(n + 50)) ::_exit(2);
        const std::uint64_t done = n + 50;
        if (::write(pipe_ends[1], &done, sizeof done) != sizeof done) ::_exit(3);
      }
      ::_exit(4);
    }
    ::close(pipe_ends[1]);
    const std::uint64_t reports = 1 + random.next_below(30);
    std::uint64_t done = 0;
    for (std::uint64_t i = 0; i < reports; ++i) ASSERT_EQ(::read(pipe_ends[0], &done, sizeof done), static_cast<ssize_t>(sizeof done));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << testing::describe_child(status);
    while (::read(pipe_ends[0], &last, sizeof last) == static_cast<ssize_t>(sizeof last)) done = last;
    ::close(pipe_ends[0]);
    last = done;
    const auto index = open_index(folder.path(), random);
    ASSERT_TRUE(index);
    ASSERT_GE(index->position(), done);
    ASSERT_LE(index->position(), done + 50) << "a sync that was not reported yet";
    ASSERT_EQ(count_found(*index, 0, done), done);
    ASSERT_TRUE(index->verify());
  }
  EXPECT_GT(last, 1000U);
}

TEST(SegmentIndex, ReadersWritersAndMerges_AgreeAtAllTimes) {
  const TempFolder folder;
  SeededRandom random(1);
  const auto index = open_index(folder.path(), random, 100);
  std::atomic<std::uint64_t> published{0};
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (std::uint64_t r = 0; r < 3; ++r) {
    readers.emplace_back([&, r] {
      SeededRandom mine(r);
      while (!stop) {
        const std::uint64_t count = published;
        if (count == 0) continue;
        const auto entry = entry_of(mine.next_below(count));
        const auto location = index->find(entry.id);
        if (!location || *location != entry.location) ++wrong;
        if (entry.ref && index->find_known(entry.ref->fp).value() != entry.ref) ++wrong;
        if (index->find(entry_of(1000000 + mine.next_below(1000)).id)->has_value()) ++wrong;
      }
    });
  }
  for (std::uint64_t n = 0; n < 4000; n += 20) {
    EXPECT_TRUE(add_range(*index, n, n + 20));
    published = n + 20;
    if (n % 400 == 0) { EXPECT_TRUE(index->sync(n + 20)); }
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(index->wait_for_merges());
  EXPECT_EQ(count_found(*index, 0, 4000), 4000U);
}

TEST(IndexFilter, AbsentKeys_AreMostlySeenAsAbsent) {
  constexpr std::uint64_t kCount = 200000;
  SeededRandom random(2);
  IndexFilter filter(kCount);
  IndexKey key{};
  std::vector<IndexKey> keys(kCount);
  for (auto& each : keys) {
    (void)random.fill(each).has_value();
    filter.add(each);
  }
  for (const auto& each : keys) ASSERT_TRUE(filter.may_hold(each));
  int wrong = 0;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    (void)random.fill(key).has_value();
    if (filter.may_hold(key)) ++wrong;
  }
  // Ten bits and six probes: 0.9 % in theory (Bloom 1970), somewhat more because lines fill unevenly.
  EXPECT_LT(wrong, static_cast<int>(kCount * 2 / 100));
}

}  // namespace
}  // namespace holdfast
