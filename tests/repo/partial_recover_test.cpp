// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "core/catalog/head.h"
#include "core/crypto/hash.h"
#include "core/repo/log_parts.h"
#include "tests/repo/repository_fixture.h"
#include "tests/support/temporary_folder.h"

// Recoveries that have not read the whole catalog, or can't.
namespace holdfast {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using testing::Machine;
using testing::read_file;
using testing::read_live;
using testing::seal;
using testing::SeededRandom;
using testing::write_file;

/// A network that keeps some of its objects back, spoils some, and may have lost its names.
class ObstinateStore final : public StoreDecorator {
 public:
  explicit ObstinateStore(std::shared_ptr<ObjectStore> inner) : StoreDecorator(std::move(inner)) {}
  Status read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) override {
    {
      const std::lock_guard lock(mutex_);
      ++reads_[ref.locator];
      if (late_.contains(ref.locator)) return Error(ErrorCode::kDeadlineExceeded, "it takes for ever");
    }
    HOLDFAST_TRY(StoreDecorator::read(ref, offset, out, context));
    const std::lock_guard lock(mutex_);
    if (spoilt_.contains(ref.locator)) out[out.size() / 2] ^= 1;
    return ok_status();
  }
  Result<std::optional<Bytes>> resolve_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed, const CallContext& context) override {
    if (is_nameless) return std::optional<Bytes>();
    return StoreDecorator::resolve_head(repository, slot, key_seed, context);
  }
  void make_late(const std::string& locator) {
    const std::lock_guard lock(mutex_);
    late_.insert(locator);
  }
  void spoil(const std::string& locator) {
    const std::lock_guard lock(mutex_);
    spoilt_.insert(locator);
  }
  void behave() {
    const std::lock_guard lock(mutex_);
    late_.clear();
    spoilt_.clear();
  }
  int reads(const std::string& locator) {
    const std::lock_guard lock(mutex_);
    return reads_[locator];
  }
  std::atomic<bool> is_nameless{false};

 protected:
  Status around(const StoreCall&, const CallContext& context, const Attempt& attempt) override { return attempt(context); }

 private:
  std::mutex mutex_;
  std::map<std::string, int> reads_;
  std::set<std::string> late_, spoilt_;
};

