// SPDX-License-Identifier: Apache-2.0
#include "core/repo/traffic_book.h"

#include <chrono>

#include "core/base/log.h"
#include "core/catalog/framed_file.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

/// `u32` month (year * 12 + month from 0 on) ‖ varint n ‖ n × (text network ‖ `u64` bytes).
constexpr ObjectKind kTrafficObject{"HFTRAFF1", "count of traffic"};
constexpr std::size_t kEntryMinBytes = 9;

std::uint32_t month_of(WallNanos now) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(now))));
  return static_cast<std::uint32_t>(static_cast<int>(day.year())) * 12 + static_cast<unsigned>(day.month()) - 1;
}

}  // namespace

TrafficBook::~TrafficBook() {
  const std::lock_guard lock(mutex_);
  if (!is_loaded_) return;
  for (auto& [network, count] : counts_) count.written_bytes = count.moved_bytes;
  if (const Status saved = save(); !saved) log_debug("the count of traffic stays ahead: " + saved.error().message());
}

/// A new month starts from nothing; a clock that was set back doesn't.
void TrafficBook::begin() {
  if (!is_loaded_) {
    is_loaded_ = true;
    if (const Status loaded = load(); !loaded) {
      log_warning("how much traffic there was this month is not known, and counted from nothing: " + loaded.error().message());
      counts_.clear();
    }
  }
  const std::uint32_t now = month_of(clock_.wall_now());
  if (now <= month_) return;
  month_ = now;
  counts_.clear();
}

Status TrafficBook::load() {
  const auto bytes = read_whole_file(path_);
  if (!bytes && bytes.error().code() == ErrorCode::kNotFound) return ok_status();
  if (!bytes) return bytes.error();
  ByteReader in(*bytes, kTrafficObject.name);
  HOLDFAST_TRY(in.prelude(kTrafficObject));
  HOLDFAST_ASSIGN(const std::uint32_t month, in.u32());
  HOLDFAST_ASSIGN(const std::size_t count, in.count(kEntryMinBytes));
  std::map<std::string, Count> counts;
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(const std::string_view network, in.text());
    HOLDFAST_ASSIGN(const std::uint64_t moved, in.u64());
    counts[std::string(network)] = {moved, moved};
  }
  HOLDFAST_TRY(in.expect_end());
  month_ = month;
  counts_ = std::move(counts);
  return ok_status();
}

Status TrafficBook::save() {
  Bytes out;
  ByteWriter writer(out);
  writer.prelude(kTrafficObject).u32(month_).varint(counts_.size());
  for (const auto& [network, count] : counts_) writer.text(network).u64(count.written_bytes);
  return replace_file(path_, out);
}

Status TrafficBook::charge(const std::string& network, std::uint64_t size_bytes, std::uint64_t quota_bytes) {
  const std::lock_guard lock(mutex_);
  begin();
  Count& count = counts_[network];
  if (quota_bytes > 0 && (count.moved_bytes > quota_bytes || size_bytes > quota_bytes - count.moved_bytes)) {
    return Error(ErrorCode::kQuotaExceeded, "moving " + std::to_string(size_bytes) + " bytes: " + std::to_string(count.moved_bytes) + " of this month's traffic_quota of " +
                                                std::to_string(quota_bytes) + " are used; raise it, or wait for the month to end")
        .on_network(network);
  }
  count.moved_bytes += size_bytes;
  if (count.moved_bytes <= count.written_bytes) return ok_status();
  const std::uint64_t before = std::exchange(count.written_bytes, count.moved_bytes + kAheadBytes);
  if (const Status saved = save(); !saved) {
    count.written_bytes = before;
    if (!std::exchange(is_told_, true)) log_warning("the count of traffic can't be written; this run counts in memory: " + saved.error().message());
  }
  return ok_status();
}

std::uint64_t TrafficBook::moved(const std::string& network) {
  const std::lock_guard lock(mutex_);
  begin();
  const auto found = counts_.find(network);
  return found == counts_.end() ? 0 : found->second.moved_bytes;
}

}  // namespace holdfast
