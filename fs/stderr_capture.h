// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace holdfast::fs {

/// Collects what is printed on standard error from construction to end(): the FUSE library and fusermount3 tell the reason of a refusal nowhere else.
/// The whole process is meant, so it is used for a moment only and by one thread at a time.
class StderrCapture {
 public:
  StderrCapture();
  ~StderrCapture();
  StderrCapture(const StderrCapture&) = delete;
  StderrCapture& operator=(const StderrCapture&) = delete;

  /// Gives standard error back, and what was printed, as one line.
  std::string end();

 private:
  int memory_ = -1;
  int before_ = -1;
};

}  // namespace holdfast::fs
