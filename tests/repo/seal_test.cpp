// SPDX-License-Identifier: Apache-2.0
#include "tests/repo/repository_fixture.h"
#include "tests/support/fake_clock.h"

namespace holdfast {
namespace {

using testing::FakeClock;
using testing::Machine;
using testing::seal;
using testing::SeededRandom;
using testing::two_sites;
using testing::write_file;

/// A file of the live tree that stays open for writing.
std::shared_ptr<LiveFile> open_new(Repository& repository, const std::string& name) {
  const auto context = CallContext::unbounded();
  LiveTree* live = *repository.live("orders");
  NewNode node;
  node.mode = 0100600;
  const auto made = live->make_node(LiveTree::kRootIno, name, node, context);
  EXPECT_TRUE(made.has_value());
  auto file = live->open_file(made->ino, true, context);
  EXPECT_TRUE(file.has_value());
  return *file;
}

struct World {
  Machine machine{two_sites()};
  explicit World(const DatabasePolicy& policy = {}) {
    machine.init();
    EXPECT_TRUE(machine.open().create_database("orders", policy, 0, 0).has_value());
  }
  Repository& repository() { return machine.repository(); }
};

TEST(Seal, FileStillOpenForWriting_IsIncompleteUntilItIsClosed) {
  World world;
  write_file(world.repository(), "orders", "whole.sql", as_bytes("select 1;"));
  auto dump = open_new(world.repository(), "orders.sql");  // empty, as named: incomplete in two ways, and named once
  EXPECT_EQ(seal(world.repository(), "orders").snapshot.incomplete_paths, std::vector<std::string>{"orders.sql"});
  ASSERT_TRUE(dump->write(0, SeededRandom(1).bytes(50'000), CallContext::unbounded()).has_value());
  ASSERT_TRUE(dump->sync(CallContext::unbounded()).has_value());  // flushed is not closed
  const auto early = seal(world.repository(), "orders").snapshot;
  EXPECT_EQ(early.completeness, Completeness::kIncomplete);
  EXPECT_TRUE(early.name.ends_with(".incomplete")) << early.name;
  EXPECT_EQ(early.incomplete_paths, std::vector<std::string>{"orders.sql"});
  EXPECT_FALSE(world.repository().resolve("orders@latest").has_value());
  // Closing it, with nothing more written, is a reason to seal again.
  EXPECT_FALSE((*world.repository().live("orders"))->stats().changed_since_seal);
  dump.reset();
  EXPECT_TRUE((*world.repository().live("orders"))->stats().changed_since_seal);
  SealOptions only_changed;
  only_changed.even_if_unchanged = false;
  const auto late = seal(world.repository(), "orders", only_changed).snapshot;
  EXPECT_NE(late.completeness, Completeness::kIncomplete);
  EXPECT_EQ(world.repository().resolve("orders@latest")->id, late.id);
}

TEST(Seal, RealtimeWithOpenFiles_IsARecoveryPoint) {
  DatabasePolicy policy;
  policy.strategy = "realtime";
  World world(policy);
  const auto log = open_new(world.repository(), "append.log");
  ASSERT_TRUE(log->append(Bytes(10, 1), CallContext::unbounded()).has_value());
  EXPECT_NE(seal(world.repository(), "orders").snapshot.completeness, Completeness::kIncomplete);
}

TEST(Seal, EmptyFileNamedAsADump_IsIncomplete) {
  World world;
  write_file(world.repository(), "orders", "notes", {});
  EXPECT_NE(seal(world.repository(), "orders").snapshot.completeness, Completeness::kIncomplete);
  write_file(world.repository(), "orders", "orders.SQL", {});
  EXPECT_EQ(seal(world.repository(), "orders").snapshot.completeness, Completeness::kIncomplete);
}

TEST(Seal, TextsThatNoReaderTakes_AreRefusedOrLeftOut) {
  World world;
  SealOptions options;
  options.tags = {std::string(4097, 't')};
  const auto refused = world.repository().seal("orders", options, CallContext::unbounded());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  DatabasePolicy policy;
  policy.tags = options.tags;
  EXPECT_EQ(world.repository().set_policy("orders", policy).error().code(), ErrorCode::kInvalidArgument);

  // A file that is cut off, so deep that its path is longer than a record holds.
  const auto context = CallContext::unbounded();
  LiveTree* live = *world.repository().live("orders");
  std::uint64_t folder = LiveTree::kRootIno;
  NewNode node;
  node.mode = 0040700;
  for (int depth = 0; depth < 17; ++depth) folder = live->make_node(folder, std::string(250, 'd'), node, context)->ino;
  node.mode = 0100600;
  ASSERT_TRUE(live->make_node(folder, "cut.sql", node, context).has_value());
  options.tags = {std::string(4096, 't')};
  const auto sealed = seal(world.repository(), "orders", options).snapshot;
  EXPECT_EQ(sealed.completeness, Completeness::kIncomplete);
  EXPECT_TRUE(sealed.incomplete_paths.empty());
  const auto opened = world.repository().open_snapshot(sealed.id, context);
  EXPECT_TRUE(opened.has_value()) << opened.error().message();
}

TEST(Seal, ThatBecameNoSnapshot_IsDueAgainAlsoAfterReopening) {
  Machine machine(two_sites());
  machine.init();
  {
    // No record holds such a name of a host: publishing fails when the tree is folded already.
    OpenOptions options = machine.options();
    options.host = std::string(5000, 'h');
    const auto opened = Repository::open(options, as_bytes(Machine::kPassphrase));
    ASSERT_TRUE(opened.has_value());
    Repository& repository = **opened;
    ASSERT_TRUE(repository.create_database("orders", {}, 0, 0).has_value());
    ASSERT_TRUE(repository.create_database("unused", {}, 0, 0).has_value());
    write_file(repository, "orders", "a", SeededRandom(1).bytes(1000));
    ASSERT_FALSE(repository.seal("orders", {}, CallContext::unbounded()).has_value());
    EXPECT_TRUE((*repository.live("orders"))->stats().changed_since_seal);
    ASSERT_TRUE(repository.close().has_value());
  }
  Repository& repository = machine.open();
  EXPECT_TRUE((*repository.live("orders"))->stats().changed_since_seal);
  EXPECT_FALSE((*repository.live("unused"))->stats().changed_since_seal);
  seal(repository, "orders");
  EXPECT_FALSE((*repository.live("orders"))->stats().changed_since_seal);
  machine.close();
  EXPECT_FALSE((*machine.open().live("orders"))->stats().changed_since_seal);
}

TEST(Seal, ClosedFiles_AreCommittedWithoutAnyFsync) {
  FakeClock clock;
  Machine machine(two_sites());
  machine.use_clock(clock);
  machine.init();
  Repository& repository = machine.open();
  DatabasePolicy never;
  never.seal_after_idle = std::chrono::seconds(0);
  ASSERT_TRUE(repository.create_database("orders", never, 0, 0).has_value());
  const auto journal_size = [&] {
    std::uintmax_t size = 0;
    for (const auto& file : std::filesystem::directory_iterator(machine.state() + "/journal")) size += file.file_size();
    return size;
  };
  write_file(repository, "orders", "a", SeededRandom(1).bytes(1000));
  const auto before = journal_size();
  const auto limit = testing::patient();
  while (journal_size() == before && check_context(limit, system_clock(), "waiting").has_value()) {
    clock.advance(std::chrono::seconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_GT(journal_size(), before);
}

}  // namespace
}  // namespace holdfast
