// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/result.h"

namespace holdfast {

/// A moment as people write it, in UTC: "2026-11-20" (its end), "2026-11-20T12:00Z" and "2026-11-20T12:00:30.5Z", "2026-11-23T060000Z" (a snapshot's folder name),
/// "now", "today", "yesterday" (its end), "3h ago", "45m ago", "2d ago", "90s ago", "1w ago" ("3h-ago" and "3h_ago" for paths), "1763900000" or "@1763900000" (epoch seconds).
/// Without a fraction the end of the second is meant, since folder names leave fractions out. Errors: kInvalidArgument, naming the text.
Result<WallNanos> parse_moment(std::string_view text, WallNanos now);

/// Whether a label could be read as a moment or as `latest`, and is therefore refused.
bool reads_as_moment(std::string_view label);

/// The folder name of a snapshot: "2026-11-23T060000Z", or with milliseconds, microseconds or nanoseconds "2026-11-23T060000.250Z" where `digits` is 3, 6 or 9.
std::string snapshot_time_name(WallNanos time, int digits = 0);

}  // namespace holdfast
