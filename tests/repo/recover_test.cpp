// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "core/catalog/head.h"
#include "tests/repo/repository_fixture.h"

namespace holdfast {
namespace {

using testing::Fault;
using testing::FaultyStore;
using testing::Machine;
using testing::read_file;
using testing::read_live;
using testing::seal;
using testing::SeededRandom;
using testing::two_sites;
using testing::write_file;

struct Backup {
  InitResult sheet;
  Bytes first = SeededRandom(21).bytes(900'000);
  Bytes second = SeededRandom(22).bytes(400'000);
  SnapshotId first_id;
  SnapshotId second_id;
};

/// Two snapshots on all networks.
Backup back_up(Machine& machine) {
  Backup out;
  out.sheet = machine.init();
  Repository& repository = machine.open();
  EXPECT_TRUE(repository.create_database("orders", {}, 0, 0).has_value());
  write_file(repository, "orders", "a.sql", out.first);
  out.first_id = seal(repository, "orders").snapshot.id;
  write_file(repository, "orders", "b.sql", out.second);
  out.second_id = seal(repository, "orders").snapshot.id;
  const auto settled = repository.settle(true, testing::patient());
  EXPECT_TRUE(settled.has_value()) << (settled ? "" : settled.error().message());
  return out;
}

TEST(Recover, FromOneNetworkAndTheSheet_ReadsAllAndGoesOn) {
  const auto networks = two_sites();
  Backup backup;
  {
    Machine lost(networks);
    backup = back_up(lost);
  }
  Machine machine(std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{networks->find("beta")}), "db2");
  const auto recovered = machine.recover(backup.sheet, "beta");
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
  Repository& repository = **recovered;
  ASSERT_EQ(repository.snapshots("orders").size(), 2U);
  EXPECT_EQ(read_file(repository, backup.first_id, "a.sql").value(), backup.first);
  EXPECT_EQ(read_file(repository, backup.second_id, "b.sql").value(), backup.second);
  // The live tree starts from the newest snapshot, and what is stored already is not stored again.
  EXPECT_EQ(read_live(repository, "orders", "b.sql").value(), backup.second);
  while (std::filesystem::exists(machine.state() + "/reindex")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  machine.close();
  machine.open();
  ASSERT_EQ(machine.repository().database_names(), std::vector<std::string>{"orders"});
  EXPECT_EQ(read_live(machine.repository(), "orders", "a.sql").value(), backup.first);
  const auto next = seal(machine.repository(), "orders");
  EXPECT_EQ(machine.repository().resolve("orders@latest")->id, next.snapshot.id);
  EXPECT_EQ(read_file(machine.repository(), next.snapshot.id, "a.sql").value(), backup.first);
}

TEST(Recover, WrongPassphraseOrCode_IsWrongKeyAndLeavesNoRepository) {
  const auto networks = two_sites();
  Machine first(networks);
  auto backup = back_up(first);
  Machine machine(networks, "db2");
  auto sheet = backup.sheet;
  sheet.code.bytes[0] ^= 1;
  const auto refused = machine.recover(sheet, "alpha");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kWrongKey);
  EXPECT_FALSE(std::filesystem::exists(machine.state() + "/repository"));
}

TEST(Recover, AnotherRootThanOnTheSheet_IsPermissionDenied) {
  const auto networks = two_sites();
  Machine first(networks);
  auto backup = back_up(first);
  Machine machine(networks, "db2");
  auto sheet = backup.sheet;
  sheet.root_fingerprint[0] = sheet.root_fingerprint[0] == '0' ? '1' : '0';
  const auto refused = machine.recover(sheet, "alpha");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUntrusted);
}

TEST(Recover, NetworkThatFlipsBits_IsAnErrorAndNeverWrongData) {
  const auto networks = two_sites();
  Machine first(networks);
  auto backup = back_up(first);
  const auto lying = std::make_shared<FaultyStore>(networks->find("alpha"), system_clock(), 77);
  Fault flip;
  flip.kind = Fault::Kind::kFlip;
  lying->always(StoreVerb::kRead, flip);
  Machine machine(std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{lying}), "db2");
  const auto refused = machine.recover(backup.sheet, "alpha");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kCorrupt);
}

