// SPDX-License-Identifier: Apache-2.0
// Mutable heads: IPNS names of keys that the repository's secret derives.
#include "adapters/ipfs/ipfs_names.h"
#include "adapters/ipfs/ipfs_store.h"
#include "adapters/ipfs/kubo_wire.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/store/object_name.h"

namespace holdfast {

namespace {

// How long a record may be served (a year: the DHT forgets it after 48 hours unless somebody republishes it, and what is
// newest is decided by the head's own content), and how long a resolver may cache it.
constexpr const char* kRecordLife = "lifetime=8760h&ttl=5s";

bool is_nobody_there(const Error& error) {
  // What Kubo says when the routing table is empty; the record is then kept by the node alone.
  return error.message().find("failed to find any peer") != std::string::npos;
}

bool ends_the_call(ErrorCode code) { return code == ErrorCode::kCancelled || code == ErrorCode::kDeadlineExceeded; }

}  // namespace

Status IpfsStore::ensure_key(const std::string& key_name, ByteView seed, const CallContext& context) {
  const std::string wanted = ipfs::ipns_name(seed);
  for (int attempt = 0;; ++attempt) {
    HOLDFAST_ASSIGN(const Bytes reply, call_within(find_timeout_, "key/list?ipns-base=base36", context));
    HOLDFAST_ASSIGN(const auto keys, ipfs::parse_keys(reply));
    if (const auto found = keys.find(key_name); found != keys.end()) {
      if (found->second == wanted) return ok_status();
      return Error(ErrorCode::kConflict, "the node has another key named " + key_name).on_network(traits_.name);
    }
    const SecretBytes pem = ipfs::pkcs8_pem(seed);
    std::vector<http::Part> form;
    form.push_back({.name = "key", .file_name = "key.pem", .content = pem.view()});
    Result<Bytes> imported = call("key/import?arg=" + key_name + "&format=pem-pkcs8-cleartext&ipns-base=base36",
                                  with_timeout(context, system_clock(), find_timeout_), std::move(form));
    if (imported) return ok_status();
    // Another thread or host was faster: look again, once.
    const bool raced = ipfs::classify(imported.error().message()) == ipfs::KuboError::kKeyExists;
    if (!raced || attempt > 0) return within_bound(std::move(imported).error(), context);
  }
}

Result<std::optional<std::string>> IpfsStore::resolve_name(const std::string& name, const CallContext& context) {
  const Result<Bytes> reply =
      call_within(2 * find_timeout_, "name/resolve?arg=" + name + "&nocache=true&dht-timeout=" + std::to_string(find_timeout_.count()) + "ms", context);
  if (!reply) {
    if (ipfs::classify(reply.error().message()) == ipfs::KuboError::kNameUnknown) return std::optional<std::string>();
    return reply.error();
  }
  HOLDFAST_ASSIGN(std::string path, ipfs::parse_text(*reply, "Path"));
  constexpr std::string_view kPrefix = "/ipfs/";
  if (!path.starts_with(kPrefix) || !ipfs::is_cid(std::string_view(path).substr(kPrefix.size()))) {
    return Error(ErrorCode::kCorrupt, "the name " + name + " points at something that is no head").on_network(traits_.name);
  }
  return std::optional<std::string>(path.substr(kPrefix.size()));
}

Result<std::string> IpfsStore::publish_head(const RepositoryId& repository, std::uint32_t slot, ByteView key_seed,
                                            ByteView head, const CallContext& context) {
  if (head.size() > kHeadMaxBytes) return Error(ErrorCode::kInvalidArgument, "a head of over 1 MiB");
  if (key_seed.size() != 32) return Error(ErrorCode::kInvalidArgument, "an IPNS key has a seed of 32 bytes");
  HOLDFAST_TRY(check_context(context, system_clock(), "publishing a head"));
  const std::string name = ipfs::ipns_name(key_seed);
  const std::string key_name = "holdfast-" + repository.hex().substr(0, 8) + "-" + std::to_string(slot);
  HOLDFAST_TRY(ensure_key(key_name, key_seed, context));
  std::optional<std::string> superseded;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = heads_.find(name); found != heads_.end()) superseded = found->second;
  }
  if (!superseded) {  // of an earlier run; if it can't be found it stays pinned, which costs its size
    const Result<std::optional<std::string>> known = resolve_name(name, context);
    if (known) superseded = *known;
  }
  HOLDFAST_ASSIGN(const ObjectRef object, put_on_node(content_of(head), context));
  const Result<Bytes> published =
      call("name/publish?arg=/ipfs/" + object.locator + "&key=" + key_name + "&resolve=false&ipns-base=base36&" + kRecordLife, context);
  if (!published) {
    if (!is_nobody_there(published.error())) return published.error();
    log_warning("network " + traits_.name + ": the node has no peers; the head " + name + " is known to it alone");
  }
  // A publication that others would not see is none.
  HOLDFAST_ASSIGN(const std::optional<std::string> seen, resolve_name(name, context));
  if (seen != object.locator) {
    return Error(ErrorCode::kUnavailable, "the name " + name + " does not resolve to what was published").on_network(traits_.name);
  }
  {
    const std::lock_guard lock(mutex_);
    heads_[name] = object.locator;
  }
  if (superseded && *superseded != object.locator) {
    const Status unpinned = unpin(*superseded, context);
    if (!unpinned) log_debug("network " + traits_.name + ": the old head stays pinned: " + unpinned.error().message());
  }
  pin_head("holdfast-head-" + repository.hex() + "-" + std::to_string(slot), object, context);
  return name;
}

