// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>

#include "core/erasure/erasure_code.h"
#include "tools/config.h"
#include "tools/units.h"

namespace holdfast {

namespace {

Error bad_value(const std::string& key, const std::string& value, const std::string& wanted) {
  return Error(ErrorCode::kInvalidArgument, key + " = '" + value + "': " + wanted);
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> items;
  std::string item;
  for (const char letter : text + ",") {
    if (letter == ',' || letter == ' ') {
      if (!item.empty()) items.push_back(std::move(item));
      item.clear();
    } else {
      item.push_back(letter);
    }
  }
  return items;
}

std::string join(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ",") + item;
  return text;
}

Result<std::uint64_t> parse_count(const std::string& key, const std::string& value, int base, std::uint64_t max) {
  std::uint64_t number = 0;
  const char* end = value.data() + value.size();
  const auto [rest, failure] = std::from_chars(value.data(), end, number, base);
  if (failure != std::errc() || rest != end || number > max) {
    return bad_value(key, value, "wants a number up to " + std::to_string(max));
  }
  return number;
}

Status set_strategy(DatabasePolicy& policy, const std::string& value) {
  static const std::vector<std::string> known{"incremental", "full", "realtime", "compliance"};
  if (std::find(known.begin(), known.end(), value) == known.end()) {
    return bad_value("strategy", value, "wants one of incremental, full, realtime, compliance");
  }
  if (value != "incremental" && value != "full") {
    return Error(ErrorCode::kUnsupported, "strategy '" + value + "' is not there yet; this version has incremental and full");
  }
  policy.strategy = value;
  return ok_status();
}

Status set_chunk_sizes(DatabasePolicy& policy, const std::string& value) {
  HOLDFAST_ASSIGN(const std::uint64_t target, parse_size(value));
  if (target < 4096 || target > (1U << 20) || (target & (target - 1)) != 0) {
    return bad_value("chunk_size", value, "wants a power of two from 4KiB to 1MiB");
  }
  const auto size = static_cast<std::uint32_t>(target);
  policy.chunk_sizes = {size / 4, size, size * 4};
  return ok_status();
}

Status set_duration(std::chrono::seconds& field, const std::string& value) {
  HOLDFAST_ASSIGN(const std::chrono::milliseconds duration, parse_duration(value));
  field = std::chrono::duration_cast<std::chrono::seconds>(duration);
  return ok_status();
}

const std::vector<std::string> kKeys{"strategy", "networks",        "write_quorum", "erasure", "schedule",
                                     "tags",     "seal_after_idle", "seal_wait",    "max_age",
                                     "owner",    "mode",            "chunk_size",   "compression",
                                     "zstd_level"};

/// Levels of effort. Measured on pg_dump's text in chunks of 64 KiB, one core (the first two with a hash table of 2^12 places): 528 MB/s at 2.0 : 1, 418 at 3.6 : 1, 81 at 3.8 : 1. What is like an older chunk is stored as a
/// difference at any of them.
struct Effort {
  std::string_view name;
  int zstd_level;
};
constexpr std::array kEfforts{Effort{"fast", -5}, Effort{"balanced", 1}, Effort{"small", 7}};

constexpr std::string_view kOtherEffort = "custom";  ///< what zstd_level says

Status set_compression(DatabasePolicy& policy, const std::string& value) {
  if (value == kOtherEffort) return ok_status();
  for (const Effort& effort : kEfforts) {
    if (effort.name != value) continue;
    policy.zstd_level = effort.zstd_level;
    return ok_status();
  }
  return bad_value("compression", value, "wants fast, balanced or small");
}

std::string compression_of(const DatabasePolicy& policy) {
  for (const Effort& effort : kEfforts) {
    if (effort.zstd_level == policy.zstd_level) return std::string(effort.name);
  }
  return std::string(kOtherEffort);
}

Status set_zstd_level(DatabasePolicy& policy, const std::string& value) {
  int level = 0;
  const char* const end = value.data() + value.size();
  const auto [rest, failure] = std::from_chars(value.data(), end, level);
  if (failure != std::errc() || rest != end || level < -7 || level > 19 || level == 0) {
    return bad_value("zstd_level", value, "wants 1 to 19, or -1 to -7, which are faster");
  }
  policy.zstd_level = level;
  return ok_status();
}

}  // namespace

Status set_policy_key(DatabasePolicy& policy, const std::string& key, const std::string& value) {
  if (key == "strategy") return set_strategy(policy, value);
  if (key == "networks") {
    policy.networks = split_list(value);
    return ok_status();
  }
  if (key == "write_quorum") {
    HOLDFAST_ASSIGN(const std::uint64_t quorum, parse_count(key, value, 10, 16));
    policy.write_quorum = static_cast<std::uint32_t>(quorum);
    return ok_status();
  }
  if (key == "erasure") {
    policy.erasure = value == "none" ? std::string() : value;
    if (policy.erasure.empty()) return ok_status();
    HOLDFAST_TRY(ErasureCode::parse(policy.erasure));
    return ok_status();
  }
  if (key == "schedule") {
    policy.schedule = value;
    return ok_status();
  }
  if (key == "tags") {
    policy.tags = split_list(value);
    return ok_status();
  }
  if (key == "seal_after_idle") return set_duration(policy.seal_after_idle, value);
  if (key == "seal_wait") return set_duration(policy.seal_wait, value);
  if (key == "max_age") return set_duration(policy.max_age, value);
  if (key == "owner") {
    policy.owner = value;
    return ok_status();
  }
  if (key == "mode") {
    HOLDFAST_ASSIGN(const std::uint64_t mode, parse_count(key, value, 8, 07777));
    policy.mode = static_cast<std::uint32_t>(mode);
    return ok_status();
  }
  if (key == "chunk_size") return set_chunk_sizes(policy, value);
  if (key == "compression") return set_compression(policy, value);
  if (key == "zstd_level") return set_zstd_level(policy, value);
  const std::string near = nearest_word(key, kKeys);
  return Error(ErrorCode::kInvalidArgument,
               "unknown key '" + key + "'" + (near.empty() ? "" : "; did you mean '" + near + "'?"));
}

std::vector<std::pair<std::string, std::string>> policy_fields(const DatabasePolicy& policy) {
  const auto seconds = [](std::chrono::seconds value) { return std::to_string(value.count()) + "s"; };
  std::string mode = "0000";
  for (unsigned digit = 0; digit < 4; ++digit) {
    mode[3 - digit] = static_cast<char>('0' + ((policy.mode >> (3 * digit)) & 7U));
  }
  return {{"strategy", policy.strategy},
          {"networks", join(policy.networks)},
          {"write_quorum", std::to_string(policy.write_quorum)},
          {"erasure", policy.erasure.empty() ? "none" : policy.erasure},
          {"schedule", policy.schedule},
          {"tags", join(policy.tags)},
          {"seal_after_idle", seconds(policy.seal_after_idle)},
          {"seal_wait", seconds(policy.seal_wait)},
          {"max_age", seconds(policy.max_age)},
          {"owner", policy.owner},
          {"mode", mode},
          {"chunk_size", std::to_string(policy.chunk_sizes.target_bytes)},
          {"compression", compression_of(policy)},
          {"zstd_level", std::to_string(policy.zstd_level)}};
}

}  // namespace holdfast
