// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <string>

#include "core/base/clock.h"
#include "tools/io.h"

namespace holdfast {

/// One line on a terminal that is written over: amount, speed, and the time that is left where the total is known. Silent in a pipe, with --json and --quiet.
/// Safe from any thread.
class ProgressLine {
 public:
  ProgressLine(const Io& io, std::string what);
  ~ProgressLine();
  /// `total` 0: unknown. Draws at most five times a second.
  void update(std::uint64_t done, std::uint64_t total, std::uint64_t files);
  /// Wipes the line, before other output.
  void clear();

 private:
  const Io& io_;
  std::string what_;
  bool shown_;
  bool drawn_ = false;
  MonoTime begun_;
  MonoTime last_{};
  std::mutex mutex_;
};

}  // namespace holdfast