/// A machine that was lost, whose log is several segments on the network, a snapshot in each.
class PartialRecover : public ::testing::Test {
 protected:
  void SetUp() override {
    Machine lost(networks_, "db1");
    sheet_ = lost.init();
    ASSERT_TRUE(lost.open().create_database("orders", {}, 0, 0).has_value());
    // Each publishing makes a segment that stays one as long as it is more than twice as long as what follows it.
    for (const int entries : {200, 60, 12}) {
      Repository& repository = lost.repository();
      DatabasePolicy policy;
      for (int i = 0; i < entries; ++i) {
        policy.max_age = std::chrono::seconds(3600 + i);
        ASSERT_TRUE(repository.set_policy("orders", policy).has_value());
      }
      const std::string name = "file" + std::to_string(contents_.size());
      contents_.push_back(SeededRandom(contents_.size() + 50).bytes(300'000));
      write_file(repository, "orders", name, contents_.back());
      ids_.push_back(seal(repository, "orders").snapshot.id);
      const auto settled = repository.settle(true, testing::patient());
      ASSERT_TRUE(settled.has_value()) << settled.error().message();
      if (ids_.size() == 2) keep_state(lost);
    }
    database_ = lost.repository().snapshots("orders").front().database_id;
    head_locator_ = lost.repository().recovery_sheet().heads.front().locator;
    lost.close();
    const auto head = decode_head(network_->resolve_head(sheet_.repository, 0, Bytes(32), CallContext::unbounded()).value().value());
    ASSERT_TRUE(head.has_value());
    head_ = head->head;
    for (const auto& meta : head_.metas) {
      if (meta.type == MetaType::kLogSegment) segments_.push_back(meta);
    }
    ASSERT_GE(segments_.size(), 3U);
    ASSERT_GT(segments_.front().count, 200U);
    ASSERT_GT(segments_[1].count, 60U);
  }
  /// Copies the state folder while nobody changes it: files that come and go would break the copy.
  void keep_state(Machine& machine) {
    machine.close();
    std::filesystem::copy(machine.state(), state_before_the_end_ / "state", std::filesystem::copy_options::recursive);
    machine.open();
  }
  Result<Repository*> recover(Machine& machine, bool wait = true) {
    Repository::RecoverOptions what;
    what.network = "alpha";
    what.repository = sheet_.repository.hex();
    what.root_fingerprint = sheet_.root_fingerprint;
    what.wait = wait;
    return machine.recover_as(what, sheet_.code);
  }
  static std::vector<SnapshotId> ids_of(Repository& repository) {
    std::vector<SnapshotId> out;
    for (const auto& info : repository.snapshots()) out.push_back(info.id);
    return out;
  }
  static void wait_until(const std::function<bool()>& is_so) {
    const auto limit = testing::patient();
    while (!is_so()) {
      ASSERT_TRUE(check_context(limit, system_clock(), "waiting").has_value());
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  std::vector<SnapshotId> newest_first(std::vector<std::size_t> which) const {
    std::vector<SnapshotId> out;
    for (const std::size_t i : which) out.push_back(ids_[i]);
    return out;
  }

  std::shared_ptr<ObstinateStore> network_ = std::make_shared<ObstinateStore>(testing::memory_network("alpha", "dc1"));
  std::shared_ptr<NetworkSet> networks_ = std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{network_});
  testing::TemporaryFolder state_before_the_end_;  ///< of the lost machine, without its last segment
  InitResult sheet_;
  std::string head_locator_;  ///< of the newest head
  std::vector<Bytes> contents_;
  std::vector<SnapshotId> ids_;
  DatabaseId database_;
  Head head_;
  std::vector<MetaObject> segments_;
};

TEST_F(PartialRecover, NewestPartsAreUsableBeforeTheRestIsRead) {
  network_->make_late(segments_.front().locator);
  Machine machine(networks_, "db2");
  const auto failed = recover(machine);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code(), ErrorCode::kDeadlineExceeded);

  // Whoever opens it goes on, and sees what is there: not the first snapshot, which is in the oldest segment.
  Repository& repository = machine.open();
  EXPECT_EQ(ids_of(repository), newest_first({2, 1}));
  EXPECT_TRUE(repository.recovery().is_under_way);
  EXPECT_EQ(repository.recovery().network, "alpha");
  ASSERT_TRUE(repository.status().recovery.has_value());
  EXPECT_EQ(repository.catalog_is_whole().error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(repository.resolve(ids_[0].hex()).error().message(), HasSubstr("still being read from alpha"));
  EXPECT_EQ(read_file(repository, ids_[2], "file2").value(), contents_[2]);
  EXPECT_EQ(read_file(repository, ids_[1], "file1").value(), contents_[1]);
  // What lies in a pack of which only the oldest segment tells can't be found yet: that is no absence.
  wait_until([&] { return !repository.recovery().problem.empty(); });
  const auto far = read_file(repository, ids_[2], "file0");
  ASSERT_FALSE(far.has_value());
  EXPECT_EQ(far.error().code(), ErrorCode::kUnavailable);
  // No database may stand in the way of the one that is to come.
  EXPECT_TRUE(repository.database_names().empty());
  EXPECT_EQ(repository.create_database("orders", {}, 0, 0).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(repository.live("orders").error().code(), ErrorCode::kUnavailable);

  network_->behave();
  machine.close();
  const int newest_reads = network_->reads(segments_.back().locator);
  Repository& again = machine.open();
  const auto recovered = again.wait_recovered(nullptr, testing::patient());
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
  EXPECT_FALSE(again.recovery().is_under_way);
  EXPECT_TRUE(again.catalog_is_whole().has_value());
  EXPECT_EQ(network_->reads(segments_.back().locator), newest_reads) << "what was read is not kept";
  EXPECT_EQ(ids_of(again), newest_first({2, 1, 0}));
  EXPECT_EQ(again.database_names(), std::vector<std::string>{"orders"});
  EXPECT_EQ(again.policy("orders")->max_age, std::chrono::seconds(3611));
  EXPECT_EQ(read_live(again, "orders", "file0").value(), contents_[0]);
  EXPECT_EQ(read_file(again, ids_[2], "file0").value(), contents_[0]);
  EXPECT_TRUE(std::filesystem::is_empty(machine.state() + "/log/parts"));
  machine.close();
  EXPECT_EQ(machine.open().database_names(), std::vector<std::string>{"orders"});
  EXPECT_EQ(read_live(machine.repository(), "orders", "file1").value(), contents_[1]);
}

TEST_F(PartialRecover, ReadThatNeedsMoreOfTheCatalog_WaitsForIt) {
  network_->make_late(segments_.front().locator);
  Machine machine(networks_, "db2");
  ASSERT_FALSE(recover(machine).has_value());
  network_->behave();
  Repository& repository = machine.open();
  EXPECT_EQ(read_file(repository, ids_[2], "file0").value(), contents_[0]);
}

TEST_F(PartialRecover, ConfiguredDatabase_IsTakenOverAndNotMadeAnew) {
  network_->make_late(segments_.front().locator);
  Machine machine(networks_, "db2");
  machine.configure("orders", [](DatabasePolicy& policy) { policy.zstd_level = 7; });
  ASSERT_FALSE(recover(machine).has_value());
  machine.open();
  machine.close();
  network_->behave();
  Repository& repository = machine.open();
  ASSERT_TRUE(repository.wait_recovered(nullptr, testing::patient()).has_value());
  wait_until([&] { return repository.policy("orders")->zstd_level == 7; });
  EXPECT_EQ(read_live(repository, "orders", "file1").value(), contents_[1]);
  write_file(repository, "orders", "more", as_bytes("more"));
  EXPECT_EQ(seal(repository, "orders").snapshot.database_id, database_);
}

TEST_F(PartialRecover, LostView_IsFoldedFromThePartsWithoutTheNetwork) {
  network_->make_late(segments_.front().locator);
  Machine machine(networks_, "db2");
  ASSERT_FALSE(recover(machine).has_value());
  for (const auto& meta : segments_) network_->make_late(meta.locator);
  machine.forget_view();
  EXPECT_EQ(ids_of(machine.open()), newest_first({2, 1}));
  // A part that rots on the disk is left out, and fetched again.
  machine.close();
  for (const auto& item : std::filesystem::directory_iterator(machine.state() + "/log/parts")) std::filesystem::resize_file(item.path(), 100);
  machine.forget_view();
  EXPECT_TRUE(ids_of(machine.open()).empty());
  machine.close();
  network_->behave();
  Repository& repository = machine.open();
  ASSERT_TRUE(repository.wait_recovered(nullptr, testing::patient()).has_value());
  EXPECT_EQ(ids_of(repository), newest_first({2, 1, 0}));
}

TEST_F(PartialRecover, DamagedSegment_HidesItsOwnEntriesAloneAndIsNamed) {
  const MetaObject& damaged = segments_[1];
  network_->spoil(damaged.locator);
  Machine machine(networks_, "db2");
  const auto recovered = recover(machine);
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
  Repository& repository = **recovered;
  EXPECT_EQ(ids_of(repository), newest_first({2, 0}));
  EXPECT_EQ(repository.database_names(), std::vector<std::string>{"orders"});
  EXPECT_EQ(read_file(repository, ids_[2], "file2").value(), contents_[2]);
  EXPECT_EQ(read_file(repository, ids_[0], "file0").value(), contents_[0]);
  const std::string range = std::to_string(damaged.first) + " to " + std::to_string(damaged.first + damaged.count - 1);
  ASSERT_THAT(repository.status().catalog_problems, SizeIs(1));
  EXPECT_THAT(repository.status().catalog_problems.front(), HasSubstr("of the log of writer " + head_.log.writer.hex()));
  EXPECT_THAT(repository.status().catalog_problems.front(), HasSubstr("are missing " + range));
  EXPECT_THAT(repository.status().networks.front().last_error, HasSubstr(damaged.locator));
  EXPECT_EQ(repository.catalog_is_whole().error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(repository.resolve(ids_[1].hex()).error().message(), HasSubstr(range));
  // Not forgotten with the process, and filled in when the network has it right.
  machine.close();
  EXPECT_FALSE(machine.open().catalog_is_whole().has_value());
  machine.close();
  network_->behave();
  machine.open();
  wait_until([&] { return machine.repository().catalog_is_whole().has_value(); });
  EXPECT_EQ(ids_of(machine.repository()), newest_first({2, 1, 0}));
}

TEST_F(PartialRecover, NameThatIsGone_IsNotNeededWithAHead) {
  network_->is_nameless = true;
  Machine machine(networks_, "db2");
  Repository::RecoverOptions what;
  what.network = "alpha";
  what.root_fingerprint = sheet_.root_fingerprint;
  what.head_locator = head_locator_;
  const auto recovered = machine.recover_as(what, sheet_.code);
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
  EXPECT_EQ(ids_of(**recovered), newest_first({2, 1, 0}));
  EXPECT_EQ(read_live(**recovered, "orders", "file2").value(), contents_[2]);
}

/// A state folder that was copied, and went on where it saw nothing of the original.
TEST_F(PartialRecover, ForkedLogs_AreNeverMixed) {
  const auto other = std::make_shared<ObstinateStore>(testing::memory_network("beta", "dc2"));
  Machine copy(std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{other}), "db1");
  std::filesystem::copy(state_before_the_end_ / "state", copy.state(), std::filesystem::copy_options::recursive);
  Repository& forked = copy.open();
  DatabasePolicy policy;
  for (int i = 0; i < 100; ++i) {
    policy.max_age = std::chrono::seconds(7200 + i);
    ASSERT_TRUE(forked.set_policy("orders", policy).has_value());
  }
  wait_until([&] {
    const auto shown = other->resolve_head(sheet_.repository, 0, Bytes(32), CallContext::unbounded());
    if (!shown.has_value() || !shown->has_value()) return false;
    const auto head = decode_head(**shown);
    return head->head.log == head_.log && head->head.log_size > head_.log_size;
  });
  copy.close();

  network_->make_late(segments_.front().locator);
  Machine machine(std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{network_, other}), "db2");
  (void)recover(machine).has_value();  // which of the two comes first is chance
  machine.close();
  network_->behave();
  Repository& repository = machine.open();
  ASSERT_TRUE(repository.wait_recovered(nullptr, testing::patient()).has_value());
  const auto told_of_fork = [&](const auto& network) { return network.last_error.find("fork") != std::string::npos; };
  wait_until([&] {
    const auto status = repository.status();
    return std::any_of(status.networks.begin(), status.networks.end(), told_of_fork);
  });
  // One of the two, and nothing of the other.
  const bool is_original = repository.snapshots().size() == 3;
  EXPECT_EQ(ids_of(repository), is_original ? newest_first({2, 1, 0}) : newest_first({1, 0}));
  EXPECT_EQ(repository.policy("orders")->max_age, std::chrono::seconds(is_original ? 3611 : 7299));
  EXPECT_EQ(read_live(repository, "orders", "file1").value(), contents_[1]);
}

class LogPartsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 100; ++i) {
      SignedEntry entry;
      entry.sealed = SeededRandom(static_cast<std::uint64_t>(i) + 1).bytes(40);
      entries_.push_back(std::move(entry));
    }
    log_.writer.bytes[0] = 1;
    log_.incarnation.bytes[0] = 2;
  }
  Digest add(LogParts& parts, std::uint64_t first, std::uint64_t count) {
    const std::span<const SignedEntry> all = entries_;
    const Bytes object = encode_log_segment(log_, first, all.subspan(first, count));
    const Digest digest = sha256(object);
    EXPECT_TRUE(parts.add(digest, object, *decode_log_segment(object)).has_value());
    return digest;
  }
  LogParts open() { return std::move(*LogParts::open(folder_ / "parts")); }

