// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace holdfast {

/// A parsed command line. Commands use the fields that they have; the parser refuses options that a command doesn't know.
struct Invocation {
  std::string command;     ///< "snapshot", "db list", "network test", …
  std::string config_file;
  std::string passphrase_file;
  bool json = false;
  bool quiet = false;
  bool verbose = false;

  std::vector<std::string> operands;  ///< database, snapshots, paths: as the command takes them
  std::vector<std::string> child;     ///< after "--"
  std::string label;
  std::vector<std::string> tags;
  std::string strategy;
  std::string since;
  std::string until;
  std::string wait_for;               ///< "", "staged" or "safe"
  std::string timeout;
  std::string target;
  std::string level = "sample";
  bool dry_run = false;
  std::string verify = "integrity";
  std::string max_age;
  std::string database;
  std::vector<std::string> networks;
  std::string head;
  std::string code_file;
  std::string root_fingerprint;
  std::string repository;
  std::string kdf = "pbkdf2";
  std::optional<unsigned> iterations;
  std::string new_passphrase_file;
  std::vector<std::string> mount_options;
  std::string stdin_name;
  std::string stdin_command_name;
  std::optional<int> command_exit;    ///< internal: `run` tells the owner how the command ended
  bool foreground = false;
  bool all = false;
  bool force = false;
};

/// What the parser made of a command line: an invocation, or text to print and an exit code (help, version, usage errors).
struct Parsed {
  std::optional<Invocation> invocation;
  std::string text;
  int exit = 0;
};

/// `arguments` without the program's name. Never fails: a mistake is a text and exit code 2.
Parsed parse_command_line(const std::vector<std::string>& arguments);

/// Names of all commands, for completions.
std::vector<std::string> command_names();

}  // namespace holdfast
