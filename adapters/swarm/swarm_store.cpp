// SPDX-License-Identifier: Apache-2.0
#include "adapters/swarm/swarm_store.h"

#include <algorithm>

#include "adapters/http/range_get.h"
#include "core/base/clock.h"
#include "core/base/log.h"

namespace holdfast {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kReplyMaxBytes = 16U << 20;  // of JSON: 65,536 buckets, 40 bytes each
constexpr auto kAskTimeout = 30'000ms;               // what the node answers from its own books, or a chunk that it looks for
constexpr auto kTransferTimeout = 60'000ms;          // and a second for each of the next
constexpr std::uint64_t kSlowestBytesPerSecond = 16U << 10;  // under this a node is taken for hanging
constexpr std::uint32_t kRedundancyMax = 4;
constexpr std::uint32_t kDepthLeast = 17;  // the contract's bucket depth, and one more
constexpr std::uint32_t kDepthMost = 41;

}  // namespace

Result<std::shared_ptr<SwarmStore>> SwarmStore::make(const Options& options, std::shared_ptr<http::HttpTransport> transport) {
  const auto refuse = [&](const std::string& why) { return Error(ErrorCode::kInvalidArgument, "network '" + options.name + "': " + why); };
  if (http::origin_of(options.api).empty()) return refuse("'" + http::redacted(options.api) + "' is no http or https address");
  if (!options.batch.empty() && !swarm::is_hex(options.batch, 64)) return refuse("batch is the 64 lower-case hexadecimal digits of a postage batch");
  if (options.redundancy > kRedundancyMax) return refuse("redundancy is 0 to 4");
  if (options.ttl_warn < options.ttl_min) return refuse("a batch that takes nothing new any more must have been warned of: ttl_warn_days is at least ttl_min_hours");
  if (options.top_up_to.count() != 0) {
    if (options.top_up_to <= options.ttl_warn) return refuse("batch_top_up_days is more than ttl_warn_days, under which a batch is topped up");
    if (options.top_up_max_bzz == 0) return refuse("batch_top_up_days spends money: set batch_top_up_max_bzz, what one top-up may cost");
  }
  if (options.depth_max != 0 && (options.depth_max < kDepthLeast || options.depth_max > kDepthMost)) return refuse("batch_depth_max is 17 to 41");
  if (options.block_time.count() < 1) return refuse("batch_block_seconds is at least 1");
  return std::shared_ptr<SwarmStore>(new SwarmStore(options, std::move(transport)));
}

SwarmStore::SwarmStore(const Options& options, std::shared_ptr<http::HttpTransport> transport)
    : options_(options), api_(options.api), transport_(std::move(transport)) {
  while (api_.ends_with('/')) api_.pop_back();
  traits_.name = options.name;
  traits_.type = "swarm";
  traits_.site = http::site_of(options.site, api_);
  traits_.jurisdiction = options.jurisdiction;
  traits_.calls_in_flight_max = 4;  // all uploads share one queue of the node's towards the network
  traits_.can_remove = true;
  traits_.erases = false;  // chunks stay with others until their batch ends
  traits_.has_mutable_names = true;
}

std::chrono::milliseconds SwarmStore::time_for(std::uint64_t size_bytes) {
  return kTransferTimeout + std::chrono::milliseconds(1000 * size_bytes / kSlowestBytesPerSecond);
}

http::Request SwarmStore::request(http::Method method, const std::string& path) const {
  return {.method = method, .url = api_ + "/" + path, .response_size_max_bytes = kReplyMaxBytes};
}

Result<http::CollectedResponse> SwarmStore::exchange(const http::Request& request, std::chrono::milliseconds bound, const CallContext& context) {
  Result<http::CollectedResponse> reply = http::send_and_collect(*transport_, request, with_timeout(context, system_clock(), bound));
  if (!reply) return http::within_bound(std::move(reply).error(), context).on_network(traits_.name);
  return reply;
}

Result<Bytes> SwarmStore::ask(http::Method method, const std::string& path, std::chrono::milliseconds bound, const CallContext& context) {
  http::Request asking = request(method, path);
  if (method == http::Method::kPut) asking.headers.emplace_back("Swarm-Postage-Batch-Id", options_.batch);
  HOLDFAST_ASSIGN(http::CollectedResponse reply, exchange(asking, bound, context));
  const int status = reply.head.status;
  if (status == 200 || status == 201 || status == 202 || status == 204) return std::move(reply.body);
  return swarm::reply_error(status, "Bee " + path.substr(0, path.find('?')), reply.body).on_network(traits_.name);
}

Result<Bytes> SwarmStore::get(const std::string& path, const CallContext& context) { return ask(http::Method::kGet, path, kAskTimeout, context); }

Error SwarmStore::absence(Error error, const CallContext& context) {
  if (error.code() != ErrorCode::kNotFound) return error;
  const Result<Bytes> reply = get("peers", context);
  const Result<std::size_t> peers = reply ? swarm::parse_peer_count(*reply) : Result<std::size_t>(reply.error());
  if (!peers) return std::move(error).with_code(ErrorCode::kUnavailable);
  if (*peers > 0) return error;
  return std::move(error).with_code(ErrorCode::kUnavailable).with_context("the node has no peers, so that what it lacks is not proved absent");
}

