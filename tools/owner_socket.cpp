// SPDX-License-Identifier: Apache-2.0
#include "tools/owner_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <list>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/errno_code.h"
#include "core/base/log.h"

namespace holdfast {

namespace {

constexpr std::uint32_t kMessageMaxBytes = 4U << 20;
constexpr std::size_t kClientsMax = 64;
constexpr timeval kGreetingPatience{10, 0};
constexpr timeval kAcceptancePatience{30, 0};  ///< for an owner that stands still
constexpr timeval kForever{0, 0};

class Descriptor {
 public:
  explicit Descriptor(int value = -1) noexcept : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return value_; }

 private:
  int value_;
};

Error system_error(const std::string& doing) {
  const int code = errno;
  return Error(code_of_errno(code), doing + ": " + std::strerror(code));
}

Status receive_exact(int socket, MutableByteView out) {
  while (!out.empty()) {
    const ssize_t count = ::recv(socket, out.data(), out.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count == 0 || (count < 0 && errno == ECONNRESET)) return Error(ErrorCode::kUnavailable, "the other end closed the socket");
    if (count < 0) return system_error("reading from the socket");
    out = out.subspan(static_cast<std::size_t>(count));
  }
  return ok_status();
}

Status send_message(int socket, const nlohmann::json& message) {
  const std::string text = message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string framed(4, '\0');
  for (unsigned i = 0; i < 4; ++i) framed[i] = static_cast<char>((text.size() >> (8 * i)) & 0xFFU);
  framed += text;
  ByteView rest = as_bytes(framed);
  while (!rest.empty()) {
    const ssize_t count = ::send(socket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("writing to the socket");
    rest = rest.subspan(static_cast<std::size_t>(count));
  }
  return ok_status();
}

Result<nlohmann::json> receive_message(int socket) {
  std::array<std::uint8_t, 4> size_bytes{};
  HOLDFAST_TRY(receive_exact(socket, size_bytes));
  std::uint32_t size = 0;
  for (unsigned i = 0; i < 4; ++i) size |= static_cast<std::uint32_t>(size_bytes[i]) << (8 * i);
  if (size > kMessageMaxBytes) return Error(ErrorCode::kCorrupt, "a message on the socket is too long");
  Bytes text(size);
  HOLDFAST_TRY(receive_exact(socket, text));
  nlohmann::json message = nlohmann::json::parse(as_text(text), nullptr, false);
  if (!message.is_object()) return Error(ErrorCode::kCorrupt, "a message on the socket is not understood");
  return message;
}

/// The three standard descriptors travel with one byte, before the first message.
Status send_descriptors(int socket, const std::array<int, 3>& descriptors) {
  char byte = 'H';
  iovec vector{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof descriptors)> control{};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  cmsghdr* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof descriptors);
  std::memcpy(CMSG_DATA(part), descriptors.data(), sizeof descriptors);
  if (::sendmsg(socket, &header, MSG_NOSIGNAL) != 1) return system_error("passing descriptors to the owner");
  return ok_status();
}

Result<std::array<Descriptor, 3>> receive_descriptors(int socket) {
  char byte = 0;
  iovec vector{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(3 * sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  if (::recvmsg(socket, &header, MSG_CMSG_CLOEXEC) != 1 || byte != 'H') {
    return Error(ErrorCode::kCorrupt, "a client did not greet as expected");
  }
  const cmsghdr* part = CMSG_FIRSTHDR(&header);
  if (part == nullptr || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS ||
      part->cmsg_len != CMSG_LEN(3 * sizeof(int))) {
    return Error(ErrorCode::kCorrupt, "a client did not pass its descriptors");
  }
  std::array<int, 3> values{};
  std::memcpy(values.data(), CMSG_DATA(part), sizeof values);
  return std::array<Descriptor, 3>{Descriptor(values[0]), Descriptor(values[1]), Descriptor(values[2])};
}

/// `<state>/socket` by way of a descriptor, since the path may be longer than sun_path.
Result<sockaddr_un> socket_address(const Descriptor& folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(folder.get()) + "/socket";
  HOLDFAST_CHECK(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

}  // namespace

struct OwnerServer::State {
  Descriptor folder;
  Descriptor listener;
  std::array<int, 2> wake{-1, -1};
  OwnerHandler handler;
  std::stop_source stop;
  std::thread acceptor;
  std::atomic<bool> closing{false};  ///< no further client is taken
  std::mutex mutex;
  std::condition_variable idle;
  struct Client {
    std::thread thread;
    bool done = false;
  };
  std::list<Client> clients;
  std::size_t running = 0;  ///< clients that are not done

  void accept_loop();
  void serve(Descriptor socket);
  void reap();
};

OwnerServer::OwnerServer() : state_(std::make_unique<State>()) {}

Result<std::unique_ptr<OwnerServer>> OwnerServer::start(const std::string& state_directory, OwnerHandler handler) {
  std::unique_ptr<OwnerServer> server(new OwnerServer());
  State& state = *server->state_;
  state.handler = std::move(handler);
  state.folder = Descriptor(::open(state_directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (state.folder.get() < 0) return system_error("opening " + state_directory);
  HOLDFAST_ASSIGN(const sockaddr_un address, socket_address(state.folder));
  ::unlinkat(state.folder.get(), "socket", 0);
  state.listener = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (state.listener.get() < 0) return system_error("making the owner's socket");
  if (::bind(state.listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(state.listener.get(), 64) != 0) {
    return system_error("listening on " + state_directory + "/socket");
  }
  // Who may ask what is decided by the peer's uid, not by the file's mode.
  if (::fchmodat(state.folder.get(), "socket", 0666, 0) != 0) return system_error("opening " + state_directory + "/socket to others");
  if (::pipe2(state.wake.data(), O_CLOEXEC) != 0) return system_error("making a pipe");
  state.acceptor = std::thread([&state] { state.accept_loop(); });
  return server;
}

OwnerServer::~OwnerServer() {
  State& state = *state_;
  state.stop.request_stop();
  finish({});
  for (const int end : state.wake) {
    if (end >= 0) ::close(end);
  }
}

void OwnerServer::wait_idle(const std::stop_token& interrupted) {
  State& state = *state_;
  const std::stop_callback on_interruption(interrupted, [&state] { state.stop.request_stop(); });
  std::unique_lock lock(state.mutex);
  state.idle.wait(lock, [&state] { return state.running == 0; });
}

void OwnerServer::finish(const std::stop_token& interrupted) {
  State& state = *state_;
  state.closing = true;
  if (state.acceptor.joinable()) {
    const char byte = 0;
    (void)!::write(state.wake[1], &byte, 1);
    state.acceptor.join();
  }
  if (state.listener.get() >= 0) {
    ::unlinkat(state.folder.get(), "socket", 0);
    state.listener = Descriptor();  // those who wait to be let in see that they must ask anew
  }
  wait_idle(interrupted);
  state.reap();
}

void OwnerServer::State::reap() {
  std::list<Client> finished;
  {
    const std::lock_guard lock(mutex);
    for (auto client = clients.begin(); client != clients.end();) {
      const auto here = client++;
      if (here->done) finished.splice(finished.end(), clients, here);
    }
  }
  for (Client& client : finished) client.thread.join();
}

void OwnerServer::State::accept_loop() {
  while (!closing) {
    std::array<pollfd, 2> waits{{{listener.get(), POLLIN, 0}, {wake[0], POLLIN, 0}}};
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return;
    if (closing) return;
    if ((waits[0].revents & POLLIN) == 0) continue;
    Descriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket.get() < 0) continue;
    reap();
    const std::lock_guard lock(mutex);
    if (clients.size() >= kClientsMax) continue;  // dropped: the client asks again
    Client& client = clients.emplace_back();
    ++running;
    client.thread = std::thread([this, &client, taken = std::move(socket)]() mutable {
      serve(std::move(taken));
      const std::lock_guard at_end(mutex);
      client.done = true;
      --running;
      idle.notify_all();
    });
  }
}

void OwnerServer::State::serve(Descriptor socket) {
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kGreetingPatience, sizeof kGreetingPatience);
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  auto descriptors = receive_descriptors(socket.get());
  if (!descriptors) return;
  auto message = receive_message(socket.get());
  if (!message) return;
  OwnerRequest request;
  try {
    request.arguments = message->at("arguments").get<std::vector<std::string>>();
    request.directory = message->at("directory").get<std::string>();
    request.environment = message->at("environment").get<std::vector<std::pair<std::string, std::string>>>();
  } catch (const nlohmann::json::exception&) {
    return;
  }
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kForever, sizeof kForever);
  // From here on the command may have effects; a client that was not told so may ask again.
  if (!send_message(socket.get(), {{"accepted", true}})) return;

  std::stop_source gone;
  const std::stop_callback when_server_stops(stop.get_token(), [&gone] { gone.request_stop(); });
  // The only things that come from now on are the command's exit code, and the end when the client was interrupted.
  std::mutex exit_mutex;
  std::condition_variable_any exit_known;
  std::optional<int> command_exit;
  std::atomic<bool> finished{false};
  std::thread watcher([&] {
    while (true) {
      auto next = receive_message(socket.get());
      if (!next) break;
      const std::lock_guard lock(exit_mutex);
      command_exit = next->value("command_exit", 1);
      exit_known.notify_all();
    }
    if (!finished) gone.request_stop();
    exit_known.notify_all();
  });
  Io io;
  io.in = (*descriptors)[0].get();
  io.out = (*descriptors)[1].get();
  io.err = (*descriptors)[2].get();
  io.directory = request.directory;
  io.stop = gone.get_token();
  io.remote = true;
  io.uid = peer.uid;
  io.command_exit = [&](const std::stop_token&) -> Result<int> {
    std::unique_lock lock(exit_mutex);
    exit_known.wait(lock, gone.get_token(), [&] { return command_exit.has_value(); });
    if (!command_exit) return Error(ErrorCode::kCancelled, "the client went away");
    return *command_exit;
  };
  const int code = handler(request, io);
  finished = true;
  (void)send_message(socket.get(), {{"exit", code}}).has_value();
  ::shutdown(socket.get(), SHUT_RDWR);
  watcher.join();
}

namespace {

/// Sends the request and returns when the owner took it. Errors: kUnavailable (it closed the socket before: it took nothing), kConflict.
Status hand_over(int socket, const OwnerRequest& request, const Io& io) {
  const Error closed(ErrorCode::kUnavailable, "the owner of the repository is just ending");
  // Sending fails only when the other end is gone.
  if (!send_descriptors(socket, {io.in, io.out, io.err})) return closed;
  if (!send_message(socket, {{"arguments", request.arguments}, {"directory", request.directory}, {"environment", request.environment}})) return closed;
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kAcceptancePatience, sizeof kAcceptancePatience);
  const auto accepted = receive_message(socket);
  if (!accepted && accepted.error().code() == ErrorCode::kUnavailable) return closed;
  if (!accepted) return Error(ErrorCode::kConflict, "the owner of the repository does not answer: " + accepted.error().message());
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kForever, sizeof kForever);
  return ok_status();
}

/// Triggers `answered` once there is something to read from the owner, or it is gone.
void watch_for_answer(int socket, int wake, std::stop_source& answered) {
  std::array<pollfd, 2> waits{{{socket, POLLIN, 0}, {wake, POLLIN, 0}}};
  while (::poll(waits.data(), waits.size(), -1) < 0 && errno == EINTR) {
  }
  if (waits[0].revents != 0) answered.request_stop();
}

/// How the command ended whose output the owner reads. An owner that answers before that reads no more of it.
Result<int> exit_of_command(int socket, const Io::CommandExit& command_exit) {
  const Descriptor wake(::eventfd(0, EFD_CLOEXEC));
  if (wake.get() < 0) return system_error("making an event descriptor");
  std::stop_source answered;
  const std::jthread watcher([&] { watch_for_answer(socket, wake.get(), answered); });
  Result<int> code = command_exit(answered.get_token());
  (void)::eventfd_write(wake.get(), 1);
  return code;
}

}  // namespace

Result<std::optional<int>> ask_owner(const std::string& state_directory, const OwnerRequest& request, const Io& io,
                                     const Io::CommandExit& command_exit) {
  const Descriptor folder(::open(state_directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return std::optional<int>();
  HOLDFAST_ASSIGN(const sockaddr_un address, socket_address(folder));
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return system_error("making a socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return std::optional<int>();
    if (errno == EACCES) {
      return Error(ErrorCode::kPermissionDenied,
                   "this user may not speak to the owner of " + state_directory + " (rights of the folder)");
    }
    return system_error("connecting to the owner of " + state_directory);
  }
  HOLDFAST_TRY(hand_over(socket.get(), request, io));
  // Interruption closes our sending half; the owner sees it, stops the command and still answers.
  const std::stop_callback on_stop(io.stop, [&socket] { ::shutdown(socket.get(), SHUT_WR); });
  if (command_exit) {
    const Result<int> code = exit_of_command(socket.get(), command_exit);
    // An owner that is past listening has its reason, and tells it in the reply.
    (void)send_message(socket.get(), {{"command_exit", code ? *code : 255}}).has_value();
  }
  const auto reply = receive_message(socket.get());
  if (!reply || !reply->contains("exit") || !reply->at("exit").is_number_integer()) {
    return Error(ErrorCode::kConflict, "the owner of " + state_directory + " does not answer: " +
                                           (reply ? "its reply is not understood" : reply.error().message()));
  }
  return std::optional<int>(reply->at("exit").get<int>());
}

}  // namespace holdfast
