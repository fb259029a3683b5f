// SPDX-License-Identifier: Apache-2.0
#include "core/journal/journal.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/seeded_random.h"
#include "tests/support/file_bytes.h"
#include "tests/support/temporary_folder.h"

namespace holdfast {
namespace {

using testing::read_file;
using testing::SeededRandom;
using testing::TemporaryFolder;
using testing::write_file;
namespace stdfs = std::filesystem;

const RepositoryId kRepository{{1, 2, 3}};
const WriterId kWriter{{4, 5, 6}};

/// Opens journals of one folder and collects what they replay.
class JournalTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Journal>> open(const stdfs::path& directory, WriterId writer = kWriter) {
    replayed_.clear();
    return Journal::open(directory.string(), kRepository, writer, key_, random_, [this](Journal::Position, ByteView payload) {
      replayed_.emplace_back(as_text(payload));
      return ok_status();
    });
  }
  std::unique_ptr<Journal> must_open(const stdfs::path& directory) {
    auto journal = open(directory);
    EXPECT_TRUE(journal) << journal.error().message();
    return std::move(journal).value();
  }
  static void put(Journal& journal, std::string_view text) {
    const ByteView bytes = as_bytes(text);
    journal.append(Bytes(bytes.begin(), bytes.end()));
  }
  static std::vector<stdfs::path> files(const stdfs::path& directory) {
    std::vector<stdfs::path> found;
    for (const auto& item : stdfs::directory_iterator(directory)) found.push_back(item.path());
    std::sort(found.begin(), found.end());
    return found;
  }
  using Texts = std::vector<std::string>;

  SeededRandom random_{7};
  Bytes key_ = SeededRandom(8).bytes(32);
  TemporaryFolder folder_;
  const stdfs::path directory_ = stdfs::path(folder_.path()) / "journal";
  Texts replayed_;
};

TEST_F(JournalTest, AppendedTogether_CountTogetherOrNotAtAll) {
  {
    auto journal = must_open(directory_);
    put(*journal, "before");
    ASSERT_TRUE(journal->commit());
    std::vector<Bytes> together(3, Bytes(100, 'x'));
    EXPECT_EQ(journal->append(together), 1U);
    EXPECT_EQ(journal->next_position(), 4U);
    ASSERT_TRUE(journal->commit());
  }
  const stdfs::path file = files(directory_).back();
  stdfs::resize_file(file, stdfs::file_size(file) - 1);
  must_open(directory_);
  EXPECT_EQ(replayed_, Texts{"before"});
}

TEST_F(JournalTest, QueueThatNobodyCommits_IsCommittedWhenItIsLarge) {
  auto journal = must_open(directory_);
  const std::uint64_t before = journal->sync_count();
  for (int i = 0; i < 40; ++i) journal->append(Bytes(1U << 20U));
  EXPECT_EQ(journal->sync_count(), before + 1);
  EXPECT_GT(journal->size_bytes(), 32U << 20U);
}

TEST_F(JournalTest, CommittedRecords_AreReplayedInOrder) {
  {
    auto journal = must_open(directory_);
    put(*journal, "one");
    put(*journal, "two");
    ASSERT_TRUE(journal->commit());
    put(*journal, "three");
    ASSERT_TRUE(journal->commit());
    put(*journal, "never committed");
  }
  must_open(directory_);
  EXPECT_EQ(replayed_, (Texts{"one", "two", "three"}));
}

TEST_F(JournalTest, SeveralRuns_AreReplayedAsOne) {
  for (const std::string text : {"a", "b", "c"}) {
    auto journal = must_open(directory_);
    put(*journal, text);
    ASSERT_TRUE(journal->commit());
  }
  must_open(directory_);
  EXPECT_EQ(replayed_, (Texts{"a", "b", "c"}));
}

TEST_F(JournalTest, Prepare_GivesRecordsThatStandBeforeTheTakenOnes) {
  {
    auto journal = must_open(directory_);
    journal->set_prepare([]() -> Result<std::vector<Bytes>> { return std::vector<Bytes>{{'p'}}; });
    put(*journal, "taken");
    ASSERT_TRUE(journal->commit());
  }
  must_open(directory_);
  EXPECT_EQ(replayed_, (Texts{"p", "taken"}));
}

TEST_F(JournalTest, FailedPrepare_NothingIsWrittenAndNoLaterCommitSucceeds) {
  {
    auto journal = must_open(directory_);
    bool fails = true;
    journal->set_prepare([&]() -> Result<std::vector<Bytes>> {
      if (fails) return Error(ErrorCode::kNoSpace, "full");
      return std::vector<Bytes>{};
    });
    put(*journal, "lost");
    EXPECT_EQ(journal->commit().error().code(), ErrorCode::kNoSpace);
    fails = false;
    EXPECT_EQ(journal->commit().error().code(), ErrorCode::kNoSpace);
  }
  must_open(directory_);
  EXPECT_EQ(replayed_, Texts{});
}

TEST_F(JournalTest, EveryTruncationOfTheLastGroup_IsATornWrite) {
  std::size_t intact = 0;
  {
    auto journal = must_open(directory_);
    put(*journal, "first");
    ASSERT_TRUE(journal->commit());
    intact = read_file(files(directory_).back()).size();
    put(*journal, "second, which is torn");
    ASSERT_TRUE(journal->commit());
  }
  const stdfs::path file = files(directory_).back();
  const Bytes whole = read_file(file);
  for (std::size_t size = intact; size < whole.size(); ++size) {
    TemporaryFolder copy;
    write_file(stdfs::path(copy.path()) / file.filename(), ByteView(whole).first(size));
    {
      auto journal = must_open(copy.path());
      EXPECT_EQ(replayed_, Texts{"first"}) << size;
      put(*journal, "later");
      ASSERT_TRUE(journal->commit());
    }
    must_open(copy.path());
    EXPECT_EQ(replayed_, (Texts{"first", "later"})) << "the torn end counts as damage once a newer file exists, at " << size;
  }
}

TEST_F(JournalTest, ZerosInPlaceOfTheLastGroup_AreATornWrite) {
  std::size_t intact = 0;
  {
    auto journal = must_open(directory_);
    put(*journal, "first");
    ASSERT_TRUE(journal->commit());
    intact = read_file(files(directory_).back()).size();
    put(*journal, "second");
    ASSERT_TRUE(journal->commit());
  }
  const stdfs::path file = files(directory_).back();
  Bytes bytes = read_file(file);
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(intact), bytes.end() - 5, std::uint8_t{0});
  write_file(file, bytes);
  must_open(directory_);
  EXPECT_EQ(replayed_, Texts{"first"});
}

