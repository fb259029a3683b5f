// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace holdfast::testing {

struct Ran {
  int code = -1;
  std::string output;  ///< what it wrote on both outputs
};

/// Runs a command line of sh to its end.
Ran run_shell(const std::string& command);

}  // namespace holdfast::testing
