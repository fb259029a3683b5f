// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/repo/repository.h"
#include "tools/cli.h"
#include "tools/config.h"
#include "tools/io.h"

namespace holdfast {

/// What a command that needs the repository works with. Lives for one command.
struct Session {
  Repository& repository;
  const Config& config;
  const Invocation& invocation;
  Io& io;
  /// Mount points of this process, for status.
  std::vector<std::string> mounts;
  /// Ends the mount of this process at that directory, once the command has answered; null where nothing is mounted.
  std::function<Status(const std::string& directory)> request_unmount;

  [[nodiscard]] CallContext context() const { return {MonoTime::max(), io.stop}; }
  /// A context that ends after --timeout, when that was given. Errors: kInvalidArgument.
  [[nodiscard]] Result<CallContext> context_with_timeout() const;
};

/// Runs a command against an opened repository and returns its exit code. Errors are printed.
int run_in_repository(Session& session);
/// Whether run_in_repository knows it (the others run without, or before, a repository).
bool needs_repository(const std::string& command);

// Families of commands; each returns an exit code or the error to print.
Result<int> run_snapshot_command(Session& session);  ///< snapshot, backup, list
Result<int> run_show_command(Session& session);
Result<int> run_reading_command(Session& session);   ///< ls, cat, restore
Result<int> run_care_command(Session& session);      ///< status, wait, verify, check, network stats, umount
/// heal: 0 when nothing lacks a copy any more, 3 when something does, 4 when data is lost.
Result<int> run_heal_command(Session& session);
Result<int> run_policy_command(Session& session);    ///< db …, key list, change-passphrase
Result<int> run_wal_command(Session& session);       ///< wal-push, wal-fetch

/// Of --level.
VerifyLevel level_of(const std::string& name);

/// "DB@TIME:PATH" taken apart; the path has no slashes around it and is empty for the root.
struct SnapshotPath {
  std::string snapshot;
  std::string path;
};
SnapshotPath split_snapshot_path(const std::string& text);

/// The inode at a path of an opened snapshot, hard links resolved. Errors: kNotFound; those of reading.
Result<Inode> find_in_snapshot(ChunkSource& source, const SnapshotView& view, const std::string& path,
                               const CallContext& context);

/// Runs `wait`, which returns once something is safe, for as long as --timeout allows, and says meanwhile what it waits
/// for. Returns the exit code: 0, or 3 when it is safe and a network missed. Errors: those of `wait`.
Result<int> wait_until_safe(Session& session, const std::function<Status(const CallContext&)>& wait);

/// Waits as --wait says (nothing for "" and "staged"). Returns the exit code: 0, or 3 when it is safe and a network missed. Errors: kDeadlineExceeded when time ran out.
Result<int> wait_as_asked(Session& session, const SnapshotId& id);

/// For what is held by its quorum: 3 where uploads to some network fail, saying to which and why; else 0.
int code_of_missed_networks(Session& session);

}  // namespace holdfast
