// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/check.h"

namespace holdfast::testing {

bool Peer::fill() {
  char piece[65536];
  const ssize_t got = ::recv(descriptor_, piece, sizeof piece, 0);
  if (got <= 0) return false;
  buffer_.append(piece, static_cast<std::size_t>(got));
  return true;
}

std::string Peer::read_head() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return {};
  }
  std::string head = buffer_.substr(0, end + 4);
  buffer_.erase(0, end + 4);
  return head;
}

std::string Peer::read_body(std::size_t size_bytes) {
  while (buffer_.size() < size_bytes && fill()) {
  }
  std::string body = buffer_.substr(0, size_bytes);
  buffer_.erase(0, body.size());
  return body;
}

void Peer::write(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t sent = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the client has gone: its affair
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Peer::reply(int status, std::string_view body, std::string_view more_fields) const {
  write("HTTP/1.1 " + std::to_string(status) + " Scripted\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
        std::string(more_fields) + "\r\n" + std::string(body));
}

void Peer::reset() const {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

void Peer::hang_up() const { ::shutdown(descriptor_, SHUT_RDWR); }

void Peer::wait_for_close() {
  while (fill()) buffer_.clear();
}

ScriptedServer::ScriptedServer(std::function<void(Peer&)> script) : script_(std::move(script)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  HOLDFAST_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  HOLDFAST_CHECK(::listen(listener_, 64) == 0);
  HOLDFAST_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { accept_all(); });
}

void ScriptedServer::accept_all() {
  while (true) {
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) return;
    ++connections_;
    const std::lock_guard lock(mutex_);
    open_.push_back(descriptor);
    threads_.emplace_back([this, descriptor] {
      Peer peer(descriptor);
      script_(peer);
      const std::lock_guard inner(mutex_);
      open_.remove(descriptor);
      ::close(descriptor);
    });
  }
}

ScriptedServer::~ScriptedServer() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  std::list<std::jthread> threads;
  {
    const std::lock_guard lock(mutex_);
    for (const int descriptor : open_) ::shutdown(descriptor, SHUT_RDWR);
    threads.swap(threads_);
  }
  threads.clear();  // joins
}

}  // namespace holdfast::testing
