// SPDX-License-Identifier: Apache-2.0
#include "core/repo/moment.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <limits>
#include <optional>

namespace holdfast {

namespace {

constexpr WallNanos kSecond = 1'000'000'000;
constexpr WallNanos kDay = 86'400 * kSecond;

/// Reads fixed numbers of digits and separators off the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  std::optional<int> digits(std::size_t count) {
    int value = 0;
    if (text_.size() < count) return std::nullopt;
    for (std::size_t i = 0; i < count; ++i) {
      if (text_[i] < '0' || text_[i] > '9') return std::nullopt;
      value = value * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(count);
    return value;
  }
  bool take(char letter) {
    if (text_.empty() || text_.front() != letter) return false;
    text_.remove_prefix(1);
    return true;
  }
  /// ".25" as nanoseconds.
  std::optional<WallNanos> fraction() {
    if (!take('.') && !take(',')) return 0;
    WallNanos value = 0;
    int count = 0;
    for (; count < 9 && !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; ++count) value = value * 10 + *digits(1);
    if (count == 0) return std::nullopt;
    for (; count < 9; ++count) value *= 10;
    return value;
  }
  [[nodiscard]] bool at(char letter) const { return !text_.empty() && text_.front() == letter; }
  [[nodiscard]] bool done() const { return text_.empty(); }

 private:
  std::string_view text_;
};

std::optional<WallNanos> date_start(int year, int month, int day) {
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  // Nanoseconds in 64 bits end in the year 2262.
  if (!date.ok() || year < 1970 || year > 2261) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * kDay;
}

std::optional<WallNanos> parse_calendar(std::string_view text) {
  Scanner scan(text);
  const auto year = scan.digits(4);
  if (!year || !scan.take('-')) return std::nullopt;
  const auto month = scan.digits(2);
  if (!month || !scan.take('-')) return std::nullopt;
  const auto day = scan.digits(2);
  if (!day) return std::nullopt;
  const auto start = date_start(*year, *month, *day);
  if (!start) return std::nullopt;
  if (scan.done()) return *start + kDay - 1;
  if (!scan.take('T') && !scan.take(' ')) return std::nullopt;
  const auto hour = scan.digits(2);
  if (!hour || *hour > 23) return std::nullopt;
  WallNanos time = *start + *hour * 3600 * kSecond;
  // An hour alone, like a date alone, means its end.
  if (scan.done() || (scan.take('Z') && scan.done())) return time + 3600 * kSecond - 1;
  scan.take(':');
  const auto minute = scan.digits(2);
  if (!minute || *minute > 59) return std::nullopt;
  time += *minute * 60 * kSecond;
  // A snapshot's folder name leaves out the fraction of its second, so a moment without one means the end of its second.
  WallNanos fraction_or_end = kSecond - 1;
  if (!scan.done() && !scan.take('Z')) {
    scan.take(':');
    const auto second = scan.digits(2);
    if (!second || *second > 60) return std::nullopt;
    time += *second * kSecond;
    const bool has_fraction = scan.at('.') || scan.at(',');
    const auto fraction = scan.fraction();
    if (!fraction) return std::nullopt;
    if (has_fraction) fraction_or_end = *fraction;
    scan.take('Z');
  }
  if (!scan.done()) return std::nullopt;
  return time + fraction_or_end;
}

std::optional<WallNanos> parse_ago(std::string_view text, WallNanos now) {
  if (text.size() < 5 || !text.ends_with("ago")) return std::nullopt;
  text.remove_suffix(3);
  const char joint = text.back();
  if (joint != ' ' && joint != '-' && joint != '_') return std::nullopt;
  text.remove_suffix(1);
  std::int64_t count = 0;
  const auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (failure != std::errc() || count < 0) return std::nullopt;
  std::string_view unit(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  WallNanos size = 0;
  if (unit == "s") size = kSecond;
  if (unit == "m" || unit == "min") size = 60 * kSecond;
  if (unit == "h") size = 3600 * kSecond;
  if (unit == "d") size = kDay;
  if (unit == "w") size = 7 * kDay;
  if (size == 0 || count > now / size) return std::nullopt;
  return now - count * size;
}

std::optional<WallNanos> parse_epoch(std::string_view text) {
  if (!text.empty() && text.front() == '@') text.remove_prefix(1);
  std::int64_t seconds = 0;
  const auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failure != std::errc() || rest != text.data() + text.size() || seconds < 0 || text.empty()) return std::nullopt;
  if (seconds > std::numeric_limits<WallNanos>::max() / kSecond - 1) return std::nullopt;
  return seconds * kSecond + kSecond - 1;
}

std::optional<WallNanos> parse(std::string_view text, WallNanos now) {
  const WallNanos today = now - now % kDay;
  if (text == "now") return now;
  if (text == "today") return today + kDay - 1;
  if (text == "yesterday") return today - 1;
  if (const auto moment = parse_calendar(text)) return moment;
  if (const auto moment = parse_ago(text, now)) return moment;
  return parse_epoch(text);
}

}  // namespace

Result<WallNanos> parse_moment(std::string_view text, WallNanos now) {
  if (const auto moment = parse(text, now)) return *moment;
  return Error(ErrorCode::kInvalidArgument, "'" + std::string(text) +
                                                "' is no moment (like 2026-11-20, 2026-11-20T12:00Z, yesterday, '3h ago', or epoch seconds)");
}

bool reads_as_moment(std::string_view label) {
  constexpr WallNanos kAnyNow = 1'800'000'000 * kSecond;
  if (label == "latest" || label.ends_with(".incomplete")) return true;
  return parse(label, kAnyNow).has_value();
}

std::string snapshot_time_name(WallNanos time, int digits) {
  const std::chrono::sys_time<std::chrono::nanoseconds> point{std::chrono::nanoseconds(time)};
  const auto day = std::chrono::floor<std::chrono::days>(point);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(point - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d%02d%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
  std::string name = text.data();
  if (digits > 0) {
    std::string fraction = std::to_string(clock.subseconds().count());
    fraction.insert(0, 9 - fraction.size(), '0');
    name += "." + fraction.substr(0, static_cast<std::size_t>(digits));
  }
  return name + "Z";
}

}  // namespace holdfast
