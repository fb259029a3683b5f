// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/scripted_server.h"

namespace holdfast::testing {

/// One request as a scripted server sees it.
struct SeenRequest {
  std::string line;  ///< "GET /pins?… HTTP/1.1"
  std::string head;
  std::string body;
  [[nodiscard]] bool is(const std::string& start) const { return line.starts_with(start); }
};

/// A scripted HTTP server that keeps what it is asked. What the script does not answer is answered with 404 and no body.
class FakeServer {
 public:
  using Script = std::function<bool(Peer&, const SeenRequest&)>;
  explicit FakeServer(Script script) : script_(std::move(script)), server_([this](Peer& peer) { serve(peer); }) {}

  [[nodiscard]] std::string url() const { return server_.url(); }
  std::vector<SeenRequest> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  /// How many requests began so.
  int count(const std::string& start) {
    const std::lock_guard lock(mutex_);
    int found = 0;
    for (const SeenRequest& request : requests_) found += request.is(start) ? 1 : 0;
    return found;
  }

 private:
  void serve(Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      SeenRequest request{.line = head.substr(0, head.find("\r\n")), .head = head, .body = {}};
      if (const std::size_t at = head.find("Content-Length: "); at != std::string::npos) request.body = peer.read_body(std::stoul(head.substr(at + 16)));
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      if (!script_(peer, request)) peer.reply(404, "");
    }
  }
  Script script_;
  std::mutex mutex_;
  std::vector<SeenRequest> requests_;
  ScriptedServer server_;
};

}  // namespace holdfast::testing
