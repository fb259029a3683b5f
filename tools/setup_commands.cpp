// SPDX-License-Identifier: Apache-2.0
#include "tools/setup_commands.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/base/errno_code.h"
#include "core/store/conformance.h"
#include "tools/client_commands.h"
#include "tools/compose.h"
#include "tools/json_output.h"
#include "tools/units.h"

namespace holdfast {

namespace {

Result<KdfParameters> kdf_of(const Invocation& invocation) {
  KdfParameters kdf;
  if (invocation.kdf == "argon2id") kdf.kind = KdfKind::kArgon2id;
  if (invocation.iterations) {
    if (*invocation.iterations < 100'000) {
      return Error(ErrorCode::kInvalidArgument, "--iterations " + std::to_string(*invocation.iterations) + " is too few; at least 100000");
    }
    kdf.iterations = *invocation.iterations;
  }
  return kdf;
}

Status check_network_names(const Config& config, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const bool known = std::any_of(config.networks.begin(), config.networks.end(),
                                   [&](const NetworkConfig& network) { return network.name == name; });
    if (known) continue;
    std::vector<std::string> all;
    for (const NetworkConfig& network : config.networks) all.push_back(network.name);
    const std::string near = nearest_word(name, all);
    return Error(ErrorCode::kInvalidArgument, "there is no network '" + name + "' in the configuration" +
                                                  (near.empty() ? "; add a section [network." + name + "]" : "; did you mean '" + near + "'?"));
  }
  return ok_status();
}

/// What `init --network` chose, for later runs whose configuration says nothing else.
Status write_defaults(const Config& config, const std::vector<std::string>& networks) {
  std::string text = "# Written by holdfast init; [repository] networks in the configuration goes over it.\n[repository]\nnetworks = [";
  for (std::size_t i = 0; i < networks.size(); ++i) text += (i == 0 ? "\"" : ", \"") + networks[i] + "\"";
  text += "]\n";
  const std::string path = config.state_directory + "/defaults.toml";
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return Error(code_of_errno(errno), "writing " + path + ": " + std::strerror(errno));
  Status written = write_all(file, as_bytes(text));
  if (::fsync(file) != 0) written.keep_first(Error(ErrorCode::kInternal, "syncing " + path + " failed"));
  ::close(file);
  return written;
}

/// The recovery code is on this sheet and nowhere else, so a sheet that is not written is no success.
Status hand_out_sheet(const std::string& sheet, const Config& config, const Io& io) {
  Status written = write_all(io.out, as_bytes(sheet), io.stop);
  // Pipes and terminals can't be synced and need not be.
  if (written && ::fsync(io.out) != 0 && errno != EINVAL && errno != EROFS) {
    written = Error(ErrorCode::kInternal, std::string("syncing the output: ") + std::strerror(errno));
  }
  if (written) return ok_status();
  const bool shown = ::isatty(io.err) == 1;
  if (shown) io.complain(sheet);
  return std::move(written).error().with_context(
      shown ? "the recovery sheet is not where it should go; keep the one above"
            : "the recovery sheet could not be written, and its code is stored nowhere: remove " + config.state_directory + " and run init again");
}

nlohmann::json init_json(const InitResult& result) {
  nlohmann::json heads = nlohmann::json::array();
  for (const auto& head : result.heads) heads.push_back({{"network", head.network}, {"locator", head.locator}});
  return {{"repository", result.repository.hex()},
          {"root_fingerprint", result.root_fingerprint},
          {"recovery_code", result.code.text()},
          {"heads", heads}};
}

}  // namespace

