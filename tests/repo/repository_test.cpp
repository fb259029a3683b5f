// SPDX-License-Identifier: Apache-2.0
#include "tests/repo/repository_fixture.h"

namespace holdfast {
namespace {

using testing::Machine;
using testing::read_file;
using testing::read_live;
using testing::seal;
using testing::SeededRandom;
using testing::two_sites;
using testing::write_file;

#define EXPECT_OK(expression)                                                       \
  do {                                                                              \
    const auto expect_ok = (expression);                                            \
    EXPECT_TRUE(expect_ok.has_value()) << (expect_ok ? "" : expect_ok.error().message()); \
  } while (false)

TEST(Repository, SealedTree_ReadsBackAfterReopening) {
  Machine machine(two_sites());
  machine.init();
  SeededRandom random(11);
  const Bytes first = random.bytes(700'000);
  const Bytes second = random.bytes(300'000);
  SnapshotId id;
  {
    Repository& repository = machine.open();
    EXPECT_OK(repository.create_database("orders", {}, 0, 0));
    write_file(repository, "orders", "dump.sql", first);
    const auto sealed = seal(repository, "orders");
    id = sealed.snapshot.id;
    EXPECT_EQ(sealed.snapshot.files, 1U);
    EXPECT_EQ(sealed.snapshot.bytes_logical, first.size());
    EXPECT_GT(sealed.bytes_stored_new, first.size());
    write_file(repository, "orders", "later.sql", second);
    EXPECT_OK(repository.settle(false, testing::patient()));
    machine.close();
  }
  Repository& repository = machine.open();
  ASSERT_EQ(repository.snapshots("orders").size(), 1U);
  EXPECT_EQ(repository.resolve("orders@latest")->id, id);
  EXPECT_EQ(repository.resolve(id.hex().substr(0, 6))->id, id);
  const auto stored = read_file(repository, id, "dump.sql");
  ASSERT_TRUE(stored.has_value()) << stored.error().message();
  EXPECT_EQ(*stored, first);
  EXPECT_FALSE(read_file(repository, id, "later.sql").has_value());
  EXPECT_EQ(read_live(repository, "orders", "later.sql").value(), second);
}

TEST(Repository, WaitForSafe_PlacesPublishesAndSaysSo) {
  Machine machine(two_sites());
  machine.init();
  Repository& repository = machine.open();
  EXPECT_OK(repository.create_database("orders", {}, 0, 0));
  write_file(repository, "orders", "a", SeededRandom(1).bytes(100'000));
  const auto id = seal(repository, "orders").snapshot.id;
  EXPECT_OK(repository.wait_for({id}, DurabilityState::kSafe, testing::patient()));
  const auto info = repository.resolve(id.hex());
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->state, DurabilityState::kSafe);
  EXPECT_EQ(info->networks, (std::vector<std::string>{"alpha", "beta"}));
  // Sealed again with nothing changed: nothing is stored.
  const auto same = seal(repository, "orders");
  EXPECT_EQ(same.snapshot.bytes_new, 0U);
  EXPECT_EQ(same.snapshot.merkle_root, info->merkle_root);
}

TEST(Repository, WaitForSafe_OnlyThisHost_IsRefusedAtOnce) {
  Machine machine(std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{testing::memory_network("local", "this-host")}));
  machine.init();
  Repository& repository = machine.open();
  EXPECT_OK(repository.create_database("orders", {}, 0, 0));
  const auto id = seal(repository, "orders").snapshot.id;
  const auto waited = repository.wait_for({id}, DurabilityState::kSafe, CallContext::unbounded());
  ASSERT_FALSE(waited.has_value());
  EXPECT_EQ(waited.error().code(), ErrorCode::kUnsupported);
}

TEST(Repository, WrongPassphrase_IsWrongKey) {
  Machine machine(two_sites());
  machine.init();
  const auto opened = Repository::open(machine.options(), as_bytes("guess"));
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::kWrongKey);
}

TEST(Repository, SecondOwner_IsConflictNamingTheProcess) {
  Machine machine(two_sites());
  machine.init();
  machine.open();
  const auto second = Repository::open(machine.options(), as_bytes(Machine::kPassphrase));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), ErrorCode::kConflict);
  EXPECT_NE(second.error().message().find(std::to_string(::getpid())), std::string::npos) << second.error().message();
}

TEST(Repository, InitTwice_IsAlreadyExists) {
  Machine machine(two_sites());
  machine.init();
  const auto again = Repository::init(machine.options(), as_bytes("x"), {});
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code(), ErrorCode::kAlreadyExists);
}

