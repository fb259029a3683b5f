// SPDX-License-Identifier: Apache-2.0
// Whole repositories on directories: what is lost there comes back, by `heal` and by itself.
#include <gmock/gmock.h>

#include <fstream>

#include "tests/repo/repository_fixture.h"
#include "tests/support/temporary_folder.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Fault;
using testing::FaultyStore;
using testing::Machine;
using testing::patient;
using testing::SeededRandom;
using testing::TemporaryFolder;
using Kind = Fault::Kind;

struct HealWorld {
  TemporaryFolder folder;
  std::vector<std::string> names;
  std::map<std::string, std::shared_ptr<FaultyStore>> stores;
  std::unique_ptr<Machine> machine;
  InitResult sheet;
  SnapshotId id;
  Bytes content = SeededRandom(3).bytes(1'500'000);

  HealWorld(std::vector<std::string> given, std::string erasure) : names(std::move(given)) {
    for (const std::string& name : names) {
      DirectoryStore::Options options;
      options.name = options.site = name;
      options.path = folder / name;
      stores[name] = std::make_shared<FaultyStore>(*DirectoryStore::open(options), system_clock(), 11);
    }
    machine = std::make_unique<Machine>(without({}));
    sheet = machine->init();
    Repository& repository = machine->open();
    DatabasePolicy policy;
    policy.erasure = std::move(erasure);
    const Status made = repository.create_database("orders", policy, 0, 0);
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message());
    testing::write_file(repository, "orders", "dump.sql", content);
    id = testing::seal(repository, "orders").snapshot.id;
    const Status settled = repository.settle(true, patient());
    EXPECT_TRUE(settled.has_value()) << (settled ? "" : settled.error().message());
    wait_all();
  }
  std::shared_ptr<NetworkSet> without(const std::set<std::string>& gone) const {
    std::vector<std::shared_ptr<ObjectStore>> all;
    for (const std::string& name : names) {
      if (!gone.contains(name)) all.push_back(stores.at(name));
    }
    return std::make_shared<NetworkSet>(all);
  }
  Repository& repository() { return machine->repository(); }
  void wait_all() {
    for (int i = 0; i < 1'200 && !repository().awaited().empty(); ++i) std::this_thread::sleep_for(50ms);
    EXPECT_THAT(repository().awaited(), IsEmpty());
  }
  /// With nothing cached, and without these networks.
  void open_again(const std::set<std::string>& gone = {}) {
    machine->close();
    machine->use_networks(without(gone));
    machine->open();
  }
  void expect_readable() {
    const auto read = testing::read_file(repository(), id, "dump.sql");
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_TRUE(*read == content);
  }
  SnapshotInfo info() { return *repository().resolve(id.hex()); }
  std::vector<std::filesystem::path> files(const std::string& network, const std::string& kind) const {
    std::vector<std::filesystem::path> out;
    if (!std::filesystem::exists(folder / network + "/" + kind)) return out;
    for (const auto& item : std::filesystem::recursive_directory_iterator(folder / network + "/" + kind)) {
      if (item.is_regular_file()) out.push_back(item.path());
    }
    return out;
  }
  std::uint64_t bytes(const std::string& network) const {
    std::uint64_t sum = 0;
    for (const auto& path : files(network, "packs")) sum += std::filesystem::file_size(path);
    return sum;
  }
  HealReport heal(VerifyLevel level = VerifyLevel::kSample, bool dry_run = false) {
    const auto report = repository().heal({.snapshots = {}, .level = level, .dry_run = dry_run}, {}, patient());
    EXPECT_TRUE(report) << (report ? "" : report.error().message());
    return report ? *report : HealReport{};
  }
  Health health(VerifyLevel level = VerifyLevel::kFull) {
    const auto report = repository().verify({id}, level, {}, patient());
    EXPECT_TRUE(report) << (report ? "" : report.error().message());
    return report ? report->health : Health::kUnhealthy;
  }
};

