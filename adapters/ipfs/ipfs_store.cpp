// SPDX-License-Identifier: Apache-2.0
#include "adapters/ipfs/ipfs_store.h"

#include <algorithm>
#include <limits>

#include "adapters/http/range_get.h"
#include "adapters/ipfs/ipfs_names.h"
#include "adapters/ipfs/kubo_wire.h"
#include "core/base/clock.h"
#include "core/base/log.h"

namespace holdfast {

namespace {

constexpr std::uint64_t kReplyMaxBytes = 4U << 20;       // of JSON: references of a pack are its largest
constexpr std::uint64_t kErrorTextMaxBytes = 64U << 10;  // of a reply that is no success
constexpr std::uint64_t kSlowestBytesPerSecond = 256U << 10;  // under this a node is taken for hanging; bitswap measured 35 MiB/s

bool ends_the_call(ErrorCode code) { return code == ErrorCode::kCancelled || code == ErrorCode::kDeadlineExceeded; }

Status check_locator(const std::string& locator) {
  if (ipfs::is_cid(locator)) return ok_status();
  return Error(ErrorCode::kInvalidArgument, "a locator on IPFS is a CIDv1 in base 32 of a SHA-256");
}

std::string without_last_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

Result<std::shared_ptr<IpfsStore>> IpfsStore::make(const Options& options,
                                                   std::shared_ptr<http::HttpTransport> transport) {
  std::vector<std::string> urls = options.gateways;
  urls.push_back(options.api);
  for (const std::string& url : urls) {
    if (!http::origin_of(url).empty()) continue;
    return Error(ErrorCode::kInvalidArgument, "network '" + options.name + "': '" + http::redacted(url) + "' is no http or https address");
  }
  std::shared_ptr<IpfsStore> store(new IpfsStore(options, transport));
  for (const ipfs::PinningService::Options& one : options.pinning) {
    const auto is_same = [&](const auto& other) { return other->name() == one.name; };
    if (std::ranges::any_of(store->services_, is_same)) return Error(ErrorCode::kInvalidArgument, "network '" + options.name + "' has two pinning services '" + one.name + "'");
    Result<std::shared_ptr<ipfs::PinningService>> service = ipfs::PinningService::make(one, transport);
    if (!service) return std::move(service).error().with_context("network '" + options.name + "'");
    store->services_.push_back(*std::move(service));
  }
  return store;
}

IpfsStore::IpfsStore(const Options& options, std::shared_ptr<http::HttpTransport> transport)
    : api_(without_last_slash(options.api)), find_timeout_(options.find_timeout), pin_timeout_(options.pin_timeout), transport_(std::move(transport)) {
  for (const std::string& gateway : options.gateways) gateways_.push_back(without_last_slash(gateway));
  traits_.name = options.name;
  traits_.type = "ipfs";
  traits_.site = http::site_of(options.site, api_);
  traits_.jurisdiction = options.jurisdiction;
  traits_.calls_in_flight_max = 8;  // four adds at once gave 94 MiB/s, one 52 (shared notes on Kubo 0.32.1, 2026-11)
  traits_.can_remove = true;
  traits_.erases = false;  // unpinning is not erasing: whoever fetched it may keep it
  traits_.has_mutable_names = true;
}

std::chrono::milliseconds IpfsStore::time_for(std::uint64_t size_bytes) const {
  return find_timeout_ + std::chrono::milliseconds(1000 * size_bytes / kSlowestBytesPerSecond);
}

Error IpfsStore::within_bound(Error error, const CallContext& context) const { return http::within_bound(std::move(error), context).on_network(traits_.name); }

Result<Bytes> IpfsStore::call(const std::string& command, const CallContext& context, std::vector<http::Part> form) {
  http::Request request{.method = http::Method::kPost, .url = api_ + "/api/v0/" + command, .response_size_max_bytes = kReplyMaxBytes};
  if (context.deadline != MonoTime::max()) {
    // The node is told too, so that it does not go on with what nobody waits for.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(context.deadline - system_clock().mono_now());
    request.url += (command.find('?') == std::string::npos ? "?" : "&") + std::string("timeout=") +
                   std::to_string(std::max<std::int64_t>(1, left.count())) + "ms";
  }
  if (!form.empty()) request.body = std::move(form);
  Result<http::CollectedResponse> reply = http::send_and_collect(*transport_, request, context);
  if (!reply) return std::move(reply).error().on_network(traits_.name);
  const std::string doing = "ipfs " + command.substr(0, command.find('?'));
  if (reply->head.status != 200) return ipfs::reply_error(reply->head.status, doing, reply->body).on_network(traits_.name);
  if (const std::string_view broken = reply->head.trailer("x-stream-error"); !broken.empty()) {
    return ipfs::reply_error(500, doing, as_bytes(broken)).on_network(traits_.name);
  }
  return std::move(reply->body);
}

Result<Bytes> IpfsStore::call_within(std::chrono::milliseconds bound, const std::string& command,
                                     const CallContext& context) {
  Result<Bytes> reply = call(command, with_timeout(context, system_clock(), bound));
  if (!reply) return within_bound(std::move(reply).error(), context);
  return reply;
}

Status IpfsStore::read_from_node(const std::string& cid, std::uint64_t offset, MutableByteView out, bool local_only,
                                 const CallContext& context) {
  const std::chrono::milliseconds bound = time_for(out.size());
  http::Request request{.method = http::Method::kPost, .url = {}, .response_size_max_bytes = std::max<std::uint64_t>(out.size() + 1, kErrorTextMaxBytes)};
  request.url = api_ + "/api/v0/cat?arg=" + cid + "&offset=" + std::to_string(offset) +
                "&length=" + std::to_string(out.size()) + "&progress=false&timeout=" + std::to_string(bound.count()) + "ms" +
                (local_only ? "&offline=true" : "");
  http::RangeSink sink{.out = out};
  // The node's own timeout comes first, since its answer says more than ours.
  const CallContext bounded = with_timeout(context, system_clock(), bound + std::chrono::seconds(1));
  Result<http::Response> reply = transport_->send(
      request, [&](const http::Response& head, ByteView piece) { return sink.take(head, piece); }, bounded);
  if (!reply) return within_bound(std::move(reply).error(), context);
  const std::string doing = "ipfs cat " + cid;
  if (reply->status != 200) return ipfs::reply_error(reply->status, doing, sink.error_text).on_network(traits_.name);
  if (sink.done == out.size()) return ok_status();
  // A lost leaf is status 200, a short body, and a trailer; the end of the object is a smaller promise.
  const std::optional<std::uint64_t> promised = http::number_in(reply->header("x-content-length"));
  if (promised && *promised < out.size()) {
    return Error(ErrorCode::kOutOfRange, doing + ": it ends " + std::to_string(*promised) + " bytes after " + std::to_string(offset))
        .on_network(traits_.name);
  }
  const std::string_view broken = reply->trailer("x-stream-error");
  const std::string short_text = doing + ": " + std::to_string(sink.done) + " of " + std::to_string(out.size()) + " bytes came";
  if (broken.empty()) return Error(ErrorCode::kUnavailable, short_text).on_network(traits_.name);
  return ipfs::reply_error(500, short_text, as_bytes(broken)).on_network(traits_.name);
}

Status IpfsStore::read_from_gateway(const std::string& gateway, const std::string& cid, std::uint64_t offset,
                                    MutableByteView out, const CallContext& context) {
  http::Request request{.url = gateway + "/ipfs/" + cid};
  request.headers = {{"Accept", "application/octet-stream, */*"}};
  const CallContext bounded = with_timeout(context, system_clock(), time_for(out.size()));
  Result<http::RangeReply> reply = http::get_range(*transport_, std::move(request), offset, out, bounded);
  const std::string doing = "gateway " + http::redacted(gateway);
  if (!reply) return within_bound(std::move(reply).error(), context).with_context(doing);
  const int status = reply->head.status;
  if (status == 200) return Error(ErrorCode::kUnsupported, doing + " ignores ranges").on_network(traits_.name);
  if (status != 206) return http::status_error(status, doing, ipfs::error_message(reply->error_text)).on_network(traits_.name);
  if (Status whole = http::check_partial(*reply, doing, offset, out.size()); !whole) return std::move(whole).error().on_network(traits_.name);
  return ok_status();
}

Status IpfsStore::from_gateways(const std::function<Status(const std::string&)>& attempt) {
  std::optional<Error> first;
  const std::size_t good = good_gateway_;
  for (std::size_t i = 0; i < gateways_.size(); ++i) {
    const std::size_t which = (good + i) % gateways_.size();
    Status got = attempt(gateways_[which]);
    if (got) {
      good_gateway_ = which;
      return got;
    }
    if (got.error().code() == ErrorCode::kOutOfRange || ends_the_call(got.error().code())) return got;
    log_debug("network " + traits_.name + ": " + got.error().message());
    if (!first) first = std::move(got).error();
  }
  if (first) return std::move(*first);
  return Error(ErrorCode::kUnsupported, "network " + traits_.name + " has no gateway to read from").on_network(traits_.name);
}

Status IpfsStore::read_elsewhere(const ObjectRef& ref, std::uint64_t offset, MutableByteView out,
                                 const CallContext& context) {
  HOLDFAST_TRY(check_locator(ref.locator));
  HOLDFAST_TRY(check_context(context, system_clock(), "reading " + ref.locator));
  if (out.empty()) return ok_status();
  return from_gateways([&](const std::string& gateway) { return read_from_gateway(gateway, ref.locator, offset, out, context); });
}

Status IpfsStore::read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) {
  HOLDFAST_TRY(check_locator(ref.locator));
  HOLDFAST_TRY(check_context(context, system_clock(), "reading " + ref.locator));
  if (out.empty()) return ok_status();
  constexpr auto kOffsetMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (offset > kOffsetMax || out.size() > kOffsetMax - offset) {
    return Error(ErrorCode::kOutOfRange, "reading " + ref.locator + ": no object is that long").on_network(traits_.name);
  }
  const auto final_answer = [](const Status& status) {
    return status || status.error().code() == ErrorCode::kOutOfRange || ends_the_call(status.error().code());
  };
  // Without "offline" a node looks for what it lacks until the timeout: so it is asked for its own first.
  Status own = read_from_node(ref.locator, offset, out, true, context);
  if (final_answer(own)) return own;
  if (own.error().code() == ErrorCode::kNotFound) {
    Status found = read_from_node(ref.locator, offset, out, false, context);
    if (final_answer(found)) return found;
  }
  if (gateways_.empty()) return own;
  Status elsewhere = read_elsewhere(ref, offset, out, context);
  if (elsewhere) {
    log_info("network " + traits_.name + ": a gateway gave " + ref.locator + ", the node did not: " + own.error().message());
    return elsewhere;
  }
  if (final_answer(elsewhere)) return elsewhere;
  return std::move(own).error().with_context(elsewhere.error().message() + "; before that");
}

Result<Durability> IpfsStore::probe(const ObjectRef& ref, const CallContext& context) {
  HOLDFAST_TRY(check_locator(ref.locator));
  const Result<Bytes> pinned = call_within(find_timeout_, "pin/ls?arg=" + ref.locator + "&type=recursive", context);
  if (!pinned) {
    if (ipfs::classify(pinned.error().message()) == ipfs::KuboError::kNotPinned) return Durability::kAbsent;
    return pinned.error();
  }
  const Result<Bytes> reply = call_within(
      time_for(0), "files/stat?arg=/ipfs/" + ref.locator + "&with-local=true&offline=true", context);
  if (!reply) {
    const ErrorCode code = reply.error().code();
    if (code == ErrorCode::kNotFound || code == ErrorCode::kCorrupt) return Durability::kAbsent;
    return reply.error();
  }
  HOLDFAST_ASSIGN(const ipfs::FileStat stat, ipfs::parse_file_stat(*reply));
  if (!stat.local || stat.size_bytes != ref.size_bytes) return Durability::kAbsent;
  return durability_at_services(ref.locator, context);
}

}  // namespace holdfast
