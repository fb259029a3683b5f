// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/check/world.h"

// Differences in a whole repository.
namespace holdfast {
namespace {

using testing::Machine;
using testing::read_file;
using testing::SeededRandom;
using testing::seal;
using testing::World;
using testing::write_file;

/// Text, and the same text with some words of it changed.
Bytes text(std::size_t size) {
  Bytes out = SeededRandom(12).bytes(size);
  for (auto& byte : out) byte = static_cast<std::uint8_t>('a' + byte % 16);
  return out;
}
Bytes next_day(Bytes bytes) {
  for (std::size_t at = 5'000; at < bytes.size(); at += 20'000) std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 30, std::uint8_t{'!'});
  return bytes;
}

std::uint64_t differences(Repository& repository) {
  const std::string metrics = repository.metrics();
  const std::string name = "\nholdfast_difference_chunks_total";
  const auto at = metrics.find(' ', metrics.find(name));
  return std::stoull(metrics.substr(at + 1));
}

TEST(FeatureTable, LostOne_IsFilledFromWhatIsAtHand) {
  World world;
  const Bytes first = text(4'000'000);
  write_file(world.machine->repository(), "orders", "text.sql", first);
  seal(world.machine->repository(), "orders");
  ASSERT_TRUE(world.machine->repository().settle(true, testing::patient()).has_value());
  world.machine->close();
  world.machine->features()->clear();
  Repository& repository = world.machine->open();
  const auto limit = testing::patient();
  while (world.machine->features()->stats().entries < 150) {
    ASSERT_TRUE(check_context(limit, system_clock(), "waiting for features").has_value());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const Bytes second = next_day(first);
  write_file(repository, "orders", "text.sql", second);
  const auto sealed = seal(repository, "orders");
  EXPECT_GT(differences(repository), 20U);
  EXPECT_LT(sealed.bytes_stored_new, 400'000U) << "a second copy would take two megabytes";
  EXPECT_EQ(read_file(repository, sealed.snapshot.id, "text.sql").value(), second);
}

TEST(FeatureTable, DifferencesOfAnotherMachine_AreReadAfterARecovery) {
  World world;
  const Bytes first = text(1'000'000);
  write_file(world.machine->repository(), "orders", "text.sql", first);
  const auto one = seal(world.machine->repository(), "orders").snapshot.id;
  const Bytes second = next_day(first);
  write_file(world.machine->repository(), "orders", "text.sql", second);
  const auto two = seal(world.machine->repository(), "orders").snapshot.id;
  EXPECT_GT(differences(world.machine->repository()), 5U);
  ASSERT_TRUE(world.machine->repository().settle(true, testing::patient()).has_value());
  world.machine->close();
  Machine other(world.networks, "db2");
  const auto recovered = other.recover(world.sheet, "beta");
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
  EXPECT_EQ(read_file(**recovered, one, "text.sql").value(), first);
  EXPECT_EQ(read_file(**recovered, two, "text.sql").value(), second);
}

TEST(StrategyFull, NoChunkLeansOnAnother_AlsoNotOnThoseOfOtherDatabases) {
  World world;
  Repository& repository = world.machine->repository();
  DatabasePolicy policy;
  policy.strategy = "full";
  ASSERT_TRUE(repository.create_database("alone", policy, 0, 0).has_value());
  const Bytes first = text(2'000'000);
  const Bytes second = next_day(first);
  write_file(repository, "orders", "text.sql", first);
  seal(repository, "orders");
  write_file(repository, "orders", "text.sql", second);  // differences, and they are known
  seal(repository, "orders");
  const std::uint64_t before = differences(repository);
  EXPECT_GT(before, 5U);
  write_file(repository, "alone", "text.sql", first);
  const auto one = seal(repository, "alone");
  write_file(repository, "alone", "text.sql", second);
  const auto two = seal(repository, "alone");
  EXPECT_EQ(differences(repository), before);
  EXPECT_GT(two.bytes_stored_new, one.bytes_stored_new / 2);  // nearly every chunk changed
  EXPECT_EQ(read_file(repository, one.snapshot.id, "text.sql").value(), first);
  EXPECT_EQ(read_file(repository, two.snapshot.id, "text.sql").value(), second);
  const auto again = seal(repository, "alone");  // what did not change is shared all the same
  EXPECT_LT(again.bytes_stored_new, 10'000U);
}

TEST(StrategyFull, IsChosenBeforeTheFirstFile) {
  World world;
  Repository& repository = world.machine->repository();
  DatabasePolicy policy = repository.policy("orders").value();
  policy.strategy = "full";
  const auto changed = repository.set_policy("orders", policy);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(repository.policy("orders")->strategy, "incremental");
}

}  // namespace
}  // namespace holdfast
