// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "adapters/swarm/chunk_address.h"
#include "core/base/ids.h"
#include "core/crypto/ethereum_key.h"

/// Feeds as Bee's sequence feeds: update i is a single-owner chunk at Keccak-256(Keccak-256(topic ‖ i as `u64`, big-endian) ‖ owner). No I/O here.
namespace holdfast::swarm {

struct Feed {
  EthereumAddress owner;
  Keccak256 topic;
  friend auto operator<=>(const Feed&, const Feed&) = default;
};

/// The topic of a repository's head (FORMAT.md §8).
Keccak256 head_topic(const RepositoryId& repository, std::uint32_t slot);
/// The key that signs heads (FORMAT.md §8). `key_seed` has 32 bytes.
EthereumKey head_key(ByteView key_seed);

/// "feeds/<owner>/<topic>", 40 and 64 hexadecimal digits.
std::string to_text(const Feed& feed);
/// Errors: kInvalidArgument.
Result<Feed> parse_feed(std::string_view text);

Keccak256 update_id(const Feed& feed, std::uint64_t index);

/// One update: what Bee resolves to the content under `reference` by itself.
struct Update {
  std::uint64_t time_seconds = 0;  ///< since 1970, for people alone
  Address reference;
  friend bool operator==(const Update&, const Update&) = default;
};
/// Span and payload of the chunk inside: `u64` 40 ‖ `u64` time, big-endian ‖ reference [32].
Bytes encode(const Update& update);
/// Verifies that the feed's owner signed exactly this as update `index`. Errors: kCorrupt (not signed by the owner, or no head's update).
Result<Update> open_update(const Feed& feed, std::uint64_t index, ByteView span_and_payload, std::string_view signature_hex);
/// The signature of update `index`. `key` is the feed's owner.
EthereumSignature sign_update(const EthereumKey& key, const Feed& feed, std::uint64_t index, ByteView span_and_payload);

}  // namespace holdfast::swarm
