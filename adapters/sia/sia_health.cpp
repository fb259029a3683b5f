// SPDX-License-Identifier: Apache-2.0
// What renterd says of itself, its contracts and its money.
#include "adapters/http/http_transport.h"
#include "adapters/sia/sia_store.h"
#include "core/base/clock.h"

namespace holdfast {

namespace {

bool ends_the_call(ErrorCode code) { return code == ErrorCode::kCancelled || code == ErrorCode::kDeadlineExceeded; }

std::string in_mib(std::uint64_t size_bytes) { return std::to_string(size_bytes >> 20U) + " MiB"; }

}  // namespace

Result<std::string> SiaStore::describe_contracts(StoreHealth& health, const CallContext& context) {
  sia::Redundancy wanted = redundancy_;
  if (wanted.total_shards == 0) {
    HOLDFAST_ASSIGN(const Bytes redundancy, ask("bus/setting/redundancy", context));
    HOLDFAST_ASSIGN(wanted, sia::parse_redundancy(redundancy));
  }
  const std::string text = "redundancy " + std::to_string(wanted.min_shards) + " of " + std::to_string(wanted.total_shards);
  HOLDFAST_ASSIGN(const Bytes setting, ask("bus/setting/contractset", context));
  HOLDFAST_ASSIGN(const std::string set, sia::parse_default_set(setting));
  if (set.empty()) {
    health.warnings.emplace_back("NO set of contracts is chosen, so nothing can be uploaded");
    return text;
  }
  HOLDFAST_ASSIGN(const Bytes contracts, ask("bus/contracts?contractset=" + http::query_escaped(set), context));
  HOLDFAST_ASSIGN(const std::uint64_t count, sia::parse_contract_count(contracts));
  if (count >= wanted.total_shards) return text + ", " + std::to_string(count) + " contracts";
  health.warnings.push_back("only " + std::to_string(count) + " of the " + std::to_string(wanted.total_shards) + " contracts that an upload needs");
  return text;
}

Result<std::string> SiaStore::describe(const sia::Node& node, const sia::ObjectStats& stats, StoreHealth& health, const CallContext& context) {
  std::string text = "renterd " + node.version + " on " + node.network + ", " + in_mib(stats.sectors_bytes) + " on hosts";
  HOLDFAST_ASSIGN(const std::string contracts, describe_contracts(health, context));
  HOLDFAST_ASSIGN(const Bytes wallet, ask("bus/wallet", context));
  HOLDFAST_ASSIGN(const std::string money, sia::parse_wallet(wallet));
  text += ", wallet " + money + ", " + contracts;
  HOLDFAST_ASSIGN(const Bytes consensus, ask("bus/consensus/state", context));
  HOLDFAST_ASSIGN(const bool synced, sia::parse_synced(consensus));
  if (!synced) health.warnings.emplace_back("NOT synced with the chain, so nothing can be uploaded");
  HOLDFAST_ASSIGN(const Bytes packing, ask("bus/setting/uploadpacking", context));
  HOLDFAST_ASSIGN(const bool packs, sia::parse_packing(packing));
  if (packs) health.warnings.emplace_back("upload packing is on: the ends of objects wait on renterd's own disk");
  HOLDFAST_ASSIGN(const Bytes reply, ask("bus/alerts?offset=0&limit=200", context));
  HOLDFAST_ASSIGN(const std::string alerts, sia::parse_alerts(reply));
  if (!alerts.empty()) health.warnings.push_back(alerts);
  return text;
}

Result<StoreHealth> SiaStore::health(const CallContext& context) {
  StoreHealth health;
  const Result<Bytes> state = ask("bus/state", context);
  if (!state) {
    if (ends_the_call(state.error().code())) return state.error();
    health.detail = state.error().message();
    return health;
  }
  HOLDFAST_ASSIGN(const sia::Node node, sia::parse_state(*state));
  health.reachable = true;
  // A bucket that is not there yet has nothing in it.
  sia::ObjectStats stats;
  const Result<Bytes> reply = ask("bus/stats/objects?bucket=" + http::query_escaped(bucket_), context);
  if (reply) {
    HOLDFAST_ASSIGN(stats, sia::parse_stats(*reply));
  } else if (sia::classify(reply.error().message()) != sia::RenterdError::kNoBucket) {
    return reply.error();
  }
  health.used_bytes = stats.objects_bytes;
  const Result<std::string> text = describe(node, stats, health, context);
  if (text) {
    health.detail = *text;
  } else {
    if (ends_the_call(text.error().code())) return text.error();
    health.detail = "renterd " + node.version + " on " + node.network + "; the rest is unknown: " + text.error().message();
  }
  for (const std::string& warning : health.warnings) health.detail += "; " + warning;
  return health;
}

}  // namespace holdfast
