// SPDX-License-Identifier: Apache-2.0
// Mutable heads: feeds of a key that the repository's secret derives. An index is never written twice, and no head is believed that is older than one already seen.
#include "adapters/swarm/swarm_store.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/store/object_name.h"

namespace holdfast {

namespace {

using namespace std::chrono_literals;

constexpr auto kAskTimeout = 60'000ms;  // a look-up asks the network for many chunks
constexpr std::uint64_t kIndexMax = std::uint64_t{1} << 40;
constexpr std::size_t kSeedBytes = 32;

}  // namespace

void SwarmStore::remember(const swarm::Feed& feed, const Seen& seen) {
  const std::lock_guard lock(mutex_);
  const auto [found, fresh] = newest_.try_emplace(feed, seen);
  if (!fresh && seen.index >= found->second.index) found->second = seen;
}

std::optional<SwarmStore::Seen> SwarmStore::remembered(const swarm::Feed& feed) {
  const std::lock_guard lock(mutex_);
  const auto found = newest_.find(feed);
  return found == newest_.end() ? std::nullopt : std::optional<Seen>(found->second);
}

Result<std::optional<SwarmStore::Seen>> SwarmStore::update_at(const swarm::Feed& feed, std::uint64_t index, const CallContext& context) {
  http::Request asking = request(http::Method::kGet, "soc/" + feed.owner.hex() + "/" + swarm::update_id(feed, index).hex());
  asking.headers.emplace_back("Swarm-Only-Root-Chunk", "true");
  const std::string doing = "reading update " + std::to_string(index) + " of " + swarm::to_text(feed);
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, exchange(asking, kAskTimeout, context));
  if (reply.head.status == 200) {
    Result<swarm::Update> update = swarm::open_update(feed, index, reply.body, reply.head.header("swarm-soc-signature"));
    if (!update) return std::move(update).error().on_network(traits_.name);
    return std::optional<Seen>(Seen{index, *update});
  }
  Error error = absence(swarm::reply_error(reply.head.status, doing, reply.body), context);
  if (error.code() == ErrorCode::kNotFound) return std::optional<Seen>();
  return std::move(error).on_network(traits_.name);
}

/// The node's own look-up, which searches with many questions at once and gives each a second: it may be late by some updates, or find none where there are some.
Result<std::optional<SwarmStore::Seen>> SwarmStore::ask_for_newest(const swarm::Feed& feed, const CallContext& context) {
  http::Request asking = request(http::Method::kGet, swarm::to_text(feed));
  asking.headers.emplace_back("Swarm-Only-Root-Chunk", "true");
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, exchange(asking, kAskTimeout, context));
  if (reply.head.status == 200) {
    const auto bytes = from_hex(reply.head.header("swarm-feed-index"));
    if (!bytes || bytes->size() != 8) return Error(ErrorCode::kCorrupt, "looking up " + swarm::to_text(feed) + ": no index came back").on_network(traits_.name);
    std::uint64_t index = 0;
    for (const std::uint8_t byte : *bytes) index = index << 8U | byte;
    if (index < kIndexMax) {
      HOLDFAST_ASSIGN(auto found, update_at(feed, index, context));
      if (found) return found;
    }
  } else if (const Error error = swarm::reply_error(reply.head.status, "looking up " + swarm::to_text(feed), reply.body); error.code() != ErrorCode::kNotFound) {
    return Error(error).on_network(traits_.name);
  }
  // It says 404 of a feed that was never written, of one that it can't reach now, and of one whose content is lost.
  return update_at(feed, 0, context);
}

/// The newest from `known` on: in steps that double as long as there is an update, then halved. Updates have no gaps.
Result<SwarmStore::Seen> SwarmStore::newest_from(const swarm::Feed& feed, Seen known, const CallContext& context) {
  std::uint64_t step = 1;
  bool doubling = true;
  while (step > 0 && known.index + step < kIndexMax) {
    HOLDFAST_ASSIGN(const auto found, update_at(feed, known.index + step, context));
    if (found) known = *found;
    if (!found) doubling = false;
    step = doubling ? 2 * step : step / 2;
  }
  return known;
}