/// A file of its own with one byte changed: files may be hard links shared with staging and other networks.
void spoil(const std::filesystem::path& path, std::uint64_t at) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(in), {});
  bytes.at(at) = static_cast<char>(bytes.at(at) ^ 1);
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(Erasure, StoresHalfAgainAndReadsWithoutAnyNetwork) {
  HealWorld world({"alpha", "beta", "gamma"}, "2/3");
  EXPECT_EQ(world.info().state, DurabilityState::kSafe);
  EXPECT_THAT(world.info().networks, ElementsAre("alpha", "beta", "gamma"));
  const std::uint64_t stored = world.bytes("alpha") + world.bytes("beta") + world.bytes("gamma");
  EXPECT_GT(stored, world.content.size() * 3 / 2);
  EXPECT_LT(static_cast<double>(stored), 1.55 * static_cast<double>(world.content.size()));
  EXPECT_EQ(world.health(), Health::kHealthy);
  for (const std::string& name : world.names) {
    world.open_again({name});
    world.expect_readable();
    world.open_again();
    world.stores[name]->always({Kind::kErrorInstead, ErrorCode::kUnavailable});
    world.expect_readable();
    world.stores[name]->clear();
    world.open_again();
    world.stores[name]->always(StoreVerb::kRead, {.kind = Kind::kFlip});
    world.expect_readable();
    world.stores[name]->clear();
  }
}

TEST(Erasure, TwoOfThreeGone_IsSaidAndNothingElse) {
  HealWorld world({"alpha", "beta", "gamma"}, "2/3");
  world.open_again({"alpha", "gamma"});
  const auto read = testing::read_file(world.repository(), world.id, "dump.sql");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message(), HasSubstr("fewer than 2 shards"));
}

TEST(Erasure, TooFewNetworks_AreRefused) {
  HealWorld world({"alpha", "beta"}, "");
  DatabasePolicy policy;
  policy.erasure = "2/3";
  const Status made = world.repository().create_database("more", policy, 0, 0);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(made.error().message(), HasSubstr("wants a network for each of 3 shards"));
  policy.erasure = "3/2";
  EXPECT_FALSE(world.repository().create_database("more", policy, 0, 0));
}

/// The third goes for good: heal rebuilds its shards on the fourth, and then another may go.
TEST(Erasure, NetworkGoneForGood_IsReplacedByTheFourth) {
  HealWorld world({"alpha", "beta", "gamma", "delta"}, "2/3");
  EXPECT_THAT(world.files("delta", "packs"), IsEmpty());
  world.open_again({"beta"});
  world.expect_readable();
  const HealReport report = world.heal();
  EXPECT_THAT(report.gone, ElementsAre("beta"));
  EXPECT_GT(report.packs_lacking, 0U);
  EXPECT_EQ(report.packs_mended, report.packs_lacking);
  EXPECT_THAT(report.left, IsEmpty());
  EXPECT_EQ(world.bytes("delta"), world.bytes("alpha"));
  EXPECT_THAT(world.info().networks, ElementsAre("alpha", "delta", "gamma"));
  EXPECT_EQ(world.info().state, DurabilityState::kSafe);
  EXPECT_EQ(world.heal().packs_lacking, 0U);
  world.open_again({"beta", "alpha"});
  world.expect_readable();
}

TEST(Erasure, NetworkGoneAndNoSpare_IsNotCalledMended) {
  HealWorld world({"alpha", "beta", "gamma"}, "2/3");
  world.open_again({"beta"});
  const HealReport report = world.heal();
  EXPECT_THAT(report.gone, ElementsAre("beta"));
  EXPECT_GT(report.packs_lacking, 0U);
  EXPECT_EQ(report.packs_mended, 0U);
  EXPECT_EQ(report.packs_lost, 0U);
  ASSERT_FALSE(report.left.empty());
  EXPECT_THAT(report.left.front(), HasSubstr("lies on beta"));
  world.expect_readable();
}

