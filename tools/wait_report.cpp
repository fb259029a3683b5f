// SPDX-License-Identifier: Apache-2.0
#include "tools/wait_report.h"

#include <sys/ioctl.h>

#include <condition_variable>
#include <mutex>

#include "tools/units.h"

namespace holdfast {

namespace {

constexpr std::chrono::seconds kLookEvery{1};
constexpr std::size_t kUsualColumns = 80;

std::size_t columns_of(int descriptor) {
  winsize size{};
  return ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : kUsualColumns;
}

/// "ipfs: 3 packs, 48.0 MiB and the catalog, failing since 2026-11-23T06:00:00Z".
std::string awaited_text(const Awaited& what) {
  constexpr WallNanos kSecond = 1'000'000'000;
  std::string text = what.network + ": ";
  if (what.packs > 0) {
    text += std::to_string(what.packs) + (what.packs == 1 ? " pack, " : " packs, ") + size_text(what.bytes);
  }
  if (what.catalog) text += what.packs > 0 ? " and the catalog" : "the catalog";
  if (what.failing_since != 0) text += ", failing since " + time_text(what.failing_since / kSecond * kSecond);
  return text;
}

}  // namespace

WaitReport::WaitReport(const Io& io, Look look) : io_(io), look_(std::move(look)), is_terminal_(io.terminal()) {
  if (!io.json && !io.quiet) thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

WaitReport::~WaitReport() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  wipe();
}

void WaitReport::wipe() {
  if (is_drawn_) io_.complain("\r\033[K");
  is_drawn_ = false;
}

void WaitReport::run(const std::stop_token& stop) {
  const MonoTime begun = system_clock().mono_now();
  // Most waits are over before there is anything to say.
  for (MonoTime next = begun + kLookEvery; system_clock().sleep_until(next, stop); next += kLookEvery) {
    const std::vector<Awaited> all = look_();
    tell(all);
    if (is_terminal_) draw(all, std::chrono::duration<double>(system_clock().mono_now() - begun).count());
  }
}

void WaitReport::draw(const std::vector<Awaited>& all, double seconds) {
  std::string text = "waiting " + duration_text(seconds) + " for ";
  for (const Awaited& what : all) text += (&what == all.data() ? "" : "; ") + awaited_text(what);
  if (all.empty()) text += "networks";
  // A line that wraps can't be written over.
  text.resize(std::min(text.size(), columns_of(io_.err) - 1));
  io_.complain("\r\033[K" + text);
  is_drawn_ = true;
}

void WaitReport::tell(const std::vector<Awaited>& all) {
  for (const Awaited& what : all) {
    if (what.last_error.empty() || told_[what.network] == what.last_error) continue;
    told_[what.network] = what.last_error;
    wipe();
    io_.complain("holdfast: waiting for " + awaited_text(what) + ": " + what.last_error + "\n");
  }
}

}  // namespace holdfast
