// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "tests/repo/repository_fixture.h"
#include "tests/support/temporary_folder.h"

namespace holdfast::testing {

/// One repository on two directories on two sites, with one settled snapshot. Each call to a network is counted, and
/// can be made to fail.
struct World {
  TemporaryFolder folder;
  std::map<std::string, std::shared_ptr<FaultyStore>> stores;
  std::shared_ptr<NetworkSet> networks;
  std::unique_ptr<Machine> machine;
  InitResult sheet;
  SnapshotId id;

  World() {
    std::vector<std::shared_ptr<ObjectStore>> all;
    for (const auto* name : {"alpha", "beta"}) {
      DirectoryStore::Options options;
      options.name = name;
      options.site = name;
      options.path = folder.path() + "/" + name;
      auto opened = DirectoryStore::open(options);
      EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message());
      stores[name] = std::make_shared<FaultyStore>(*opened, system_clock(), 11);
      all.push_back(stores[name]);
    }
    networks = std::make_shared<NetworkSet>(all);
    machine = std::make_unique<Machine>(networks);
    sheet = machine->init();
    Repository& repository = machine->open();
    EXPECT_TRUE(repository.create_database("orders", {}, 0, 0).has_value());
    write_file(repository, "orders", "dump.sql", SeededRandom(3).bytes(500'000));
    id = seal(repository, "orders").snapshot.id;
    const auto settled = repository.settle(true, patient());
    EXPECT_TRUE(settled.has_value()) << (settled ? "" : settled.error().message());
  }
  /// The largest first.
  [[nodiscard]] std::vector<std::filesystem::path> packs(const std::string& network) const {
    std::vector<std::filesystem::path> out;
    for (const auto& item : std::filesystem::recursive_directory_iterator(folder.path() + "/" + network + "/packs")) {
      if (item.is_regular_file()) out.push_back(item.path());
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return std::filesystem::file_size(a) > std::filesystem::file_size(b); });
    return out;
  }
  VerifyReport::Snapshot verify(VerifyLevel level) {
    const auto report = machine->repository().verify({id}, level, {}, patient());
    EXPECT_TRUE(report.has_value()) << (report ? "" : report.error().message());
    return report && report->snapshots.size() == 1 ? report->snapshots.front() : VerifyReport::Snapshot{};
  }
};

}  // namespace holdfast::testing
