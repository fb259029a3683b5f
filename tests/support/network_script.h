// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>

#include "tests/support/temporary_folder.h"

namespace holdfast::testing {

/// Real daemons for one test, through a script of tests/networks; ended with it. One thread.
class NetworkScript {
 public:
  /// Installs and starts `script` ("versitygw.sh"). nullptr where it can't be installed; the reason is printed. Installed and not starting is a failure.
  static std::unique_ptr<NetworkScript> start(const std::string& script, const std::string& arguments = {});
  ~NetworkScript();

  /// What the script tells of itself, by name.
  [[nodiscard]] const std::string& get(const std::string& name) const { return env_.at(name); }
  [[nodiscard]] const std::string& folder() const { return path_; }
  /// Runs another verb of the script on this network's folder, which must succeed; what it printed.
  std::string run(const std::string& verb, const std::string& arguments = {}) const;

 private:
  NetworkScript() = default;
  std::string script_;
  TemporaryFolder folder_;
  std::string path_;
  std::map<std::string, std::string> env_;
};

}  // namespace holdfast::testing
