// SPDX-License-Identifier: Apache-2.0
#include "tests/support/network_script.h"

#include <array>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "tests/support/source_folder.h"

namespace holdfast::testing {
namespace {

struct Ran {
  int code = -1;
  std::string output;
};

Ran run_command(const std::string& command) {
  Ran ran;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
  if (pipe == nullptr) return ran;
  std::array<char, 4096> piece{};
  while (const std::size_t got = std::fread(piece.data(), 1, piece.size(), pipe)) ran.output.append(piece.data(), got);
  ran.code = ::pclose(pipe);
  return ran;
}

}  // namespace

std::unique_ptr<NetworkScript> NetworkScript::start(const std::string& script, const std::string& arguments) {
  std::unique_ptr<NetworkScript> network(new NetworkScript);
  network->script_ = source_folder() + "/tests/networks/" + script;
  network->path_ = network->folder_.path();
  const Ran installed = run_command(network->script_ + " install");
  if (installed.code != 0) {
    std::cout << script << " could not be installed:\n" << installed.output;
    network->path_.clear();
    return nullptr;
  }
  const Ran started = run_command(network->script_ + " start " + network->path_ + " " + arguments);
  if (started.code != 0) std::cout << started.output;
  HOLDFAST_CHECK(started.code == 0);
  std::istringstream lines(network->run("env"));
  for (std::string line; std::getline(lines, line);) {
    if (const std::size_t mark = line.find('='); mark != std::string::npos) network->env_[line.substr(0, mark)] = line.substr(mark + 1);
  }
  return network;
}

NetworkScript::~NetworkScript() {
  if (!path_.empty()) run_command(script_ + " stop " + path_);
}

std::string NetworkScript::run(const std::string& verb, const std::string& arguments) const {
  const Ran ran = run_command(script_ + " " + verb + " " + path_ + " " + arguments);
  if (ran.code != 0) std::cout << ran.output;
  HOLDFAST_CHECK(ran.code == 0);
  return ran.output;
}

}  // namespace holdfast::testing
