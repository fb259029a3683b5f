// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "tools/io.h"

namespace holdfast {

namespace {

constexpr std::size_t kSecretMaxBytes = 64 * 1024;

Result<SecretBytes> take_line(Bytes bytes, const std::string& from) {
  std::size_t size = bytes.size();
  if (size > 0 && bytes[size - 1] == '\n') --size;
  if (size > 0 && bytes[size - 1] == '\r') --size;
  SecretBytes secret = SecretBytes::copy_of(ByteView(bytes).first(size));
  wipe(bytes);
  if (secret.empty()) return Error(ErrorCode::kInvalidArgument, from + " is empty");
  return secret;
}

Result<SecretBytes> from_file(const std::string& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return Error(ErrorCode::kInvalidArgument, "opening the file " + file + ": " + std::strerror(errno));
  }
  Result<Bytes> bytes = read_all(descriptor, kSecretMaxBytes);
  ::close(descriptor);
  if (!bytes) return std::move(bytes).error().with_context("reading " + file);
  return take_line(std::move(*bytes), "the file " + file);
}

Result<SecretBytes> from_command(const std::string& command) {
  std::array<int, 2> pipe_ends{};
  if (::pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return Error(ErrorCode::kInternal, "making a pipe failed");
  const pid_t child = ::fork();
  if (child < 0) return Error(ErrorCode::kInternal, "starting the passphrase command failed");
  if (child == 0) {
    // We ignore and block signals that the command may count on.
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::dup2(pipe_ends[1], 1);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(pipe_ends[1]);
  Result<Bytes> bytes = read_all(pipe_ends[0], kSecretMaxBytes);
  ::close(pipe_ends[0]);
  int state = 0;
  while (::waitpid(child, &state, 0) < 0 && errno == EINTR) {
  }
  if (!bytes) return std::move(bytes).error();
  if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) {
    wipe(*bytes);
    return Error(ErrorCode::kInvalidArgument, "HOLDFAST_PASSPHRASE_COMMAND failed");
  }
  return take_line(std::move(*bytes), "the output of HOLDFAST_PASSPHRASE_COMMAND");
}

Result<SecretBytes> ask(std::string_view prompt) {
  const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal < 0) {
    return Error(ErrorCode::kInvalidArgument,
                 "no " + std::string(prompt) +
                     " was given and there is no terminal to ask at; use --passphrase-file or HOLDFAST_PASSPHRASE_FILE");
  }
  termios before{};
  ::tcgetattr(terminal, &before);
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(terminal, TCSAFLUSH, &silent);
  (void)write_all(terminal, as_bytes(std::string(prompt) + ": ")).has_value();
  Bytes line;
  std::uint8_t letter = 0;
  while (line.size() < kSecretMaxBytes && ::read(terminal, &letter, 1) == 1 && letter != '\n') line.push_back(letter);
  ::tcsetattr(terminal, TCSAFLUSH, &before);
  (void)write_all(terminal, as_bytes("\n")).has_value();
  ::close(terminal);
  return take_line(std::move(line), "the " + std::string(prompt));
}

Result<SecretBytes> ask_twice(std::string_view prompt) {
  HOLDFAST_ASSIGN(SecretBytes first, ask(prompt));
  HOLDFAST_ASSIGN(const SecretBytes second, ask(std::string(prompt) + " again"));
  if (as_text(first.view()) != as_text(second.view())) {
    return Error(ErrorCode::kInvalidArgument, "the two passphrases differ");
  }
  return first;
}

}  // namespace

Result<SecretBytes> find_secret(const std::string& file, const Environment& environment, const std::string& variable,
                                std::string_view prompt, bool confirm) {
  if (!file.empty()) return from_file(file);
  if (const auto value = environment(variable)) return SecretBytes::copy_of(as_bytes(*value));
  return confirm ? ask_twice(prompt) : ask(prompt);
}

Result<SecretBytes> find_passphrase(const std::string& file_option, const Environment& environment, bool confirm,
                                    std::string_view prompt) {
  if (!file_option.empty()) return from_file(file_option);
  if (const auto file = environment("HOLDFAST_PASSPHRASE_FILE")) return from_file(*file);
  if (const auto command = environment("HOLDFAST_PASSPHRASE_COMMAND")) return from_command(*command);
  for (const char* variable : {"HOLDFAST_PASSPHRASE", "BACKUP_ENCRYPTION_PASSWORD"}) {
    if (const auto value = environment(variable)) return SecretBytes::copy_of(as_bytes(*value));
  }
  return confirm ? ask_twice(prompt) : ask(prompt);
}

}  // namespace holdfast
