// SPDX-License-Identifier: Apache-2.0
#include "adapters/swarm/feed.h"

#include <algorithm>

#include "adapters/swarm/bee_wire.h"

namespace holdfast::swarm {

namespace {

constexpr std::string_view kFeeds = "feeds/";
constexpr std::size_t kOwnerDigits = 2 * EthereumAddress::size;
constexpr std::size_t kTopicDigits = 2 * Keccak256::size;
constexpr std::size_t kPayloadBytes = 40;

std::array<std::uint8_t, 8> big_endian(std::uint64_t value) {
  std::array<std::uint8_t, 8> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
  return out;
}

/// What is signed: the update's id and the address of the chunk inside.
Keccak256 signed_digest(const Feed& feed, std::uint64_t index, ByteView span_and_payload) {
  const Address inner = chunk_address(span_and_payload.size() - kSpanBytes, span_and_payload.subspan(kSpanBytes));
  return keccak256({update_id(feed, index).view(), inner.view()});
}

}  // namespace

Keccak256 head_topic(const RepositoryId& repository, std::uint32_t slot) {
  std::array<std::uint8_t, 4> number{};
  for (std::size_t i = 0; i < number.size(); ++i) number[i] = static_cast<std::uint8_t>(slot >> (8 * i));
  return keccak256({as_bytes("holdfast/1/head"), repository.view(), number});
}

EthereumKey head_key(ByteView key_seed) { return EthereumKey::derive(key_seed, "holdfast/1/swarm"); }

std::string to_text(const Feed& feed) { return std::string(kFeeds) + feed.owner.hex() + "/" + feed.topic.hex(); }

Result<Feed> parse_feed(std::string_view text) {
  const Error refusal(ErrorCode::kInvalidArgument, "a head on Swarm is feeds/<owner>/<topic>, 40 and 64 hexadecimal digits");
  if (!text.starts_with(kFeeds)) return refusal;
  text.remove_prefix(kFeeds.size());
  if (text.size() != kOwnerDigits + 1 + kTopicDigits || text[kOwnerDigits] != '/') return refusal;
  const std::string_view owner = text.substr(0, kOwnerDigits);
  const std::string_view topic = text.substr(kOwnerDigits + 1);
  if (!is_hex(owner, kOwnerDigits) || !is_hex(topic, kTopicDigits)) return refusal;
  HOLDFAST_ASSIGN(const Bytes owner_bytes, from_hex(owner));
  HOLDFAST_ASSIGN(const Bytes topic_bytes, from_hex(topic));
  Feed feed;
  HOLDFAST_ASSIGN(feed.owner, EthereumAddress::from(owner_bytes));
  HOLDFAST_ASSIGN(feed.topic, Keccak256::from(topic_bytes));
  return feed;
}

Keccak256 update_id(const Feed& feed, std::uint64_t index) { return keccak256({feed.topic.view(), big_endian(index)}); }

Bytes encode(const Update& update) {
  Bytes out = {kPayloadBytes, 0, 0, 0, 0, 0, 0, 0};
  append(out, big_endian(update.time_seconds));
  append(out, update.reference.view());
  return out;
}

Result<Update> open_update(const Feed& feed, std::uint64_t index, ByteView span_and_payload, std::string_view signature_hex) {
  const auto refuse = [&](const char* why) { return Error(ErrorCode::kCorrupt, "update " + std::to_string(index) + " of " + to_text(feed) + " " + why); };
  if (span_and_payload.size() != kSpanBytes + kPayloadBytes) return refuse("is no head's");
  const auto bytes = from_hex(signature_hex);
  if (!bytes || bytes->size() != EthereumSignature::size) return refuse("came without a signature");
  HOLDFAST_ASSIGN(const EthereumSignature signature, EthereumSignature::from(*bytes));
  const auto signer = message_signer(signed_digest(feed, index, span_and_payload), signature);
  if (!signer || *signer != feed.owner) return refuse("is not signed by the feed's owner");
  Update update;
  for (const std::uint8_t byte : span_and_payload.subspan(kSpanBytes, 8)) update.time_seconds = update.time_seconds << 8U | byte;
  std::ranges::copy(span_and_payload.last(Address::size), update.reference.bytes.begin());
  if (encode(update) != Bytes(span_and_payload.begin(), span_and_payload.end())) return refuse("has a wrong span");
  return update;
}

EthereumSignature sign_update(const EthereumKey& key, const Feed& feed, std::uint64_t index, ByteView span_and_payload) {
  HOLDFAST_CHECK(key.address() == feed.owner && span_and_payload.size() > kSpanBytes);
  return key.sign_message(signed_digest(feed, index, span_and_payload));
}

}  // namespace holdfast::swarm
