// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bitset>
#include <optional>
#include <string_view>

#include "core/base/clock.h"

namespace holdfast {

/// A schedule of five fields as crontab(5): minute, hour, day of month, month, day of week (0 and 7 are Sunday), each "*", numbers, ranges "a-b",
/// steps "*/n" and "a-b/n", lists "a,b". In UTC. When both day fields are restricted either one suffices, as in cron.
class CronSchedule {
 public:
  /// Errors: kInvalidArgument naming the field.
  static Result<CronSchedule> parse(std::string_view text);
  /// The first matching minute after `after`; nullopt when there is none within eight years (30 February).
  [[nodiscard]] std::optional<WallNanos> next(WallNanos after) const;

 private:
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = false;
  bool any_weekday_ = false;
};

}  // namespace holdfast
