// SPDX-License-Identifier: Apache-2.0
#include "tests/support/network_script.h"

#include <iostream>
#include <sstream>

#include "tests/support/shell.h"
#include "tests/support/source_folder.h"

namespace holdfast::testing {
std::unique_ptr<NetworkScript> NetworkScript::start(const std::string& script, const std::string& arguments) {
  std::unique_ptr<NetworkScript> network(new NetworkScript);
  network->script_ = source_folder() + "/tests/networks/" + script;
  network->path_ = network->folder_.path();
  const Ran installed = run_shell(network->script_ + " install");
  if (installed.code != 0) {
    std::cout << script << " could not be installed:\n" << installed.output;
    network->path_.clear();
    return nullptr;
  }
  const Ran started = run_shell(network->script_ + " start " + network->path_ + " " + arguments);
  if (started.code != 0) std::cout << started.output;
  HOLDFAST_CHECK(started.code == 0);
  std::istringstream lines(network->run("env"));
  for (std::string line; std::getline(lines, line);) {
    if (const std::size_t mark = line.find('='); mark != std::string::npos) network->env_[line.substr(0, mark)] = line.substr(mark + 1);
  }
  return network;
}

NetworkScript::~NetworkScript() {
  if (!path_.empty()) run_shell(script_ + " stop " + path_);
}

std::string NetworkScript::run(const std::string& verb, const std::string& arguments) const {
  const Ran ran = run_shell(script_ + " " + verb + " " + path_ + " " + arguments);
  if (ran.code != 0) std::cout << ran.output;
  HOLDFAST_CHECK(ran.code == 0);
  return ran.output;
}

}  // namespace holdfast::testing