TEST(Rebuild, NetworkThatAnswersLater_GivesTheIndexInTheSameRun) {
  const auto slow = std::make_shared<FaultyStore>(testing::memory_network("alpha", "dc1"), system_clock(), 5);
  Machine machine(std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{slow}));
  const auto backup = back_up(machine);
  while (!std::filesystem::is_empty(machine.state() + "/packs")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  machine.close();
  // The fixture's index is gone with the process, what could be read of packs on this machine too, and the network
  // doesn't answer for a while.
  std::filesystem::remove_all(machine.state() + "/nodes");
  slow->always(StoreVerb::kRead, Fault{});
  const int before = slow->faults(StoreVerb::kRead);
  machine.open();
  const auto limit = testing::patient();
  while (slow->faults(StoreVerb::kRead) - before < 10 && check_context(limit, system_clock(), "waiting").has_value()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_GE(slow->faults(StoreVerb::kRead) - before, 10);  // it is asked again and again
  slow->clear();
  const auto read = read_file(machine.repository(), backup.first_id, "a.sql");
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(*read, backup.first);
}

TEST(Recover, NetworkThatFailsMeanwhile_IsAnErrorAndTheNextTryGoesOn) {
  const auto networks = two_sites();
  Backup backup;
  {
    Machine lost(networks);
    backup = back_up(lost);
  }
  const auto slow = std::make_shared<FaultyStore>(networks->find("alpha"), system_clock(), 78);
  Fault late;
  late.code = ErrorCode::kDeadlineExceeded;
  slow->plan(StoreVerb::kRead, late, 1000, 1);  // the keyring is read, no log and no key table
  Machine machine(std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{slow}), "db2");
  const auto failed = machine.recover(backup.sheet, "alpha");
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code(), ErrorCode::kDeadlineExceeded);
  slow->clear();
  const auto recovered = machine.recover(backup.sheet, "alpha");
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
  EXPECT_EQ((*recovered)->database_names(), std::vector<std::string>{"orders"});
  EXPECT_EQ(read_live(**recovered, "orders", "b.sql").value(), backup.second);
}

TEST(Recover, WhatOneNetworkCantRead_ComesFromAnother) {
  const auto networks = two_sites();
  Backup backup;
  {
    Machine lost(networks);
    backup = back_up(lost);
  }
  const auto broken = std::make_shared<FaultyStore>(networks->find("alpha"), system_clock(), 79);
  broken->plan(StoreVerb::kRead, {}, 1000, 1);
  Machine machine(std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{broken, networks->find("beta")}), "db2");
  const auto recovered = machine.recover(backup.sheet, "alpha");
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
  EXPECT_EQ((*recovered)->database_names(), std::vector<std::string>{"orders"});
  EXPECT_EQ(read_file(**recovered, backup.first_id, "a.sql").value(), backup.first);
}

TEST(Recover, OneDatabase_IsTakenOverAloneAndAllSnapshotsAreThere) {
  const auto networks = two_sites();
  Backup backup;
  {
    Machine lost(networks);
    backup = back_up(lost);
    ASSERT_TRUE(lost.repository().create_database("invoices", {}, 0, 0).has_value());
    write_file(lost.repository(), "invoices", "c", backup.first);
    seal(lost.repository(), "invoices");
    ASSERT_TRUE(lost.repository().settle(true, testing::patient()).has_value());
  }
  Machine machine(networks, "db2");
  const auto wrong = machine.recover(backup.sheet, "alpha", false, "order");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().code(), ErrorCode::kNotFound);
  const auto recovered = machine.recover(backup.sheet, "alpha", false, "invoices");
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
  EXPECT_EQ((*recovered)->database_names(), std::vector<std::string>{"invoices"});
  EXPECT_EQ((*recovered)->snapshots("orders").size(), 2U);
}

