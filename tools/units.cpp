// SPDX-License-Identifier: Apache-2.0
#include "tools/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>

namespace holdfast {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 17> kSizeUnits{{{"", 1},
                                           {"B", 1},
                                           {"k", 1ULL << 10},
                                           {"K", 1ULL << 10},
                                           {"KiB", 1ULL << 10},
                                           {"kB", 1000},
                                           {"M", 1ULL << 20},
                                           {"MiB", 1ULL << 20},
                                           {"MB", 1000ULL * 1000},
                                           {"G", 1ULL << 30},
                                           {"GiB", 1ULL << 30},
                                           {"GB", 1000ULL * 1000 * 1000},
                                           {"T", 1ULL << 40},
                                           {"TiB", 1ULL << 40},
                                           {"TB", 1000ULL * 1000 * 1000 * 1000},
                                           {"PiB", 1ULL << 50},
                                           {"PB", 1000ULL * 1000 * 1000 * 1000 * 1000}}};

constexpr std::array<Unit, 7> kDurationUnits{
    {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60'000}, {"min", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

template <std::size_t kCount>
Result<std::uint64_t> parse_with_unit(std::string_view text, const std::array<Unit, kCount>& units,
                                      std::string_view what) {
  const auto bad = [&] {
    return Error(ErrorCode::kInvalidArgument, "'" + std::string(text) + "' is no " + std::string(what));
  };
  double number = 0;
  const auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || !(number >= 0)) return bad();
  std::string_view unit_name(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  while (!unit_name.empty() && unit_name.front() == ' ') unit_name.remove_prefix(1);
  for (const Unit& unit : units) {
    if (unit.name != unit_name) continue;
    const double value = number * static_cast<double>(unit.factor);
    if (value >= static_cast<double>(std::numeric_limits<std::int64_t>::max())) return bad();
    return static_cast<std::uint64_t>(std::llround(value));
  }
  return bad();
}

std::string format(const char* pattern, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), pattern, value);
  return text.data();
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  return parse_with_unit(text, kSizeUnits, "size (write it like 20GiB, 150GB or 1048576)");
}

Result<std::uint64_t> parse_monthly(std::string_view text) {
  constexpr std::string_view kPerMonth = "/month";
  if (!text.ends_with(kPerMonth)) return Error(ErrorCode::kInvalidArgument, "'" + std::string(text) + "' is no size a month (write it like 150GiB/month)");
  text.remove_suffix(kPerMonth.size());
  HOLDFAST_ASSIGN(const std::uint64_t bytes, parse_size(text));
  if (bytes == 0) return Error(ErrorCode::kInvalidArgument, "a traffic quota of nothing");
  return bytes;
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  HOLDFAST_ASSIGN(const std::uint64_t value,
                  parse_with_unit(text, kDurationUnits, "duration (write it like 10m, 6h, 5s or 2d)"));
  return std::chrono::milliseconds(static_cast<std::int64_t>(value));
}

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  static constexpr std::array<const char*, 5> kNames{"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  std::size_t index = 0;
  for (value /= 1024; value >= 1024 && index + 1 < kNames.size(); ++index) value /= 1024;
  return format(value < 10 ? "%.2f " : value < 100 ? "%.1f " : "%.0f ", value) + kNames.at(index);
}

std::string duration_text(double seconds) {
  if (seconds < 60) return format("%.1f s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

std::string time_text(WallNanos time) {
  constexpr WallNanos kSecond = 1'000'000'000;
  WallNanos fraction = time % kSecond;
  std::time_t seconds = time / kSecond;
  if (fraction < 0) {
    fraction += kSecond;
    --seconds;
  }
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::string result = text.data();
  if (fraction != 0) {
    std::string digits = std::to_string(fraction);
    digits.insert(0, 9 - digits.size(), '0');
    while (digits.back() == '0') digits.pop_back();
    result += "." + digits;
  }
  return result + "Z";
}

std::string nearest_word(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i + 1;
      for (std::size_t j = 0; j < candidate.size(); ++j) {
        const std::size_t above = row[j + 1];
        row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (word[i] == candidate[j] ? 0U : 1U)});
        diagonal = above;
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

std::string recovery_text(std::uint64_t parts_read, std::uint64_t parts_total) {
  if (parts_total == 0) return "looking for the catalog";
  return std::to_string(parts_read) + " of " + std::to_string(parts_total) + " parts of the catalog read";
}

}  // namespace holdfast
