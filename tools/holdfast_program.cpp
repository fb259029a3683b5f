// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tools/program.h"

int main(int count, char** values) {
  std::vector<std::string> arguments(values + 1, values + count);
  const std::string name = values[0];
  if (name.ends_with("mount.fuse.holdfast") || name.ends_with("mount.holdfast")) {
    arguments = holdfast::mount_helper_arguments(arguments);
  }
  ::signal(SIGPIPE, SIG_IGN);
  holdfast::Io io;
  char* directory = ::getcwd(nullptr, 0);
  io.directory = directory != nullptr ? directory : "/";
  std::free(directory);
  static std::stop_source interruption;  // outlives the thread that watches the signals
  io.interruption = &interruption;
  io.stop = interruption.get_token();
  io.uid = ::geteuid();
  return holdfast::run_holdfast(arguments, holdfast::process_environment(), io);
}