TEST(Recover, LostKeyTable_HidesNoLog) {
  const auto networks = two_sites();
  Backup backup;
  {
    Machine lost(networks);
    backup = back_up(lost);
  }
  const auto alpha = networks->find("alpha");
  const auto head = decode_head(alpha->resolve_head(backup.sheet.repository, 0, Bytes(32), CallContext::unbounded()).value().value());
  ASSERT_TRUE(head.has_value());
  for (const auto& meta : head->head.metas) {
    if (meta.type != MetaType::kKeyTable) continue;
    ASSERT_TRUE(alpha->remove({meta.locator, meta.size_bytes}, CallContext::unbounded()).has_value());
  }
  Machine machine(std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{alpha}), "db2");
  const auto recovered = machine.recover(backup.sheet, "alpha");
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
  EXPECT_EQ((*recovered)->database_names(), std::vector<std::string>{"orders"});
  EXPECT_EQ((*recovered)->status().snapshots, 2U);
}

TEST(Connect, TwoWriters_SeeEachOthersSnapshots) {
  const auto networks = two_sites();
  Machine first(networks, "db1");
  const auto backup = back_up(first);
  Machine second(networks, "db2");
  const auto connected = second.recover(backup.sheet, "alpha", true);
  ASSERT_TRUE(connected.has_value()) << connected.error().message();
  Repository& other = **connected;
  EXPECT_TRUE(other.database_names().empty());
  EXPECT_EQ(other.snapshots("orders").size(), 2U);
  const auto from_first = read_file(other, backup.first_id, "a.sql");
  ASSERT_TRUE(from_first.has_value()) << from_first.error().message();
  EXPECT_EQ(*from_first, backup.first);
  ASSERT_TRUE(other.create_database("invoices", {}, 0, 0).has_value());
  const Bytes content = SeededRandom(31).bytes(200'000);
  write_file(other, "invoices", "c", content);
  const auto id = seal(other, "invoices").snapshot.id;
  const auto settled = other.settle(true, testing::patient());
  ASSERT_TRUE(settled.has_value()) << settled.error().message();
  // The first machine sees it when it is opened next.
  first.close();
  first.open();
  while (first.repository().snapshots("invoices").empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto read = read_file(first.repository(), id, "c");
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(*read, content);
  EXPECT_EQ(first.repository().database_names(), std::vector<std::string>{"orders"});
}

std::shared_ptr<NetworkSet> only(const NetworkSet& networks, const std::string& name) {
  return std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{networks.find(name)});
}

/// Who stands in a slot of a network.
std::optional<WriterId> writer_in(const NetworkSet& networks, const std::string& name, const RepositoryId& repository, std::uint32_t slot) {
  const auto head = networks.find(name)->resolve_head(repository, slot, Bytes(32), CallContext::unbounded());
  EXPECT_TRUE(head.has_value());
  if (!head || !*head) return std::nullopt;
  const auto decoded = decode_head(**head);
  EXPECT_TRUE(decoded.has_value());
  return decoded ? std::optional(decoded->head.log.writer) : std::nullopt;
}

TEST(Connect, SlotIsTakenWhenItReturns) {
  const auto networks = two_sites();
  Machine first(networks, "db1");
  const auto backup = back_up(first);
  Machine second(networks, "db2");
  ASSERT_TRUE(second.recover(backup.sheet, "alpha", true).has_value());
  const auto in_one = writer_in(*networks, "alpha", backup.sheet.repository, 1);
  ASSERT_TRUE(in_one.has_value());
  second.close();
  Machine third(networks, "db3");
  ASSERT_TRUE(third.recover(backup.sheet, "alpha", true).has_value());
  EXPECT_EQ(writer_in(*networks, "alpha", backup.sheet.repository, 1), in_one);
  EXPECT_TRUE(writer_in(*networks, "alpha", backup.sheet.repository, 2).has_value());
}

TEST(Connect, SlotTakenOnAnotherNetwork_IsPassedOver) {
  const auto networks = two_sites();
  Machine first(networks, "db1");
  const auto backup = back_up(first);
  Machine second(only(*networks, "beta"), "db2");
  ASSERT_TRUE(second.recover(backup.sheet, "beta", true).has_value());
  const auto in_one = writer_in(*networks, "beta", backup.sheet.repository, 1);
  Machine third(networks, "db3");
  ASSERT_TRUE(third.recover(backup.sheet, "alpha", true).has_value());
  EXPECT_FALSE(writer_in(*networks, "alpha", backup.sheet.repository, 1).has_value());
  EXPECT_TRUE(writer_in(*networks, "alpha", backup.sheet.repository, 2).has_value());
  EXPECT_EQ(writer_in(*networks, "beta", backup.sheet.repository, 1), in_one);
}

TEST(Connect, TwoWritersOfOneSlot_TheLaterOneMovesAndNothingIsLost) {
  const auto networks = two_sites();
  Machine first(networks, "db1");
  const auto backup = back_up(first);
  first.close();
  // Neither can see the other, so both take slot 1.
  Machine second(only(*networks, "alpha"), "db2");
  ASSERT_TRUE(second.recover(backup.sheet, "alpha", true).has_value());
  second.close();
  Machine third(only(*networks, "beta"), "db3");
  ASSERT_TRUE(third.recover(backup.sheet, "beta", true).has_value());
  third.close();
  for (auto* machine : {&second, &third}) {
    machine->use_networks(networks);
    Repository& repository = machine->open();
    const std::string name = machine == &second ? "second" : "third";
    ASSERT_TRUE(repository.create_database(name, {}, 0, 0).has_value());
    write_file(repository, name, "a", SeededRandom(51).bytes(50'000));
    seal(repository, name);
    const auto settled = repository.settle(true, testing::patient());
    ASSERT_TRUE(settled.has_value()) << settled.error().message();
  }
  second.close();
  third.close();
  first.open();
  while (first.repository().snapshots("second").empty() || first.repository().snapshots("third").empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(first.repository().snapshots("orders").size(), 2U);
}

TEST(Incarnation, RolledBackStateFolder_KeepsWhatThePublishedLogSays) {
  const auto networks = two_sites();
  Machine machine(networks);
  machine.init();
  machine.open();
  ASSERT_TRUE(machine.repository().create_database("orders", {}, 0, 0).has_value());
  machine.close();
  const std::string copy = machine.state() + ".copy";
  std::filesystem::copy(machine.state(), copy, std::filesystem::copy_options::recursive);
  machine.open();
  const Bytes content = SeededRandom(41).bytes(150'000);
  write_file(machine.repository(), "orders", "a", content);
  const auto lost = seal(machine.repository(), "orders").snapshot.id;
  ASSERT_TRUE(machine.repository().settle(true, testing::patient()).has_value());
  machine.close();
  // The machine is restored from an image that is older than its last snapshot.
  std::filesystem::remove_all(machine.state());
  std::filesystem::rename(copy, machine.state());
  machine.forget_view();
  machine.open();
  EXPECT_TRUE(machine.repository().settle(true, testing::patient()).has_value());
  while (machine.repository().snapshots("orders").empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(machine.repository().snapshots("orders").front().id, lost);
  const auto fresh = seal(machine.repository(), "orders").snapshot.id;
  ASSERT_TRUE(machine.repository().settle(true, testing::patient()).has_value());
  machine.close();
  Machine other(networks, "db2");
  const auto sheet = machine.open().recovery_sheet();
  EXPECT_EQ(machine.repository().snapshots("orders").size(), 2U);
  EXPECT_EQ(machine.repository().snapshots("orders").front().id, fresh);
  EXPECT_EQ(read_file(machine.repository(), lost, "a").value(), content);
}

std::optional<Head> own_head(ObjectStore& store, const RepositoryId& repository) {
  const auto bytes = store.resolve_head(repository, 0, Bytes(32), CallContext::unbounded());
  if (!bytes || !*bytes) return std::nullopt;
  auto head = decode_head(**bytes);
  EXPECT_TRUE(head.has_value());
  return head ? std::optional(std::move(head->head)) : std::nullopt;
}

TEST(Incarnation, RolledBackBehindANetworkThatLags_LosesNothingOfTheOther) {
  const auto plain = two_sites();
  const auto alpha = std::make_shared<FaultyStore>(plain->find("alpha"), system_clock(), 61);
  const auto beta = std::make_shared<FaultyStore>(plain->find("beta"), system_clock(), 62);
  Machine machine(std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{alpha, beta}));
  const auto sheet = machine.init();
  DatabasePolicy policy;
  policy.networks = {"beta"};  // one network's head is enough to be safe
  policy.write_quorum = 1;
  std::vector<SnapshotId> ids;
  const auto back_up_again = [&] {
    write_file(machine.repository(), "orders", "a", SeededRandom(70 + ids.size()).bytes(50'000));
    ids.push_back(seal(machine.repository(), "orders").snapshot.id);
    const auto settled = machine.repository().settle(true, testing::patient());
    ASSERT_TRUE(settled.has_value()) << settled.error().message();
  };
  const auto size_on = [&](ObjectStore& store) { return own_head(store, sheet.repository).value().log_size; };
  machine.open();
  ASSERT_TRUE(machine.repository().create_database("orders", policy, 0, 0).has_value());
  back_up_again();
  machine.close();
  const std::string copy = machine.state() + ".copy";
  std::filesystem::copy(machine.state(), copy, std::filesystem::copy_options::recursive);
  machine.open();
  back_up_again();
  while (size_on(*alpha) != size_on(*beta)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  alpha->always(StoreVerb::kPublishHead, {});
  back_up_again();
  machine.close();
  ASSERT_LT(size_on(*plain->find("alpha")), size_on(*plain->find("beta")));
  // The machine is rolled back and asks alpha first.
  std::filesystem::remove_all(machine.state());
  std::filesystem::rename(copy, machine.state());
  machine.forget_view();
  alpha->clear();
  beta->always(StoreVerb::kResolveHead, {});
  const auto before = own_head(*alpha, sheet.repository)->log.incarnation;
  machine.open();
  while (own_head(*alpha, sheet.repository)->log.incarnation == before) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  beta->clear();
  while (own_head(*plain->find("beta"), sheet.repository)->log.incarnation == before) ASSERT_TRUE(machine.repository().settle(true, testing::patient()).has_value());
  machine.close();
  Machine other(only(*plain, "beta"), "db2");
  const auto recovered = other.recover(sheet, "beta");
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto read = read_file(**recovered, ids[i], "a");
    ASSERT_TRUE(read.has_value()) << i << ": " << read.error().message();
    EXPECT_EQ(*read, SeededRandom(70 + i).bytes(50'000));
  }
}

/// Zeroes the middle third of a file.
void damage(const std::string& path) {
  const auto size = std::filesystem::file_size(path);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(size / 3));
  file << std::string(size / 3, '\0');
  ASSERT_TRUE(file.good());
}

TEST(Damage, InOwnLogAndKeys_OpensAndTheNetworksGiveBackWhatIsMissing) {
  for (const std::string extension : {".hfl", ".hfk"}) {
    const auto networks = two_sites();
    Machine machine(networks);
    const auto sheet = machine.init();
    machine.open();
    ASSERT_TRUE(machine.repository().create_database("orders", {}, 0, 0).has_value());
    std::vector<SnapshotId> ids;
    for (std::uint64_t i = 0; i < 6; ++i) {
      write_file(machine.repository(), "orders", "a", SeededRandom(80 + i).bytes(20'000));
      ids.push_back(seal(machine.repository(), "orders").snapshot.id);
    }
    ASSERT_TRUE(machine.repository().settle(true, testing::patient()).has_value());
    machine.close();
    for (const auto& item : std::filesystem::directory_iterator(machine.state() + "/log")) {
      if (item.path().extension() == extension) damage(item.path());
    }
    machine.forget_view();
    machine.open();
    ASSERT_TRUE(machine.repository().settle(true, testing::patient()).has_value());
    write_file(machine.repository(), "orders", "a", SeededRandom(86).bytes(20'000));
    ids.push_back(seal(machine.repository(), "orders").snapshot.id);
    ASSERT_TRUE(machine.repository().settle(true, testing::patient()).has_value());
    machine.close();
    machine.forget_view();
    machine.open();
    EXPECT_EQ(machine.repository().snapshots("orders").size(), ids.size());
    Machine other(only(*networks, "beta"), "db2");
    const auto recovered = other.recover(sheet, "beta");
    ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
    for (auto* repository : {&machine.repository(), *recovered}) {
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto read = read_file(*repository, ids[i], "a");
        ASSERT_TRUE(read.has_value()) << extension << " " << i << ": " << read.error().message();
        EXPECT_EQ(*read, SeededRandom(80 + i).bytes(20'000));
      }
    }
  }
}

TEST(Publisher, NetworkThatLostTheCatalog_GetsItAgain) {
  const auto networks = two_sites();
  Machine machine(networks);
  const auto backup = back_up(machine);
  machine.close();
  // alpha loses the objects, beta all of it.
  const auto alpha = networks->find("alpha");
  const Head head = own_head(*alpha, backup.sheet.repository).value();
  for (const auto& meta : head.metas) {
    ASSERT_TRUE(alpha->remove({meta.locator, meta.size_bytes}, CallContext::unbounded()).has_value());
  }
  const auto renewed = std::make_shared<NetworkSet>(std::vector<std::shared_ptr<ObjectStore>>{alpha, testing::memory_network("beta", "dc2")});
  machine.use_networks(renewed);
  machine.open();
  write_file(machine.repository(), "orders", "c.sql", SeededRandom(91).bytes(50'000));
  seal(machine.repository(), "orders");
  const auto settled = machine.repository().settle(true, testing::patient());
  ASSERT_TRUE(settled.has_value()) << settled.error().message();
  for (const std::string name : {"alpha", "beta"}) {
    Machine other(only(*renewed, name), "db2");
    const auto recovered = other.recover(backup.sheet, name);
    ASSERT_TRUE(recovered.has_value()) << recovered.error().message();
    EXPECT_EQ((*recovered)->status().snapshots, 3U) << name;
  }
}

/// Copies a folder that is worked in; begins anew when a file that it was about to copy is gone.
void copy_running(const std::string& from, const std::string& to) {
  std::error_code error;
  do {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive, error);
  } while (error == std::errc::no_such_file_or_directory);
  ASSERT_FALSE(error) << error.message();
}

/// A state folder as kill -9 leaves it: copied while the repository works.
TEST(Crash, StateCopiedAtAnyMoment_OpensWithEverySealedSnapshot) {
  for (int round = 0; round < 6; ++round) {
    const auto networks = two_sites();
    Machine machine(networks);
    machine.init();
    machine.open();
    ASSERT_TRUE(machine.repository().create_database("orders", {}, 0, 0).has_value());
    std::vector<std::pair<SnapshotId, Bytes>> sealed;
    for (int i = 0; i <= round; ++i) {
      Bytes content = SeededRandom(static_cast<std::uint64_t>(100 + i)).bytes(60'000);
      write_file(machine.repository(), "orders", "a", content);
      const auto id = seal(machine.repository(), "orders").snapshot.id;
      sealed.emplace_back(id, std::move(content));
      if (i % 2 == 0) continue;
      ASSERT_TRUE(machine.repository().settle(false, testing::patient()).has_value());
    }
    write_file(machine.repository(), "orders", "not-synced", SeededRandom(9).bytes(10'000));
    Machine after(networks);
    copy_running(machine.state(), after.state());
    Repository& repository = after.open();
    for (const auto& [id, content] : sealed) {
      const auto read = read_file(repository, id, "a");
      ASSERT_TRUE(read.has_value()) << read.error().message();
      EXPECT_EQ(*read, content);
    }
    EXPECT_EQ(read_live(repository, "orders", "a").value(), sealed.back().second);
  }
}

}  // namespace
}  // namespace holdfast
