// SPDX-License-Identifier: Apache-2.0
#include "adapters/swarm/bee_wire.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "adapters/http/http_transport.h"

namespace holdfast::swarm {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kHexDigits = 64;
constexpr std::uint64_t kDepthMax = 41;  // far above what can be paid for; keeps shifts and sums within 64 bits

Error unreadable(const std::string& what) { return {ErrorCode::kCorrupt, "Bee's reply " + what}; }

Result<Json> parse_members(ByteView reply) {
  Json json = Json::parse(as_text(reply), nullptr, false);
  if (json.is_discarded() || !json.is_object()) return unreadable("is no JSON object");
  return json;
}

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

/// Large numbers are texts, as JSON's own lose digits in some readers.
Result<std::string> digits_of(const Json& json, const char* member) {
  HOLDFAST_ASSIGN(std::string digits, text_of(json, member));
  const bool fine = !digits.empty() && digits.size() <= 60 && std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  if (!fine) return unreadable(std::string("has no amount ") + member);
  return digits;
}

/// {"code": 404, "message": "…"}: what Bee says of an error, and nobody else.
std::optional<std::string> bee_message(int status, ByteView reply) {
  const Json json = Json::parse(as_text(reply), nullptr, false);
  if (json.is_discarded() || !json.is_object()) return std::nullopt;
  const auto code = number_of(json, "code");
  const auto message = text_of(json, "message");
  if (!code || !message || *code != static_cast<std::uint64_t>(status)) return std::nullopt;
  return *message;
}

Result<Batch> batch_of(const Json& json) {
  Batch out;
  HOLDFAST_ASSIGN(const bool exists, switch_of(json, "exists"));
  HOLDFAST_ASSIGN(const bool usable, switch_of(json, "usable"));
  out.usable = exists && usable;
  HOLDFAST_ASSIGN(out.immutable, switch_of(json, "immutableFlag"));
  HOLDFAST_ASSIGN(out.depth, number_of(json, "depth"));
  HOLDFAST_ASSIGN(out.bucket_depth, number_of(json, "bucketDepth"));
  HOLDFAST_ASSIGN(out.utilization, number_of(json, "utilization"));
  if (out.depth > kDepthMax || out.bucket_depth > out.depth) return unreadable("has a batch of impossible depth");
  const auto ttl = json.find("batchTTL");
  if (ttl == json.end() || !ttl->is_number_integer()) return unreadable("has no number batchTTL");
  if (const auto seconds = ttl->get<std::int64_t>(); seconds != -1) out.ttl_seconds = static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 0));
  return out;
}

}  // namespace

