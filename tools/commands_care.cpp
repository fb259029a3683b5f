// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tools/json_output.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/units.h"

namespace holdfast {

namespace {

Result<int> run_status(Session& session) {
  const StatusReport report = session.repository.status();
  if (session.io.json) {
    session.io.print(json_text(status_json(session.config, session.mounts, report)));
    return 0;
  }
  std::string text = "repository " + report.repository.hex() + ": " + std::to_string(report.snapshots) + " snapshots, " +
                     size_text(report.bytes_logical) + " in " + size_text(report.bytes_stored) + " stored, " +
                     std::to_string(report.packs) + " packs\n";
  if (const auto& recovery = report.recovery) {
    text += "recovering from " + recovery->network + ": " + recovery_text(recovery->parts_read, recovery->parts_total) +
            (recovery->problem.empty() ? "" : "; " + recovery->problem) + "\n";
  }
  for (const std::string& problem : report.catalog_problems) text += "catalog: " + problem + "\n";
  for (const std::string& notice : report.notices) text += "notice: " + notice + "\n";
  text += "staging: " + size_text(report.bytes_staged) + " of " + size_text(report.staging_limit_bytes) + "\n";
  for (const std::string& mount : session.mounts) text += "mounted on " + mount + "\n";
  for (const auto& network : report.networks) {
    text += "network " + network.name + " (" + network.type + ", " + network.site + "): " + network.state + ", " +
            size_text(network.bytes_stored) + (network.faults > 0 ? ", " + std::to_string(network.faults) + " faults caught" : "") +
            (network.last_error.empty() ? "" : ", last error: " + network.last_error) + "\n";
    for (const std::string& warning : network.warnings) text += "  warning: " + warning + "\n";
  }
  for (const auto& item : report.pending) {
    text += "pending: " + item.what + (item.network.empty() ? "" : " on " + item.network) + ", " + size_text(item.size_bytes) +
            (item.reason.empty() ? "" : ": " + item.reason) + "\n";
  }
  session.io.print(text);
  return 0;
}

/// The named snapshots, or all, or the newest of each database.
Result<std::vector<SnapshotInfo>> chosen_snapshots(Session& session) {
  std::vector<SnapshotInfo> chosen;
  for (const std::string& text : session.invocation.operands) {
    HOLDFAST_ASSIGN(SnapshotInfo snapshot, session.repository.resolve(split_snapshot_path(text).snapshot));
    chosen.push_back(std::move(snapshot));
  }
  if (!session.invocation.operands.empty()) return chosen;
  std::vector<std::string> seen;
  for (SnapshotInfo& snapshot : session.repository.snapshots()) {
    const bool newest = std::find(seen.begin(), seen.end(), snapshot.database) == seen.end();
    if (!newest && !session.invocation.all) continue;
    seen.push_back(snapshot.database);
    chosen.push_back(std::move(snapshot));
  }
  return chosen;
}

Result<int> run_wait(Session& session) {
  HOLDFAST_ASSIGN(const std::vector<SnapshotInfo> snapshots, chosen_snapshots(session));
  std::vector<SnapshotId> ids;
  for (const SnapshotInfo& snapshot : snapshots) ids.push_back(snapshot.id);
  if (session.invocation.wait_for != "staged") {
    return wait_until_safe(session, [&](const CallContext& context) {
      return session.repository.wait_for(ids, DurabilityState::kSafe, context);
    });
  }
  HOLDFAST_ASSIGN(const CallContext context, session.context_with_timeout());
  HOLDFAST_TRY(session.repository.wait_for(ids, DurabilityState::kStaged, context));
  return 0;
}

std::string_view health_name(Health health) {
  switch (health) {
    case Health::kHealthy: return "healthy";
    case Health::kDegraded: return "degraded";
    case Health::kUnhealthy: return "unhealthy";
  }
  return "unhealthy";
}

nlohmann::json verify_json(const VerifyReport& report) {
  nlohmann::json snapshots = nlohmann::json::array();
  for (const auto& snapshot : report.snapshots) {
    nlohmann::json networks = nlohmann::json::array();
    for (const auto& network : snapshot.networks) {
      networks.push_back({{"name", network.name},
                          {"packs", network.packs},
                          {"available", network.available},
                          {"sampled", network.sampled},
                          {"failed", network.failed},
                          {"bytes_read", network.bytes_read},
                          {"problems", network.problems}});
    }
    snapshots.push_back({{"id", snapshot.id.hex()},
                         {"name", snapshot.name},
                         {"state", std::string(durability_state_name(snapshot.state))},
                         {"health", std::string(health_name(snapshot.health))},
                         {"networks", networks},
                         {"damaged", snapshot.damaged},
                         {"recommendations", snapshot.recommendations}});
  }
  return {{"snapshots", snapshots}, {"health", std::string(health_name(report.health))}};
}

std::string verify_text(const VerifyReport& report) {
  std::string text;
  for (const auto& snapshot : report.snapshots) {
    text += snapshot.name + ": " + std::string(health_name(snapshot.health)) + " (" + std::string(durability_state_name(snapshot.state)) + ")\n";
    for (const auto& network : snapshot.networks) {
      text += "  " + network.name + ": " + std::to_string(network.available) + " of " + std::to_string(network.packs) + " packs, " +
              std::to_string(network.sampled) + " chunks read, " + std::to_string(network.failed) + " failed\n";
      for (const std::string& problem : network.problems) text += "    " + problem + "\n";
    }
    for (const std::string& path : snapshot.damaged) text += "  damaged: " + path + "\n";
    for (const std::string& advice : snapshot.recommendations) text += "  -> " + advice + "\n";
  }
  return text + std::string(health_name(report.health)) + "\n";
}

Result<int> run_verify(Session& session) {
  HOLDFAST_ASSIGN(const std::vector<SnapshotInfo> snapshots, chosen_snapshots(session));
  std::vector<SnapshotId> ids;
  for (const SnapshotInfo& snapshot : snapshots) ids.push_back(snapshot.id);
  const VerifyLevel level = level_of(session.invocation.level);
  ProgressLine line(session.io, "verify");
  HOLDFAST_ASSIGN(const VerifyReport report,
                  session.repository.verify(
                      ids, level, [&line](std::uint64_t done, std::uint64_t total) { line.update(done, total, 0); },
                      session.context()));
  line.clear();
  session.io.print(session.io.json ? json_text(verify_json(report)) : verify_text(report));
  switch (report.health) {
    case Health::kHealthy: return 0;
    case Health::kDegraded: return static_cast<int>(ExitCode::kNetworkMissed);
    case Health::kUnhealthy: return static_cast<int>(ExitCode::kIntegrity);
  }
  return static_cast<int>(ExitCode::kIntegrity);
}

struct CheckLine {
  int code = 0;
  std::string text;
};

int code_of_age(std::chrono::nanoseconds age, std::chrono::milliseconds max_age) { return age <= max_age ? 0 : age > 2 * max_age ? 2 : 1; }

/// Monitoring's question: 0 fine, 1 warning (old, or not safe), 2 critical (none, or older than twice the limit). Where a database can be safe, only a safe snapshot
/// counts: one that never left this machine is no backup, however new it is.
Result<CheckLine> check_database(Session& session, const std::string& database) {
  HOLDFAST_ASSIGN(const DatabasePolicy policy, session.repository.policy(database));
  std::chrono::milliseconds max_age = policy.max_age;
  if (!session.invocation.max_age.empty()) {
    HOLDFAST_ASSIGN(max_age, parse_duration(session.invocation.max_age));
  }
  const std::vector<SnapshotInfo> snapshots = session.repository.snapshots(database);
  const auto newest = std::find_if(snapshots.begin(), snapshots.end(), [](const auto& each) { return each.completeness != Completeness::kIncomplete; });
  if (newest == snapshots.end()) return CheckLine{2, database + ": no complete snapshot"};
  const auto age_of = [&](const SnapshotInfo& snapshot) { return std::chrono::nanoseconds(system_clock().wall_now() - snapshot.time); };
  const auto text_of = [&](const SnapshotInfo& snapshot) { return duration_text(std::chrono::duration<double>(age_of(snapshot)).count()) + " old"; };
  CheckLine line{code_of_age(age_of(*newest), max_age), database + ": newest complete snapshot is " + text_of(*newest) + ", " +
                                                            std::string(durability_state_name(newest->state))};
  if (newest->state == DurabilityState::kDegraded) line.code = std::max(line.code, 1);
  if (newest->state == DurabilityState::kLost) line.code = 2;
  if (!session.repository.can_be_safe(database) || newest->state == DurabilityState::kSafe) return line;
  const auto safe = std::find_if(newest, snapshots.end(), [](const auto& each) {
    return each.completeness != Completeness::kIncomplete && each.state == DurabilityState::kSafe;
  });
  if (safe == snapshots.end()) {
    line.code = std::max(line.code, 1);
    line.text += "; none is safe";
  } else {
    line.code = std::max(line.code, code_of_age(age_of(*safe), max_age));
    line.text += "; the newest safe one is " + text_of(*safe);
  }
  return line;
}

Result<int> run_check(Session& session) {
  std::vector<std::string> databases = session.invocation.operands;
  if (databases.empty()) databases = session.repository.database_names();
  int worst = 0;
  nlohmann::json document = nlohmann::json::array();
  static constexpr std::array<std::string_view, 3> kWords{"OK", "WARNING", "CRITICAL"};
  for (const std::string& database : databases) {
    Result<CheckLine> line = check_database(session, database);
    if (!line) {
      session.io.complain("holdfast: " + line.error().message() + "\n");
      return 2;
    }
    worst = std::max(worst, line->code);
    const std::string word(kWords.at(static_cast<std::size_t>(line->code)));
    document.push_back({{"database", database}, {"status", word}, {"message", line->text}});
    if (!session.io.json) session.io.print(word + " " + line->text + "\n");
  }
  if (session.io.json) session.io.print(json_text(document));
  return worst;
}

Result<int> run_network_stats(Session& session) {
  const StatusReport report = session.repository.status();
  if (session.io.json) {
    session.io.print(json_text(status_json(session.config, session.mounts, report).at("networks")));
    return 0;
  }
  session.io.print(session.repository.metrics());
  return 0;
}

Result<int> run_umount(Session& session) {
  if (!session.request_unmount) return Error(ErrorCode::kNotFound, "nothing is mounted by the owner of this repository");
  const std::string directory = session.io.absolute(session.invocation.operands.front());
  int code = 0;
  if (session.invocation.wait_for == "safe") {
    Result<int> waited =
        wait_until_safe(session, [&](const CallContext& context) { return session.repository.make_safe(context); });
    if (!waited) {
      return std::move(waited).error().with_context(
          "not unmounted (without --wait safe, what is not there yet is kept on this machine)");
    }
    code = *waited;
  } else {
    HOLDFAST_ASSIGN(const CallContext context, session.context_with_timeout());
    HOLDFAST_TRY(session.repository.settle(false, context));
  }
  HOLDFAST_TRY(session.request_unmount(directory));
  return code;
}

}  // namespace

VerifyLevel level_of(const std::string& name) {
  return name == "availability" ? VerifyLevel::kAvailability : name == "full" ? VerifyLevel::kFull : VerifyLevel::kSample;
}

Result<int> run_care_command(Session& session) {
  const std::string& command = session.invocation.command;
  if (command == "status") return run_status(session);
  if (command == "wait") return run_wait(session);
  if (command == "verify") return run_verify(session);
  if (command == "check") return run_check(session);
  if (command == "umount") return run_umount(session);
  return run_network_stats(session);
}

}  // namespace holdfast
