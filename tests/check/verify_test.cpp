// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "tests/repo/repository_fixture.h"
#include "tests/support/temporary_folder.h"

namespace holdfast {
namespace {

using testing::Machine;
using testing::seal;
using testing::SeededRandom;
using testing::TemporaryFolder;
using testing::write_file;

/// One repository on two directories on two sites, with one settled snapshot.
struct World {
  TemporaryFolder folder;
  std::shared_ptr<NetworkSet> networks;
  std::unique_ptr<Machine> machine;
  SnapshotId id;

  World() {
    std::vector<std::shared_ptr<ObjectStore>> stores;
    for (const auto* name : {"alpha", "beta"}) {
      DirectoryStore::Options options;
      options.name = name;
      options.site = name;
      options.path = folder.path() + "/" + name;
      auto opened = DirectoryStore::open(options);
      EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message());
      stores.push_back(*opened);
    }
    networks = std::make_shared<NetworkSet>(stores);
    machine = std::make_unique<Machine>(networks);
    machine->init();
    Repository& repository = machine->open();
    EXPECT_TRUE(repository.create_database("orders", {}, 0, 0).has_value());
    write_file(repository, "orders", "dump.sql", SeededRandom(3).bytes(500'000));
    id = seal(repository, "orders").snapshot.id;
    const auto settled = repository.settle(true, testing::patient());
    EXPECT_TRUE(settled.has_value()) << (settled ? "" : settled.error().message());
  }
  [[nodiscard]] std::vector<std::filesystem::path> packs(const std::string& network) const {
    std::vector<std::filesystem::path> out;
    for (const auto& item : std::filesystem::recursive_directory_iterator(folder.path() + "/" + network + "/packs")) {
      if (item.is_regular_file()) out.push_back(item.path());
    }
    return out;
  }
  VerifyReport::Snapshot verify(VerifyLevel level) {
    const auto report = machine->repository().verify({id}, level, {}, testing::patient());
    EXPECT_TRUE(report.has_value()) << (report ? "" : report.error().message());
    return report && report->snapshots.size() == 1 ? report->snapshots.front() : VerifyReport::Snapshot{};
  }
};

/// The network's file may be a hard link that it shares with staging and with the other network: it gets one of its own first.
void flip_bit(const std::filesystem::path& path, std::streamoff offset) {
  const std::string own = path.string() + ".own";
  std::filesystem::copy_file(path, own);
  std::filesystem::rename(own, path);
  std::filesystem::permissions(path, std::filesystem::perms::owner_write, std::filesystem::perm_options::add);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(offset);
  const char byte = static_cast<char>(file.get());
  file.seekp(offset);
  file.put(static_cast<char>(byte ^ 1));
}

TEST(Verify, WholeSnapshot_IsHealthyAtEveryLevel) {
  World world;
  for (const auto level : {VerifyLevel::kAvailability, VerifyLevel::kSample, VerifyLevel::kFull}) {
    const auto report = world.verify(level);
    EXPECT_EQ(report.health, Health::kHealthy);
    EXPECT_EQ(report.state, DurabilityState::kSafe);
    ASSERT_EQ(report.networks.size(), 2U);
    for (const auto& network : report.networks) {
      EXPECT_EQ(network.available, network.packs);
      EXPECT_EQ(network.failed, 0U);
      EXPECT_EQ(network.sampled > 0, level != VerifyLevel::kAvailability);
    }
    EXPECT_TRUE(report.damaged.empty());
  }
}

TEST(Verify, PackMissingOnOneNetwork_IsDegraded) {
  World world;
  for (const auto& pack : world.packs("beta")) std::filesystem::remove(pack);
  const auto report = world.verify(VerifyLevel::kAvailability);
  EXPECT_EQ(report.health, Health::kDegraded);
  EXPECT_EQ(report.networks[0].failed, 0U);
  EXPECT_EQ(report.networks[1].failed, 1U);
  EXPECT_FALSE(report.recommendations.empty());
  // What was found is kept in the catalog.
  EXPECT_EQ(world.machine->repository().resolve(world.id.hex())->state, DurabilityState::kDegraded);
}

TEST(Verify, FlippedBit_IsFoundByFull) {
  World world;
  flip_bit(world.packs("alpha").front(), 10'000);
  const auto report = world.verify(VerifyLevel::kFull);
  EXPECT_EQ(report.health, Health::kDegraded);
  EXPECT_EQ(report.networks[0].failed, 1U);
  EXPECT_EQ(report.networks[1].failed, 0U);
  EXPECT_TRUE(report.damaged.empty());
}

TEST(Verify, SameRecordBadEverywhere_NamesThePath) {
  World world;
  for (const auto* network : {"alpha", "beta"}) flip_bit(world.packs(network).front(), 10'000);
  const auto report = world.verify(VerifyLevel::kFull);
  EXPECT_EQ(report.health, Health::kUnhealthy);
  EXPECT_EQ(report.damaged, std::vector<std::string>{"dump.sql"});
}

}  // namespace
}  // namespace holdfast
