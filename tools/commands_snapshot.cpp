// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/backup/tree_builder.h"
#include "core/repo/moment.h"
#include "tools/json_output.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/units.h"

namespace holdfast {

namespace {

SealOptions seal_options(const Invocation& invocation) {
  SealOptions options;
  options.label = invocation.label;
  options.tags = invocation.tags;
  return options;
}

int report_seal(Session& session, const SealResult& result) {
  const SnapshotInfo& snapshot = result.snapshot;
  if (session.io.json) {
    session.io.print(json_text({{"id", snapshot.id.hex()},
                                {"name", snapshot.database + "@" + snapshot.name},
                                {"completeness", std::string(completeness_name(snapshot.completeness))},
                                {"files", snapshot.files},
                                {"bytes", snapshot.bytes_logical},
                                {"bytes_new", snapshot.bytes_new},
                                {"bytes_stored_new", result.bytes_stored_new},
                                {"seconds", result.seconds}}));
  } else {
    session.io.print(snapshot.id.hex() + " " + snapshot.database + "@" + snapshot.name + "\n");
    if (!session.io.quiet) {
      session.io.complain(std::to_string(snapshot.files) + " files, " + size_text(snapshot.bytes_logical) + ", stored anew " +
                          size_text(result.bytes_stored_new) + ", " + duration_text(result.seconds) + "\n");
    }
  }
  if (snapshot.completeness != Completeness::kIncomplete) return 0;
  if (session.io.json) {
    std::string text = "the snapshot " + snapshot.database + "@" + snapshot.name + " is incomplete";
    for (const std::string& path : snapshot.incomplete_paths) text += (&path == snapshot.incomplete_paths.data() ? ": " : ", ") + path;
    return session.io.fail(Error(ErrorCode::kIncomplete, text));
  }
  for (const std::string& path : snapshot.incomplete_paths) session.io.complain("holdfast: incomplete: " + path + "\n");
  return static_cast<int>(ExitCode::kIncomplete);
}

Result<int> finish_seal(Session& session, const SealResult& result) {
  const int code = report_seal(session, result);
  HOLDFAST_ASSIGN(const int waited, wait_as_asked(session, result.snapshot.id));
  return code != 0 ? code : waited;
}

Result<int> run_snapshot(Session& session) {
  SealOptions options = seal_options(session.invocation);
  options.forced_incomplete = session.invocation.command_exit.value_or(0) != 0;
  HOLDFAST_ASSIGN(const SealResult result, session.repository.seal(session.invocation.operands.front(), options, session.context()));
  return finish_seal(session, result);
}

/// The newest snapshot of this database, to compare files with; nothing where it can't be opened here (a write-only host).
std::optional<std::pair<Inode, TreeRoot>> previous_tree(Session& session, const std::string& database) {
  if (session.invocation.force) return std::nullopt;
  for (const SnapshotInfo& snapshot : session.repository.snapshots(database)) {
    // Its chunks may be what was lost or spoilt: then every file is read again, and what is missing is stored anew.
    if (snapshot.state == DurabilityState::kLost || snapshot.state == DurabilityState::kDegraded) break;
    auto view = session.repository.open_snapshot(snapshot.id, session.context());
    if (view) return std::pair(view->root, view->links);
    break;
  }
  return std::nullopt;
}

Status ensure_database(Session& session, const std::string& database) {
  if (session.repository.policy(database)) return ok_status();
  const auto configured = session.config.databases.find(database);
  const DatabasePolicy policy = configured == session.config.databases.end() ? DatabasePolicy{} : configured->second;
  Status created = session.repository.create_database(database, policy, session.io.uid, session.io.uid);
  if (!created && created.error().code() == ErrorCode::kAlreadyExists) return ok_status();
  return created;
}

Result<int> run_backup(Session& session) {
  const Invocation& invocation = session.invocation;
  const std::string& database = invocation.operands.front();
  const std::string stream_name = !invocation.stdin_name.empty() ? invocation.stdin_name : invocation.stdin_command_name;
  if (stream_name.empty() == (invocation.operands.size() == 1)) {
    return Error(ErrorCode::kInvalidArgument, "backup wants paths, or --stdin NAME, or --stdin-from-command NAME -- CMD");
  }
  HOLDFAST_TRY(ensure_database(session, database));
  const MonoTime begun = system_clock().mono_now();
  HOLDFAST_ASSIGN(const LiveTreeOptions options, session.repository.tree_options(database));
  ProgressLine line(session.io, "backup");
  TreeBuilder builder(options,
                      {session.repository.source(), session.repository.pipeline(), system_clock(), session.repository.gear()},
                      stream_name.empty() ? previous_tree(session, database) : std::nullopt, session.repository.completeness_judge(database),
                      [&line](const BackupProgress& done) { line.update(done.bytes, 0, done.files); });
  if (!stream_name.empty()) {
    std::function<Result<bool>()> whole;
    if (session.io.command_exit && !invocation.stdin_command_name.empty()) {
      whole = [&session]() -> Result<bool> {
        HOLDFAST_ASSIGN(const int code, session.io.command_exit({}));
        return code == 0;
      };
    }
    HOLDFAST_TRY(builder.add_stream(stream_name, session.io.in, whole, session.context()));
  }
  for (std::size_t i = 1; i < invocation.operands.size(); ++i) {
    HOLDFAST_TRY(builder.add_path(session.io.absolute(invocation.operands[i]), session.context()));
  }
  HOLDFAST_ASSIGN(const SealedTree tree, builder.finish(session.context()));
  SealOptions seal = seal_options(invocation);
  HOLDFAST_ASSIGN(SealResult result, session.repository.publish_tree(database, tree, seal, session.context()));
  line.clear();
  result.seconds = std::chrono::duration<double>(system_clock().mono_now() - begun).count();
  return finish_seal(session, result);
}

Result<std::optional<WallNanos>> moment_option(const std::string& text) {
  if (text.empty()) return std::optional<WallNanos>();
  HOLDFAST_ASSIGN(const WallNanos moment, parse_moment(text, system_clock().wall_now()));
  return std::optional<WallNanos>(moment);
}

Result<int> run_list(Session& session) {
  const Invocation& invocation = session.invocation;
  const std::string database = invocation.operands.empty() ? "" : invocation.operands.front();
  HOLDFAST_ASSIGN(const std::optional<WallNanos> since, moment_option(invocation.since));
  HOLDFAST_ASSIGN(const std::optional<WallNanos> until, moment_option(invocation.until));
  std::vector<SnapshotInfo> snapshots = session.repository.snapshots(database);
  const Status whole = session.repository.catalog_is_whole();
  if (snapshots.empty() && !database.empty() && !session.repository.policy(database)) {
    return Error(ErrorCode::kNotFound, "there is no database '" + database + "'" + (whole ? "" : "; but " + whole.error().message()));
  }
  if (!whole && !session.io.quiet) session.io.complain("holdfast: there may be more snapshots: " + whole.error().message() + "\n");
  std::erase_if(snapshots, [&](const SnapshotInfo& snapshot) {
    if (!invocation.strategy.empty() && snapshot.strategy != invocation.strategy) return true;
    if (since && snapshot.time < *since) return true;
    if (until && snapshot.time > *until) return true;
    return !std::all_of(invocation.tags.begin(), invocation.tags.end(), [&](const std::string& tag) {
      return std::find(snapshot.tags.begin(), snapshot.tags.end(), tag) != snapshot.tags.end();
    });
  });
  if (session.io.json) {
    nlohmann::json document = nlohmann::json::array();
    for (const SnapshotInfo& snapshot : snapshots) document.push_back(snapshot_json(snapshot));
    session.io.print(json_text(document));
    return 0;
  }
  std::string text;
  for (const SnapshotInfo& snapshot : snapshots) {
    std::string networks;
    for (const std::string& network : snapshot.networks) networks += (networks.empty() ? "" : ",") + network;
    text += snapshot.id.hex() + "  " + snapshot.database + "@" + snapshot.name + "  " + std::string(durability_state_name(snapshot.state)) + "  " +
            std::string(completeness_name(snapshot.completeness)) + "  " + size_text(snapshot.bytes_logical) + "  +" +
            size_text(snapshot.bytes_stored) + (networks.empty() ? "" : "  " + networks) +
            (snapshot.label.empty() ? "" : "  " + snapshot.label) + "\n";
  }
  session.io.print(text);
  return 0;
}

}  // namespace

Result<int> run_snapshot_command(Session& session) {
  const std::string& command = session.invocation.command;
  if (command == "snapshot") return run_snapshot(session);
  if (command == "backup") return run_backup(session);
  return run_list(session);
}

}  // namespace holdfast
