// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <fstream>

#include "tests/check/world.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using testing::Fault;
using ::testing::HasSubstr;
using testing::patient;
using testing::seal;
using testing::SeededRandom;
using testing::World;
using testing::write_file;

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

TEST(Verify, WhatSnapshotsShare_IsReadOnceInARun) {
  World world;
  const auto report = world.machine->repository().verify({world.id, world.id}, VerifyLevel::kFull, {}, patient());
  ASSERT_TRUE(report.has_value()) << report.error().message();
  ASSERT_EQ(report->snapshots.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& first = report->snapshots[0].networks[i];
    const auto& second = report->snapshots[1].networks[i];
    EXPECT_GT(first.bytes_read, 500'000U);
    EXPECT_EQ(second.bytes_read, 0U);
    EXPECT_EQ(second.sampled, first.sampled);
    EXPECT_EQ(second.failed, 0U);
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

TEST(Verify, CorruptCopy_StaysSoUntilAllOfItWasReadAndFoundGood) {
  World world;
  const auto pack = world.packs("alpha").front();
  std::filesystem::copy_file(pack, world.folder.path() + "/good");
  flip_bit(pack, 10'000);
  const auto state = [&] { return world.machine->repository().resolve(world.id.hex())->state; };
  EXPECT_EQ(world.verify(VerifyLevel::kFull).health, Health::kDegraded);
  EXPECT_EQ(state(), DurabilityState::kDegraded);
  // Neither a probe nor a sample takes that back.
  for (const auto level : {VerifyLevel::kAvailability, VerifyLevel::kSample}) {
    EXPECT_EQ(world.verify(level).health, Health::kDegraded);
    EXPECT_EQ(state(), DurabilityState::kDegraded);
  }
  EXPECT_EQ(world.verify(VerifyLevel::kFull).health, Health::kDegraded);
  std::filesystem::rename(world.folder.path() + "/good", pack);
  EXPECT_EQ(world.verify(VerifyLevel::kFull).health, Health::kHealthy);
  EXPECT_EQ(state(), DurabilityState::kSafe);
}

TEST(Verify, OneRunOverSeveralSnapshots_KeepsTheWorst) {
  World world;
  // The damage is in a record that only the first snapshot needs.
  write_file(world.machine->repository(), "orders", "small", SeededRandom(9).bytes(20'000));
  write_file(world.machine->repository(), "orders", "dump.sql", SeededRandom(4).bytes(1000));
  const auto second = seal(world.machine->repository(), "orders").snapshot.id;
  ASSERT_TRUE(world.machine->repository().settle(true, patient()).has_value());
  for (const auto& pack : world.packs("alpha")) {
    if (std::filesystem::file_size(pack) > 400'000) flip_bit(pack, 10'000);
  }
  const auto report = world.machine->repository().verify({world.id, second}, VerifyLevel::kFull, {}, patient());
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(world.machine->repository().resolve(world.id.hex())->state, DurabilityState::kDegraded);
}

TEST(Verify, OneCopyMissingAndTheOtherSpoilt_NamesThePath) {
  World world;
  for (const auto& pack : world.packs("alpha")) std::filesystem::remove(pack);
  flip_bit(world.packs("beta").front(), 10'000);
  const auto report = world.verify(VerifyLevel::kFull);
  EXPECT_EQ(report.health, Health::kUnhealthy);
  EXPECT_EQ(report.damaged, std::vector<std::string>{"dump.sql"});
}

TEST(Verify, PackMissingEverywhere_IsLostWhateverElseIsSpoilt) {
  World world;
  Repository& repository = world.machine->repository();
  write_file(repository, "orders", "later", SeededRandom(9).bytes(900'000));
  world.id = seal(repository, "orders").snapshot.id;
  ASSERT_TRUE(repository.settle(true, patient()).has_value());
  // The first pack has one bad record on alpha, the second one is nowhere.
  for (const auto* network : {"alpha", "beta"}) {
    for (const auto& pack : world.packs(network)) {
      const bool is_first = std::filesystem::file_size(pack) < 700'000;
      if (is_first && std::string(network) == "alpha") flip_bit(pack, 10'000);
      if (!is_first) std::filesystem::remove(pack);
    }
  }
  const auto report = world.verify(VerifyLevel::kFull);
  EXPECT_EQ(report.health, Health::kUnhealthy);
  EXPECT_FALSE(report.damaged.empty());
}

TEST(Verify, RottenStaging_IsNoCopy) {
  World world;
  Repository& repository = world.machine->repository();
  write_file(repository, "orders", "staged", SeededRandom(9).bytes(300'000));
  world.id = seal(repository, "orders").snapshot.id;
  for (const auto& file : std::filesystem::directory_iterator(world.machine->state() + "/packs")) {
    std::fstream pack(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    pack.seekp(10'000);
    pack.write("\1\2\3\4\5\6\7\10", 8);
  }
  const auto report = world.verify(VerifyLevel::kFull);
  EXPECT_EQ(report.health, Health::kUnhealthy);
  EXPECT_EQ(report.damaged, std::vector<std::string>{"staged"});
}

TEST(Verify, NeighboursInAPack_AreFetchedWithOneRequest) {
  World world;
  write_file(world.machine->repository(), "orders", "large", SeededRandom(12).bytes(12'000'000));
  world.id = seal(world.machine->repository(), "orders").snapshot.id;
  ASSERT_TRUE(world.machine->repository().settle(true, patient()));
  const int before = world.stores.at("beta")->calls(StoreVerb::kRead);
  const auto report = world.verify(VerifyLevel::kFull);
  const int requests = world.stores.at("beta")->calls(StoreVerb::kRead) - before;
  EXPECT_EQ(report.health, Health::kHealthy);
  const auto& on_beta = report.networks.at(1);
  EXPECT_GT(on_beta.sampled, 60U);
  EXPECT_GT(on_beta.bytes_read, 12'000'000U);
  // Requests of at most 4 MiB: all records of 12.5 MB in two packs, with room for the ends of packs that are read for
  // their directories.
  EXPECT_LE(requests, 10);
}

TEST(Verify, DamageWithinARange_IsFoundRecordByRecord) {
  World world;
  const auto pack = world.packs("alpha").front();
  const auto whole = world.verify(VerifyLevel::kFull).networks.at(0);
  for (const std::streamoff offset : {10'000, 350'000}) flip_bit(pack, offset);
  const auto report = world.verify(VerifyLevel::kFull);
  const auto& on_alpha = report.networks.at(0);
  EXPECT_EQ(on_alpha.sampled, whole.sampled);
  ASSERT_THAT(on_alpha.problems, ElementsAre(HasSubstr(": wrong bytes at "), HasSubstr(": wrong bytes at ")));
  const auto offset_of = [](const std::string& problem) { return std::stoul(problem.substr(problem.rfind(' '))); };
  EXPECT_LE(offset_of(on_alpha.problems[0]), 10'000U);
  EXPECT_LE(offset_of(on_alpha.problems[1]), 350'000U);
  EXPECT_GT(offset_of(on_alpha.problems[1]), 350'000U - 300'000U);  // the record that has it, not the range
  EXPECT_EQ(report.networks.at(1).failed, 0U);
  EXPECT_TRUE(report.damaged.empty());
}

TEST(Verify, PackThatEndsTooEarly_HasWhatStandsBeforeTheEnd) {
  World world;
  Repository& repository = world.machine->repository();
  for (const auto* name : {"a", "b"}) {
    write_file(repository, "orders", name, SeededRandom(static_cast<std::uint64_t>(name[0])).bytes(400'000));
    ASSERT_TRUE(repository.settle(false, patient()));  // in this order in the pack
  }
  world.id = seal(repository, "orders").snapshot.id;
  ASSERT_TRUE(repository.settle(true, patient()));
  const auto is_new = [](const std::filesystem::path& pack) { return std::filesystem::file_size(pack) > 700'000; };
  for (const auto& pack : world.packs("alpha")) {
    if (is_new(pack)) std::filesystem::remove(pack);
  }
  for (const auto& pack : world.packs("beta")) {
    if (is_new(pack)) std::filesystem::resize_file(pack, 500'000);
  }
  Fault stale;
  stale.kind = Fault::Kind::kStaleProbe;  // who asked only whether it is there is told that it is
  world.stores.at("beta")->always(StoreVerb::kProbe, stale);
  const auto report = world.verify(VerifyLevel::kFull);
  EXPECT_EQ(report.health, Health::kUnhealthy);
  EXPECT_THAT(report.damaged, ::testing::Contains("b"));
  EXPECT_THAT(report.damaged, ::testing::Not(::testing::Contains("a")));
}

TEST(Verify, NetworkThatStopsAnswering_ProvesNoLoss) {
  World world;
  for (const auto& pack : world.packs("alpha")) std::filesystem::remove(pack);
  world.stores.at("beta")->always(StoreVerb::kRead, {});
  const auto report = world.verify(VerifyLevel::kFull);
  EXPECT_NE(report.health, Health::kUnhealthy);
  EXPECT_TRUE(report.damaged.empty());
}

TEST(Verify, SnapshotThatCantBeOpened_IsAFindingAndNotTheEnd) {
  World world;
  Repository& repository = world.machine->repository();
  const auto report = repository.verify({world.id, SnapshotId{}}, VerifyLevel::kAvailability, {}, patient());
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code(), ErrorCode::kNotFound);  // there is none of that id: a mistake of who asks
}

}  // namespace
}  // namespace holdfast
