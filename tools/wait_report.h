// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "core/repo/repository.h"
#include "tools/io.h"

namespace holdfast {

/// Says what a command waits for as long as it lives: a line for each network that fails, once, and again when it fails
/// otherwise; on a terminal also how much is waited for, in a line that is written over. Silent with --json and
/// --quiet. `look` is called from a thread of its own, and outlives it.
class WaitReport {
 public:
  using Look = std::function<std::vector<Awaited>()>;
  WaitReport(const Io& io, Look look);
  /// Wipes the line, before other output.
  ~WaitReport();
  WaitReport(const WaitReport&) = delete;
  WaitReport& operator=(const WaitReport&) = delete;

 private:
  void run(const std::stop_token& stop);
  void draw(const std::vector<Awaited>& all, double seconds);
  void tell(const std::vector<Awaited>& all);
  void wipe();

  const Io& io_;
  const Look look_;
  const bool is_terminal_;
  bool is_drawn_ = false;                    ///< the thread's, and the destructor's once it has ended
  std::map<std::string, std::string> told_;  ///< by network, the error; the thread's
  std::jthread thread_;
};

}  // namespace holdfast
