// SPDX-License-Identifier: Apache-2.0
#include <pwd.h>

#include "tools/json_output.h"
#include "tools/session.h"

namespace holdfast {

namespace {

Result<int> run_db_list(Session& session) {
  const std::vector<std::string> names = session.repository.database_names();
  if (session.io.json) {
    session.io.print(json_text(names));
    return 0;
  }
  for (const std::string& name : names) session.io.print(name + "\n");
  return 0;
}

Result<int> run_db_show(Session& session) {
  HOLDFAST_ASSIGN(const DatabasePolicy policy, session.repository.policy(session.invocation.operands.front()));
  nlohmann::json document = nlohmann::json::object();
  std::string text;
  for (const auto& [key, value] : policy_fields(policy)) {
    document[key] = value;
    text += key + " = " + value + "\n";
  }
  session.io.print(session.io.json ? json_text(document) : text);
  return 0;
}

/// What the configuration names is its word: the next opening would silently undo another value.
Status check_configured(const Config& config, const std::string& database, const DatabasePolicy& policy) {
  const auto keys = config.database_keys.find(database);
  if (keys == config.database_keys.end()) return ok_status();
  for (const auto& [key, value] : keys->second) {
    DatabasePolicy configured = policy;
    HOLDFAST_TRY(set_policy_key(configured, key, value));
    if (configured == policy) continue;
    const std::string where = config.file.empty() ? "the environment" : config.file;
    return Error(ErrorCode::kInvalidArgument, key + " of database '" + database + "' is set by " + where + " to '" + value + "': change it there");
  }
  return ok_status();
}

Result<int> run_db_set(Session& session) {
  const std::vector<std::string>& operands = session.invocation.operands;
  const std::string& database = operands.front();
  const Result<DatabasePolicy> known = session.repository.policy(database);
  DatabasePolicy policy = known ? *known : DatabasePolicy{};
  for (std::size_t i = 1; i < operands.size(); ++i) {
    const std::size_t equals = operands[i].find('=');
    if (equals == std::string::npos) {
      return Error(ErrorCode::kInvalidArgument, "'" + operands[i] + "' is no setting (write KEY=VALUE)");
    }
    HOLDFAST_TRY(set_policy_key(policy, operands[i].substr(0, equals), operands[i].substr(equals + 1)));
  }
  if (!known) {
    return Error(ErrorCode::kNotFound, "there is no database '" + database + "'; a first backup makes one, or mkdir in the folder live of a mount");
  }
  HOLDFAST_TRY(check_configured(session.config, database, policy));
  if (!policy.owner.empty() && policy.owner != known->owner && ::getpwnam(policy.owner.c_str()) == nullptr) {
    return Error(ErrorCode::kInvalidArgument, "owner = '" + policy.owner + "': there is no such user on this machine");
  }
  HOLDFAST_TRY(session.repository.set_policy(database, policy));
  const bool waits = policy.networks != known->networks || policy.chunk_sizes != known->chunk_sizes;
  if (waits && !session.mounts.empty()) {
    session.io.complain("holdfast: other networks and chunk sizes are for what is written after the next mount; until then data goes where it went before\n");
  }
  return 0;
}

Result<int> run_key_list(Session& session) {
  nlohmann::json document = nlohmann::json::array();
  for (const auto& key : session.repository.keys()) {
    document.push_back({{"label", key.label}, {"kdf", key.kdf}, {"iterations", key.iterations}, {"leaves_machine", key.leaves_machine}});
    if (!session.io.json) {
      session.io.print(key.label + "  " + key.kdf + "  " + std::to_string(key.iterations) +
                       (key.leaves_machine ? "  on the networks, with the recovery code" : "  on this machine") + "\n");
    }
  }
  if (session.io.json) session.io.print(json_text(document));
  return 0;
}

/// The client sends old passphrase, new passphrase and recovery code (or nothing), each ended by a zero byte, on standard input: secrets are no arguments.
Result<int> run_change_passphrase(Session& session) {
  HOLDFAST_ASSIGN(Bytes bytes, read_all(session.io.in, 256 * 1024));
  std::vector<SecretBytes> parts;
  std::size_t start = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != 0) continue;
    parts.push_back(SecretBytes::copy_of(ByteView(bytes).subspan(start, i - start)));
    start = i + 1;
  }
  wipe(bytes);
  if (parts.size() != 3) return Error(ErrorCode::kInternal, "the passphrases did not arrive");
  std::optional<RecoveryCode> code;
  if (!parts[2].empty()) {
    HOLDFAST_ASSIGN(code, RecoveryCode::parse(as_text(parts[2].view())));
  }
  KdfParameters kdf;
  if (session.invocation.kdf == "argon2id") kdf.kind = KdfKind::kArgon2id;
  if (session.invocation.iterations) kdf.iterations = *session.invocation.iterations;
  HOLDFAST_TRY(session.repository.change_passphrase(parts[0].view(), parts[1].view(), kdf, code));
  if (!code && !session.io.quiet) {
    session.io.complain(
        "holdfast: changed on this machine; copies of the key on the networks still want the old passphrase, since the recovery code was "
        "not given (--code-file)\n");
  }
  return 0;
}

}  // namespace

Result<int> run_policy_command(Session& session) {
  const std::string& command = session.invocation.command;
  if (command == "db list") return run_db_list(session);
  if (command == "db show") return run_db_show(session);
  if (command == "db set") return run_db_set(session);
  if (command == "key list") return run_key_list(session);
  return run_change_passphrase(session);
}

}  // namespace holdfast
