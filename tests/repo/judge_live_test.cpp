// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/complete/archive_writer.h"
#include "tests/repo/repository_fixture.h"

// Completeness of live files before any seal.
namespace holdfast {
namespace {

using testing::ArchiveWriter;
using testing::Fault;
using testing::FaultyStore;
using testing::Machine;
using testing::seal;
using testing::SeededRandom;
using testing::write_file;
using Judgement = Repository::Judgement;

constexpr std::string_view kHead = "--\n-- PostgreSQL database dump\n--\n\n";
constexpr std::string_view kTail = "--\n-- PostgreSQL database dump complete\n--\n\n";

Bytes dump_of(std::size_t rows_bytes, bool whole) {
  Bytes out(kHead.begin(), kHead.end());
  const Bytes rows = SeededRandom(8).bytes(rows_bytes);
  append(out, as_bytes(to_hex(rows)));
  append(out, as_bytes("\n"));
  if (whole) append(out, as_bytes(kTail));
  return out;
}

class JudgeLive : public ::testing::Test {
 protected:
  void SetUp() override {
    machine_.init();
    ASSERT_TRUE(machine_.open().create_database("orders", {}, 0, 0).has_value());
  }
  LiveTree& live() { return **machine_.repository().live("orders"); }
  /// Held by the kernel, so to say, until the test's end.
  std::uint64_t pinned(const std::string& name, std::uint64_t parent = LiveTree::kRootIno) {
    const auto found = live().lookup(parent, name, kContext);
    EXPECT_TRUE(found.has_value());
    return found ? found->ino : 0;
  }
  Judgement judged(std::uint64_t ino, bool with_reason = true) {
    auto judgement = machine_.repository().judge_live("orders", ino, with_reason, kContext);
    EXPECT_TRUE(judgement.has_value()) << (judgement ? "" : judgement.error().message());
    return judgement ? std::move(*judgement) : Judgement{Completeness::kNotApplicable, "an error"};
  }
  Completeness completeness(const std::string& name) { return judged(pinned(name), false).completeness; }
  std::uint64_t make(std::uint64_t parent, const std::string& name, std::uint32_t mode) {
    NewNode node;
    node.mode = mode;
    return live().make_node(parent, name, node, kContext)->ino;
  }

  const CallContext kContext = CallContext::unbounded();
  std::shared_ptr<FaultyStore> network_ =
      std::make_shared<FaultyStore>(testing::memory_network("alpha", "dc1"), system_clock(), 3);
  Machine machine_{std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{network_})};
};

TEST_F(JudgeLive, ClosedFile_SaysWhatItIsAtOnce) {
  write_file(machine_.repository(), "orders", "whole.sql", dump_of(600'000, true));
  write_file(machine_.repository(), "orders", "cut.sql", dump_of(600'000, false));
  write_file(machine_.repository(), "orders", "other", SeededRandom(4).bytes(600'000));
  write_file(machine_.repository(), "orders", "empty.sql", {});
  EXPECT_EQ(completeness("whole.sql"), Completeness::kComplete);
  EXPECT_EQ(completeness("cut.sql"), Completeness::kIncomplete);
  EXPECT_THAT(judged(pinned("cut.sql")).reason, ::testing::HasSubstr("pg_dump plain"));
  EXPECT_EQ(completeness("other"), Completeness::kUnchecked);
  EXPECT_FALSE(judged(pinned("other")).reason.empty());
  EXPECT_EQ(completeness("empty.sql"), Completeness::kIncomplete);
  EXPECT_EQ(judged(LiveTree::kRootIno).completeness, Completeness::kNotApplicable);
  // Nobody asked for a change.
  EXPECT_EQ(live().inode(pinned("whole.sql"), kContext)->completeness, Completeness::kNotApplicable);
}

TEST_F(JudgeLive, ChangedFile_IsJudgedAnew) {
  write_file(machine_.repository(), "orders", "d.sql", dump_of(100'000, true));
  const auto ino = pinned("d.sql");
  EXPECT_EQ(judged(ino).completeness, Completeness::kComplete);
  EXPECT_EQ(seal(machine_.repository(), "orders").snapshot.completeness, Completeness::kComplete);
  EXPECT_EQ(judged(ino).completeness, Completeness::kComplete);
  {
    const auto file = live().open_file(ino, true, kContext);
    ASSERT_TRUE((*file)->append(as_bytes("more"), kContext).has_value());
    EXPECT_EQ(judged(ino).completeness, Completeness::kUnchecked);
    EXPECT_EQ(judged(ino).reason, "it is open for writing");
    ASSERT_TRUE((*file)->flush(kContext).has_value());
    EXPECT_EQ(judged(ino).completeness, Completeness::kUnchecked);  // flushed, and somebody still has it open
  }
  EXPECT_EQ(judged(ino).completeness, Completeness::kIncomplete);
  EXPECT_EQ(seal(machine_.repository(), "orders").snapshot.completeness, Completeness::kIncomplete);
  EXPECT_EQ(judged(ino, false).completeness, Completeness::kIncomplete);
  EXPECT_THAT(judged(ino).reason, ::testing::HasSubstr("pg_dump plain"));
}

TEST_F(JudgeLive, DumpThatIsAFolder_IsJudgedWithItsFiles) {
  ArchiveWriter toc(14, 3);
  toc.header(1);
  toc.entry(1, true, "TABLE DATA", "1.dat");
  const auto folder = make(LiveTree::kRootIno, "dump", 0040700);
  const auto write = [&](const std::string& name, ByteView content) {
    const auto ino = make(folder, name, 0100600);
    const auto file = live().open_file(ino, true, kContext);
    ASSERT_TRUE((*file)->write(0, content, kContext).has_value());
  };
  write("toc.dat", toc.bytes);
  EXPECT_EQ(judged(pinned("toc.dat", folder)).completeness, Completeness::kIncomplete);
  EXPECT_THAT(judged(pinned("toc.dat", folder)).reason, ::testing::HasSubstr("1.dat is missing"));
  write("1.dat", as_bytes("1\tone\n\\.\n\n\n"));
  EXPECT_EQ(judged(pinned("toc.dat", folder)).completeness, Completeness::kComplete);
}

TEST_F(JudgeLive, ContentThatCannotBeRead_IsUncheckedAndSaysWhy) {
  machine_.use_index(make_memory_chunk_index());
  machine_.close();
  machine_.open();
  write_file(machine_.repository(), "orders", "d.sql", dump_of(600'000, true));
  // Sealed without a judge, as the tree folds by itself before it has one.
  live().set_judge(nullptr);
  ASSERT_TRUE(live().seal(nullptr, kContext).has_value());
  const auto settled = machine_.repository().settle(true, testing::patient());
  ASSERT_TRUE(settled.has_value()) << settled.error().message();
  while (!std::filesystem::is_empty(machine_.state() + "/packs")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  machine_.close();
  network_->always(Fault{});
  machine_.open();
  const Judgement far = judged(pinned("d.sql"));
  EXPECT_EQ(far.completeness, Completeness::kUnchecked);
  EXPECT_THAT(far.reason, ::testing::HasSubstr("planned fault"));
  network_->clear();
  EXPECT_EQ(completeness("d.sql"), Completeness::kComplete);
}

}  // namespace
}  // namespace holdfast