TEST_F(JournalTest, EveryFlipBeforeTheLastGroup_IsCorrupt) {
  std::size_t intact = 0;
  {
    auto journal = must_open(directory_);
    put(*journal, "first");
    ASSERT_TRUE(journal->commit());
    intact = read_file(files(directory_).back()).size();
    put(*journal, "second");
    ASSERT_TRUE(journal->commit());
  }
  const stdfs::path file = files(directory_).back();
  const Bytes whole = read_file(file);
  for (std::size_t at = 0; at < intact; ++at) {
    TemporaryFolder copy;
    Bytes bytes = whole;
    bytes[at] ^= 0x10U;
    write_file(stdfs::path(copy.path()) / file.filename(), bytes);
    const auto journal = open(copy.path());
    ASSERT_FALSE(journal) << "a flip at " << at << " was not seen";
    const ErrorCode code = journal.error().code();
    EXPECT_TRUE(code == ErrorCode::kCorrupt || (at < 44 && (code == ErrorCode::kUnsupported || code == ErrorCode::kConflict)))
        << at << ": " << journal.error().message();
  }
}

TEST_F(JournalTest, CutOffOlderFile_IsCorrupt) {
  for (const std::string text : {"a", "b"}) {
    auto journal = must_open(directory_);
    put(*journal, text);
    ASSERT_TRUE(journal->commit());
  }
  const stdfs::path oldest = files(directory_).front();
  const Bytes bytes = read_file(oldest);
  write_file(oldest, ByteView(bytes).first(bytes.size() - 1));
  const auto journal = open(directory_);
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(journal.error().message().find(oldest.filename().string()), std::string::npos);
}

TEST_F(JournalTest, AnotherWritersFile_IsRefused) {
  must_open(directory_);
  const auto journal = open(directory_, WriterId{{9}});
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code(), ErrorCode::kConflict);
}

TEST_F(JournalTest, FileUnderAnotherNumber_IsCorrupt) {
  {
    auto journal = must_open(directory_);
    put(*journal, "a");
    ASSERT_TRUE(journal->commit());
    put(*journal, "b");
    ASSERT_TRUE(journal->commit());
  }
  stdfs::rename(files(directory_).back(), directory_ / "00000000000000aa.hfj");
  const auto journal = open(directory_);
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code(), ErrorCode::kCorrupt);
}

TEST_F(JournalTest, AnotherKey_IsRefusedAndNothingIsCutOff) {
  {
    auto journal = must_open(directory_);
    put(*journal, "a");
    ASSERT_TRUE(journal->commit());
  }
  const Bytes before = read_file(files(directory_).back());
  key_[0] ^= 1U;
  const auto journal = open(directory_);
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(read_file(files(directory_).back()), before);
}

