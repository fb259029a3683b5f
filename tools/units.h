// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/base/result.h"

namespace holdfast {

/// "20GiB", "150GB", "512k" (binary), "1048576": bytes. GB, MB, kB are decimal; GiB, MiB, KiB and bare G, M, K are binary.
/// Errors: kInvalidArgument, naming the text.
Result<std::uint64_t> parse_size(std::string_view text);

/// A size and "/month". Errors: kInvalidArgument, naming the text.
Result<std::uint64_t> parse_monthly(std::string_view text);

/// "10m", "6h", "26h", "5s", "2d", "90" (seconds), "250ms". Errors: kInvalidArgument.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "1.4 GiB", for people.
std::string size_text(std::uint64_t bytes);
/// "3 h 12 min", "4.2 s", for people.
std::string duration_text(double seconds);
/// ISO 8601 in UTC with as many digits after the second as needed: "2026-11-23T06:00:00Z".
std::string time_text(WallNanos time);

/// The known word that is nearest to `word` by edits (Levenshtein), or empty when none is near.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

/// How much of the catalog a recovery has read.
std::string recovery_text(std::uint64_t parts_read, std::uint64_t parts_total);

}  // namespace holdfast
