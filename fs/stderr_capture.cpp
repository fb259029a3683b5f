// SPDX-License-Identifier: Apache-2.0
#include "fs/stderr_capture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>

namespace holdfast::fs {

StderrCapture::StderrCapture() {
  const int before = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (before < 0) return;  // it is closed: nothing can be printed
  memory_ = ::memfd_create("holdfast-stderr", MFD_CLOEXEC);
  if (memory_ < 0 || ::dup2(memory_, STDERR_FILENO) < 0) {
    ::close(before);
    return;
  }
  before_ = before;
}

StderrCapture::~StderrCapture() {
  (void)end();
  if (memory_ >= 0) ::close(memory_);
}

std::string StderrCapture::end() {
  if (before_ < 0) return {};
  ::dup2(before_, STDERR_FILENO);
  ::close(before_);
  before_ = -1;
  std::array<char, 4096> buffer{};
  const ssize_t size = ::pread(memory_, buffer.data(), buffer.size(), 0);
  std::string line;
  for (ssize_t i = 0; i < size; ++i) {
    const char letter = buffer[static_cast<std::size_t>(i)];
    if (letter != '\n') {
      line.push_back(letter);
    } else if (i + 1 < size) {
      line.append("; ");
    }
  }
  return line;
}

}  // namespace holdfast::fs
