// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

namespace holdfast::testing {

/// One connection as a script sees it.
class Peer {
 public:
  explicit Peer(int descriptor) : descriptor_(descriptor) {}
  /// The next request's line and header fields; empty when the client has gone.
  std::string read_head();
  std::string read_body(std::size_t size_bytes);
  void write(std::string_view text) const;
  /// A whole reply with Content-Length.
  void reply(int status, std::string_view body, std::string_view more_fields = {}) const;
  /// Closes with a TCP reset.
  void reset() const;
  /// Says no more: the client sees the end, and read_head() gives nothing from now on.
  void hang_up() const;
  /// Returns when the client closes, or the server stops.
  void wait_for_close();

 private:
  bool fill();
  int descriptor_;
  std::string buffer_;
};

/// An HTTP server on 127.0.0.1 that does what a test says, byte for byte: for replies that no honest server gives.
/// The script runs once a connection, on a thread of its own.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::function<void(Peer&)> script);
  ~ScriptedServer();
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void accept_all();
  std::function<void(Peer&)> script_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  std::list<int> open_;
  std::list<std::jthread> threads_;
  std::jthread acceptor_;
};

}  // namespace holdfast::testing