std::string recovery_sheet_text(const InitResult& result, const Config& config) {
  std::string text =
      "================ HOLDFAST RECOVERY SHEET — print it and keep it away from this machine ================\n"
      "With this sheet, the passphrase and one surviving network everything can be recovered from nothing.\n\n";
  text += "Repository        " + result.repository.hex() + "\n";
  text += "Root fingerprint  " + result.root_fingerprint + "\n";
  text += "Recovery code     " + result.code.text() + "\n\nWhere the heads are:\n";
  for (const auto& head : result.heads) text += "  " + head.network + "  " + head.locator + "\n";
  text += "\nThe networks:\n";
  for (const NetworkConfig& network : config.networks) {
    text += "  [network." + network.name + "] type = " + network.type;
    for (const auto& [key, value] : network.values) {
      const bool secret = key.find("secret") != std::string::npos || key.find("password") != std::string::npos || key.find("token") != std::string::npos;
      if (!secret) text += ", " + key + " = " + value;
    }
    for (const auto& [key, values] : network.lists) {
      for (const std::string& value : values) text += ", " + key + " = " + value;
    }
    for (const auto& [key, tables] : network.tables) {
      for (const auto& table : tables) {
        for (const auto& [inner, value] : table) {
          if (inner.find("token") == std::string::npos) text += ", " + key + " " + inner + " = " + value;
        }
      }
    }
    text += "\n";
  }
  text += "\nTo recover on a new machine, configure one of these networks, then:\n";
  for (const auto& head : result.heads) {
    text += "  holdfast recover --network " + head.network + " --head '" + head.locator + "' --repository " + result.repository.hex() +
            " --root '" + result.root_fingerprint + "'\n";
  }
  text += "Each asks for the recovery code and the passphrase. The passphrase is not on this sheet.\n"
          "=======================================================================================================\n";
  return text;
}

Result<int> run_init(const Invocation& invocation, const Config& config_given, const Environment& environment, Io& io) {
  Config config = config_given;
  HOLDFAST_TRY(check_network_names(config, invocation.networks));
  if (!invocation.networks.empty()) config.default_networks = invocation.networks;
  HOLDFAST_ASSIGN(const KdfParameters kdf, kdf_of(invocation));
  HOLDFAST_ASSIGN(const OpenOptions options, make_open_options(config));
  HOLDFAST_ASSIGN(const SecretBytes passphrase, find_passphrase(invocation.passphrase_file, environment, true));
  HOLDFAST_ASSIGN(const InitResult result, Repository::init(options, passphrase.view(), kdf));
  HOLDFAST_TRY(hand_out_sheet(io.json ? json_text(init_json(result)) : recovery_sheet_text(result, config), config, io));
  if (!invocation.networks.empty()) HOLDFAST_TRY(write_defaults(config, invocation.networks));
  return 0;
}

namespace {

/// Waits until the whole catalog is read; others may list and restore what is known meanwhile.
Status see_recovery_through(Repository& repository, const Config& config, const Io& io) {
  std::atomic<bool> clients_wrote{false};
  HOLDFAST_ASSIGN(const std::unique_ptr<OwnerServer> server, serve_others(repository, config, clients_wrote));
  const bool is_told = ::isatty(io.err) == 1 && !io.quiet && !io.json;
  std::string told;
  const auto tell = [&](const Repository::Recovery& recovery) {
    if (!is_told || !recovery.is_under_way) return;
    const std::string text = recovery_text(recovery.parts_read, recovery.parts_total) + ", " + std::to_string(repository.snapshots().size()) +
                             " snapshots that other commands can list and restore";
    if (text != told) io.complain("holdfast: " + text + "\n");
    told = text;
  };
  Status recovered = repository.wait_recovered(tell, {MonoTime::max(), io.stop});
  server->finish(io.stop);
  if (!recovered && io.stop.stop_requested()) {
    return Error(ErrorCode::kCancelled, "interrupted; what was read of the catalog is kept, and the next command or mount goes on with it");
  }
  const Status whole = recovered ? repository.catalog_is_whole() : ok_status();
  if (!whole) io.complain("holdfast: " + whole.error().message() + "; it is looked for again whenever networks are asked\n");
  return recovered;
}

}  // namespace