TEST(Repository, InitWithoutAnyNetwork_LeavesNothingBehind) {
  auto down = std::make_shared<testing::FaultyStore>(testing::memory_network("alpha", "dc1"), system_clock(), 3);
  down->always(testing::Fault{});
  Machine machine(std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{down}));
  KdfParameters kdf;
  kdf.iterations = 100'000;
  const auto failed = Repository::init(machine.options(), as_bytes("x"), kdf);
  ASSERT_FALSE(failed.has_value());
  EXPECT_FALSE(std::filesystem::exists(machine.state() + "/repository"));
  EXPECT_FALSE(std::filesystem::exists(machine.state() + "/keyring"));
  down->clear();
  machine.init();
  machine.open();
}

TEST(Repository, Names_TellSnapshotsOfOneSecondApart) {
  Machine machine(two_sites());
  machine.init();
  Repository& repository = machine.open();
  EXPECT_OK(repository.create_database("orders", {}, 0, 0));
  std::set<std::string> names;
  for (int i = 0; i < 4; ++i) seal(repository, "orders");
  for (const auto& info : repository.snapshots("orders")) {
    names.insert(info.name);
    EXPECT_EQ(repository.resolve("orders@" + info.name)->id, info.id);
  }
  EXPECT_EQ(names.size(), 4U);
}

TEST(Repository, IncompleteSeal_IsNamedSoAndNeverLatest) {
  Machine machine(two_sites());
  machine.init();
  Repository& repository = machine.open();
  EXPECT_OK(repository.create_database("orders", {}, 0, 0));
  write_file(repository, "orders", "a", SeededRandom(1).bytes(1000));
  const auto good = seal(repository, "orders");
  SealOptions options;
  options.forced_incomplete = true;
  const auto bad = seal(repository, "orders", options);
  EXPECT_TRUE(bad.snapshot.name.ends_with(".incomplete")) << bad.snapshot.name;
  EXPECT_EQ(repository.resolve("orders@latest")->id, good.snapshot.id);
  EXPECT_EQ(repository.resolve("orders@" + bad.snapshot.name)->id, bad.snapshot.id);
}

TEST(Repository, Labels_AreFoundAndUniqueAndNoMoments) {
  Machine machine(two_sites());
  machine.init();
  Repository& repository = machine.open();
  EXPECT_OK(repository.create_database("orders", {}, 0, 0));
  SealOptions options;
  options.label = "before-upgrade";
  const auto id = seal(repository, "orders", options).snapshot.id;
  EXPECT_EQ(repository.resolve("orders@before-upgrade")->id, id);
  EXPECT_EQ(repository.seal("orders", options, CallContext::unbounded()).error().code(), ErrorCode::kAlreadyExists);
  for (const auto* label : {"yesterday", "latest", "2026-11-20", "a/b", ".hidden", "x@y"}) {
    options.label = label;
    const auto refused = repository.seal("orders", options, CallContext::unbounded());
    ASSERT_FALSE(refused.has_value()) << label;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument) << label;
  }
}

TEST(Repository, DatabaseNames_OutsideTheRulesAreRefused) {
  Machine machine(two_sites());
  machine.init();
  Repository& repository = machine.open();
  for (const auto* name : {"", "a@b", "a:b", "a/b", ".x", ".."}) {
    const auto refused = repository.create_database(name, {}, 0, 0);
    ASSERT_FALSE(refused.has_value()) << name;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument) << name;
  }
  EXPECT_OK(repository.create_database("orders", {}, 0, 0));
  EXPECT_EQ(repository.create_database("orders", {}, 0, 0).error().code(), ErrorCode::kAlreadyExists);
}

