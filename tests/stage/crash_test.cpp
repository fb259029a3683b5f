// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"
#include "tests/support/stage_rig.h"

// A child works on a stage and is ended at its n-th step, for every n; the parent restarts what it left and compares it with what the
// child was promised. What survives kill -9 is what was written, so the page cache plays the disk.

namespace holdfast {
namespace {

using testing::file_bytes;
using testing::MadeRecord;
using testing::SeededRandom;
using testing::StageRig;

constexpr int kKilled = 42;
constexpr int kFinished = 0;

/// Length-prefixed records in a file that only grows: journal and promises of the child.
void append_line(const std::string& path, ByteView bytes) {
  Bytes line;
  ByteWriter(line).bytes(bytes);
  std::ofstream out(path, std::ios::binary | std::ios::app);
  out.write(as_text(line).data(), static_cast<std::streamsize>(line.size()));
}
std::vector<Bytes> lines(const std::string& path) {
  const Bytes content = file_bytes(path);
  ByteReader in(content, "test file");
  std::vector<Bytes> out;
  while (!in.at_end()) {
    const auto bytes = in.bytes();
    if (!bytes) break;  // torn
    out.emplace_back(bytes->begin(), bytes->end());
  }
  return out;
}

struct CrashRun {
  StageRig rig;
  std::uint64_t seed;
  int steps = 0;
  int kill_at;
  std::vector<ChunkRef> appended;  // since the last commit
  std::map<ChunkId, PackNumber> where;

  CrashRun(std::uint64_t run_seed, int step) : rig(run_seed), seed(run_seed), kill_at(step) {
    rig.options.pack_target_bytes = 6'000;
    rig.options.at_step = [this](std::string_view) {
      if (++steps == kill_at) ::_exit(kKilled);
    };
  }
  std::string journal_path() const { return rig.folder / "journal"; }
  std::string promises_path() const { return rig.folder / "promises"; }
  std::string node_promises_path() const { return rig.folder / "node_promises"; }

