// SPDX-License-Identifier: Apache-2.0
#include "tools/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace holdfast {

namespace {

/// Adds one subcommand; `Definition` adds its options.
class Commands {
 public:
  Commands(CLI::App& app, Invocation& to) : app_(app), to_(to) {}

  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& description, const std::string& example,
                const std::string& full_name) {
    CLI::App* command = parent.add_subcommand(name, description);
    if (!example.empty()) command->footer("Example:\n  " + example);
    command->callback([this, full_name] { to_.command = full_name; });
    common(*command);
    return command;
  }
  CLI::App* add(const std::string& name, const std::string& description, const std::string& example) {
    return add(app_, name, description, example, name);
  }
  void common(CLI::App& command) {
    command.add_option("--config", to_.config_file, "configuration file");
    command.add_option("--passphrase-file", to_.passphrase_file, "file with the passphrase");
    command.add_flag("--json", to_.json, "one JSON document on standard output");
    command.add_flag("-q,--quiet", to_.quiet, "only errors");
    command.add_flag("-v,--verbose", to_.verbose, "more messages");
  }

  void define();

 private:
  void define_repository();
  void define_snapshots();
  void define_reading();
  void define_care();

  CLI::App& app_;
  Invocation& to_;
};

void Commands::define_repository() {
  auto* init = add("init", "make a repository; prints the recovery sheet", "holdfast init --network ipfs --network local");
  init->add_option("--network", to_.networks, "networks of new databases (a section of the configuration)");
  init->add_option("--kdf", to_.kdf, "pbkdf2 (default) or argon2id")->check(CLI::IsMember({"pbkdf2", "argon2id"}));
  init->add_option("--iterations", to_.iterations, "PBKDF2 iterations, at least 100000 (default 600000)");

  auto* recover = add("recover", "rebuild everything local from one network, the recovery code and the passphrase",
                      "holdfast recover --network ipfs --head k51q… --code-file code.txt");
  auto* connect = add("connect", "join an existing repository from this machine, as a new writer",
                      "holdfast connect --network ipfs --code-file code.txt");
  for (auto* command : {recover, connect}) {
    command->add_option("--network", to_.networks, "the network to read from")->required();
    command->add_option("--head", to_.head, "where the head is, from the recovery sheet");
    command->add_option("--code-file", to_.code_file, "file with the recovery code (else HOLDFAST_RECOVERY_CODE, else asked)");
    command->add_option("--root", to_.root_fingerprint, "root fingerprint, from the recovery sheet");
    command->add_option("--repository", to_.repository, "repository id, from the recovery sheet");
  }
  recover->add_option("--db", to_.database, "take over this database alone; snapshots of all can be read either way");

  auto* change = add("change-passphrase", "wrap the keys anew; data stays as it is", "holdfast change-passphrase");
  auto* key = app_.add_subcommand("key", "keys of the repository");
  key->require_subcommand(1);
  add(*key, "list", "what opens the repository", "", "key list");
  auto* key_change = add(*key, "change-passphrase", "as change-passphrase", "", "change-passphrase");
  for (auto* command : {change, key_change}) {
    command->add_option("--new-passphrase-file", to_.new_passphrase_file, "file with the new passphrase (else HOLDFAST_NEW_PASSPHRASE, else asked)");
    command->add_option("--code-file", to_.code_file, "file with the recovery code, for the wraps on the networks");
    command->add_option("--kdf", to_.kdf, "pbkdf2 or argon2id")->check(CLI::IsMember({"pbkdf2", "argon2id"}));
    command->add_option("--iterations", to_.iterations, "PBKDF2 iterations, at least 100000");
  }

  auto* mount = add("mount", "mount the folder", "holdfast mount /mnt/backup");
  mount->add_option("DIR", to_.operands, "mount point")->required()->expected(1);
  mount->add_option("-o", to_.mount_options, "ro, allow_other, read_timeout=2m, writeback, no_writeback, passphrase_file=FILE, config=FILE, fsname=NAME")->delimiter(',')->allow_extra_args(false);
  mount->add_flag("--foreground,-f", to_.foreground, "stay in the foreground");
  auto* umount = add("umount", "unmount, after everything is staged or safe", "holdfast umount --wait safe /mnt/backup");
  umount->add_option("DIR", to_.operands, "mount point")->required()->expected(1);
  umount->add_option("--wait", to_.wait_for, "staged (default) or safe")->check(CLI::IsMember({"staged", "safe"}));
  umount->add_option("--timeout", to_.timeout, "how long to wait");
}

