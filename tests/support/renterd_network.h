// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace holdfast::testing {

/// A private Sia network for one test, through tests/networks/sia.sh: one real renterd, four real hosts, redundancy 2 of 3. Ended with it. One thread.
class RenterdNetwork {
 public:
  /// nullptr where renterd is not installed and can't be; the reason is printed. Takes a quarter of a minute.
  static std::unique_ptr<RenterdNetwork> start();
  ~RenterdNetwork();

  [[nodiscard]] std::string api() const { return settings_.at("SIA_RENTERD_URL"); }
  [[nodiscard]] std::string password() const { return settings_.at("SIA_RENTERD_PASSWORD"); }
  /// As a lost machine: SIGKILL of "renterd" or "host1" to "host4".
  void kill(const std::string& name) const;
  /// Brings back what was killed, and returns once an upload works.
  void start_missing();
  /// Changes one of renterd's settings: set("uploadpacking", R"({"enabled":true,…})").
  void set(const std::string& setting, const std::string& json) const;
  /// GET /api/<path>, empty when it fails.
  [[nodiscard]] std::string get(const std::string& path) const;
  /// The names of the hosts that hold shards of an object.
  [[nodiscard]] std::vector<std::string> hosts_of(const std::string& bucket, const std::string& key) const;

 private:
  RenterdNetwork() = default;
  void run_start();
  std::string curl(const std::string& arguments, const std::string& path) const;
  TemporaryFolder folder_;
  std::map<std::string, std::string> settings_;
};

}  // namespace holdfast::testing
