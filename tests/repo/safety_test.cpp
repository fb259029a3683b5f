// SPDX-License-Identifier: Apache-2.0
#include <future>

#include "tests/repo/repository_fixture.h"

namespace holdfast {
namespace {

using testing::Fault;
using testing::FaultyStore;
using testing::Machine;
using testing::memory_network;
using testing::patient;
using testing::seal;
using testing::SeededRandom;
using testing::write_file;

std::shared_ptr<NetworkSet> here_and_elsewhere() {
  return std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{memory_network("local", "this-host"), memory_network("alpha", "dc1"), memory_network("beta", "dc2")});
}

DatabasePolicy on(std::vector<std::string> networks) {
  DatabasePolicy policy;
  policy.networks = std::move(networks);
  return policy;
}

void settle(Repository& repository) {
  const auto settled = repository.settle(true, testing::patient());
  ASSERT_TRUE(settled.has_value()) << settled.error().message();
}

/// A database that lies on this machine alone, and then gets other networks.
void move_out(Machine& machine) {
  Repository& repository = machine.open();
  write_file(repository, "orders", "unchanged", SeededRandom(1).bytes(100'000));
  seal(repository, "orders");
  settle(repository);
  ASSERT_TRUE(repository.set_policy("orders", on({"alpha", "beta"})).has_value());
  machine.close();
}

/// Its older packs stay on this machine: the other database's chunks may be in them, and that one names no other network.
void move_out_beside_another(Machine& machine) {
  ASSERT_TRUE(machine.open().create_database("orders", on({"local"}), 0, 0).has_value());
  ASSERT_TRUE(machine.repository().create_database("private", on({"local"}), 0, 0).has_value());
  machine.close();
  move_out(machine);
}

TEST(Safety, NetworksOfADatabaseChanged_IsSafeOnceItsOlderPacksAreThereToo) {
  Machine machine(here_and_elsewhere());
  machine.init();
  ASSERT_TRUE(machine.open().create_database("orders", on({"local"}), 0, 0).has_value());
  machine.close();
  move_out(machine);
  Repository& repository = machine.open();
  write_file(repository, "orders", "new", SeededRandom(2).bytes(1000));
  const auto id = seal(repository, "orders").snapshot.id;
  const auto waited = repository.wait_for({id}, DurabilityState::kSafe, testing::patient());
  ASSERT_TRUE(waited.has_value()) << waited.error().message();
  const auto report = repository.verify({id}, VerifyLevel::kAvailability, {}, testing::patient());
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->snapshots.front().state, DurabilityState::kSafe);
  for (const auto& network : report->snapshots.front().networks) {
    if (network.name == "local") continue;
    EXPECT_GE(network.available, 2U) << network.name;
  }
}

TEST(Safety, OlderPacksThatMayNotMove_AreNeverCalledSafe) {
  Machine machine(here_and_elsewhere());
  machine.init();
  move_out_beside_another(machine);
  Repository& repository = machine.open();
  write_file(repository, "orders", "new", SeededRandom(2).bytes(1000));
  const auto id = seal(repository, "orders").snapshot.id;
  settle(repository);
  EXPECT_EQ(repository.resolve(id.hex())->state, DurabilityState::kReplicating);
  const auto report = repository.verify({id}, VerifyLevel::kAvailability, {}, testing::patient());
  ASSERT_TRUE(report.has_value());
  EXPECT_NE(report->snapshots.front().state, DurabilityState::kSafe);
  EXPECT_FALSE(report->snapshots.front().recommendations.empty());
}

TEST(Safety, NetworkThatTheConfigurationLacks_IsNoOtherSite) {
  const auto networks = here_and_elsewhere();
  Machine machine(networks);
  machine.init();
  ASSERT_TRUE(machine.open().create_database("orders", on({"local", "second"}), 0, 0).has_value());
  write_file(machine.repository(), "orders", "a", SeededRandom(1).bytes(1000));
  const auto id = seal(machine.repository(), "orders").snapshot.id;
  const auto waited = machine.repository().wait_for({id}, DurabilityState::kSafe, CallContext::unbounded());
  ASSERT_FALSE(waited.has_value());
  EXPECT_EQ(waited.error().code(), ErrorCode::kUnsupported);
}

TEST(Safety, TakenOverFromACopyOnThisHost_IsNotSafeByItsNewPacks) {
  const auto networks = here_and_elsewhere();
  InitResult sheet;
  {
    Machine lost(networks);
    sheet = lost.init();
    ASSERT_TRUE(lost.open().create_database("orders", on({"local"}), 0, 0).has_value());
    write_file(lost.repository(), "orders", "old", SeededRandom(1).bytes(100'000));
    seal(lost.repository(), "orders");
    settle(lost.repository());
    ASSERT_TRUE(lost.repository().set_policy("orders", on({"alpha", "beta"})).has_value());
    settle(lost.repository());
    lost.close();
  }
  Machine machine(networks, "db2");
  const auto recovered = machine.recover(sheet, "local");
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
  Repository& repository = **recovered;
  write_file(repository, "orders", "new", SeededRandom(2).bytes(1000));
  const auto id = seal(repository, "orders").snapshot.id;
  settle(repository);
  EXPECT_EQ(repository.resolve(id.hex())->state, DurabilityState::kReplicating);
}

/// Networks that can be made to fail.
struct Faulty {
  std::shared_ptr<FaultyStore> alpha = std::make_shared<FaultyStore>(memory_network("alpha", "dc1"), system_clock(), 1);
  std::shared_ptr<FaultyStore> beta = std::make_shared<FaultyStore>(memory_network("beta", "dc2"), system_clock(), 2);
  Machine machine{std::make_shared<NetworkSet>(
      std::vector<std::shared_ptr<ObjectStore>>{memory_network("local", "this-host"), alpha, beta})};
  Repository* repository = nullptr;

  Faulty() {
    machine.init();
    repository = &machine.open();
  }
  void make(const std::string& database, const std::vector<std::string>& networks) {
    ASSERT_TRUE(repository->create_database(database, on(networks), 0, 0).has_value());
  }
  SnapshotId fill(const std::string& database) {
    write_file(*repository, database, "file", SeededRandom(database.size()).bytes(100'000));
    return seal(*repository, database).snapshot.id;
  }
};

TEST(Safety, MakeSafe_WhereADatabaseCanNeverBe_FailsAtOnceAndNamesIt) {
  Faulty world;
  world.make("elsewhere", {"alpha", "beta"});
  world.make("here", {"local"});
  world.make("full", {"local"});
  world.fill("elsewhere");
  // Nothing is in the other two yet: they are no obstacle.
  const auto before = world.repository->make_safe(patient());
  EXPECT_TRUE(before.has_value()) << before.error().message();
  const auto id = world.fill("full");
  const auto made = world.repository->make_safe(CallContext::unbounded());
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), ErrorCode::kUnsupported);
  EXPECT_NE(made.error().message().find("all networks of full are on this host"), std::string::npos)
      << made.error().message();
  EXPECT_TRUE(testing::read_file(*world.repository, id, "file").has_value());
}

TEST(Safety, MakeSafe_SaysSoWhereASnapshotIsStillNot) {
  Machine machine(here_and_elsewhere());
  machine.init();
  move_out_beside_another(machine);
  const auto made = machine.open().make_safe(patient());
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), ErrorCode::kUnavailable);
}

TEST(Safety, WaitFor_IsNotHeldUpByOtherDatabases) {
  Faulty world;
  world.make("held up", {"alpha"});
  world.make("orders", {"beta"});
  world.alpha->always({});
  world.fill("held up");
  const auto id = world.fill("orders");
  const auto waited = world.repository->wait_for({id}, DurabilityState::kSafe, patient());
  EXPECT_TRUE(waited.has_value()) << waited.error().message();
}

TEST(Safety, WaitFor_WaitsForANetworkThatTakesNoHead) {
  Faulty world;
  world.make("orders", {"alpha", "beta"});
  const int before = world.alpha->faults(StoreVerb::kPublishHead);
  world.alpha->always(StoreVerb::kPublishHead, {});
  const auto id = world.fill("orders");
  auto waited = std::async(std::launch::async,
                           [&] { return world.repository->wait_for({id}, DurabilityState::kSafe, patient()); });
  while (world.alpha->faults(StoreVerb::kPublishHead) < before + 4) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  world.alpha->clear();
  const auto outcome = waited.get();
  EXPECT_TRUE(outcome.has_value()) << outcome.error().message();
}

TEST(Safety, Awaited_SaysWhichNetworkLacksWhatAndWhy) {
  Faulty world;
  world.make("orders", {"alpha", "beta"});
  ASSERT_TRUE(world.repository->settle(true, patient()).has_value());
  Fault refused;
  refused.code = ErrorCode::kQuotaExceeded;
  world.alpha->always(StoreVerb::kPut, refused);
  const WallNanos before = system_clock().wall_now();
  const auto id = world.fill("orders");
  std::stop_source off;
  auto waited = std::async(std::launch::async, [&] {
    return world.repository->wait_for({id}, DurabilityState::kSafe, {MonoTime::max(), off.get_token()});
  });
  std::vector<Awaited> awaited;
  const auto fails_alone = [&] {
    return awaited.size() == 1 && awaited[0].network == "alpha" && awaited[0].packs == 1 && awaited[0].catalog;
  };
  while (!fails_alone()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    awaited = world.repository->awaited();
  }
  EXPECT_GT(awaited[0].bytes, 100'000U);
  EXPECT_GE(awaited[0].failing_since, before);
  EXPECT_FALSE(awaited[0].last_error.empty());
  off.request_stop();
  EXPECT_EQ(waited.get().error().code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace holdfast