bool is_hex(std::string_view text, std::size_t digits) noexcept {
  return text.size() == digits && std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string to_text(const Locator& locator) { return locator.batch + "/" + locator.reference; }

Result<Locator> parse_locator(std::string_view text) {
  const bool fits = text.size() == 2 * kHexDigits + 1 && text[kHexDigits] == '/';
  if (fits && is_hex(text.substr(0, kHexDigits), kHexDigits) && is_hex(text.substr(kHexDigits + 1), kHexDigits)) {
    return Locator{std::string(text.substr(0, kHexDigits)), std::string(text.substr(kHexDigits + 1))};
  }
  return Error(ErrorCode::kInvalidArgument, "a locator on Swarm is <postage batch>/<reference>, 64 hexadecimal digits each");
}

Result<Batch> parse_batch(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  return batch_of(json);
}

Result<std::map<std::string, Batch>> parse_batches(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  const auto stamps = json.find("stamps");
  if (stamps == json.end() || !stamps->is_array()) return unreadable("has no list of stamps");
  std::map<std::string, Batch> out;
  for (const Json& stamp : *stamps) {
    if (!stamp.is_object()) return unreadable("has a batch that is no object");
    HOLDFAST_ASSIGN(const std::string id, text_of(stamp, "batchID"));
    if (!is_hex(id, kHexDigits)) return unreadable("has a batch without an id");
    HOLDFAST_ASSIGN(out[id], batch_of(stamp));
  }
  return out;
}

Result<std::uint64_t> parse_stamp_count(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  const auto buckets = json.find("buckets");
  if (buckets == json.end() || !buckets->is_array()) return unreadable("has no list of buckets");
  std::uint64_t count = 0;
  for (const Json& bucket : *buckets) {
    if (!bucket.is_object()) return unreadable("has a bucket that is no object");
    HOLDFAST_ASSIGN(const std::uint64_t stamps, number_of(bucket, "collisions"));
    count += std::min<std::uint64_t>(stamps, std::uint64_t{1} << kDepthMax);
  }
  return count;
}

Result<Tag> parse_tag(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  Tag out;
  HOLDFAST_ASSIGN(out.uid, number_of(json, "uid"));
  HOLDFAST_ASSIGN(out.split, number_of(json, "split"));
  HOLDFAST_ASSIGN(out.seen, number_of(json, "seen"));
  HOLDFAST_ASSIGN(out.stored, number_of(json, "stored"));
  HOLDFAST_ASSIGN(out.synced, number_of(json, "synced"));
  return out;
}

Result<std::string> parse_reference(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  HOLDFAST_ASSIGN(std::string reference, text_of(json, "reference"));
  if (!is_hex(reference, kHexDigits)) return unreadable("has no reference of 64 hexadecimal digits");
  return reference;
}

Result<bool> parse_retrievable(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  return switch_of(json, "isRetrievable");
}

Result<std::size_t> parse_peer_count(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  const auto peers = json.find("peers");
  if (peers == json.end() || !(peers->is_array() || peers->is_null())) return unreadable("has no list of peers");
  return peers->size();
}

Result<std::string> parse_version(ByteView reply) {
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  HOLDFAST_ASSIGN(const std::string version, text_of(json, "version"));
  std::string out;
  for (const char c : version.substr(0, 40)) out += (c > ' ' && c <= '~') ? c : '?';
  return out;
}

Result<std::uint64_t> parse_price(ByteView reply) {
  constexpr std::size_t kPriceDigitsMax = 15;  // a hundred million times what the main network ever asked; keeps products within 64 bits
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  HOLDFAST_ASSIGN(const std::string digits, digits_of(json, "currentPrice"));
  if (digits.size() > kPriceDigitsMax) return unreadable("has an impossible price");
  return std::stoull(digits);
}

Result<std::string> parse_wallet(ByteView reply) {
  constexpr std::size_t kPlurDigits = 16;  // 1 BZZ = 10^16 PLUR
  HOLDFAST_ASSIGN(const Json json, parse_members(reply));
  HOLDFAST_ASSIGN(std::string plur, digits_of(json, "bzzBalance"));
  if (plur.size() <= kPlurDigits) plur.insert(0, kPlurDigits + 1 - plur.size(), '0');
  const std::size_t point = plur.size() - kPlurDigits;
  return plur.substr(0, point) + "." + plur.substr(point, 2) + " BZZ";
}

std::string transaction_in(ByteView reply) {
  const auto json = parse_members(reply);
  if (!json) return "unknown";
  const auto hash = text_of(*json, "txHash");
  return hash && hash->starts_with("0x") && is_hex(hash->substr(2), kHexDigits) ? *hash : "unknown";
}

BeeError classify(int status, ByteView reply) {
  const auto message = bee_message(status, reply);
  if (!message) return BeeError::kNotBee;
  const auto says = [&](std::string_view part) { return message->find(part) != std::string::npos; };
  if (says("batch not usable")) return BeeError::kNotYetUsable;
  if (says("batch with id not found") || says("issuer does not exist")) return BeeError::kNoBatch;
  if (says("batch is overissued")) return BeeError::kOverissued;
  if (says("out of funds")) return BeeError::kNoFunds;
  if (says("chunk write error")) return BeeError::kNotWritten;
  return status == 404 ? BeeError::kNotFound : BeeError::kOther;
}

Error reply_error(int status, const std::string& doing, ByteView reply) {
  Error error = http::status_error(status, doing, as_text(reply));
  switch (classify(status, reply)) {
    case BeeError::kNotBee:  // its 404 proves no absence, its 402 no empty purse
      return status == 404 || status == 402 ? std::move(error).with_code(ErrorCode::kUnavailable) : error;
    case BeeError::kNotFound: return std::move(error).with_code(ErrorCode::kNotFound);
    case BeeError::kNotWritten:
    case BeeError::kNotYetUsable: return std::move(error).with_code(ErrorCode::kUnavailable);
    case BeeError::kNoBatch:
    case BeeError::kOverissued:
    case BeeError::kNoFunds: return std::move(error).with_code(ErrorCode::kQuotaExceeded);
    case BeeError::kOther: return error;
  }
  return error;
}

}  // namespace holdfast::swarm
