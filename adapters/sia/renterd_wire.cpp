// SPDX-License-Identifier: Apache-2.0
#include "adapters/sia/renterd_wire.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "adapters/http/http_transport.h"
#include "core/crypto/base64.h"

namespace holdfast::sia {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kShownMaxBytes = 300;
constexpr std::size_t kErrorMaxBytes = 16U << 10;  // looked at: a line for each host that refused

Error unreadable(const std::string& what) { return {ErrorCode::kCorrupt, "renterd's reply " + what}; }

Result<Json> parse_json(ByteView reply, Json::value_t type) {
  Json json = Json::parse(as_text(reply), nullptr, false);
  if (json.is_discarded() || json.type() != type) {
    return unreadable(type == Json::value_t::array ? "is no JSON list" : "is no JSON object");
  }
  return json;
}

Result<Json> parse_members(ByteView reply) { return parse_json(reply, Json::value_t::object); }

Result<std::uint64_t> number_of(const Json& json, const char* member) {
  const auto found = json.find(member);
  if (found == json.end() || !found->is_number_unsigned()) return unreadable(std::string("has no number ") + member);
  return found->get<std::uint64_t>();
}

Result<std::string> text_of(const Json& json, const char* member) {
  const auto found = json.find(member);
  if (found == json.end() || !found->is_string()) return unreadable(std::string("has no text ") + member);
  return found->get<std::string>();
}

Result<bool> switch_of(const Json& json, const char* member) {
  const auto found = json.find(member);
  if (found == json.end() || !found->is_boolean()) return unreadable(std::string("has no true or false ") + member);
  return found->get<bool>();
}

/// `text` on one line, without what could reach a terminal raw.
std::string one_line(std::string_view text, std::size_t size_max_bytes) {
  std::string out;
  for (const char c : text) {
    const bool blank = c <= ' ' || c > '~';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    if (out.size() == size_max_bytes) break;
    out += blank ? ' ' : c;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

struct Slab {
  std::uint64_t length_bytes = 0;
  bool buffered = false;
  bool lost = false;
};

/// One element of an object's "slabs". A slab's health is (shards on usable hosts − needed) / (all − needed): at 0 it can still be read, under 0 it can't,
/// and over 1 more hosts have it than should. A slab without shards is in the packing buffer, and its health is said to be 1.
Result<Slab> parse_slab(const Json& slice) {
  if (!slice.is_object()) return unreadable("has a slab that is no object");
  Slab out;
  HOLDFAST_ASSIGN(out.length_bytes, number_of(slice, "length"));
  const auto slab = slice.find("slab");
  if (slab == slice.end() || !slab->is_object()) return unreadable("has a slab without content");
  const auto shards = slab->find("shards");
  const std::size_t count = shards != slab->end() && shards->is_array() ? shards->size() : 0;
  if (count == 0) {
    out.buffered = true;
    return out;
  }
  const auto health = slab->find("health");
  if (health == slab->end() || !health->is_number()) return unreadable("has a slab without health");
  HOLDFAST_ASSIGN(const std::uint64_t needed, number_of(*slab, "minShards"));
  out.lost = health->get<double>() < 0 || count < needed;
  return out;
}

}  // namespace

Result<StoredObject> parse_object(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  const auto object = json.find("object");
  if (object == json.end() || !object->is_object()) return unreadable("has no object");
  StoredObject out;
  HOLDFAST_ASSIGN(out.size_bytes, number_of(*object, "size"));
  if (object->contains("eTag")) {
    HOLDFAST_ASSIGN(out.etag, text_of(*object, "eTag"));
  }
  std::uint64_t covered_bytes = 0;
  if (const auto slabs = object->find("slabs"); slabs != object->end() && slabs->is_array()) {
    for (const Json& slice : *slabs) {
      HOLDFAST_ASSIGN(const Slab slab, parse_slab(slice));
      covered_bytes += slab.length_bytes;
      out.buffered = out.buffered || slab.buffered;
      out.lost = out.lost || slab.lost;
    }
  }
  if (covered_bytes < out.size_bytes) out.lost = true;
  return out;
}

Durability durability_of(const StoredObject& object, std::uint64_t size_bytes) noexcept {
  if (object.size_bytes != size_bytes || object.lost) return Durability::kAbsent;
  return object.buffered ? Durability::kAccepted : Durability::kDurable;
}

Result<Node> parse_state(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  HOLDFAST_ASSIGN(const std::string version, text_of(json, "version"));
  HOLDFAST_ASSIGN(const std::string network, text_of(json, "network"));
  return Node{one_line(version, 40), one_line(network, 40)};
}

Result<bool> parse_synced(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  return switch_of(json, "synced");
}

Result<Redundancy> parse_redundancy(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  Redundancy out;
  HOLDFAST_ASSIGN(out.min_shards, number_of(json, "minShards"));
  HOLDFAST_ASSIGN(out.total_shards, number_of(json, "totalShards"));
  return out;
}

Result<std::string> parse_default_set(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  return text_of(json, "default");
}

Result<std::uint64_t> parse_contract_count(ByteView reply) {
  if (as_text(reply).starts_with("null")) return std::uint64_t{0};  // how Go writes an empty list
  HOLDFAST_ASSIGN(const Json json, parse_json(reply, Json::value_t::array));
  return static_cast<std::uint64_t>(json.size());
}

Result<bool> parse_packing(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  return switch_of(json, "enabled");
}

Result<std::string> parse_wallet(ByteView reply) {
  constexpr std::size_t kHastingsDigits = 24;  // 1 SC = 10^24 H
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  HOLDFAST_ASSIGN(std::string hastings, text_of(json, "spendable"));
  const bool digits = std::ranges::all_of(hastings, [](char c) { return c >= '0' && c <= '9'; });
  if (hastings.empty() || hastings.size() > 60 || !digits) return unreadable("has no amount of money");
  if (hastings.size() <= kHastingsDigits) hastings.insert(0, kHastingsDigits + 1 - hastings.size(), '0');
  const std::size_t point = hastings.size() - kHastingsDigits;
  return hastings.substr(0, point) + "." + hastings.substr(point, 2) + " SC";
}

Result<ObjectStats> parse_stats(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  ObjectStats out;
  HOLDFAST_ASSIGN(out.objects_bytes, number_of(json, "totalObjectsSize"));
  HOLDFAST_ASSIGN(out.sectors_bytes, number_of(json, "totalSectorsSize"));
  return out;
}

Result<std::string> parse_alerts(ByteView reply) {
  constexpr std::size_t kTextsMax = 4;
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  const auto alerts = json.find("alerts");
  if (alerts == json.end() || alerts->is_null()) return std::string();
  if (!alerts->is_array()) return unreadable("has no list of alerts");
  std::vector<std::string> texts;
  std::size_t count = 0;
  for (const Json& alert : *alerts) {
    if (!alert.is_object()) return unreadable("has an alert that is no object");
    HOLDFAST_ASSIGN(const std::string severity, text_of(alert, "severity"));
    if (severity != "error" && severity != "critical") continue;
    HOLDFAST_ASSIGN(const std::string message, text_of(alert, "message"));
    ++count;
    const std::string text = one_line(severity + ": " + message, 80);
    if (texts.size() < kTextsMax && std::ranges::find(texts, text) == texts.end()) texts.push_back(text);
  }
  if (count == 0) return std::string();
  std::string out = std::to_string(count) + (count == 1 ? " alert (" : " alerts (");
  for (const std::string& text : texts) out += (&text == &texts.front() ? "" : ", ") + text;
  return out + ")";
}

std::string unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

std::string basic_authorization(std::string_view password) { return "Basic " + base64(as_bytes(":" + std::string(password))); }

std::string error_message(ByteView reply) {
  const std::string text = one_line(as_text(reply), kErrorMaxBytes);
  if (text.size() <= kShownMaxBytes) return text;
  // renterd goes from the outside to the cause, which stands at the end.
  constexpr std::string_view kGap = " ... ";
  constexpr std::size_t kEndBytes = 120;
  return text.substr(0, kShownMaxBytes - kEndBytes - kGap.size()) + std::string(kGap) + text.substr(text.size() - kEndBytes);
}

RenterdError classify(std::string_view message) noexcept {
  const auto says = [&](std::string_view part) { return message.find(part) != std::string_view::npos; };
  if (says("object not found")) return RenterdError::kNoObject;
  if (says("bucket not found")) return RenterdError::kNoBucket;
  if (says("bucket already exists")) return RenterdError::kBucketExists;
  if (says("invalid range")) return RenterdError::kBadRange;
  // Before money: a host's account that runs dry for a moment is one of the reasons why a slab can't be placed.
  if (says("failed to upload slab") || says("not enough contracts") || says("contract set is not specified") || says("couldn't find contract set") ||
      says("consensus is not synced") || says("balance was insufficient")) {
    return RenterdError::kNoHosts;
  }
  if (says("insufficient funds") || says("not enough funds") || says("insufficient allowance") || says("insufficient balance")) return RenterdError::kNoFunds;
  if (says("no space left") || says("disk is full")) return RenterdError::kNoSpace;
  return RenterdError::kOther;
}

Error reply_error(int status, const std::string& doing, ByteView reply) {
  Error error = http::status_error(status, doing, error_message(reply));
  switch (classify(one_line(as_text(reply), kErrorMaxBytes))) {
    case RenterdError::kOther:  // a missing page is no missing object: then something else than renterd has answered
      return status == 404 ? std::move(error).with_code(ErrorCode::kUnavailable) : error;
    case RenterdError::kNoObject: return std::move(error).with_code(ErrorCode::kNotFound);
    case RenterdError::kBadRange: return std::move(error).with_code(ErrorCode::kOutOfRange);
    case RenterdError::kNoBucket:  // made before the first put: somebody has taken it away, and the next put makes it again
    case RenterdError::kBucketExists:
    case RenterdError::kNoHosts: return std::move(error).with_code(ErrorCode::kUnavailable);
    case RenterdError::kNoFunds:
    case RenterdError::kNoSpace: return std::move(error).with_code(ErrorCode::kQuotaExceeded);
  }
  return error;
}

}  // namespace holdfast::sia
