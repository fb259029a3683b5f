// SPDX-License-Identifier: Apache-2.0
#include "tools/progress.h"

#include "tools/units.h"

namespace holdfast {

ProgressLine::ProgressLine(const Io& io, std::string what)
    : io_(io), what_(std::move(what)), shown_(io.terminal() && !io.json && !io.quiet), begun_(system_clock().mono_now()) {}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::update(std::uint64_t done, std::uint64_t total, std::uint64_t files) {
  if (!shown_) return;
  const std::lock_guard lock(mutex_);
  const MonoTime now = system_clock().mono_now();
  if (now - last_ < std::chrono::milliseconds(200)) return;
  last_ = now;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - begun_).count();
  const double speed = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string text = "\r\033[K" + what_ + ": " + std::to_string(files) + " files, " + size_text(done);
  if (total > 0) text += " of " + size_text(total);
  text += ", " + size_text(static_cast<std::uint64_t>(speed)) + "/s";
  if (total > done && speed > 0) text += ", " + duration_text(static_cast<double>(total - done) / speed) + " left";
  io_.complain(text);
}

void ProgressLine::clear() {
  const std::lock_guard lock(mutex_);
  if (drawn_) io_.complain("\r\033[K");
  drawn_ = false;
}

}  // namespace holdfast