  void commit() {
    auto records = rig.stage->prepare();
    HOLDFAST_CHECK(records.has_value());
    for (const Bytes& record : *records) append_line(journal_path(), record);
    rig.options.at_step("committed");
    for (const ChunkRef& ref : appended)
      append_line(ref.kind == ChunkKind::kTree ? node_promises_path() : promises_path(), ref.id.view());
    appended.clear();
  }
  void drop_one(SeededRandom& choice) {
    const auto closed = rig.stage->closed_packs();
    if (closed.empty()) return;
    const PackNumber number = closed[choice.next_below(closed.size())].number;
    Bytes line;
    ByteWriter(line).u32(number);
    append_line(rig.folder / "dropped", line);
    HOLDFAST_CHECK(rig.stage->drop(number).has_value());
  }
  [[noreturn]] void work() {
    SeededRandom choice(seed + 1000);
    HOLDFAST_CHECK(rig.open().has_value());
    for (int op = 0; op < 60; ++op) {
      const std::uint64_t what = choice.next_below(12);
      if (what < 7) {
        const MadeRecord made =
            rig.make(200 + choice.next_below(2000), choice.next_below(3) == 0 ? ChunkKind::kTree : ChunkKind::kData);
        HOLDFAST_CHECK(rig.append(made, static_cast<std::uint32_t>(choice.next_below(2))).has_value());
        appended.push_back(made.ref);
      } else if (what < 9) {
        commit();
      } else if (what == 9) {
        HOLDFAST_CHECK(rig.stage->close_open_packs().has_value());
      } else if (what == 10) {
        drop_one(choice);
      } else {
        rig.stage->restate_at_next_commit();
      }
    }
    ::_exit(kFinished);
  }
  /// Restarts twice (a restart must bear a crash too) and checks every promise.
  void check(const std::string& hint) {
    rig.options.at_step = {};
    std::set<PackNumber> dropped;
    for (const Bytes& line : lines(rig.folder / "dropped")) dropped.insert(load_le<std::uint32_t>(line));
    for (int restart = 0; restart < 2; ++restart) {
      rig.journal = lines(journal_path());
      const auto report = rig.restart(false);
      ASSERT_TRUE(report) << hint << report.error().message();
      EXPECT_EQ(report->records_lost, 0U) << hint;
      for (const Bytes& id : lines(promises_path())) check_promise(*ChunkId::from(id), dropped, hint);
      for (const Bytes& id : lines(node_promises_path())) check_node(*ChunkId::from(id), hint);
      for (const StagedPack& pack : rig.stage->closed_packs()) {
        const auto verified = verify_pack(file_bytes(pack.path), &pack.id, rig.maintenance_key);
        EXPECT_TRUE(verified) << hint << verified.error().message();
      }
      std::uint64_t bytes = 0;
      for (const auto& item : std::filesystem::directory_iterator(rig.packs())) bytes += item.file_size();
      EXPECT_EQ(rig.stage->staged_bytes(), bytes) << hint;
    }
  }
  /// A node is on this machine whatever became of its pack.
  void check_node(const ChunkId& id, const std::string& hint) {
    const auto at = rig.locate(id);
    ASSERT_TRUE(at) << hint << "a committed node is not indexed";
    const auto staged = rig.stage->read(*at);
    ASSERT_TRUE(staged) << hint << staged.error().message();
    if (staged->has_value()) {
      EXPECT_TRUE(verify_record(id, **staged)) << hint;
      return;
    }
    const auto row = rig.stage->table().find(at->pack);
    ASSERT_TRUE(row) << hint;
    EXPECT_TRUE(rig.stage->kept_nodes().read(row->id, id, *at))
        << hint << "a node of dropped pack " << at->pack << " is gone";
  }
  void check_promise(const ChunkId& id, const std::set<PackNumber>& dropped, const std::string& hint) {
    const auto at = rig.locate(id);
    ASSERT_TRUE(at) << hint << "a committed chunk is not indexed";
    const auto bytes = rig.stage->read(*at);
    ASSERT_TRUE(bytes) << hint << bytes.error().message();
    if (!bytes->has_value()) {
      EXPECT_TRUE(dropped.contains(at->pack)) << hint << "pack " << at->pack << " is gone";
      return;
    }
    EXPECT_TRUE(verify_record(id, **bytes)) << hint;
  }
};

/// The child's exit code.
int run_child(CrashRun& run) {
  const pid_t child = ::fork();
  HOLDFAST_CHECK(child >= 0);
  if (child == 0) run.work();
  int status = 0;
  HOLDFAST_CHECK(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(StageCrash, KilledAtEveryStep_KeepsEveryPromise) {
  for (const std::uint64_t seed : {1U, 2U}) {
    int step = 1;
    for (;; ++step) {
      CrashRun run(seed, step);
      const int code = run_child(run);
      ASSERT_TRUE(code == kKilled || code == kFinished) << "seed " << seed << " step " << step;
      run.check("seed " + std::to_string(seed) + " step " + std::to_string(step) + ": ");
      if (HasFatalFailure()) return;
      if (code == kFinished) break;
    }
    EXPECT_GT(step, 50) << "too few steps to mean anything";
  }
}

TEST(StageCrash, JournalCutAnywhere_NeverGivesAWrongRecord) {
  // The packs are ahead of a journal that lost its end: what the journal names must still be right.
  CrashRun run(9, -1);
  ASSERT_EQ(run_child(run), kFinished);
  const std::vector<Bytes> whole = lines(run.journal_path());
  ASSERT_GT(whole.size(), 5U);
  for (std::size_t keep = whole.size();; --keep) {
    run.rig.options.at_step = {};
    run.rig.journal.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(keep));
    ASSERT_TRUE(run.rig.restart(false)) << keep;
    for (const Bytes& id : lines(run.promises_path())) {
      const auto at = run.rig.locate(*ChunkId::from(id));
      if (!at) continue;
      const auto bytes = run.rig.stage->read(*at);
      ASSERT_TRUE(bytes) << keep;
      if (bytes->has_value()) {
        EXPECT_TRUE(verify_record(*ChunkId::from(id), **bytes)) << keep;
      }
    }
    if (keep == 0) break;
  }
}

}  // namespace
}  // namespace holdfast
