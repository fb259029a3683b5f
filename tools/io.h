// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/secret_bytes.h"
#include "tools/config.h"

namespace holdfast {

/// Exit codes, as the manual lists them. Lack of rights has none of its own: it is kFailed, and "permission_denied" in
/// JSON.
enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kNetworkMissed = 3,
  kIntegrity = 4,
  kNoSuch = 5,
  kRefused = 6,
  kIncomplete = 7,
  kTimeout = 8,
  kNoRepository = 10,
  kOwnerSilent = 11,
  kWrongKey = 12,
  kInterrupted = 130,
};

/// The exit code of an error that ends a command.
ExitCode exit_code_of(const Error& error) noexcept;
/// The same of an error of opening a repository or asking its owner: there, "not found" speaks of the repository
/// itself, and a conflict of another process that owns the state.
ExitCode opening_exit_code(const Error& error) noexcept;
/// What wal-fetch exits with where another command would exit with `code`: above 125, since PostgreSQL takes anything up to that for the end of the archive.
int wal_fetch_failure(int code) noexcept;

/// A command's way to the world: descriptors that may belong to another process (the owner runs commands for others). Not owned.
struct Io {
  int in = 0;
  int out = 1;
  int err = 2;
  std::string directory;  ///< absolute: what relative paths are relative to
  std::stop_token stop;
  std::stop_source* interruption = nullptr;  ///< triggered by SIGINT and SIGTERM once the program watches for them; null: not watched
  bool json = false;
  bool quiet = false;
  bool remote = false;    ///< run by the owner for a client
  unsigned uid = 0;       ///< of who asked
  /// The exit code of the command whose output comes in on `in`, once it has ended (backup --stdin-from-command).
  /// `unwanted`, once triggered: nobody reads its output any more, so that one that doesn't notice has to be ended.
  using CommandExit = std::function<Result<int>(const std::stop_token& unwanted)>;
  CommandExit command_exit;

  /// Writes all of it; a closed pipe is not an error of the command.
  void print(std::string_view text) const;
  void complain(std::string_view text) const;
  /// Prints an error as text ("holdfast: …") or, with json, as one object on `err`; returns its exit code.
  [[nodiscard]] int fail(const Error& error) const;
  [[nodiscard]] bool terminal() const noexcept;
  [[nodiscard]] std::string absolute(const std::string& path) const;
};

/// All of a descriptor up to `size_max_bytes`. Errors: kInvalidArgument when there is more, kInternal.
Result<Bytes> read_all(int descriptor, std::size_t size_max_bytes);
/// Waits as long as it takes for the reader of a pipe, but not once `stop` is triggered. Errors: kNoSpace, kCancelled, kInternal.
Status write_all(int descriptor, ByteView bytes, const std::stop_token& stop = {});

/// The passphrase: --passphrase-file, HOLDFAST_PASSPHRASE_FILE, HOLDFAST_PASSPHRASE_COMMAND, HOLDFAST_PASSPHRASE,
/// BACKUP_ENCRYPTION_PASSWORD, a prompt on a terminal. One line feed at the end is not part of it. `confirm` asks twice at a prompt.
/// Errors: kInvalidArgument (none given, empty, unreadable).
Result<SecretBytes> find_passphrase(const std::string& file_option, const Environment& environment, bool confirm,
                                    std::string_view prompt = "passphrase");
/// A secret from a file (one line), else from an environment variable, else asked for at a terminal, where `confirm` asks twice.
Result<SecretBytes> find_secret(const std::string& file, const Environment& environment, const std::string& variable,
                                std::string_view prompt, bool confirm = false);

}  // namespace holdfast