  testing::TemporaryFolder folder_;
  LogIdentity log_;
  std::vector<SignedEntry> entries_;
};

TEST_F(LogPartsTest, PartsOfTwoNetworks_AreJoinedByTheirNumbers) {
  LogParts parts = open();
  EXPECT_EQ(parts.missing(log_, 0, 100), (std::vector<LogRange>{{0, 100}}));
  add(parts, 60, 30);
  add(parts, 10, 20);
  EXPECT_EQ(parts.missing(log_, 0, 100), (std::vector<LogRange>{{0, 10}, {30, 30}, {90, 10}}));
  EXPECT_EQ(parts.missing(log_, 15, 70), (std::vector<LogRange>{{30, 30}}));
  EXPECT_TRUE(parts.missing(log_, 12, 30).empty());
  EXPECT_EQ(parts.entries(log_, 15, 70).error().code(), ErrorCode::kNotFound);
  add(parts, 25, 40);
  EXPECT_TRUE(parts.missing(log_, 10, 90).empty());
  LogParts again = open();
  const auto joined = again.entries(log_, 12, 88);
  ASSERT_TRUE(joined.has_value()) << joined.error().message();
  ASSERT_THAT(*joined, SizeIs(76));
  for (std::size_t i = 0; i < joined->size(); ++i) EXPECT_EQ((*joined)[i].sealed, entries_[12 + i].sealed);
  LogIdentity other = log_;
  other.incarnation.bytes[0] = 3;
  EXPECT_EQ(again.missing(other, 0, 5), (std::vector<LogRange>{{0, 5}}));
  ASSERT_TRUE(again.drop_before(log_, 65).has_value());
  EXPECT_EQ(again.missing(log_, 60, 90), std::vector<LogRange>());
  EXPECT_THAT(again.all(), SizeIs(1));
}

TEST_F(LogPartsTest, DifferentEntriesOfOneNumber_AreAConflict) {
  LogParts parts = open();
  add(parts, 0, 50);
  entries_[45].sealed[3] ^= 1;
  add(parts, 40, 40);
  EXPECT_EQ(parts.entries(log_, 0, 80).error().code(), ErrorCode::kConflict);
}

TEST_F(LogPartsTest, DamagedFile_IsMissingAgain) {
  LogParts parts = open();
  const Digest digest = add(parts, 0, 50);
  std::filesystem::resize_file(folder_ / "parts/" + digest.hex(), 60);
  EXPECT_FALSE(parts.read(digest).has_value());
  EXPECT_EQ(open().missing(log_, 0, 50), (std::vector<LogRange>{{0, 50}}));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "parts"));
}

}  // namespace
}  // namespace holdfast