TEST(Erasure, RecoveryFromNothing_WithANetworkMissing) {
  HealWorld world({"alpha", "beta", "gamma", "delta"}, "2/3");
  world.machine->close();
  for (const std::string& lost : world.names) {
    Machine other(world.without({lost}), "db2");
    const auto recovered = other.recover(world.sheet, lost == "alpha" ? "beta" : "alpha");
    ASSERT_TRUE(recovered) << recovered.error().message();
    const auto read = testing::read_file(**recovered, world.id, "dump.sql");
    ASSERT_TRUE(read) << lost << ": " << read.error().message();
    EXPECT_TRUE(*read == world.content);
    const auto report = (*recovered)->heal({}, {}, patient());
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->packs_mended, report->packs_lacking) << (report->left.empty() ? "" : report->left.front());
    EXPECT_EQ(report->packs_lost, 0U);
    other.close();
  }
}

TEST(Heal, NothingWrong_NothingDone) {
  HealWorld world({"alpha", "beta"}, "");
  for (const auto level : {VerifyLevel::kAvailability, VerifyLevel::kSample, VerifyLevel::kFull}) {
    const HealReport report = world.heal(level);
    EXPECT_EQ(report.packs_lacking, 0U);
    ASSERT_EQ(report.networks.size(), 2U);
    EXPECT_GT(report.networks[0].good, 0U);
    EXPECT_EQ(report.networks[0].good, report.networks[0].looked_at);
  }
}