void Commands::define_snapshots() {
  auto* snapshot = add("snapshot", "seal a database's live tree now", "holdfast snapshot orders --label before-upgrade");
  snapshot->add_option("DB", to_.operands, "database")->required()->expected(1);
  snapshot->add_option("--exit-of-command", to_.command_exit, "")->group("");
  auto* run = add("run", "run a command (a dump into the mount) and seal when it succeeds",
                  "holdfast run orders -- pg_dump orders -f /mnt/backup/live/orders/orders.sql");
  run->add_option("DB", to_.operands, "database")->required()->expected(1);
  auto* backup = add("backup", "make a snapshot of paths or of a stream; no mount needed",
                     "holdfast backup orders --stdin-from-command orders.sql -- pg_dump orders");
  backup->add_option("DB-AND-PATHS", to_.operands, "database, then paths")->required()->expected(1, -1);
  backup->add_option("--stdin", to_.stdin_name, "keep standard input under this name");
  backup->add_option("--stdin-from-command", to_.stdin_command_name, "keep the output of the command after --, under this name");
  backup->add_flag("--force", to_.force, "read files again that look unchanged");
  backup->add_flag("--exit-comes-later", to_.all, "")->group("");
  for (auto* command : {snapshot, run, backup}) {
    command->add_option("--label", to_.label, "a name for the snapshot");
    command->add_option("--tag", to_.tags, "a tag; may be repeated")->allow_extra_args(false);
    command->add_option("--wait", to_.wait_for, "return when it is staged (default) or safe")->check(CLI::IsMember({"staged", "safe"}));
    command->add_option("--timeout", to_.timeout, "how long to wait");
  }

  auto* database = app_.add_subcommand("db", "databases and their policies");
  database->require_subcommand(1);
  add(*database, "list", "all databases", "", "db list");
  auto* show = add(*database, "show", "a database's policy", "holdfast db show orders", "db show");
  show->add_option("DB", to_.operands, "database")->required()->expected(1);
  auto* set = add(*database, "set", "change a policy; keys that the configuration names are changed there", "holdfast db set orders write_quorum=2 seal_after_idle=5m", "db set");
  set->add_option("DB-AND-SETTINGS", to_.operands, "database, then KEY=VALUE…")->required()->expected(2, -1);

  auto* push = add("wal-push", "PostgreSQL's archive_command", "archive_command = 'holdfast wal-push %p'");
  push->add_option("FILE", to_.operands, "the segment")->required()->expected(1);
  auto* fetch = add("wal-fetch", "PostgreSQL's restore_command", "restore_command = 'holdfast wal-fetch %f %p'");
  fetch->add_option("NAME-AND-DEST", to_.operands, "name of the segment, and where to put it")->required()->expected(2);
  for (auto* command : {push, fetch}) command->add_option("--db", to_.database, "database (else HOLDFAST_WAL_DATABASE, or wal_database of [repository])");
}

void Commands::define_reading() {
  auto* list = add("list", "snapshots, newest first", "holdfast list orders --since yesterday");
  list->add_option("DB", to_.operands, "only this database")->expected(0, 1);
  list->add_option("--strategy", to_.strategy, "only this strategy");
  list->add_option("--tag", to_.tags, "only with this tag")->allow_extra_args(false);
  list->add_option("--since", to_.since, "not older than this moment");
  list->add_option("--until", to_.until, "not newer than this moment");
  for (const auto& [name, text] : {std::pair("show", "what is known of a snapshot, and where it lies"),
                                   std::pair("ls", "list a directory of a snapshot"),
                                   std::pair("cat", "write a file of a snapshot to standard output")}) {
    auto* command = add(name, text, std::string("holdfast ") + name + " orders@latest" + (std::string(name) == "show" ? "" : ":/orders.sql"));
    command->add_option("SNAP", to_.operands, "DB@TIME or an id, with :PATH behind it")->required()->expected(1);
  }
  auto* restore = add("restore", "write files of a snapshot to a directory", "holdfast restore orders@yesterday --target /restore");
  restore->add_option("SNAP", to_.operands, "DB@TIME[:PATH] or ID[:PATH]")->required()->expected(1, -1);
  restore->add_option("--target", to_.target, "directory to write to")->required();
  restore->add_option("--verify", to_.verify, "integrity (every chunk, always) or full (read back what was written, too)")
      ->check(CLI::IsMember({"integrity", "full"}));
}

