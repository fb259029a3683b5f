// SPDX-License-Identifier: Apache-2.0
// What the node, the services that pin and the routing say of themselves.
#include <algorithm>

#include "adapters/ipfs/ipfs_store.h"
#include "core/base/clock.h"

namespace holdfast {

namespace {

// None of these may take the time that the others need: a service that hangs must not make the node look dead.
constexpr std::chrono::milliseconds kServiceTimeout{5'000};
constexpr std::chrono::milliseconds kProvidersTimeout{2'000};
constexpr std::chrono::milliseconds kNodeTimeout{1'000};

/// `most`, or a quarter of the time that is left.
std::chrono::milliseconds share_of(const CallContext& context, std::chrono::milliseconds most) {
  if (context.deadline == MonoTime::max()) return most;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(context.deadline - system_clock().mono_now());
  return std::clamp(left / 4, std::chrono::milliseconds(1), most);
}

bool ends_the_call(ErrorCode code) { return code == ErrorCode::kCancelled || code == ErrorCode::kDeadlineExceeded; }

}  // namespace

Result<Bytes> IpfsStore::call_until(std::chrono::milliseconds bound, const std::string& command, const CallContext& context) {
  http::Request request{.method = http::Method::kPost, .url = {}, .response_size_max_bytes = 1U << 20};
  request.url = api_ + "/api/v0/" + command + "&timeout=" + std::to_string(bound.count()) + "ms";
  // The node ends at its own bound, so ours is the longer one.
  HOLDFAST_ASSIGN(http::CollectedResponse reply, http::send_and_collect(*transport_, request, with_timeout(context, system_clock(), 2 * bound)));
  if (reply.head.status == 200) return std::move(reply.body);
  return ipfs::reply_error(reply.head.status, "ipfs " + command.substr(0, command.find('?')), reply.body).on_network(traits_.name);
}

void IpfsStore::describe_services(StoreHealth& health, const CallContext& context) {
  for (const auto& service : services_) {
    const Result<std::uint64_t> pins = service->count(with_timeout(context, system_clock(), share_of(context, kServiceTimeout)));
    if (pins) {
      health.detail += "; pinning service " + service->name() + " answers, " + std::to_string(*pins) + " pinned";
      continue;
    }
    health.detail += "; " + pins.error().message();
    health.warnings.push_back(pins.error().message());
  }
}

std::string IpfsStore::describe_providers(const CallContext& context) {
  std::string cid;
  {
    const std::lock_guard lock(mutex_);
    cid = last_put_;
  }
  const Result<Bytes> peers_reply = call_within(share_of(context, kNodeTimeout), "swarm/peers", context);
  const Result<std::size_t> peers = peers_reply ? ipfs::parse_peer_count(*peers_reply) : Result<std::size_t>(peers_reply.error());
  if (!peers) return {};
  const std::string text = "; " + std::to_string(*peers) + (*peers == 1 ? " peer" : " peers");
  if (*peers == 0 || cid.empty()) return text;
  const Result<Bytes> id_reply = call_within(share_of(context, kNodeTimeout), "id", context);
  const Result<ipfs::NodeId> self = id_reply ? ipfs::parse_node_id(*id_reply) : Result<ipfs::NodeId>(id_reply.error());
  if (!self) return text;
  const Result<Bytes> found = call_until(share_of(context, kProvidersTimeout), "routing/findprovs?arg=" + cid + "&num-providers=2", context);
  if (!found) return text;
  const std::size_t others = ipfs::count_other_providers(*found, self->id);
  return text + (others == 0 ? "; nobody else was found that provides the last object" : "; others provide the last object too");
}

Result<StoreHealth> IpfsStore::health(const CallContext& context) {
  StoreHealth health;
  const Result<Bytes> version = call_within(find_timeout_, "version", context);
  if (!version) {
    if (ends_the_call(version.error().code())) return version.error();
    health.detail = version.error().message();
    return health;
  }
  HOLDFAST_ASSIGN(const std::string number, ipfs::parse_text(*version, "Version"));
  HOLDFAST_ASSIGN(const Bytes reply, call_within(find_timeout_, "repo/stat?size-only=true", context));
  HOLDFAST_ASSIGN(const ipfs::RepoStat stat, ipfs::parse_repo_stat(reply));
  health.reachable = true;
  health.detail = "Kubo " + number.substr(0, 40);
  health.used_bytes = stat.used_bytes;
  health.capacity_bytes = stat.limit_bytes;
  describe_services(health, context);
  health.detail += describe_providers(context);
  return health;
}

}  // namespace holdfast
