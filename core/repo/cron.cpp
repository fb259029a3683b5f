// SPDX-License-Identifier: Apache-2.0
#include "core/repo/cron.h"

#include <charconv>
#include <chrono>
#include <string>
#include <vector>

namespace holdfast {
namespace {

struct Field {
  std::string_view name;
  unsigned lowest;
  unsigned highest;
};

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(at, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

Result<unsigned> number(std::string_view text, const Field& field) {
  unsigned value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < field.lowest || value > field.highest) {
    return Error(ErrorCode::kInvalidArgument, "schedule: \"" + std::string(text) + "\" is no " + std::string(field.name) + " (" +
                                                  std::to_string(field.lowest) + " to " + std::to_string(field.highest) + ")");
  }
  return value;
}

template <std::size_t kSize>
Status parse_field(std::string_view text, const Field& field, std::bitset<kSize>& out) {
  for (std::string_view item : split(text, ',')) {
    unsigned step = 1;
    const auto slash = item.find('/');
    if (slash != std::string_view::npos) {
      HOLDFAST_ASSIGN(step, number(item.substr(slash + 1), Field{field.name, 1, field.highest + 1}));
      item = item.substr(0, slash);
    }
    unsigned first = field.lowest;
    unsigned last = field.highest;
    if (item != "*") {
      const auto dash = item.find('-');
      HOLDFAST_ASSIGN(first, number(item.substr(0, dash), field));
      last = slash == std::string_view::npos ? first : field.highest;
      if (dash != std::string_view::npos) {
        HOLDFAST_ASSIGN(last, number(item.substr(dash + 1), field));
      }
      if (last < first) return Error(ErrorCode::kInvalidArgument, "schedule: the range \"" + std::string(item) + "\" runs backwards");
    }
    for (unsigned value = first; value <= last; value += step) out.set(value % kSize);
  }
  return ok_status();
}

}  // namespace

Result<CronSchedule> CronSchedule::parse(std::string_view text) {
  std::vector<std::string_view> fields;
  for (const auto part : split(text, ' ')) {
    if (!part.empty()) fields.push_back(part);
  }
  if (fields.size() != 5) {
    return Error(ErrorCode::kInvalidArgument, "a schedule has five fields (minute hour day month weekday): \"" + std::string(text) + "\"");
  }
  CronSchedule out;
  HOLDFAST_TRY(parse_field(fields[0], {"minute", 0, 59}, out.minutes_));
  HOLDFAST_TRY(parse_field(fields[1], {"hour", 0, 23}, out.hours_));
  HOLDFAST_TRY(parse_field(fields[2], {"day of the month", 1, 31}, out.days_));
  HOLDFAST_TRY(parse_field(fields[3], {"month", 1, 12}, out.months_));
  HOLDFAST_TRY(parse_field(fields[4], {"day of the week", 0, 7}, out.weekdays_));
  out.any_day_ = fields[2].front() == '*';
  out.any_weekday_ = fields[4].front() == '*';
  return out;
}

std::optional<WallNanos> CronSchedule::next(WallNanos after) const {
  using namespace std::chrono;
  const auto start = floor<minutes>(sys_time<nanoseconds>(nanoseconds(after))) + minutes(1);
  sys_days day = floor<days>(start);
  const sys_days end = day + days(8 * 366);
  minutes first = start - day;
  for (; day < end; day += days(1), first = minutes(0)) {
    const year_month_day date(day);
    const bool day_fits = days_.test(unsigned(date.day()));
    const bool weekday_fits = weekdays_.test(weekday(day).c_encoding());
    const bool fits = any_day_ || any_weekday_ ? day_fits && weekday_fits : day_fits || weekday_fits;
    if (!months_.test(unsigned(date.month())) || !fits) continue;
    for (minutes at = first; at < days(1); at += minutes(1)) {
      const auto of_day = static_cast<std::size_t>(at.count());
      if (!hours_.test(of_day / 60)) {
        at += minutes(59 - of_day % 60);
        continue;
      }
      if (minutes_.test(of_day % 60)) return duration_cast<nanoseconds>((day + at).time_since_epoch()).count();
    }
  }
  return std::nullopt;
}

}  // namespace holdfast
