// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/live_fixture.h"

namespace holdfast {
namespace {

using testing::LiveFixture;
using testing::SeededRandom;

constexpr std::uint64_t kRoot = LiveTree::kRootIno;
const CallContext kContext;

class LiveFilesTest : public ::testing::Test {
 protected:
  std::uint64_t make(const std::string& name) {
    const auto made = live_->make_node(kRoot, name, {0100644, 0, 0, 0, {}}, kContext);
    EXPECT_TRUE(made);
    return made ? made->ino : 0;
  }
  std::shared_ptr<LiveFile> open(std::uint64_t ino) {
    auto file = live_->open_file(ino, true, kContext);
    EXPECT_TRUE(file);
    return file ? *file : nullptr;
  }
  std::uint64_t look(const std::string& name) {
    const auto found = live_->lookup(kRoot, name, kContext);
    EXPECT_TRUE(found) << name;
    return found ? found->ino : 0;
  }
  Bytes read_all(std::uint64_t ino) {
    const auto attributes = live_->attributes(ino, kContext);
    EXPECT_TRUE(attributes);
    Bytes out(attributes->size_bytes);
    const auto file = live_->open_file(ino, false, kContext);
    EXPECT_TRUE(file);
    const auto count = (*file)->read(0, out, kContext);
    EXPECT_TRUE(count);
    EXPECT_EQ(count ? *count : 0, out.size());
    return out;
  }
  /// Sizes of the chunks that the chunker alone makes of `data`.
  std::vector<std::uint64_t> cuts_of(ByteView data) {
    const auto chunker = GearChunker::create(live_.gear(), LiveFixture::default_options().chunk_sizes);
    std::vector<std::uint64_t> sizes;
    while (!data.empty()) {
      const std::size_t size = chunker->first_cut(data).value_or(data.size());
      sizes.push_back(size);
      data = data.subspan(size);
    }
    return sizes;
  }
  std::vector<std::uint64_t> stored_cuts(std::uint64_t ino) {
    const auto inode = live_->inode(ino, kContext);
    EXPECT_TRUE(inode);
    const auto located = ContentReader(live_.pipeline()).extents(inode->content, 0, inode->size_bytes, kContext);
    EXPECT_TRUE(located);
    std::vector<std::uint64_t> sizes;
    for (const auto& part : *located) sizes.push_back(part.extent.size_bytes);
    return sizes;
  }
  SeededRandom random_{3};
  LiveFixture live_;
};

TEST_F(LiveFilesTest, LentBytes_AreKeptAsTheyLieUntilTheirChunksAreStored) {
  const auto lent = std::make_shared<const Bytes>(random_.bytes(60'000));
  const auto file = open(make("a"));
  ASSERT_TRUE(file->write(0, ByteView(*lent).first(20'000), kContext));
  EXPECT_EQ(lent.use_count(), 1) << "what was not lent is copied";
  ASSERT_TRUE(file->write(20'000, LentBytes(ByteView(*lent).subspan(20'000), lent), kContext));
  EXPECT_GT(lent.use_count(), 1);
  Bytes overwritten(*lent);
  std::fill_n(overwritten.begin() + 30'000, 100, std::uint8_t{7});
  ASSERT_TRUE(file->write(30'000, ByteView(overwritten).subspan(30'000, 100), kContext));
  ASSERT_TRUE(file->flush(kContext));
  EXPECT_EQ(lent.use_count(), 1);
  EXPECT_EQ(read_all(look("a")), overwritten);
  EXPECT_EQ(stored_cuts(look("a")), cuts_of(overwritten));
}

TEST_F(LiveFilesTest, StreamInAnySlices_IsCutAsTheChunkerCutsTheWhole) {
  const Bytes data = random_.bytes(100'000);
  const std::uint64_t ino = make("f");
  auto file = open(ino);
  for (std::size_t at = 0; at < data.size();) {
    const std::size_t size = std::min<std::size_t>(1 + random_.next_below(9000), data.size() - at);
    ASSERT_TRUE(file->write(at, ByteView(data).subspan(at, size), kContext));
    at += size;
  }
  ASSERT_TRUE(file->flush(kContext));
  EXPECT_EQ(stored_cuts(ino), cuts_of(data));
  EXPECT_EQ(live_->stats().chunks_cut, cuts_of(data).size());
  EXPECT_EQ(read_all(ino), data);
}

TEST_F(LiveFilesTest, WritebackOutOfOrder_IsCutAsTheStream) {
  const Bytes data = random_.bytes(64 * 1024);
  const std::uint64_t ino = make("f");
  auto file = open(ino);
  for (std::size_t window = 0; window < data.size(); window += 8 * 1024) {
    for (const std::size_t page : {1UL, 0UL, 3UL, 2UL}) {
      const std::size_t at = window + page * 2048;
      ASSERT_TRUE(file->write(at, ByteView(data).subspan(at, 2048), kContext));
    }
  }
  ASSERT_TRUE(file->flush(kContext));
  EXPECT_EQ(stored_cuts(ino), cuts_of(data));
  EXPECT_EQ(live_->stats().chunks_cut, cuts_of(data).size());
}

TEST_F(LiveFilesTest, BytesLongBeforeTheirTurn_AreWaitedFor) {
  const Bytes data = random_.bytes(240 * 1024);
  const std::uint64_t ino = make("f");
  auto file = open(ino);
  constexpr std::size_t kWindow = 48 * 1024;  // three times what a file keeps of overwrites
  for (std::size_t window = 0; window < data.size(); window += kWindow) {
    for (std::size_t left = kWindow; left > 0; left -= 2048) {
      const std::size_t at = window + left - 2048;
      ASSERT_TRUE(file->write(at, ByteView(data).subspan(at, 2048), kContext));
    }
  }
  ASSERT_TRUE(file->flush(kContext));
  EXPECT_EQ(stored_cuts(ino), cuts_of(data));
  EXPECT_EQ(live_->stats().chunks_cut, cuts_of(data).size());
  EXPECT_EQ(read_all(ino), data);
}

TEST(LiveBounds, ManyFilesWithBytesBeforeTheirTurn_KeepFewTogether) {
  auto options = LiveFixture::default_options();
  options.dirty_bytes_max = 32 * 1024;
  LiveFixture live(options);
  SeededRandom random(5);
  std::vector<std::shared_ptr<LiveFile>> files;
  std::vector<Bytes> contents;
  for (int i = 0; i < 16; ++i) {
    const auto made = live->make_node(kRoot, "f" + std::to_string(i), {0100644, 0, 0, 0, {}}, kContext);
    ASSERT_TRUE(made);
    files.push_back(live->open_file(made->ino, true, kContext).value());
    contents.push_back(random.bytes(20 * 1024));
  }
  for (std::size_t left = 20 * 1024; left > 0; left -= 1024) {
    for (std::size_t i = 0; i < files.size(); ++i) {
      ASSERT_TRUE(files[i]->write(left - 1024, ByteView(contents[i]).subspan(left - 1024, 1024), kContext));
    }
    // An eighth of what a file may keep, and one write more.
    EXPECT_LE(live->stats().dirty_bytes, options.dirty_bytes_max + files.size() * (2 * 1024 + 1024));
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    Bytes out(contents[i].size());
    ASSERT_TRUE(files[i]->read(0, out, kContext));
    EXPECT_EQ(out, contents[i]) << i;
  }
  files.clear();
  EXPECT_EQ(live->stats().dirty_bytes, 0U);
}

TEST_F(LiveFilesTest, ScatteredOverwrites_RechunkOnlyAroundThem) {
  Bytes data = random_.bytes(2U << 20U);
  const std::uint64_t ino = make("f");
  {
    auto file = open(ino);
    ASSERT_TRUE(file->write(0, data, kContext));
  }
  const std::uint64_t before = live_->stats().chunks_cut;
  ASSERT_GT(before, 1000U);
  constexpr std::uint64_t kChanges = 50;
  {
    auto file = open(ino);
    for (std::uint64_t i = 0; i < kChanges; ++i) {
      const std::uint64_t at = i * 41'000 + 17;
      const Bytes change = random_.bytes(20);
      std::copy(change.begin(), change.end(), data.begin() + static_cast<std::ptrdiff_t>(at));
      ASSERT_TRUE(file->write(at, change, kContext));
    }
  }
  // Cuts meet again after a few chunks; a rewrite of the file would cut more than a thousand.
  EXPECT_LE(live_->stats().chunks_cut - before, kChanges * 6);
  EXPECT_EQ(read_all(ino), data);
}

TEST_F(LiveFilesTest, ManySmallAppends_EndUpCutAsTheStream) {
  Bytes data;
  const std::uint64_t ino = make("log");
  for (int i = 0; i < 120; ++i) {
    const Bytes line = random_.bytes(90);
    const auto at = open(ino)->append(line, kContext);
    ASSERT_TRUE(at);
    EXPECT_EQ(*at, data.size());
    append(data, line);
  }
  EXPECT_EQ(stored_cuts(ino), cuts_of(data));
  EXPECT_EQ(read_all(ino), data);
}

TEST_F(LiveFilesTest, FsyncOfAGrowingFile_JournalsOnlyWhatIsNew) {
  Bytes data = random_.bytes(500'000);
  const std::uint64_t ino = make("wal");
  auto file = open(ino);
  ASSERT_TRUE(file->write(0, data, kContext));
  ASSERT_TRUE(file->sync(kContext));
  for (int i = 0; i < 60; ++i) {
    const std::uint64_t before = live_.journal().size_bytes();
    const Bytes record = random_.bytes(100);
    append(data, record);
    ASSERT_TRUE(file->append(record, kContext));
    ASSERT_TRUE(file->sync(kContext));
    // The record, perhaps a tail that a cut began anew, and what surrounds them; the list of 500 extents would be 40 KB.
    EXPECT_LT(live_.journal().size_bytes() - before, 1500U) << i;
  }
  live_.crash([&] { file.reset(); });
  EXPECT_EQ(read_all(look("wal")), data);
}

TEST_F(LiveFilesTest, FsyncAfterAChangeInTheMiddle_SurvivesACrash) {
  Bytes data = random_.bytes(60'000);
  auto file = open(make("f"));
  ASSERT_TRUE(file->write(0, data, kContext));
  ASSERT_TRUE(file->sync(kContext));
  std::fill_n(data.begin() + 30'000, 100, std::uint8_t{1});
  ASSERT_TRUE(file->write(30'000, ByteView(data).subspan(30'000, 100), kContext));
  ASSERT_TRUE(file->sync(kContext));
  live_.crash([&] { file.reset(); });
  EXPECT_EQ(read_all(look("f")), data);
}

TEST_F(LiveFilesTest, SmallFiles_LieInTheirInode) {
  for (const std::size_t size : {0UL, 1UL, 512UL, 513UL}) {
    const std::uint64_t ino = make(std::to_string(size));
    const Bytes data = random_.bytes(size);
    ASSERT_TRUE(open(ino)->write(0, data, kContext));
    const auto inode = live_->inode(ino, kContext);
    ASSERT_TRUE(inode);
    EXPECT_EQ(inode->content.index(), size == 0 ? 0U : size <= 512 ? 1U : 2U) << size;
    EXPECT_EQ(read_all(ino), data);
  }
}

TEST_F(LiveFilesTest, Holes_AreNotStored) {
  const std::uint64_t ino = make("sparse");
  auto file = open(ino);
  SetAttributes grow;
  grow.size_bytes = 1U << 30U;
  ASSERT_TRUE(live_->set_attributes(ino, grow, kContext));
  const Bytes data = random_.bytes(3000);
  ASSERT_TRUE(file->write(500'000'000, data, kContext));
  ASSERT_TRUE(file->flush(kContext));
  const auto attributes = live_->attributes(ino, kContext);
  EXPECT_EQ(attributes->size_bytes, 1U << 30U);
  EXPECT_EQ(attributes->allocated_bytes, 3000U);
  EXPECT_EQ(*file->seek_data(0, kContext), 500'000'000U);
  EXPECT_EQ(*file->seek_hole(500'000'000, kContext), 500'003'000U);
  EXPECT_EQ(file->seek_data(500'003'000, kContext).error().code(), ErrorCode::kOutOfRange);
  EXPECT_EQ(file->seek_hole(1U << 30U, kContext).error().code(), ErrorCode::kOutOfRange);
  Bytes out(4000, 9);
  ASSERT_TRUE(file->read(499'999'500, out, kContext));
  EXPECT_TRUE(std::all_of(out.begin(), out.begin() + 500, [](std::uint8_t byte) { return byte == 0; }));
  EXPECT_TRUE(std::equal(data.begin(), data.end(), out.begin() + 500));
}

TEST_F(LiveFilesTest, UnlinkedOpenFile_LivesUntilTheLastHandleGoes) {
  const std::uint64_t ino = make("f");
  auto file = open(ino);
  const Bytes data = random_.bytes(20'000);
  ASSERT_TRUE(file->write(0, data, kContext));
  ASSERT_TRUE(live_->unlink(kRoot, "f", kContext));
  ASSERT_TRUE(file->write(0, ByteView(data).subspan(0, 10), kContext));
  ASSERT_TRUE(file->sync(kContext));
  EXPECT_EQ(read_all(ino), data);
  EXPECT_EQ(live_->attributes(ino, kContext)->nlink, 0U);
  live_->forget(ino, 1);
  EXPECT_EQ(read_all(ino), data);
  file.reset();
  EXPECT_FALSE(live_->attributes(ino, kContext));
}

TEST_F(LiveFilesTest, FullPipeline_LosesNothing) {
  const std::uint64_t ino = make("f");
  auto file = open(ino);
  const Bytes data = random_.bytes(50'000);
  live_.chunks().fail_puts(true);
  const Status written = file->write(0, data, kContext);
  if (!written) {
    EXPECT_EQ(written.error().code(), ErrorCode::kNoSpace);
  }
  EXPECT_EQ(file->flush(kContext).error().code(), ErrorCode::kNoSpace);
  EXPECT_EQ(read_all(ino), data);
  live_.chunks().fail_puts(false);
  Status status = file->flush(kContext);
  for (int i = 0; i < 100 && !status; ++i) status = file->flush(kContext);
  ASSERT_TRUE(status);
  ASSERT_TRUE(live_->sync());
  live_.crash([&] { file.reset(); });
  EXPECT_EQ(read_all(look("f")), data);
}

TEST_F(LiveFilesTest, TimesOfWritesAndOfUtimens_WinInTheirOrder) {
  const std::uint64_t ino = make("f");
  auto file = open(ino);
  live_.clock().advance(std::chrono::seconds(5));
  ASSERT_TRUE(file->write(0, Bytes(10), kContext));
  EXPECT_EQ(live_->attributes(ino, kContext)->mtime, live_.clock().wall_now());
  SetAttributes changes;
  changes.mtime = 1234;
  ASSERT_TRUE(live_->set_attributes(ino, changes, kContext));
  ASSERT_TRUE(file->flush(kContext));
  EXPECT_EQ(live_->attributes(ino, kContext)->mtime, 1234);
  ASSERT_TRUE(file->write(0, Bytes(10), kContext));
  EXPECT_EQ(live_->attributes(ino, kContext)->mtime, live_.clock().wall_now());
}

TEST_F(LiveFilesTest, Seal_CoversWhatWasFlushedAndCountsOpenWriters) {
  const std::uint64_t ino = make("f");
  auto file = open(ino);
  ASSERT_TRUE(file->write(0, Bytes(1000, 1), kContext));
  ASSERT_TRUE(file->sync(kContext));
  ASSERT_TRUE(file->write(1000, Bytes(1000, 2), kContext));
  const auto sealed = live_->seal(nullptr, kContext);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(sealed->open_writers, 1U);
  EXPECT_EQ(live_.content_of(live_.walk(*sealed).at("f")), Bytes(1000, 1));
  EXPECT_TRUE(live_->stats().changed_since_seal);
  EXPECT_EQ(live_->attributes(ino, kContext)->size_bytes, 2000U);
}

TEST_F(LiveFilesTest, FullDisk_TakesNoMoreBytesThanItCanStore) {
  const std::uint64_t ino = make("f");
  auto file = open(ino);
  ASSERT_TRUE(file->write(0, random_.bytes(5'000), kContext));
  live_.chunks().fail_puts(true);
  const Bytes more = random_.bytes(4'096);
  std::uint64_t at = 5'000;
  while (file->write(at, more, kContext)) {
    at += more.size();
    ASSERT_LT(at, 1'000'000U);
  }
  at += more.size();  // a write that fails may have been made in part
  const std::uint64_t size = live_->attributes(ino, kContext)->size_bytes;
  EXPECT_LE(size, at);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(file->write(at, more, kContext).error().code(), ErrorCode::kNoSpace);
    at += more.size();
  }
  EXPECT_EQ(file->flush(kContext).error().code(), ErrorCode::kNoSpace);
  EXPECT_EQ(file->write(at, more, kContext).error().code(), ErrorCode::kNoSpace);
  EXPECT_EQ(live_->attributes(ino, kContext)->size_bytes, size);
  live_.chunks().fail_puts(false);
  ASSERT_TRUE(file->write(size, more, kContext));
  ASSERT_TRUE(file->flush(kContext));
  EXPECT_EQ(live_->attributes(ino, kContext)->size_bytes, size + more.size());
  const Bytes all = read_all(ino);
  EXPECT_TRUE(std::equal(more.begin(), more.end(), all.end() - static_cast<std::ptrdiff_t>(more.size())));
}

TEST_F(LiveFilesTest, FullDiskAtOpening_KeepsTheTailsOfSyncedFiles) {
  const Bytes data = random_.bytes(9'000);
  const std::uint64_t ino = make("f");
  auto file = open(ino);
  ASSERT_TRUE(file->write(0, data, kContext));
  ASSERT_TRUE(file->sync(kContext));
  live_.chunks().fail_puts(true);
  live_.crash([&] { file = nullptr; });
  EXPECT_EQ(read_all(look("f")), data);
  live_.crash();
  live_.chunks().fail_puts(false);
  EXPECT_EQ(read_all(look("f")), data);
  const auto sealed = live_->seal(nullptr, kContext);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(live_.content_of(live_.walk(*sealed).at("f")), data);
}

/// What write-back does: times first, then the bytes, then fsync; the file stays open over a seal.
class LiveFilesAcrossSeal : public LiveFilesTest {
 protected:
  void crash_after_change(Bytes data, std::uint64_t offset, ByteView change) {
    const std::uint64_t ino = make("dump");
    auto file = open(ino);
    ASSERT_TRUE(file->write(0, data, kContext));
    ASSERT_TRUE(file->sync(kContext));
    ASSERT_TRUE(live_->seal(nullptr, kContext));
    SetAttributes times;
    times.mtime = 77;
    ASSERT_TRUE(live_->set_attributes(ino, times, kContext));
    ASSERT_TRUE(file->write(offset, change, kContext));
    ASSERT_TRUE(file->sync(kContext));
    data.resize(std::max<std::size_t>(data.size(), offset + change.size()));
    std::copy(change.begin(), change.end(), data.begin() + static_cast<std::ptrdiff_t>(offset));
    live_.crash([&] { file = nullptr; });
    EXPECT_EQ(read_all(look("dump")), data);
    const auto sealed = live_->seal(nullptr, kContext);
    ASSERT_TRUE(sealed);
    EXPECT_EQ(live_.content_of(live_.walk(*sealed).at("dump")), data);
  }
};

TEST_F(LiveFilesAcrossSeal, AppendToManyChunks_SurvivesACrash) {
  const Bytes data = random_.bytes(100'000);
  ASSERT_GT(cuts_of(data).size(), kExtentContentMaxCount);
  crash_after_change(data, data.size(), random_.bytes(10'000));
}

TEST_F(LiveFilesAcrossSeal, ShortAppendToManyChunks_SurvivesACrash) { crash_after_change(random_.bytes(100'000), 100'000, random_.bytes(10)); }

TEST_F(LiveFilesAcrossSeal, OverwriteInAPublishedTail_SurvivesACrash) {
  const Bytes data = random_.bytes(3'000);
  ASSERT_LE(cuts_of(data).size(), kExtentContentMaxCount);
  const std::uint64_t tail_size = cuts_of(data).back();
  ASSERT_GT(tail_size, 20U);
  crash_after_change(data, data.size() - tail_size / 2, random_.bytes(5));
}

TEST_F(LiveFilesTest, Judgements_AreRememberedOverSealsAndRemounts) {
  const CompletenessJudge judge = [](const std::string& path, const Inode&) {
    return path == "bad" ? Completeness::kIncomplete : Completeness::kComplete;
  };
  ASSERT_TRUE(open(make("bad"))->write(0, Bytes(600), kContext));
  ASSERT_TRUE(open(make("good"))->write(0, Bytes(600), kContext));
  auto sealed = live_->seal(judge, kContext);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(sealed->completeness, Completeness::kIncomplete);
  EXPECT_EQ(sealed->incomplete_paths, std::vector<std::string>{"bad"});
  EXPECT_EQ(live_.walk(*sealed).at("good").completeness, Completeness::kComplete);
  make("other");
  sealed = live_->seal(judge, kContext);
  EXPECT_EQ(sealed->incomplete_paths, std::vector<std::string>{"bad"});
  live_.remount();
  sealed = live_->seal(judge, kContext);
  EXPECT_EQ(sealed->incomplete_paths, std::vector<std::string>{"bad"});
  ASSERT_TRUE(live_->unlink(kRoot, "bad", kContext));
  sealed = live_->seal(judge, kContext);
  EXPECT_EQ(sealed->completeness, Completeness::kComplete);
}

TEST(LiveBounds, ManyNewFiles_AreFoldedByTheTreeItself) {
  LiveTreeOptions options = LiveFixture::default_options();
  options.dirty_inodes_max = 100;
  LiveFixture live(options);
  for (int i = 0; i < 1500; ++i) {
    const auto made = live->make_node(kRoot, std::to_string(i), {0100644, 0, 0, 0, {}}, kContext);
    ASSERT_TRUE(made);
    const auto file = live->open_file(made->ino, true, kContext);
    ASSERT_TRUE((*file)->write(0, Bytes(100, static_cast<std::uint8_t>(i)), kContext));
    live->forget(made->ino, 1);
    ASSERT_LE(live->stats().dirty_inodes, 310U);
  }
  const auto sealed = live->seal(nullptr, kContext);
  ASSERT_TRUE(sealed);
  const auto found = live.walk(*sealed);
  EXPECT_EQ(found.size(), 1500U);
  EXPECT_EQ(live.content_of(found.at("777")), Bytes(100, static_cast<std::uint8_t>(777)));
}

}  // namespace
}  // namespace holdfast