/// Packs and shards: each file of one network removed, cut or changed; found at the level that can find it.
TEST(Heal, WhatIsLostOrSpoiltOnOneNetwork_ComesBack) {
  for (const std::string erasure : {"", "2/3"}) {
    for (const std::string how : {"removed", "cut", "changed"}) {
      HealWorld world({"alpha", "beta", "gamma"}, erasure);
      const auto files = world.files("beta", "packs");
      ASSERT_FALSE(files.empty());
      for (const auto& path : files) {
        if (how == "removed") std::filesystem::remove(path);
        if (how == "cut") {
          spoil(path, 100);
          std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
        }
        if (how == "changed") spoil(path, 20'000);
      }
      const HealReport dry = world.heal(VerifyLevel::kFull, true);
      EXPECT_EQ(dry.packs_lacking, files.size()) << erasure << " " << how;
      EXPECT_EQ(dry.packs_mended, 0U);
      EXPECT_EQ(world.health(), erasure.empty() ? Health::kHealthy : Health::kDegraded);  // two of three copies are the quorum
      const HealReport report = world.heal(VerifyLevel::kFull);
      EXPECT_EQ(report.packs_mended, files.size()) << erasure << " " << how << (report.left.empty() ? "" : report.left.front());
      EXPECT_EQ(world.health(), Health::kHealthy);
      EXPECT_EQ(world.heal(VerifyLevel::kFull).packs_lacking, 0U);
      EXPECT_EQ(world.info().state, DurabilityState::kSafe);
      world.open_again({"alpha"});
      world.expect_readable();
    }
  }
}

TEST(Heal, CatalogObjectsOfANetwork_ComeBackToo) {
  for (const bool is_removed : {true, false}) {
    HealWorld world({"alpha", "beta"}, "");
    for (const auto& path : world.files("alpha", "meta")) {
      if (is_removed) {
        std::filesystem::remove(path);
      } else {
        spoil(path, 50);
      }
    }
    world.heal();
    world.machine->close();
    Machine other(world.without({"beta"}), "db2");
    const auto recovered = other.recover(world.sheet, "alpha");
    ASSERT_TRUE(recovered) << recovered.error().message();
    const auto read = testing::read_file(**recovered, world.id, "dump.sql");
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_TRUE(*read == world.content);
  }
}

/// The head of this run is spoilt behind its back: it is written anew, and nothing waits for ever.
TEST(Heal, SpoiltHead_IsWrittenAnew) {
  HealWorld world({"alpha", "beta"}, "");
  for (const auto& path : world.files("alpha", "heads")) spoil(path, 200);
  testing::write_file(world.repository(), "orders", "more", SeededRandom(4).bytes(1'000));
  testing::seal(world.repository(), "orders");
  ASSERT_TRUE(world.repository().settle(true, patient()));
  world.wait_all();
  world.machine->close();
  Machine other(world.without({"beta"}), "db2");
  const auto recovered = other.recover(world.sheet, "alpha");
  ASSERT_TRUE(recovered) << recovered.error().message();
  EXPECT_EQ((*recovered)->snapshots("orders").size(), 2U);
}

TEST(Heal, LostOnBothNetworks_IsSaid) {
  HealWorld world({"alpha", "beta"}, "");
  for (const std::string& name : world.names) {
    for (const auto& path : world.files(name, "packs")) std::filesystem::remove(path);
  }
  const HealReport report = world.heal();
  EXPECT_GT(report.packs_lost, 0U);
  EXPECT_EQ(report.packs_mended, 0U);
  EXPECT_FALSE(report.left.empty());
}

TEST(Heal, NetworkThatDoesNotAnswer_IsNoLossAndIsNotWaitedForLong) {
  HealWorld world({"alpha", "beta"}, "");
  world.stores["beta"]->always({Kind::kErrorInstead, ErrorCode::kUnavailable});
  const auto report = world.repository().heal({}, {}, with_timeout({}, system_clock(), 20s));
  // The catalog can't be looked at there; that is said, and no copy is called lost.
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->packs_lacking, 0U);
  EXPECT_THAT(report->gone, ElementsAre("beta"));
  EXPECT_FALSE(report->left.empty());
  world.stores["beta"]->clear();
}

/// Nobody calls heal.
TEST(Steward, WhatIsLost_ComesBackByItself) {
  for (const std::string erasure : {"", "2/3"}) {
    HealWorld world({"alpha", "beta", "gamma"}, erasure);
    world.machine->use_steward({.look_every = 1s, .settle = 0s});
    world.open_again();
    const auto files = world.files("beta", "packs");
    for (const auto& path : files) std::filesystem::remove(path);
    for (int i = 0; i < 600 && world.files("beta", "packs").size() < files.size(); ++i) std::this_thread::sleep_for(100ms);
    EXPECT_EQ(world.files("beta", "packs").size(), files.size());
    world.wait_all();
    EXPECT_EQ(world.health(), Health::kHealthy);
  }
}

TEST(Steward, NetworkSilentForLong_HasItsShardsRebuiltElsewhere) {
  HealWorld world({"alpha", "beta", "gamma", "delta"}, "2/3");
  world.machine->use_steward({.look_every = 1s, .settle = 0s, .gone_after = 2s});
  world.open_again();
  world.stores["alpha"]->always({Kind::kErrorInstead, ErrorCode::kUnavailable});
  const auto moved = [&] { return world.info().networks == std::vector<std::string>{"beta", "delta", "gamma"}; };
  for (int i = 0; i < 600 && !moved(); ++i) std::this_thread::sleep_for(100ms);
  EXPECT_TRUE(moved());
  EXPECT_EQ(world.info().state, DurabilityState::kSafe);
  world.stores["alpha"]->clear();
}

/// A read that meets wrong bytes has that object looked at as a whole, long before its turn. (The first round's sample may find it too: then the read finds it good.)
TEST(Steward, ReadThatMetALie_HasTheObjectPutAgain) {
  HealWorld world({"alpha", "beta"}, "");
  world.machine->use_steward({.look_every = 24h, .settle = 0s});
  for (const auto& path : world.files("alpha", "packs")) spoil(path, 30'000);
  world.open_again();
  world.stores["beta"]->always(StoreVerb::kRead, {.kind = Kind::kDelay, .delay = 300ms});
  // Until alpha has been asked: the first read goes where it likes.
  const auto is_found = [&] {
    for (const auto& network : world.repository().status().networks) {
      if (network.name == "alpha" && network.faults > 0) return true;
    }
    return false;
  };
  for (int i = 0; i < 20 && !is_found(); ++i) {
    world.open_again();
    world.expect_readable();
  }
  EXPECT_TRUE(is_found());
  world.stores["beta"]->clear();
  const auto is_whole = [&] { return world.heal(VerifyLevel::kFull, true).packs_lacking == 0; };
  for (int i = 0; i < 300 && !is_whole(); ++i) std::this_thread::sleep_for(100ms);
  EXPECT_TRUE(is_whole());
}

}  // namespace
}  // namespace holdfast
