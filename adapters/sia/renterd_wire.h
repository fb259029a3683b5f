// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "core/base/bytes.h"
#include "core/store/object_store.h"

/// Pure codecs of renterd's HTTP API (renterd 1.1.1): bytes in, values out, no I/O. What does not parse is kCorrupt.
namespace holdfast::sia {

/// Data of a slab before redundancy is a multiple of this (rhp/v2, SectorSize).
inline constexpr std::uint64_t kSectorBytes = 4ULL << 20;

/// What the bus knows of one object.
struct StoredObject {
  std::uint64_t size_bytes = 0;
  std::string etag;       ///< MD5 in lower-case hexadecimal, without quotes
  bool buffered = false;  ///< a part of it waits on renterd's own disk to be packed: no host has it
  bool lost = false;      ///< a slab has fewer shards on usable hosts than reading it takes, or is missing altogether
};
/// A reply of GET /api/bus/objects/KEY.
Result<StoredObject> parse_object(ByteView reply);
/// What a probe answers for an object that should have `size_bytes`.
Durability durability_of(const StoredObject& object, std::uint64_t size_bytes) noexcept;

struct Node {
  std::string version;
  std::string network;  ///< "mainnet", "zen", …
};
Result<Node> parse_state(ByteView reply);

/// Whether renterd has followed the chain to its end. Without that it takes no upload.
Result<bool> parse_synced(ByteView reply);

struct Redundancy {
  std::uint64_t min_shards = 0;
  std::uint64_t total_shards = 0;
};
Result<Redundancy> parse_redundancy(ByteView reply);

/// The name of the set of contracts that uploads use; empty when none is chosen.
Result<std::string> parse_default_set(ByteView reply);
/// How many contracts a set has: one host each.
Result<std::uint64_t> parse_contract_count(ByteView reply);
/// Whether ends of objects wait in renterd's buffer until they fill a slab.
Result<bool> parse_packing(ByteView reply);
/// What the wallet can spend, in siacoins: "12.5 SC".
Result<std::string> parse_wallet(ByteView reply);

struct ObjectStats {
  std::uint64_t objects_bytes = 0;  ///< of all objects, as they were put
  std::uint64_t sectors_bytes = 0;  ///< of all their shards, on hosts
};
Result<ObjectStats> parse_stats(ByteView reply);

/// The alerts of severity error and critical: how many, and each text once. Empty when there is none.
Result<std::string> parse_alerts(ByteView reply);

/// The ETag field of a reply without its quotes.
std::string unquoted(std::string_view etag);

/// "Basic …" for `password`; renterd takes any user name, so none is sent.
std::string basic_authorization(std::string_view password);

/// What an error reply says, on one line: printable, blanks squeezed, at most 300 bytes; of a longer one beginning and end, where the cause stands.
std::string error_message(ByteView reply);

/// What renterd's errors mean: plain text, and often status 500 for what is not renterd's fault.
enum class RenterdError : std::uint8_t {
  kOther,
  kNoObject,
  kNoBucket,
  kBucketExists,
  kBadRange,    ///< a range that the object does not have: status 400, never 416
  kNoHosts,     ///< too few usable hosts or contracts, or renterd does not follow the chain: later, perhaps
  kNoFunds,     ///< the wallet or the allowance is used up
  kNoSpace,     ///< renterd's own disk is full
};
RenterdError classify(std::string_view message) noexcept;

/// The Error of a reply that is no success.
Error reply_error(int status, const std::string& doing, ByteView reply);

}  // namespace holdfast::sia
