// SPDX-License-Identifier: Apache-2.0
#include "adapters/ipfs/pinning_service.h"

#include <algorithm>

#include "core/base/clock.h"

namespace holdfast::ipfs {

namespace {

constexpr std::uint64_t kReplyMaxBytes = 1U << 20;
constexpr std::chrono::seconds kCallTimeout{20};  // of one exchange; the service does its work behind it
constexpr int kListedMax = 100;                   // pins of one CID or name; the specification allows 1,000
constexpr const char* kAnyStatus = "&status=queued,pinning,pinned,failed";  // without it a service lists what is pinned, or everything

std::string limit(int count) { return "&limit=" + std::to_string(count); }

bool is_header_text(ByteView text) {
  return std::ranges::all_of(text, [](std::uint8_t c) { return c > ' ' && c <= '~'; });
}

}  // namespace

Result<std::shared_ptr<PinningService>> PinningService::make(Options options, std::shared_ptr<http::HttpTransport> transport) {
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  const auto refuse = [&](const std::string& why) { return Error(ErrorCode::kInvalidArgument, "pinning service '" + options.name + "': " + why); };
  if (http::origin_of(options.endpoint).empty()) return refuse("endpoint is no http or https address");
  if (http::redacted(options.endpoint) != options.endpoint) return refuse("endpoint is an address alone: no user, password or query; a token stands in token_file");
  if (options.token && !is_header_text(options.token->view())) return refuse("the token has spaces or characters that no token has");
  return std::shared_ptr<PinningService>(new PinningService(std::move(options), std::move(transport)));
}

Error PinningService::named(Error error) const { return std::move(error).with_context("pinning service " + options_.name); }

Result<http::CollectedResponse> PinningService::send(http::Method method, const std::string& path, ByteView body, const CallContext& context) {
  http::Request request{.method = method, .url = options_.endpoint + path, .response_size_max_bytes = kReplyMaxBytes};
  request.headers = {{"Accept", "application/json"}};
  if (options_.token) request.headers.emplace_back("Authorization", "Bearer " + std::string(as_text(options_.token->view())));
  if (!body.empty()) {
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = body;
  }
  Result<http::CollectedResponse> reply = http::send_and_collect(*transport_, request, with_timeout(context, system_clock(), kCallTimeout));
  if (reply) return reply;
  Error error = http::within_bound(std::move(reply).error(), context);
  // No HTTP, or a body without an end: whatever that is, it is not the service.
  if (error.code() == ErrorCode::kCorrupt) error = std::move(error).with_code(ErrorCode::kUnavailable);
  return named(std::move(error));
}

/// A server may repeat what it was sent; its words go into logs.
Error PinningService::refusal(const http::CollectedResponse& reply, const std::string& doing) const {
  std::string text(as_text(reply.body));
  if (options_.token && !options_.token->empty()) {
    const std::string_view token = as_text(options_.token->view());
    for (std::size_t at = text.find(token); at != std::string::npos; at = text.find(token, at)) text.replace(at, token.size(), "***");
  }
  return named(service_error(reply.head.status, doing, as_bytes(text)));
}

Result<Bytes> PinningService::call(http::Method method, const std::string& path, ByteView body, const CallContext& context) {
  HOLDFAST_ASSIGN(http::CollectedResponse reply, send(method, path, body, context));
  const int status = reply.head.status;
  if (status == 200 || status == 202) return std::move(reply.body);  // ipfs-cluster says 200 where the specification has 202
  return refusal(reply, method == http::Method::kPost ? "asking for a pin" : "looking for pins");
}

Result<PinList> PinningService::list(const std::string& query, const CallContext& context) {
  HOLDFAST_ASSIGN(const Bytes reply, call(http::Method::kGet, "/pins?" + query, {}, context));
  Result<PinList> pins = parse_pins(reply);
  if (!pins) return named(std::move(pins).error());
  return pins;
}

Result<std::vector<Pin>> PinningService::find(const std::string& cid, const CallContext& context) {
  HOLDFAST_ASSIGN(PinList found, list("cid=" + cid + kAnyStatus + limit(kListedMax), context));
  std::erase_if(found.pins, [&](const Pin& pin) { return pin.cid != cid; });
  return std::move(found.pins);
}

Result<std::vector<Pin>> PinningService::find_named(const std::string& name, const CallContext& context) {
  HOLDFAST_ASSIGN(PinList found, list("name=" + http::query_escaped(name) + "&match=exact" + kAnyStatus + limit(kListedMax), context));
  std::erase_if(found.pins, [&](const Pin& pin) { return pin.name != name; });
  return std::move(found.pins);
}

Result<Pin> PinningService::ask(const std::string& cid, const std::string& name, const std::vector<std::string>& origins, const CallContext& context) {
  const std::string body = pin_request(cid, name, origins);
  HOLDFAST_ASSIGN(const Bytes reply, call(http::Method::kPost, "/pins", as_bytes(body), context));
  Result<Pin> pin = parse_pin(reply);
  if (!pin) return named(std::move(pin).error());
  if (pin->cid != cid) return named(Error(ErrorCode::kCorrupt, "asked to pin " + cid + ", it answers for another CID"));
  return pin;
}

Result<std::optional<Pin>> PinningService::look(const Pin& pin, const CallContext& context) {
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, send(http::Method::kGet, "/pins/" + http::query_escaped(pin.request_id), {}, context));
  if (reply.head.status != 200 && reply.head.status != 202) {
    Error error = refusal(reply, "looking at a pin");
    if (error.code() == ErrorCode::kNotFound) return std::optional<Pin>();
    return error;
  }
  Result<Pin> now = parse_pin(reply.body);
  if (!now) return named(std::move(now).error());
  if (now->cid != pin.cid) return named(Error(ErrorCode::kCorrupt, "asked for the pin of " + pin.cid + ", it answers for another CID"));
  return std::optional<Pin>(*std::move(now));
}

Status PinningService::remove(const std::string& request_id, const CallContext& context) {
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, send(http::Method::kDelete, "/pins/" + http::query_escaped(request_id), {}, context));
  const bool is_page = as_text(reply.body).starts_with('<');  // of something in front of the service
  if (reply.head.status >= 200 && reply.head.status < 300 && !is_page) return ok_status();
  Error error = refusal(reply, "removing a pin");
  if (error.code() == ErrorCode::kNotFound) return ok_status();
  return error;
}

Result<std::uint64_t> PinningService::count(const CallContext& context) {
  HOLDFAST_ASSIGN(const PinList found, list("status=pinned" + limit(1), context));
  return found.count;
}

}  // namespace holdfast::ipfs
