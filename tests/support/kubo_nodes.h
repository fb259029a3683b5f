// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/bytes.h"
#include "tests/support/temporary_folder.h"

namespace holdfast::testing {

/// The file of the block with exactly these bytes in a Kubo node's folder of blocks; empty when there is none.
std::string block_file(const std::string& blocks_folder, ByteView block);

/// A private network of real Kubo nodes for one test, through tests/networks/ipfs.sh; ended with it. One thread.
class KuboNodes {
 public:
  /// nullptr where Kubo is not installed and can't be; the reason is printed.
  static std::unique_ptr<KuboNodes> start(int count = 2);
  ~KuboNodes();

  [[nodiscard]] std::string api(int node) const { return url(node, 1); }
  [[nodiscard]] std::string gateway(int node) const { return url(node, 2); }
  /// As a lost machine: SIGKILL.
  void kill(int node) const;
  /// POST /api/v0/<command> on a node, empty when it fails: what a test arranges behind the adapter's back.
  [[nodiscard]] std::string call(int node, const std::string& command) const;
  /// The bytes of a block, as the node has them.
  [[nodiscard]] Bytes block(int node, const std::string& cid) const {
    const std::string bytes = call(node, "block/get?arg=" + cid);
    return {bytes.begin(), bytes.end()};
  }
  /// The file of the block with exactly these bytes in the node's store; empty when there is none.
  [[nodiscard]] std::string block_file(int node, ByteView block) const;

 private:
  KuboNodes() = default;
  [[nodiscard]] std::string url(int node, int port) const {
    return "http://127.0.0.1:" + std::to_string(base_port_ + 10 * node + port);
  }
  TemporaryFolder folder_;
  int base_port_ = 0;
};

}  // namespace holdfast::testing