void Commands::define_care() {
  add("status", "mounts, staging, what is not yet safe and why, networks", "holdfast status --json");
  auto* wait = add("wait", "until snapshots are staged or safe", "holdfast wait orders@latest --for safe --timeout 1h");
  wait->add_option("SNAP", to_.operands, "snapshots (default: the newest of each database)");
  wait->add_option("--for", to_.wait_for, "staged or safe (default)")->check(CLI::IsMember({"staged", "safe"}));
  wait->add_option("--timeout", to_.timeout, "give up after this long (exit code 8)");
  auto* verify = add("verify", "check snapshots on their networks", "holdfast verify --all --level full");
  verify->add_option("SNAP", to_.operands, "snapshots (default: the newest of each database)");
  verify->add_flag("--all", to_.all, "every snapshot");
  verify->add_option("--level", to_.level, "availability, sample or full")->check(CLI::IsMember({"availability", "sample", "full"}));
  auto* heal = add("heal", "look at every copy on every network, and put back what was lost", "holdfast heal --level full");
  heal->add_option("SNAP", to_.operands, "only what these snapshots need (default: everything)");
  heal->add_flag("--all", to_.all, "everything (the default)");
  heal->add_option("--level", to_.level, "how copies are looked at: availability, sample or full")->check(CLI::IsMember({"availability", "sample", "full"}));
  heal->add_flag("--dry-run", to_.dry_run, "only say what is missing");
  heal->add_option("--timeout", to_.timeout, "give up waiting after this long (exit code 8); the background goes on");
  auto* check = add("check", "for monitoring: is the newest complete and safe snapshot too old?", "holdfast check orders --max-age 26h");
  check->add_option("DB", to_.operands, "database (default: all)")->expected(0, 1);
  check->add_option("--max-age", to_.max_age, "oldest age that is fine (default: the policy's max_age)");
  auto* network = app_.add_subcommand("network", "networks");
  network->require_subcommand(1);
  add(*network, "list", "the configured networks", "", "network list");
  auto* test = add(*network, "test", "the conformance suite against your own network", "holdfast network test ipfs", "network test");
  test->add_option("NAME", to_.operands, "network")->required()->expected(1);
  add(*network, "stats", "calls, bytes, latencies and faults", "", "network stats");
}

void Commands::define() {
  define_repository();
  define_snapshots();
  define_reading();
  define_care();
}

}  // namespace

Parsed parse_command_line(const std::vector<std::string>& arguments) {
  CLI::App app("Holdfast keeps database backups on peer-to-peer networks.", "holdfast");
  app.require_subcommand(1);
  app.set_version_flag("--version", "holdfast 0.1.0");
  Invocation invocation;
  app.add_option("--config", invocation.config_file, "configuration file");
  app.add_option("--passphrase-file", invocation.passphrase_file, "file with the passphrase");
  app.add_flag("--json", invocation.json, "one JSON document on standard output");
  Commands commands(app, invocation);
  commands.define();
  // Everything after the first "--" is a command of the user's and none of ours.
  const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
  std::vector<std::string> ours(arguments.begin(), dashes);
  if (dashes != arguments.end()) invocation.child.assign(dashes + 1, arguments.end());
  std::reverse(ours.begin(), ours.end());
  try {
    app.parse(ours);
  } catch (const CLI::ParseError& problem) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = app.exit(problem, out, err);
    return {std::nullopt, code == 0 ? out.str() : err.str(), code == 0 ? 0 : 2};
  }
  if (!invocation.child.empty() && invocation.command != "run" && invocation.stdin_command_name.empty()) {
    return {std::nullopt, "holdfast: '" + invocation.command + "' takes no command after '--'\n", 2};
  }
  return {std::move(invocation), "", 0};
}

std::vector<std::string> command_names() {
  CLI::App app;
  Invocation invocation;
  Commands commands(app, invocation);
  commands.define();
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) names.push_back(command->get_name());
  return names;
}

}  // namespace holdfast