Result<std::optional<SwarmStore::Seen>> SwarmStore::find_newest(const swarm::Feed& feed, const CallContext& context) {
  std::optional<Seen> known = remembered(feed);
  if (!known) {
    HOLDFAST_ASSIGN(known, ask_for_newest(feed, context));
  }
  if (!known) return std::optional<Seen>();
  HOLDFAST_ASSIGN(const Seen newest, newest_from(feed, *known, context));
  remember(feed, newest);
  return std::optional<Seen>(newest);
}

Status SwarmStore::post_update(const EthereumKey& key, const swarm::Feed& feed, const Seen& next, const CallContext& context) {
  const Bytes payload = swarm::encode(next.update);
  const std::string signature = swarm::sign_update(key, feed, next.index, payload).hex();
  http::Request posting = request(http::Method::kPost, "soc/" + feed.owner.hex() + "/" + swarm::update_id(feed, next.index).hex() + "?sig=" + signature);
  posting.headers.emplace_back("Swarm-Postage-Batch-Id", options_.batch);
  posting.headers.emplace_back("Content-Type", "application/octet-stream");
  posting.body = ByteView(payload);
  const std::string doing = "writing update " + std::to_string(next.index) + " of " + swarm::to_text(feed);
  {
    const std::lock_guard lock(mutex_);
    pending_[feed] = next;
  }
  Result<http::CollectedResponse> sent = exchange(posting, kAskTimeout, context);
  if (!sent) return std::move(sent).error().with_context(doing);
  if (sent->head.status != 201) {
    Error error = swarm::reply_error(sent->head.status, doing, sent->body).on_network(traits_.name);
    if (swarm::classify(sent->head.status, sent->body) != swarm::BeeError::kNotWritten) return error;
    // A feed has no gaps, so this update needs a stamp of its own bucket.
    HOLDFAST_ASSIGN(const auto batch, look_at_batch(options_.batch, context));
    if (batch && fills_up(*batch)) return std::move(error).with_code(ErrorCode::kQuotaExceeded).with_context("postage batch " + batch_name() + " is filling up, and heads wait until it is diluted");
    return error;
  }
  // A peer has given a receipt for it, unless there is none.
  if (Status peers = need_peers(context); !peers) return std::move(peers).error().with_context(doing);
  // What others will see is what counts. It need not be seen here at once: a peer that was asked before the write is not asked again for a minute.
  const Result<std::optional<Seen>> back = update_at(feed, next.index, context);
  HOLDFAST_TRY(check_context(context, system_clock(), doing));
  if (!back && back.error().code() == ErrorCode::kCorrupt) return back.error();
  const Seen written = back && *back ? **back : next;
  {
    const std::lock_guard lock(mutex_);
    pending_.erase(feed);
  }
  remember(feed, written);
  if (written.update == next.update) return ok_status();
  return Error(ErrorCode::kConflict, doing + ": somebody else has written it").on_network(traits_.name);
}

Status SwarmStore::finish_pending(const EthereumKey& key, const swarm::Feed& feed, const CallContext& context) {
  std::optional<Seen> pending;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = pending_.find(feed); found != pending_.end()) pending = found->second;
  }
  // The same bytes again, signature and all, are the same chunk: nothing else may ever stand at that index.
  return pending ? post_update(key, feed, *pending, context) : ok_status();
}