Result<Bytes> IpfsStore::gateway_whole(const std::string& gateway, const std::string& path, const CallContext& context) {
  const http::Request request{.url = gateway + path, .response_size_max_bytes = kHeadMaxBytes};
  const std::string doing = "gateway " + http::redacted(gateway);
  Result<http::CollectedResponse> reply =
      http::send_and_collect(*transport_, request, with_timeout(context, system_clock(), 2 * find_timeout_));
  if (!reply) return within_bound(std::move(reply).error(), context).with_context(doing);
  if (reply->head.status != 200) return ipfs::reply_error(reply->head.status, doing, reply->body).on_network(traits_.name);
  return std::move(reply->body);
}

Result<Bytes> IpfsStore::read_whole(const std::string& cid, const CallContext& context) {
  HOLDFAST_ASSIGN(const Bytes reply, call_within(time_for(kHeadMaxBytes), "files/stat?arg=/ipfs/" + cid, context));
  HOLDFAST_ASSIGN(const ipfs::FileStat stat, ipfs::parse_file_stat(reply));
  if (stat.size_bytes > kHeadMaxBytes) return Error(ErrorCode::kCorrupt, cid + " is over 1 MiB: no head").on_network(traits_.name);
  Bytes head(static_cast<std::size_t>(stat.size_bytes));
  HOLDFAST_TRY(read({.locator = cid, .size_bytes = stat.size_bytes}, 0, head, context));
  return head;
}

Result<std::optional<Bytes>> IpfsStore::head_of(const std::string& name, const CallContext& context) {
  HOLDFAST_TRY(check_context(context, system_clock(), "resolving " + name));
  const auto from_node = [&]() -> Result<std::optional<Bytes>> {
    HOLDFAST_ASSIGN(const std::optional<std::string> cid, resolve_name(name, context));
    if (!cid) return std::optional<Bytes>();
    Result<Bytes> head = read_whole(*cid, context);
    if (head) return std::optional<Bytes>(std::move(*head));
    return std::move(head).error().with_context("the head that " + name + " points at");
  };
  Result<std::optional<Bytes>> own = from_node();
  if (own && *own) return own;
  if (!own && ends_the_call(own.error().code())) return own;
  std::optional<Bytes> from_gateway;
  const Status found = from_gateways([&](const std::string& gateway) -> Status {
    HOLDFAST_ASSIGN(from_gateway, gateway_whole(gateway, "/ipns/" + name, context));
    return ok_status();
  });
  if (found) return from_gateway;
  if (ends_the_call(found.error().code())) return found.error();
  // The node's word decides: a gateway that finds nothing proves nothing while the node can't be asked.
  if (!own && own.error().code() == ErrorCode::kNotFound) return std::move(own).error().with_code(ErrorCode::kUnavailable);
  return own;
}

Result<std::optional<Bytes>> IpfsStore::resolve_head(const RepositoryId& /*repository*/, std::uint32_t /*slot*/,
                                                     ByteView key_seed, const CallContext& context) {
  if (key_seed.size() != 32) return Error(ErrorCode::kInvalidArgument, "an IPNS key has a seed of 32 bytes");
  return head_of(ipfs::ipns_name(key_seed), context);
}

Result<Bytes> IpfsStore::fetch_head(const std::string& locator, const CallContext& context) {
  std::string_view name = locator;
  if (name.starts_with("/ipns/") || name.starts_with("/ipfs/")) name.remove_prefix(6);
  HOLDFAST_TRY(check_context(context, system_clock(), "fetching a head"));
  if (ipfs::is_ipns_name(name)) {
    HOLDFAST_ASSIGN(std::optional<Bytes> head, head_of(std::string(name), context));
    if (!head) return Error(ErrorCode::kNotFound, "nobody knows the name " + std::string(name)).on_network(traits_.name);
    return *std::move(head);
  }
  if (!ipfs::is_cid(name)) {
    return Error(ErrorCode::kInvalidArgument, "a head on IPFS is an IPNS name (k51…) or a CIDv1 in base 32 (b…)");
  }
  const std::string cid(name);
  Result<Bytes> head = read_whole(cid, context);
  if (head || ends_the_call(head.error().code())) return head;
  const Status found = from_gateways([&](const std::string& gateway) -> Status {
    HOLDFAST_ASSIGN(Bytes other, gateway_whole(gateway, "/ipfs/" + cid, context));
    head = std::move(other);
    return ok_status();
  });
  if (!found && ends_the_call(found.error().code())) return found.error();
  return head;
}

}  // namespace holdfast
