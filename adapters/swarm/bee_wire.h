// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/swarm/chunk_address.h"
#include "core/base/bytes.h"

/// What Bee's API says and wants to hear, as bytes: no I/O here. Bee 2.7.0 (API 7.3.0).
namespace holdfast::swarm {

/// <batch>/<reference>, each 64 hexadecimal digits (FORMAT.md §8): the batch says whose expiry ends the object.
struct Locator {
  std::string batch;
  std::string reference;
};
std::string to_text(const Locator& locator);
/// Errors: kInvalidArgument.
Result<Locator> parse_locator(std::string_view text);
/// Whether `text` is so many lower-case hexadecimal digits.
bool is_hex(std::string_view text, std::size_t digits) noexcept;

/// A postage batch as the node that issues its stamps knows it.
struct Batch {
  bool usable = false;
  bool immutable = false;
  std::uint64_t depth = 0;         ///< 2^depth chunks
  std::uint64_t bucket_depth = 0;  ///< in 2^bucket_depth buckets, chosen by the chunk's address
  std::uint64_t utilization = 0;   ///< stamps of the fullest bucket
  std::optional<std::uint64_t> ttl_seconds;  ///< nullopt: it never expires at the present price

  [[nodiscard]] std::uint64_t bucket_capacity() const noexcept { return std::uint64_t{1} << (depth - bucket_depth); }
};
/// Errors of this and the parsers below: kCorrupt.
Result<Batch> parse_batch(ByteView reply);
/// All batches whose stamps the node issues, by their ids.
Result<std::map<std::string, Batch>> parse_batches(ByteView reply);
/// How many stamps were issued, of all buckets.
Result<std::uint64_t> parse_stamp_count(ByteView reply);

/// How far an upload is.
struct Tag {
  std::uint64_t uid = 0;
  std::uint64_t split = 0;   ///< chunks that it has
  std::uint64_t seen = 0;    ///< of these, that wait for the network under another tag already
  std::uint64_t stored = 0;  ///< that the node kept for itself because it knew nobody to give them to; counted as synced too
  std::uint64_t synced = 0;
  [[nodiscard]] bool is_done() const noexcept { return split > 0 && seen + synced >= split; }
  /// Whether somebody else than the node has taken all of it.
  [[nodiscard]] bool is_on_network() const noexcept { return is_done() && seen == 0 && stored == 0; }
};
Result<Tag> parse_tag(ByteView reply);
Result<std::string> parse_reference(ByteView reply);
Result<bool> parse_retrievable(ByteView reply);
Result<std::size_t> parse_peer_count(ByteView reply);
Result<std::string> parse_version(ByteView reply);
/// PLUR a chunk and block.
Result<std::uint64_t> parse_price(ByteView reply);
/// Of the node's wallet: whole BZZ and two digits, "12.34 BZZ".
Result<std::string> parse_wallet(ByteView reply);
/// The hash of a transaction, or "unknown".
std::string transaction_in(ByteView reply);

/// What a reply that is no success means.
enum class BeeError {
  kOther,
  kNotBee,        ///< nothing that Bee writes: a proxy's page
  kNotFound,
  kNoBatch,       ///< expired, or never this node's
  kNotYetUsable,
  kOverissued,    ///< a bucket of an immutable batch is full
  kNoFunds,
  kNotWritten,    ///< a single-owner chunk, for whatever reason: a full bucket is one
};
BeeError classify(int status, ByteView reply);
/// `doing` is shown, never a query or credentials.
Error reply_error(int status, const std::string& doing, ByteView reply);

}  // namespace holdfast::swarm