Result<std::string> SwarmStore::publish(const EthereumKey& key, const swarm::Feed& feed, ByteView head, const CallContext& context) {
  HOLDFAST_TRY(ready_batch(context));
  // Never with redundancy: a head is small, and everybody can check it against its reference.
  HOLDFAST_ASSIGN(const std::string reference, store_bytes(head, {"publishing " + swarm::to_text(feed), 0}, context));
  HOLDFAST_TRY(finish_pending(key, feed, context));
  HOLDFAST_ASSIGN(const std::optional<Seen> newest, find_newest(feed, context));
  Seen next;
  if (newest && newest->update.reference.hex() == reference) {
    next = *newest;  // stamped anew, so that it lives as long as the batch of today
  } else {
    HOLDFAST_ASSIGN(const Bytes bytes, from_hex(reference));
    HOLDFAST_ASSIGN(next.update.reference, swarm::Address::from(bytes));
    next.index = newest ? newest->index + 1 : 0;
    next.update.time_seconds = static_cast<std::uint64_t>(system_clock().wall_now() / 1'000'000'000);
  }
  HOLDFAST_TRY(post_update(key, feed, next, context));
  if (newest && newest->update.reference != next.update.reference) {
    const Status unpinned = unpin(newest->update.reference.hex(), context);
    if (!unpinned) log_debug("network " + traits_.name + ": the old head stays pinned: " + unpinned.error().message());
  }
  return swarm::to_text(feed);
}

Result<std::string> SwarmStore::publish_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed, ByteView head, const CallContext& context) {
  if (head.size() > kHeadMaxBytes) return Error(ErrorCode::kInvalidArgument, "a head of over 1 MiB");
  if (key_seed.size() != kSeedBytes) return Error(ErrorCode::kInvalidArgument, "a feed's key has a seed of 32 bytes");
  HOLDFAST_TRY(check_context(context, system_clock(), "publishing a head"));
  const EthereumKey key = swarm::head_key(key_seed);
  const swarm::Feed feed{key.address(), swarm::head_topic(repository, slot)};
  {
    const std::lock_guard lock(mutex_);
    if (!publishing_.insert(feed).second) return Error(ErrorCode::kConflict, "the head " + swarm::to_text(feed) + " is being published already").on_network(traits_.name);
  }
  Result<std::string> published = publish(key, feed, head, context);
  const std::lock_guard lock(mutex_);
  publishing_.erase(feed);
  return published;
}

Result<Bytes> SwarmStore::read_head(const std::string& reference, const CallContext& context) {
  http::Request getting = request(http::Method::kGet, "bytes/" + reference);
  getting.response_size_max_bytes = kHeadMaxBytes;
  const std::string doing = "reading the head " + reference;
  Result<http::CollectedResponse> reply = exchange(getting, time_for(kHeadMaxBytes), context);
  if (!reply) return std::move(reply).error().with_context(doing);
  if (reply->head.status != 200) {
    // The feed says that it is there: bytes that can't be found are no proof that there is no head, but a head that is broken.
    Error error = swarm::reply_error(reply->head.status, doing, reply->body);
    if (error.code() == ErrorCode::kNotFound) error = std::move(error).with_code(ErrorCode::kCorrupt);
    return std::move(error).on_network(traits_.name);
  }
  if (swarm::object_address(reply->body).hex() != reference) return Error(ErrorCode::kCorrupt, doing + ": other bytes came back").on_network(traits_.name);
  return std::move(reply->body);
}

Result<std::optional<Bytes>> SwarmStore::resolve_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed, const CallContext& context) {
  if (key_seed.size() != kSeedBytes) return Error(ErrorCode::kInvalidArgument, "a feed's key has a seed of 32 bytes");
  HOLDFAST_TRY(check_context(context, system_clock(), "resolving a head"));
  const swarm::Feed feed{swarm::head_key(key_seed).address(), swarm::head_topic(repository, slot)};
  HOLDFAST_ASSIGN(const auto newest, find_newest(feed, context));
  if (!newest) return std::optional<Bytes>();
  HOLDFAST_ASSIGN(Bytes head, read_head(newest->update.reference.hex(), context));
  return std::optional<Bytes>(std::move(head));
}

Result<Bytes> SwarmStore::fetch_head(const std::string& locator, const CallContext& context) {
  HOLDFAST_ASSIGN(const swarm::Feed feed, swarm::parse_feed(locator));
  HOLDFAST_TRY(check_context(context, system_clock(), "fetching a head"));
  HOLDFAST_ASSIGN(const auto newest, find_newest(feed, context));
  if (!newest) return Error(ErrorCode::kNotFound, "nobody has written " + locator).on_network(traits_.name);
  return read_head(newest->update.reference.hex(), context);
}

}  // namespace holdfast
