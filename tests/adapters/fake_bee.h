// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "adapters/swarm/chunk_address.h"
#include "tests/support/scripted_server.h"

namespace holdfast::testing {

/// What a script sees of one request.
struct BeeRequest {
  std::string line;  ///< "GET /bytes/… HTTP/1.1"
  std::string head;
  std::string body;
  [[nodiscard]] bool is(const std::string& start) const { return line.starts_with(start); }
  [[nodiscard]] std::string path() const {
    const std::size_t start = line.find(' ') + 1;
    return line.substr(start, line.find_first_of("? ", start) - start);
  }
};

/// A Bee on 127.0.0.1 that takes everything, with replies as Bee 2.7.0 was seen to give them. What its script answers is answered so instead. Addresses of what it is given
/// come from the code under test, which has vectors of its own.
class FakeBee {
 public:
  /// Returns whether it has answered. Runs on the connection's thread.
  using Script = std::function<bool(Peer&, const BeeRequest&)>;
  explicit FakeBee(Script script = {}) : script_(std::move(script)), server_([this](Peer& peer) { serve(peer); }) {}

  [[nodiscard]] std::string url() const { return server_.url(); }
  std::vector<BeeRequest> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  /// How many requests begin with this ("POST /bytes").
  int count(const std::string& start) {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(std::ranges::count_if(requests_, [&](const BeeRequest& one) { return one.is(start); }));
  }
  /// All that was ever written to each single-owner chunk, by its path, in the order of first writing.
  std::vector<std::pair<std::string, std::vector<std::string>>> socs() {
    const std::lock_guard lock(mutex_);
    return socs_;
  }
  static std::string batch_json(std::int64_t ttl_seconds, int utilization = 1, int depth = 20, bool usable = true, bool immutable = true, const std::string& id = {}) {
    const auto truth = [](bool value) { return value ? std::string("true") : std::string("false"); };
    return R"({"batchID":")" + id + R"(","utilization":)" + std::to_string(utilization) + R"(,"usable":)" + truth(usable) + R"(,"label":"","depth":)" + std::to_string(depth) +
           R"(,"amount":"1000","bucketDepth":16,"blockNumber":40,"immutableFlag":)" + truth(immutable) + R"(,"exists":true,"batchTTL":)" + std::to_string(ttl_seconds) + "}";
  }
  static std::string tag_json(int split, int seen, int synced, int stored = 0) {
    return R"({"split":)" + std::to_string(split) + R"(,"seen":)" + std::to_string(seen) + R"(,"stored":)" + std::to_string(stored) + R"(,"sent":0,"synced":)" + std::to_string(synced) + R"(,"uid":7,"address":""})";
  }
  /// Answers what begins with `start` with `body`.
  static Script replying(std::string start, int status, std::string body) {
    return [=](Peer& peer, const BeeRequest& request) {
      if (!request.is(start)) return false;
      return peer.reply(status, body), true;
    };
  }
  /// Always true, for scripts.
  static bool refuse(Peer& peer, int status, const std::string& message) {
    peer.reply(status, R"({"code":)" + std::to_string(status) + R"(,"message":")" + message + R"("})");
    return true;
  }

 private:
  void serve(Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      BeeRequest request{.line = head.substr(0, head.find("\r\n")), .head = head, .body = {}};
      if (const std::size_t at = head.find("Content-Length: "); at != std::string::npos) request.body = peer.read_body(std::stoul(head.substr(at + 16)));
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      if (!script_ || !script_(peer, request)) answer(peer, request);
    }
  }
  void answer(Peer& peer, const BeeRequest& request) {
    if (request.is("GET /stamps/")) return peer.reply(200, batch_json(10'000'000));
    if (request.is("POST /tags")) return peer.reply(201, tag_json(0, 0, 0));
    if (request.is("GET /tags/7")) return peer.reply(200, tag_json(2, 0, 2));
    if (request.is("DELETE /tags/")) return peer.write("HTTP/1.1 204 No Content\r\n\r\n");
    if (request.is("DELETE /pins/")) return peer.reply(200, R"({"code":200,"message":"OK"})");
    if (request.is("GET /peers")) return peer.reply(200, R"({"peers":[{"address":"2eb3"}]})");
    const std::lock_guard lock(mutex_);
    if (request.path().starts_with("/soc/")) return answer_soc(peer, request);
    if (request.is("POST /bytes")) {
      const std::string reference = swarm::object_address(as_bytes(request.body)).hex();
      objects_["/bytes/" + reference] = request.body;
      return peer.reply(201, R"({"reference":")" + reference + R"("})");
    }
    if (const auto found = objects_.find(request.path()); found != objects_.end() && request.is("GET ")) return peer.reply(200, found->second);
    refuse(peer, 404, request.is("GET /feeds/") ? "lookup at failed" : "Not Found");
  }
  void answer_soc(Peer& peer, const BeeRequest& request) {
    const std::string path = request.path();
    auto found = std::ranges::find(socs_, path, &std::pair<std::string, std::vector<std::string>>::first);
    if (request.is("POST ")) {
      const std::size_t at = request.line.find("?sig=") + 5;
      signatures_.try_emplace(path, request.line.substr(at, request.line.find(' ', at) - at));
      if (found == socs_.end()) found = socs_.insert(socs_.end(), {path, {}});
      found->second.push_back(request.body);
      return peer.reply(201, R"({"reference":""})");
    }
    if (found == socs_.end()) return void(refuse(peer, 404, "requested chunk cannot be retrieved"));
    peer.reply(200, found->second.front(), "Swarm-Soc-Signature: " + signatures_[path] + "\r\n");
  }

  Script script_;
  std::mutex mutex_;
  std::vector<BeeRequest> requests_;
  std::map<std::string, std::string> objects_;     // by path
  std::map<std::string, std::string> signatures_;  // by path
  std::vector<std::pair<std::string, std::vector<std::string>>> socs_;
  ScriptedServer server_;
};

}  // namespace holdfast::testing
