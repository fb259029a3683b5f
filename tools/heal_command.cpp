// SPDX-License-Identifier: Apache-2.0
#include "tools/json_output.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/units.h"

namespace holdfast {
namespace {

nlohmann::json heal_json(const HealReport& report) {
  nlohmann::json networks = nlohmann::json::array();
  for (const auto& network : report.networks) {
    networks.push_back({{"name", network.name},
                        {"looked_at", network.looked_at},
                        {"good", network.good},
                        {"missing", network.missing},
                        {"corrupt", network.corrupt},
                        {"unreachable", network.unreachable},
                        {"problems", network.problems}});
  }
  return {{"networks", networks},
          {"gone", report.gone},
          {"packs_lacking", report.packs_lacking},
          {"packs_mended", report.packs_mended},
          {"packs_lost", report.packs_lost},
          {"left", report.left}};
}

std::string heal_text(const HealReport& report, bool dry_run) {
  std::string text;
  for (const auto& network : report.networks) {
    text += network.name + ": " + std::to_string(network.good) + " of " + std::to_string(network.looked_at) + " copies good";
    if (network.missing > 0) text += ", " + std::to_string(network.missing) + " missing";
    if (network.corrupt > 0) text += ", " + std::to_string(network.corrupt) + " damaged";
    if (network.unreachable > 0) text += ", " + std::to_string(network.unreachable) + " could not be asked for";
    text += "\n";
    for (const std::string& problem : network.problems) text += "    " + problem + "\n";
  }
  for (const std::string& name : report.gone) text += name + " is gone, or silent: shards that lie there are rebuilt where there is a network without one\n";
  std::string left;
  for (const std::string& why : report.left) left += "  not yet: " + why + "\n";
  if (report.packs_lacking == 0) return text + (report.gone.empty() ? "nothing lacks a copy\n" : "nothing that could be looked at lacks a copy\n") + left;
  text += std::to_string(report.packs_lacking) + (report.packs_lacking == 1 ? " pack lacks" : " packs lack") + " a copy or a shard";
  text += dry_run ? "\n" : ", " + std::to_string(report.packs_mended) + " mended\n";
  if (report.packs_lost > 0) text += std::to_string(report.packs_lost) + " can't be given back by what is left: verify says which files need them\n";
  return text + left;
}

}  // namespace

Result<int> run_heal_command(Session& session) {
  Repository::HealOptions what;
  for (const std::string& text : session.invocation.operands) {
    HOLDFAST_ASSIGN(const SnapshotInfo snapshot, session.repository.resolve(split_snapshot_path(text).snapshot));
    what.snapshots.push_back(snapshot.id);
  }
  what.level = level_of(session.invocation.level);
  what.dry_run = session.invocation.dry_run;
  HOLDFAST_ASSIGN(const CallContext context, session.context_with_timeout());
  ProgressLine line(session.io, "heal");
  HOLDFAST_ASSIGN(const HealReport report, session.repository.heal(what, [&line](std::uint64_t done, std::uint64_t total) { line.update(done, total, 0); }, context));
  line.clear();
  session.io.print(session.io.json ? json_text(heal_json(report)) : heal_text(report, what.dry_run));
  if (report.packs_lost > 0) return static_cast<int>(ExitCode::kIntegrity);
  return report.packs_lacking == report.packs_mended && report.left.empty() ? 0 : static_cast<int>(ExitCode::kNetworkMissed);
}

}  // namespace holdfast