Status SwarmStore::read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) {
  HOLDFAST_ASSIGN(const swarm::Locator locator, swarm::parse_locator(ref.locator));
  const std::string doing = "reading " + locator.reference;
  HOLDFAST_TRY(check_context(context, system_clock(), doing));
  if (out.empty()) return ok_status();
  if (offset > ref.size_bytes || out.size() > ref.size_bytes - offset) {
    return Error(ErrorCode::kOutOfRange, doing + ": it has " + std::to_string(ref.size_bytes) + " bytes").on_network(traits_.name);
  }
  const CallContext bounded = with_timeout(context, system_clock(), time_for(out.size()));
  // A chunk that the node can't find once the reply has begun cuts it short: kUnavailable, by the transport.
  Result<http::RangeReply> reply = http::get_range(*transport_, request(http::Method::kGet, "bytes/" + locator.reference), offset, out, bounded);
  if (!reply) return http::within_bound(std::move(reply).error(), context).with_context(doing).on_network(traits_.name);
  const int status = reply->head.status;
  if (status == 200) return Error(ErrorCode::kUnsupported, doing + ": the range was ignored").on_network(traits_.name);
  if (status != 206) return absence(swarm::reply_error(status, doing, reply->error_text), context).on_network(traits_.name);
  if (Status whole = http::check_partial(*reply, doing, offset, out.size()); !whole) return std::move(whole).error().on_network(traits_.name);
  return ok_status();
}

Result<bool> SwarmStore::is_retrievable(const std::string& reference, std::uint64_t size_bytes, const CallContext& context) {
  HOLDFAST_ASSIGN(const Bytes reply, ask(http::Method::kGet, "stewardship/" + reference, time_for(size_bytes), context));
  return swarm::parse_retrievable(reply);
}

/// By its first byte: a HEAD answers a negative length where there is redundancy.
Result<std::optional<std::uint64_t>> SwarmStore::size_of(const std::string& reference, const CallContext& context) {
  http::Request asking = request(http::Method::kGet, "bytes/" + reference);
  asking.headers.emplace_back("Range", "bytes=0-0");
  const std::string doing = "looking at the size of " + reference;
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, exchange(asking, kAskTimeout, context));
  std::optional<std::uint64_t> size_bytes;
  if (reply.head.status == 206) {
    const std::string_view range = reply.head.header("content-range");
    size_bytes = http::number_in(range.substr(std::min(range.find('/') + 1, range.size())));
  } else if (reply.head.status == 200 && reply.body.empty()) {
    size_bytes = 0;
  } else if (reply.head.status != 200) {
    Error error = swarm::reply_error(reply.head.status, doing, reply.body);
    if (error.code() == ErrorCode::kNotFound) return std::optional<std::uint64_t>();
    return std::move(error).on_network(traits_.name);
  }
  if (!size_bytes) return Error(ErrorCode::kCorrupt, doing + ": none came back").on_network(traits_.name);
  return size_bytes;
}

Result<Durability> SwarmStore::probe(const ObjectRef& ref, const CallContext& context) {
  HOLDFAST_ASSIGN(const swarm::Locator locator, swarm::parse_locator(ref.locator));
  const std::string doing = "probing " + locator.reference;
  HOLDFAST_TRY(check_context(context, system_clock(), doing));
  const Result<Bytes> pin = get("pins/" + locator.reference, context);
  if (!pin) {
    if (pin.error().code() == ErrorCode::kNotFound) return Durability::kAbsent;
    return pin.error();
  }
  HOLDFAST_ASSIGN(const auto size_bytes, size_of(locator.reference, context));
  if (size_bytes != ref.size_bytes) return Durability::kAbsent;
  HOLDFAST_ASSIGN(const auto batch, look_at_batch(locator.batch, context));
  if (!batch) return Durability::kAbsent;  // what paid for it has ended: the network drops it, and the pin is all that there is
  HOLDFAST_ASSIGN(const bool retrievable, is_retrievable(locator.reference, ref.size_bytes, context));
  return retrievable ? Durability::kDurable : Durability::kAccepted;
}

Status SwarmStore::unpin(const std::string& reference, const CallContext& context) {
  const Result<Bytes> reply = ask(http::Method::kDelete, "pins/" + reference, kTransferTimeout, context);
  if (!reply && reply.error().code() != ErrorCode::kNotFound) return reply.error();
  return ok_status();
}

Status SwarmStore::remove(const ObjectRef& ref, const CallContext& context) {
  HOLDFAST_ASSIGN(const swarm::Locator locator, swarm::parse_locator(ref.locator));
  HOLDFAST_TRY(check_context(context, system_clock(), "removing " + locator.reference));
  return unpin(locator.reference, context);
}

}  // namespace holdfast
