// SPDX-License-Identifier: Apache-2.0
#include "tests/support/kubo_nodes.h"

#include <algorithm>
#include <fstream>
#include <iostream>

#include "tests/support/shell.h"
#include "tests/support/source_folder.h"

namespace holdfast::testing {

namespace {

const std::string kScript = source_folder() + "/tests/networks/ipfs.sh";

}  // namespace

std::unique_ptr<KuboNodes> KuboNodes::start(int count) {
  const Ran installed = run_shell(kScript + " install");
  if (installed.code != 0) {
    std::cout << "Kubo could not be installed:\n" << installed.output;
    return nullptr;
  }
  std::unique_ptr<KuboNodes> nodes(new KuboNodes);
  const Ran started = run_shell(kScript + " start " + nodes->folder_.path() + " " + std::to_string(count));
  if (started.code != 0) std::cout << started.output;
  HOLDFAST_CHECK(started.code == 0);  // installed and not starting is a failure, not a skip
  std::ifstream settings(nodes->folder_ / "settings");
  for (std::string line; std::getline(settings, line);) {
    if (line.starts_with("IPFS_BASE_PORT=")) nodes->base_port_ = std::stoi(line.substr(15));
  }
  HOLDFAST_CHECK(nodes->base_port_ > 0);
  return nodes;
}

KuboNodes::~KuboNodes() { run_shell(kScript + " stop " + folder_.path()); }

void KuboNodes::kill(int node) const {
  HOLDFAST_CHECK(run_shell(kScript + " kill " + folder_.path() + " " + std::to_string(node)).code == 0);
}

std::string KuboNodes::call(int node, const std::string& command) const {
  const Ran ran = run_shell("curl -fsS -m 60 -X POST '" + api(node) + "/api/v0/" + command + "'");
  return ran.code == 0 ? ran.output : std::string();
}

std::string KuboNodes::block_file(int node, ByteView block) const { return testing::block_file(folder_ / ("node" + std::to_string(node) + "/blocks"), block); }

std::string block_file(const std::string& blocks_folder, ByteView block) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(blocks_folder)) {
    if (!entry.is_regular_file() || entry.file_size() != block.size()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (std::ranges::equal(as_bytes(bytes), block)) return entry.path().string();
  }
  return {};
}

}  // namespace holdfast::testing
