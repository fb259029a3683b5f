// SPDX-License-Identifier: Apache-2.0
#include "tools/owner_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <future>
#include <thread>

#include "tests/support/temp_folder.h"

namespace holdfast {
namespace {

class OwnerSocket : public ::testing::Test {
 protected:
  Io client_io() {
    Io io;
    io.in = io.out = io.err = null_.get();
    return io;
  }
  Result<std::optional<int>> ask(const Io& io, const Io::CommandExit& command_exit = {}) {
    return ask_owner(folder_.path(), {{"list"}, "/", {}}, io, command_exit);
  }
  std::unique_ptr<OwnerServer> serve(OwnerHandler handler) {
    auto server = OwnerServer::start(folder_.path(), std::move(handler));
    EXPECT_TRUE(server);
    return *std::move(server);
  }

  struct Null {
    Null() : descriptor(::open("/dev/null", O_RDWR | O_CLOEXEC)) {}
    ~Null() { ::close(descriptor); }
    [[nodiscard]] int get() const { return descriptor; }
    const int descriptor;
  };
  testing::TempFolder folder_;
  Null null_;
};

TEST_F(OwnerSocket, NobodyListens_IsNoAnswer) {
  const auto answer = ask(client_io());
  ASSERT_TRUE(answer);
  EXPECT_FALSE(*answer);
}

TEST_F(OwnerSocket, Finish_LetsRunningRequestsEnd) {
  std::promise<void> running;
  std::promise<void> go_on;
  auto server = serve([&](const OwnerRequest&, Io& io) {
    running.set_value();
    go_on.get_future().wait();
    return io.stop.stop_requested() ? 130 : 5;
  });
  auto answer = std::async(std::launch::async, [&] { return ask(client_io()); });
  running.get_future().wait();
  std::jthread ending([&] { server->finish({}); });
  // Once the socket is gone nobody new gets in, while the request still runs.
  while (std::filesystem::exists(folder_.path("socket"))) std::this_thread::yield();
  go_on.set_value();
  EXPECT_EQ(answer.get().value_or(std::nullopt), 5);
}

TEST_F(OwnerSocket, Interrupted_CallsRequestsOff) {
  std::promise<void> running;
  auto server = serve([&](const OwnerRequest&, Io& io) {
    running.set_value();
    while (!io.stop.stop_requested()) std::this_thread::yield();
    return 130;
  });
  auto answer = std::async(std::launch::async, [&] { return ask(client_io()); });
  running.get_future().wait();
  std::stop_source interrupted;
  interrupted.request_stop();
  server->wait_idle(interrupted.get_token());
  EXPECT_EQ(answer.get().value_or(std::nullopt), 130);
}

/// `cat | less`: nobody reads, and the owner must be able to end all the same.
TEST_F(OwnerSocket, OutputThatNobodyReads_DoesNotHoldTheOwner) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  std::promise<void> running;
  auto server = serve([&](const OwnerRequest&, Io& io) {
    running.set_value();
    const Bytes much(8U << 20);
    const Status written = write_all(io.out, much, io.stop);
    return written ? 0 : static_cast<int>(exit_code_of(written.error()));
  });
  auto answer = std::async(std::launch::async, [&] {
    Io io = client_io();
    io.out = pipe[1];
    return ask(io);
  });
  running.get_future().wait();
  server.reset();
  EXPECT_EQ(answer.get().value_or(std::nullopt), 130);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

TEST_F(OwnerSocket, OwnerThatEndsBeforeItTookTheRequest_MayBeAskedAgain) {
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, folder_.path("socket").c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  std::jthread owner([listener] {
    ::close(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    ::close(listener);
  });
  bool waited = false;
  const auto answer = ask(client_io(), [&](const std::stop_token&) -> Result<int> {
    waited = true;
    return 0;
  });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(waited);
}

TEST_F(OwnerSocket, OwnerThatAnswersBeforeTheCommandEnds_HasNoUseForItsOutput) {
  auto server = serve([](const OwnerRequest&, Io&) { return 1; });
  const auto answer = ask(client_io(), [](const std::stop_token& unwanted) -> Result<int> {
    while (!unwanted.stop_requested()) std::this_thread::yield();  // a command that writes on, whoever reads
    return 143;
  });
  EXPECT_EQ(Result<std::optional<int>>(answer).value_or(std::nullopt), 1);
}

TEST_F(OwnerSocket, ExitOfTheCommand_ReachesTheOwner) {
  auto server = serve([](const OwnerRequest&, Io& io) { return io.command_exit({}).value_or(-1); });
  bool was_unwanted = false;
  const auto answer = ask(client_io(), [&](const std::stop_token& unwanted) -> Result<int> {
    was_unwanted = unwanted.stop_requested();
    return 42;
  });
  EXPECT_EQ(Result<std::optional<int>>(answer).value_or(std::nullopt), 42);
  EXPECT_FALSE(was_unwanted);
}

}  // namespace
}  // namespace holdfast