Result<int> run_recover(const Invocation& invocation, const Config& config, const Environment& environment, Io& io) {
  const bool connect = invocation.command == "connect";
  if (invocation.networks.size() != 1) return Error(ErrorCode::kInvalidArgument, invocation.command + " reads from exactly one --network");
  HOLDFAST_TRY(check_network_names(config, invocation.networks));
  HOLDFAST_ASSIGN(const OpenOptions options, make_open_options(config));
  HOLDFAST_ASSIGN(const SecretBytes code_text,
                  find_secret(invocation.code_file, environment, "HOLDFAST_RECOVERY_CODE", "recovery code"));
  HOLDFAST_ASSIGN(const RecoveryCode code, RecoveryCode::parse(as_text(code_text.view())));
  HOLDFAST_ASSIGN(const SecretBytes passphrase, find_passphrase(invocation.passphrase_file, environment, false));
  Repository::RecoverOptions what;
  what.network = invocation.networks.front();
  what.head_locator = invocation.head;
  what.root_fingerprint = invocation.root_fingerprint;
  what.repository = invocation.repository;
  what.connect = connect;
  what.database = invocation.database;
  what.wait = false;
  HOLDFAST_ASSIGN(const std::unique_ptr<Repository> repository, Repository::recover(options, what, passphrase.view(), code));
  HOLDFAST_TRY(see_recovery_through(*repository, config, io));
  const std::vector<SnapshotInfo> snapshots = repository->snapshots();
  const InitResult sheet = repository->recovery_sheet();
  HOLDFAST_TRY(repository->close());
  if (io.json) {
    io.print(json_text({{"repository", sheet.repository.hex()}, {"root_fingerprint", sheet.root_fingerprint}, {"snapshots", snapshots.size()}}));
    return 0;
  }
  io.print((connect ? "joined repository " : "recovered repository ") + sheet.repository.hex() + ": " + std::to_string(snapshots.size()) + " snapshots\n");
  if (invocation.root_fingerprint.empty()) {
    io.complain("holdfast: the root fingerprint was not given; compare it with your recovery sheet: " + sheet.root_fingerprint + "\n");
  }
  return 0;
}

Result<int> run_network_command(const Invocation& invocation, const Config& config, Io& io) {
  if (invocation.command == "network list") {
    nlohmann::json document = nlohmann::json::array();
    for (const NetworkConfig& network : config.networks) {
      const bool preferred = std::find(config.default_networks.begin(), config.default_networks.end(), network.name) != config.default_networks.end();
      document.push_back({{"name", network.name}, {"type", network.type}, {"default", preferred}});
      if (!io.json) io.print(network.name + "  " + network.type + (preferred ? "  (default)" : "") + "\n");
    }
    if (io.json) io.print(json_text(document));
    return 0;
  }
  HOLDFAST_ASSIGN(const std::shared_ptr<ObjectStore> store, make_bare_network(config, invocation.operands.front()));
  nlohmann::json document = nlohmann::json::array();
  ConformanceOptions options;
  options.scratch_folder = std::filesystem::temp_directory_path();
  const ConformanceSummary summary = run_conformance(
      *store, system_clock(), system_random(), options, io.stop, [&](const ConformanceFinding& finding) {
        static constexpr std::array<const char*, 3> kWords{"ok      ", "FAILED  ", "skipped "};
        const auto outcome = static_cast<std::size_t>(finding.outcome);
        document.push_back({{"case", finding.name}, {"passed", outcome == 0}, {"skipped", outcome == 2}, {"detail", finding.detail}, {"ms", finding.took.count()}});
        if (!io.json) io.print(kWords.at(outcome) + finding.name + (finding.detail.empty() ? "" : ": " + finding.detail) + "\n");
      });
  if (io.json) {
    io.print(json_text(document));
  } else {
    io.print(std::to_string(summary.passed) + " passed, " + std::to_string(summary.failed) + " failed, " + std::to_string(summary.skipped) + " skipped\n");
  }
  return summary.failed == 0 ? 0 : 1;
}

}  // namespace holdfast