TEST(Repository, ConfiguredPolicy_IsTakenAndKept) {
  Machine machine(two_sites());
  machine.init();
  DatabasePolicy policy;
  policy.tags = {"sox"};
  policy.write_quorum = 2;
  machine.configure("orders", policy);
  machine.open();
  EXPECT_EQ(machine.repository().policy("orders").value(), policy);
  policy.tags = {"sox", "eu \"quoted\"\n"};
  EXPECT_OK(machine.repository().set_policy("orders", policy));
  machine.close();
  machine.configure("orders", policy);
  EXPECT_EQ(machine.open().policy("orders").value(), policy);
}

TEST(Repository, ConfiguredKeys_LeaveTheOthersAsTheyWereSet) {
  Machine machine(two_sites());
  machine.init();
  machine.configure("orders", PolicyEdit([](DatabasePolicy& policy) { policy.tags = {"sox"}; }));
  machine.open();
  auto policy = machine.repository().policy("orders").value();
  policy.write_quorum = 2;
  EXPECT_OK(machine.repository().set_policy("orders", policy));
  machine.close();
  EXPECT_EQ(machine.open().policy("orders").value(), policy);
}

TEST(Repository, FailedOpening_LeavesTheJournalAsItIs) {
  Machine machine(two_sites());
  machine.init();
  const Bytes content = SeededRandom(15).bytes(200'000);
  Repository& repository = machine.open();
  for (const std::string name : {"invoices", "orders"}) {
    EXPECT_OK(repository.create_database(name, {}, 0, 0));
    write_file(repository, name, "a.sql", content);
  }
  machine.close();
  // The opening stops at the first database: its rules can't be written.
  std::filesystem::remove(machine.state() + "/domains");
  std::filesystem::create_directory(machine.state() + "/domains.new");
  const auto failed = Repository::open(machine.options(), as_bytes(Machine::kPassphrase));
  ASSERT_FALSE(failed.has_value());
  std::filesystem::remove(machine.state() + "/domains.new");
  machine.open();
  ASSERT_EQ(machine.repository().database_names(), (std::vector<std::string>{"invoices", "orders"}));
  for (const std::string name : {"invoices", "orders"}) EXPECT_EQ(read_live(machine.repository(), name, "a.sql").value(), content);
}

TEST(Repository, LostView_IsFoldedAgain) {
  Machine machine(two_sites());
  machine.init();
  machine.open();
  EXPECT_OK(machine.repository().create_database("orders", {}, 0, 0));
  const Bytes content = SeededRandom(5).bytes(50'000);
  write_file(machine.repository(), "orders", "a", content);
  const auto before = seal(machine.repository(), "orders").snapshot;
  machine.close();
  machine.forget_view();
  Repository& repository = machine.open();
  ASSERT_EQ(repository.snapshots().size(), 1U);
  EXPECT_EQ(repository.snapshots().front().name, before.name);
  EXPECT_EQ(repository.snapshots().front().content_hash, before.content_hash);
  EXPECT_EQ(read_file(repository, before.id, "a").value(), content);
}

TEST(Repository, LostIndex_IsRebuiltAndDeduplicatesAgain) {
  // The fixture's index is gone with each process.
  Machine machine(two_sites());
  machine.init();
  const Bytes content = SeededRandom(5).bytes(3'000'000);
  machine.open();
  EXPECT_OK(machine.repository().create_database("orders", {}, 0, 0));
  write_file(machine.repository(), "orders", "a", content);
  const auto id = seal(machine.repository(), "orders").snapshot.id;
  EXPECT_OK(machine.repository().settle(true, testing::patient()));
  machine.close();
  Repository& repository = machine.open();
  EXPECT_EQ(read_file(repository, id, "a").value(), content);
  while (std::filesystem::exists(machine.state() + "/reindex")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  write_file(repository, "orders", "b", content);
  EXPECT_LT(seal(repository, "orders").bytes_stored_new, content.size() / 10);
}

/// An index whose disk rots: everything is kCorrupt until it is cleared.
class RottingIndex final : public ChunkIndex {
 public:
  Result<std::optional<ChunkLocation>> find(const ChunkId& id) const override {
    if (is_rotten) return rot();
    return inner_->find(id);
  }
  Result<std::optional<ChunkRef>> find_known(const Fingerprint& fp) const override {
    if (is_rotten) return rot();
    return inner_->find_known(fp);
  }
  Status add(std::span<const IndexEntry> batch) override { return is_rotten ? Status(rot()) : inner_->add(batch); }
  Status sync(std::uint64_t position) override { return is_rotten ? Status(rot()) : inner_->sync(position); }
  std::uint64_t position() const noexcept override { return inner_->position(); }
  Status clear() override {
    is_rotten = false;
    return inner_->clear();
  }
  Stats stats() const override { return inner_->stats(); }
  std::atomic<bool> is_rotten{false};

 private:
  static Error rot() { return Error(ErrorCode::kCorrupt, "a block of the index does not open"); }
  std::unique_ptr<ChunkIndex> inner_ = make_memory_chunk_index();
};

TEST(Repository, IndexThatRotsWhileOpen_StopsNoFsyncAndIsBuiltAnew) {
  const auto index = std::make_shared<RottingIndex>();
  Machine machine(two_sites());
  machine.use_index(index);
  machine.init();
  Repository& repository = machine.open();
  EXPECT_OK(repository.create_database("orders", {}, 0, 0));
  const Bytes old_data = SeededRandom(1).bytes(100'000);
  const Bytes new_data = SeededRandom(2).bytes(100'000);
  write_file(repository, "orders", "old", old_data);
  const SnapshotId old_id = seal(repository, "orders").snapshot.id;
  EXPECT_OK(repository.wait_for({old_id}, DurabilityState::kSafe, testing::patient()));
  index->is_rotten = true;
  write_file(repository, "orders", "new", new_data);
  EXPECT_OK((*repository.live("orders"))->sync());
  const CallContext patience = testing::patient();
  while (index->is_rotten) {
    ASSERT_TRUE(check_context(patience, system_clock(), "waiting for the index").has_value());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const SnapshotId new_id = seal(repository, "orders").snapshot.id;
  EXPECT_EQ(read_file(repository, old_id, "old").value(), old_data);
  EXPECT_EQ(read_file(repository, new_id, "old").value(), old_data);
  EXPECT_EQ(read_file(repository, new_id, "new").value(), new_data);
}

TEST(Repository, ChangedPassphrase_OpensAndTheOldOneDoesNot) {
  Machine machine(two_sites());
  const auto sheet = machine.init();
  KdfParameters kdf;
  kdf.iterations = 100'000;
  EXPECT_OK(machine.open().change_passphrase(as_bytes(Machine::kPassphrase), as_bytes("new one"), kdf, sheet.code));
  EXPECT_EQ(machine.repository().keys().size(), 2U);
  machine.close();
  EXPECT_EQ(Repository::open(machine.options(), as_bytes(Machine::kPassphrase)).error().code(), ErrorCode::kWrongKey);
  EXPECT_OK(Repository::open(machine.options(), as_bytes("new one")));
}

TEST(Repository, StatusAndMetrics_CountWhatIsThere) {
  Machine machine(two_sites());
  machine.init();
  Repository& repository = machine.open();
  EXPECT_OK(repository.create_database("orders", {}, 0, 0));
  write_file(repository, "orders", "a", SeededRandom(1).bytes(100'000));
  seal(repository, "orders");
  EXPECT_OK(repository.settle(true, testing::patient()));
  const auto status = repository.status();
  EXPECT_EQ(status.snapshots, 1U);
  EXPECT_EQ(status.packs, 1U);
  EXPECT_EQ(status.bytes_logical, 100'000U);
  ASSERT_EQ(status.networks.size(), 2U);
  EXPECT_EQ(status.networks[0].state, "ok");
  EXPECT_GE(status.networks[0].bytes_stored, 100'000U);
  const std::string metrics = repository.metrics();
  EXPECT_NE(metrics.find("\nholdfast_snapshots 1\n"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("holdfast_catalog_published{network=\"alpha\"} 1"), std::string::npos) << metrics;
}

}  // namespace
}  // namespace holdfast