TEST_F(JournalTest, Checkpoint_ReplacesAllOlderRecordsAndFiles) {
  {
    auto journal = must_open(directory_);
    put(*journal, "old");
    ASSERT_TRUE(journal->commit());
    put(*journal, "queued");
    ASSERT_TRUE(journal->checkpoint({{'s'}, {'t'}}));
    EXPECT_EQ(files(directory_).size(), 1U);
    EXPECT_EQ(journal->size_bytes(), stdfs::file_size(files(directory_).front()));
    put(*journal, "new");
    ASSERT_TRUE(journal->commit());
  }
  must_open(directory_);
  EXPECT_EQ(replayed_, (Texts{"s", "t", "queued", "new"}));
}

TEST_F(JournalTest, OlderFilesBesideACheckpoint_AreVoid) {
  Bytes older;
  stdfs::path older_path;
  {
    auto journal = must_open(directory_);
    put(*journal, "old");
    ASSERT_TRUE(journal->commit());
    older_path = files(directory_).front();
    older = read_file(older_path);
    ASSERT_TRUE(journal->checkpoint({{'s'}}));
  }
  write_file(older_path, older);  // as if the crash came before the removal
  write_file(directory_ / "0000000000000009.hfj.tmp", older);
  must_open(directory_);
  EXPECT_EQ(replayed_, Texts{"s"});
  EXPECT_FALSE(stdfs::exists(older_path));
  EXPECT_FALSE(stdfs::exists(directory_ / "0000000000000009.hfj.tmp"));
}

TEST_F(JournalTest, CheckpointInTwoSteps_KeepsOlderFilesUntilItsEnd) {
  auto journal = must_open(directory_);
  put(*journal, "old");
  ASSERT_TRUE(journal->begin_checkpoint());
  EXPECT_EQ(files(directory_).size(), 2U);
  put(*journal, "state");
  ASSERT_TRUE(journal->finish_checkpoint());
  EXPECT_EQ(files(directory_).size(), 1U);
  journal.reset();
  must_open(directory_);
  EXPECT_EQ(replayed_, Texts{"state"});
}

TEST_F(JournalTest, FinishWithoutBegin_IsRefused) {
  EXPECT_EQ(must_open(directory_)->finish_checkpoint().error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(JournalTest, ErrorOfTheVisitor_EndsTheOpening) {
  {
    auto journal = must_open(directory_);
    put(*journal, "a");
    ASSERT_TRUE(journal->commit());
  }
  const auto journal = Journal::open(directory_.string(), kRepository, kWriter, key_, random_, [](Journal::Position, ByteView) -> Status {
    return Error(ErrorCode::kUnsupported, "not known");
  });
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code(), ErrorCode::kUnsupported);
}

TEST_F(JournalTest, ConcurrentCommits_ShareSyncsAndLoseNothing) {
  constexpr int kThreads = 8;
  constexpr int kCommits = 50;
  {
    auto journal = must_open(directory_);
    // Each round waits until every thread has something queued or is done, so that sharing does not depend on the disk's speed.
    std::atomic<int> appended{0};
    std::atomic<int> rounds{0};
    journal->set_prepare([&]() -> Result<std::vector<Bytes>> {
      ++rounds;
      return std::vector<Bytes>{};
    });
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kCommits; ++i) {
          put(*journal, std::to_string(thread) + "/" + std::to_string(i));
          ++appended;
          EXPECT_TRUE(journal->commit());
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(appended, kThreads * kCommits);
    EXPECT_LE(journal->sync_count(), static_cast<std::uint64_t>(rounds));
    EXPECT_LE(rounds, kThreads * kCommits);
  }
  must_open(directory_);
  EXPECT_EQ(replayed_.size(), static_cast<std::size_t>(kThreads * kCommits));
}

TEST_F(JournalTest, CallsThatWaitForARound_ShareTheNextOne) {
  auto journal = must_open(directory_);
  std::mutex mutex;
  std::condition_variable changed;
  int rounds = 0;
  bool release = false;
  journal->set_prepare([&]() -> Result<std::vector<Bytes>> {
    std::unique_lock lock(mutex);
    ++rounds;
    changed.notify_all();
    if (rounds == 1) changed.wait(lock, [&] { return release; });
    return std::vector<Bytes>{};
  });
  put(*journal, "first");
  std::thread first([&] { EXPECT_TRUE(journal->commit()); });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return rounds == 1; });
  }
  std::atomic<int> started{0};
  std::vector<std::thread> waiting;
  for (int i = 0; i < 6; ++i) {
    waiting.emplace_back([&] {
      put(*journal, "later");
      ++started;
      EXPECT_TRUE(journal->commit());
    });
  }
  while (started < 6) std::this_thread::yield();
  {
    const std::lock_guard lock(mutex);
    release = true;
  }
  changed.notify_all();
  first.join();
  for (auto& thread : waiting) thread.join();
  // One round for the first, and for the six between one and (when some came to commit() only after it had begun) a few.
  EXPECT_GE(journal->sync_count(), 2U);
  EXPECT_LT(journal->sync_count(), 7U);
}

}  // namespace
}  // namespace holdfast
