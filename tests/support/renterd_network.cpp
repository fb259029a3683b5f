// SPDX-License-Identifier: Apache-2.0
#include "tests/support/renterd_network.h"

#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/check.h"
#include "tests/support/shell.h"
#include "tests/support/source_folder.h"

namespace holdfast::testing {

namespace {

const std::string kScript = source_folder() + "/tests/networks/sia.sh";

}  // namespace

std::unique_ptr<RenterdNetwork> RenterdNetwork::start() {
  const Ran installed = run_shell(kScript + " install");
  if (installed.code != 0) {
    std::cout << "renterd could not be installed:\n" << installed.output;
    return nullptr;
  }
  std::unique_ptr<RenterdNetwork> network(new RenterdNetwork);
  network->run_start();
  return network;
}

void RenterdNetwork::run_start() {
  const Ran started = run_shell(kScript + " start " + folder_.path());
  if (started.code != 0) std::cout << started.output;
  HOLDFAST_CHECK(started.code == 0);  // installed and not starting is a failure, not a skip
  std::istringstream lines(started.output);
  for (std::string line; std::getline(lines, line);) {
    if (const std::size_t at = line.find('='); line.starts_with("SIA_") && at != std::string::npos) settings_[line.substr(0, at)] = line.substr(at + 1);
  }
}

RenterdNetwork::~RenterdNetwork() { run_shell(kScript + " stop " + folder_.path()); }

void RenterdNetwork::kill(const std::string& name) const { HOLDFAST_CHECK(run_shell(kScript + " kill " + folder_.path() + " " + name).code == 0); }

void RenterdNetwork::start_missing() { run_start(); }

std::string RenterdNetwork::curl(const std::string& arguments, const std::string& path) const {
  const Ran ran = run_shell("curl -fsS -m 60 -u ':" + password() + "' " + arguments + " '" + api() + "/api/" + path + "'");
  return ran.code == 0 ? ran.output : std::string();
}

void RenterdNetwork::set(const std::string& setting, const std::string& json) const {
  curl("-X PUT -d '" + json + "'", "bus/setting/" + setting);
  HOLDFAST_CHECK(nlohmann::json::parse(get("bus/setting/" + setting)) == nlohmann::json::parse(json));
}

std::string RenterdNetwork::get(const std::string& path) const { return curl("", path); }

std::vector<std::string> RenterdNetwork::hosts_of(const std::string& bucket, const std::string& key) const {
  std::map<std::string, std::string> names;  // public key → name, by the port that sia.sh gave it
  const int base_port = std::stoi(api().substr(api().rfind(':') + 1)) - 2;
  for (const auto& contract : nlohmann::json::parse(get("bus/contracts"))) {
    const auto address = contract.at("hostIP").get<std::string>();
    names[contract.at("hostKey")] = "host" + std::to_string((std::stoi(address.substr(address.rfind(':') + 1)) - base_port) / 10);
  }
  std::vector<std::string> hosts;
  const auto object = nlohmann::json::parse(get("bus/objects/" + key + "?bucket=" + bucket)).at("object");
  for (const auto& slice : object.at("slabs")) {
    for (const auto& shard : slice.at("slab").at("shards")) hosts.push_back(names.at(shard.at("latestHost")));
  }
  return hosts;
}

}  // namespace holdfast::testing
