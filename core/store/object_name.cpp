// SPDX-License-Identifier: Apache-2.0
#include "core/store/object_name.h"

#include <algorithm>

namespace holdfast {

namespace {

constexpr std::string_view kHeads = "heads/";

/// Locators come from catalogs and command lines: what is shown of a bad one must not reach a terminal raw.
std::string printable(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, 80)) out += (c >= ' ' && c <= '~') ? c : '?';
  return out;
}

}  // namespace

Status validate_object_name(std::string_view name) {
  const auto refuse = [&](const char* why) {
    return Error(ErrorCode::kInvalidArgument, "'" + printable(name) + "' is no object name: " + why);
  };
  if (name.empty()) return refuse("it is empty");
  if (name.size() > kObjectNameMaxBytes) return refuse("it is longer than 200 bytes");
  int slashes = 0;
  for (const char c : name) {
    if (c == '/') {
      ++slashes;
      continue;
    }
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    if (!allowed) return refuse("only lower-case letters, digits, '-' and one '/' are allowed");
  }
  if (slashes > 1) return refuse("it has more than one '/'");
  if (name.front() == '/' || name.back() == '/') return refuse("a part of it is empty");
  if (name == "heads" || name.starts_with("heads/")) return refuse("'heads' is kept for mutable names");
  return ok_status();
}

std::string head_name(const RepositoryId& repository, std::uint32_t slot) { return std::string(kHeads) + repository.hex() + "/" + std::to_string(slot); }

bool is_head_name(std::string_view name) noexcept {
  constexpr std::size_t kSlotAt = kHeads.size() + 2 * RepositoryId::size + 1;
  constexpr std::size_t kSlotMaxDigits = 10;
  if (!name.starts_with(kHeads) || name.size() <= kSlotAt || name.size() > kSlotAt + kSlotMaxDigits || name[kSlotAt - 1] != '/') return false;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_hex = [&](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); };
  return std::ranges::all_of(name.substr(kHeads.size(), 2 * RepositoryId::size), is_hex) && std::ranges::all_of(name.substr(kSlotAt), is_digit);
}

}  // namespace holdfast
