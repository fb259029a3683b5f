// SPDX-License-Identifier: Apache-2.0
#include "tests/support/shell.h"

#include <array>
#include <cstdio>

namespace holdfast::testing {

Ran run_shell(const std::string& command) {
  Ran ran;
  FILE* pipe = ::popen(("{ " + command + "; } 2>&1").c_str(), "re");
  if (pipe == nullptr) return ran;
  std::array<char, 4096> piece{};
  while (const std::size_t got = std::fread(piece.data(), 1, piece.size(), pipe)) ran.output.append(piece.data(), got);
  ran.code = ::pclose(pipe);
  return ran;
}

}  // namespace holdfast::testing
