// SPDX-License-Identifier: Apache-2.0
#include "adapters/ipfs/pinning_wire.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "adapters/http/http_transport.h"

namespace holdfast::ipfs {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kIdMaxBytes = 512;       // the specification has no bound
constexpr std::size_t kDelegatesMax = 20;      // specification: at most 20 origins and delegates
constexpr std::size_t kAddressMaxBytes = 512;
constexpr std::size_t kDetailsMaxBytes = 200;
constexpr std::array<std::string_view, 4> kStatusNames = {"queued", "pinning", "pinned", "failed"};

Error unreadable(const std::string& what) { return {ErrorCode::kUnavailable, "the reply " + what + ": no answer of a pinning service"}; }

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

const Json* member(const Json& json, const char* name) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(name);
  return found == json.end() ? nullptr : &*found;
}

std::string text_or_nothing(const Json* json) { return json != nullptr && json->is_string() ? json->get<std::string>() : std::string(); }

Result<Pin> pin_of(const Json& json) {
  Pin pin;
  pin.request_id = text_or_nothing(member(json, "requestid"));
  if (pin.request_id.empty() || pin.request_id.size() > kIdMaxBytes || !is_printable(pin.request_id) || pin.request_id.find_first_not_of('.') == std::string::npos) {
    return unreadable("has no requestid");
  }
  const std::string status = text_or_nothing(member(json, "status"));
  const auto known = std::ranges::find(kStatusNames, status);
  if (known == kStatusNames.end()) return unreadable("has no status that is known");
  pin.status = static_cast<PinStatus>(known - kStatusNames.begin());
  if (const Json* inner = member(json, "pin")) {
    pin.cid = text_or_nothing(member(*inner, "cid"));
    pin.name = text_or_nothing(member(*inner, "name"));
  }
  if (pin.cid.empty()) return unreadable("names no CID");
  if (const Json* delegates = member(json, "delegates"); delegates != nullptr && delegates->is_array()) {
    for (const Json& one : *delegates) {
      const std::string address = text_or_nothing(&one);
      const bool usable = address.starts_with('/') && address.size() <= kAddressMaxBytes && is_printable(address);
      if (usable && pin.delegates.size() < kDelegatesMax) pin.delegates.push_back(address);
    }
  }
  if (const Json* info = member(json, "info")) pin.details = text_or_nothing(member(*info, "status_details"));
  pin.details.resize(std::min(pin.details.size(), kDetailsMaxBytes));
  std::ranges::replace_if(pin.details, [](char c) { return c < ' ' || c > '~'; }, ' ');
  return pin;
}

Json parse(ByteView reply) { return Json::parse(as_text(reply), nullptr, false); }

/// A word by which services name that an account is out of money or space. The specification has INSUFFICIENT_FUNDS; others are their own.
bool is_about_quota(std::string reason) {
  std::ranges::transform(reason, reason.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  constexpr std::array<std::string_view, 5> kWords = {"FUNDS", "QUOTA", "PAYMENT", "STORAGE_LIMIT", "OVER_LIMIT"};
  return std::ranges::any_of(kWords, [&](std::string_view word) { return reason.find(word) != std::string::npos; });
}

}  // namespace

std::string_view pin_status_name(PinStatus status) noexcept { return kStatusNames.at(static_cast<std::size_t>(status)); }

Result<Pin> parse_pin(ByteView reply) {
  const Json json = parse(reply);
  if (!json.is_object()) return unreadable("is no JSON object");
  return pin_of(json);
}

Result<PinList> parse_pins(ByteView reply) {
  const Json json = parse(reply);
  if (!json.is_object()) return unreadable("is no JSON object");
  const Json* results = member(json, "results");
  const Json* count = member(json, "count");
  if (results == nullptr || !results->is_array() || count == nullptr || !count->is_number_unsigned()) return unreadable("has no list of pins");
  PinList list{.count = count->get<std::uint64_t>(), .pins = {}};
  for (const Json& one : *results) {
    HOLDFAST_ASSIGN(Pin pin, pin_of(one));
    list.pins.push_back(std::move(pin));
  }
  return list;
}

std::string pin_request(const std::string& cid, const std::string& name, const std::vector<std::string>& origins) {
  Json json = {{"cid", cid}, {"name", name}};
  if (!origins.empty()) json["origins"] = origins;
  return json.dump();
}

Error service_error(int status, const std::string& doing, ByteView reply) {
  const Json json = parse(reply);
  const Json* said = member(json, "error");
  const std::string reason = said == nullptr ? std::string() : text_or_nothing(member(*said, "reason"));
  const std::string details = said == nullptr ? std::string() : text_or_nothing(member(*said, "details"));
  Error error = http::status_error(status, doing, reason.empty() ? as_text(reply) : reason + (details.empty() ? "" : ": ") + details);
  const bool is_refusal = status >= 400 && status < 500 && status != 401 && status != 403;
  if (status == 409 || (is_refusal && is_about_quota(reason))) return std::move(error).with_code(ErrorCode::kQuotaExceeded);
  // Absence that is not said in the API's own words is a wrong address, or something in front of the service.
  if (status == 404 && reason.empty()) return std::move(error).with_code(ErrorCode::kUnavailable);
  if (status < 300) return std::move(error).with_code(ErrorCode::kUnavailable);
  return error;
}

}  // namespace holdfast::ipfs
