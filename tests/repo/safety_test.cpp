// SPDX-License-Identifier: Apache-2.0
#include "tests/repo/repository_fixture.h"

namespace holdfast {
namespace {

using testing::Machine;
using testing::memory_network;
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
  // The other database's chunks may be in the same packs, and it names no other network.
  ASSERT_TRUE(machine.open().create_database("orders", on({"local"}), 0, 0).has_value());
  ASSERT_TRUE(machine.repository().create_database("private", on({"local"}), 0, 0).has_value());
  machine.close();
  move_out(machine);
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

}  // namespace
}  // namespace holdfast
