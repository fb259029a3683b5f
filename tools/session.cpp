// SPDX-License-Identifier: Apache-2.0
#include "tools/session.h"

#include <pwd.h>

#include <array>
#include <map>
#include <thread>

#include "tools/units.h"
#include "tools/wait_report.h"

namespace holdfast {

namespace {

/// What is on its way to further networks, when the quorum holds, is given a moment to arrive or to fail.
constexpr int kUnderWayAttempts = 20;
constexpr std::chrono::milliseconds kUnderWayPause{100};

using Family = Result<int> (*)(Session&);
struct Command {
  std::string_view name;
  Family run;
  bool for_database_owner;  ///< the owner of the named database may ask for it, too
};

constexpr std::array kCommands{
    Command{"snapshot", run_snapshot_command, true}, Command{"backup", run_snapshot_command, false},
    Command{"list", run_snapshot_command, true},     Command{"show", run_show_command, false},
    Command{"ls", run_reading_command, false},       Command{"cat", run_reading_command, false},
    Command{"restore", run_reading_command, false},  Command{"status", run_care_command, false},
    Command{"wait", run_care_command, false},        Command{"verify", run_care_command, false},
    Command{"heal", run_heal_command, false},
    Command{"check", run_care_command, true},        Command{"network stats", run_care_command, false},
    Command{"umount", run_care_command, false},      Command{"db list", run_policy_command, false},
    Command{"db show", run_policy_command, false},   Command{"db set", run_policy_command, false},
    Command{"key list", run_policy_command, false},  Command{"change-passphrase", run_policy_command, false},
    Command{"wal-push", run_wal_command, true},      Command{"wal-fetch", run_wal_command, true},
};

const Command* find_command(std::string_view name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::string database_of(const Session& session) {
  const Invocation& invocation = session.invocation;
  if (invocation.command.starts_with("wal-")) {
    return invocation.database.empty() ? session.config.wal_database : invocation.database;
  }
  return invocation.operands.empty() ? "" : invocation.operands.front();
}

/// Who owns the state may ask for everything; who owns a database, for what its backups need.
Status check_rights(const Session& session, const Command& command) {
  if (!session.io.remote || session.io.uid == 0 || session.io.uid == ::geteuid()) return ok_status();
  if (command.for_database_owner) {
    const auto policy = session.repository.policy(database_of(session));
    const passwd* user = ::getpwuid(session.io.uid);
    if (policy && user != nullptr && !policy->owner.empty() && policy->owner == user->pw_name) return ok_status();
    // Without a named owner it belongs to whom its folder belongs to: who made it.
    if (policy && policy->owner.empty()) {
      const auto live = session.repository.live(database_of(session));
      const auto root = live ? (*live)->attributes(LiveTree::kRootIno, session.context()) : Result<LiveAttributes>(live.error());
      if (root && root->uid == session.io.uid) return ok_status();
    }
  }
  return Error(ErrorCode::kPermissionDenied,
               "user " + std::to_string(session.io.uid) + " may not ask the owner of this repository for '" +
                   std::string(command.name) + "'; a database's owner is set with: db set DB owner=USER");
}

}  // namespace

bool needs_repository(const std::string& command) { return find_command(command) != nullptr; }

int run_in_repository(Session& session) {
  const Command* command = find_command(session.invocation.command);
  if (command == nullptr) {
    return session.io.fail(Error(ErrorCode::kInvalidArgument, "'" + session.invocation.command + "' can't be run by the owner of a repository"));
  }
  const Status allowed = check_rights(session, *command);
  const Result<int> code = allowed ? command->run(session) : Result<int>(allowed.error());
  if (code) return *code;
  const int exit = session.io.fail(code.error());
  return session.invocation.command == "wal-fetch" ? wal_fetch_failure(exit) : exit;
}

Result<CallContext> Session::context_with_timeout() const {
  if (invocation.timeout.empty()) return context();
  HOLDFAST_ASSIGN(const std::chrono::milliseconds timeout, parse_duration(invocation.timeout));
  return with_timeout(context(), system_clock(), timeout);
}

SnapshotPath split_snapshot_path(const std::string& text) {
  // Times in the name may hold colons ("orders@2026-11-20T12:00Z"), so the path starts at the first ":/" or, without one, nowhere.
  const std::size_t at = text.find(":/");
  SnapshotPath parts{text.substr(0, at), at == std::string::npos ? "" : text.substr(at + 1)};
  while (!parts.path.empty() && parts.path.front() == '/') parts.path.erase(0, 1);
  while (!parts.path.empty() && parts.path.back() == '/') parts.path.pop_back();
  if (!parts.snapshot.empty() && parts.snapshot.back() == ':') parts.snapshot.pop_back();
  return parts;
}

Result<Inode> find_in_snapshot(ChunkSource& source, const SnapshotView& view, const std::string& path,
                               const CallContext& context) {
  const TreeReader reader(source);
  Inode inode = view.root;
  for (std::size_t start = 0; start < path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string name = path.substr(start, end - start);
    start = end + 1;
    if (name.empty()) continue;
    std::optional<Entry> entry;
    if (const auto* directory = std::get_if<DirectoryContent>(&inode.content)) {
      HOLDFAST_ASSIGN(entry, reader.find(directory->root, name, context));
    }
    if (!entry) {
      return Error(ErrorCode::kNotFound, "there is no '" + path + "' in " + view.info.database + "@" + view.info.name);
    }
    inode = std::move(entry->inode);
  }
  if (std::holds_alternative<LinkTableContent>(inode.content)) {
    HOLDFAST_ASSIGN(const std::optional<Inode> linked, reader.find_link(view.links, inode.ino, context));
    if (!linked) return Error(ErrorCode::kCorrupt, "the link table lacks '" + path + "'");
    inode = *linked;
  }
  return inode;
}

Result<int> wait_until_safe(Session& session, const std::function<Status(const CallContext&)>& wait) {
  HOLDFAST_ASSIGN(const CallContext context, session.context_with_timeout());
  {
    const WaitReport report(session.io, [&session] { return session.repository.awaited(); });
    HOLDFAST_TRY(wait(context));
  }
  return code_of_missed_networks(session);
}

Result<int> wait_as_asked(Session& session, const SnapshotId& id) {
  if (session.invocation.wait_for != "safe") return 0;
  return wait_until_safe(session, [&](const CallContext& context) {
    return session.repository.wait_for({id}, DurabilityState::kSafe, context);
  });
}

int code_of_missed_networks(Session& session) {
  std::map<std::string, std::string> missed;
  bool is_under_way = true;
  for (int attempt = 0; is_under_way && attempt < kUnderWayAttempts && !session.io.stop.stop_requested(); ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(kUnderWayPause);
    is_under_way = false;
    missed.clear();
    for (const auto& pending : session.repository.status().pending) {
      if (pending.network.empty()) continue;
      is_under_way = is_under_way || !pending.failed;
      if (pending.failed) missed.try_emplace(pending.network, pending.reason);
    }
  }
  for (const auto& [network, reason] : missed) {
    if (session.io.json) {
      (void)session.io.fail(
          Error(ErrorCode::kUnavailable, "it is safe, and this network missed: " + reason).on_network(network));
    } else {
      session.io.complain("holdfast: network " + network + " missed: " + reason + "\n");
    }
  }
  return missed.empty() ? 0 : static_cast<int>(ExitCode::kNetworkMissed);
}

}  // namespace holdfast
