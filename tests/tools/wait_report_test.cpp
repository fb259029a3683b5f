// SPDX-License-Identifier: Apache-2.0
#include "tools/wait_report.h"

#include <gtest/gtest.h>

#include <atomic>

#include "tests/support/capture.h"
#include "tests/support/temp_folder.h"

namespace holdfast {
namespace {

using testing::Capture;

Awaited failing(const std::string& error) {
  Awaited what;
  what.network = "far";
  what.packs = 3;
  what.bytes = 3ULL << 20;
  what.catalog = true;
  what.failing_since = 1'795'413'600'123'456'789;  // 2026-11-23T06:00:00Z and a bit
  what.last_error = error;
  return what;
}

TEST(WaitReport, OutsideATerminal_NamesEachNetworkThatFails_OnceAReason) {
  testing::TempFolder folder;
  const Capture err(folder.path("err"));
  Io io;
  io.err = err.descriptor();
  std::atomic<int> looks = 0;
  {
    const WaitReport report(io, [&]() -> std::vector<Awaited> {
      Awaited under_way;
      under_way.network = "near";
      under_way.packs = 1;
      ++looks;
      return {failing(looks < 3 ? "refused" : "timed out"), under_way};
    });
    while (looks < 4) std::this_thread::yield();
  }
  EXPECT_EQ(
      err.text(),
      "holdfast: waiting for far: 3 packs, 3.00 MiB and the catalog, failing since 2026-11-23T06:00:00Z: refused\n"
      "holdfast: waiting for far: 3 packs, 3.00 MiB and the catalog, failing since 2026-11-23T06:00:00Z: timed out\n");
}

TEST(WaitReport, WithJsonOrQuiet_IsSilent) {
  testing::TempFolder folder;
  const Capture err(folder.path("err"));
  Io io;
  io.err = err.descriptor();
  io.json = true;
  {
    const WaitReport report(io, []() -> std::vector<Awaited> { return {failing("refused")}; });
  }
  EXPECT_EQ(err.text(), "");
}

}  // namespace
}  // namespace holdfast
