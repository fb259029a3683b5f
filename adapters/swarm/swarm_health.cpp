// SPDX-License-Identifier: Apache-2.0
// What the node says of itself, its batch and its money.
#include "adapters/swarm/swarm_store.h"

namespace holdfast {

namespace {

bool ends_the_call(ErrorCode code) { return code == ErrorCode::kCancelled || code == ErrorCode::kDeadlineExceeded; }

std::string time_left(std::uint64_t seconds) {
  constexpr std::uint64_t kHour = 3'600;
  constexpr std::uint64_t kDay = 24 * kHour;
  return seconds >= 2 * kDay ? std::to_string(seconds / kDay) + " days" : std::to_string(seconds / kHour) + " hours";
}

}  // namespace

std::string SwarmStore::describe_batch(const swarm::Batch& batch) const {
  std::string text = "batch " + batch_name() + " of depth " + std::to_string(batch.depth) + ", " + (batch.ttl_seconds ? time_left(*batch.ttl_seconds) + " left" : "without an end") +
                     ", fullest bucket " + std::to_string(batch.utilization) + " of " + std::to_string(batch.bucket_capacity());
  return text;
}

std::vector<std::string> SwarmStore::warnings_of(const swarm::Batch& batch) const {
  std::vector<std::string> out;
  if (batch.ttl_seconds && *batch.ttl_seconds < static_cast<std::uint64_t>(options_.ttl_warn.count())) {
    out.push_back("postage ENDS in " + time_left(*batch.ttl_seconds) + ", and with it all objects of batch " + options_.batch + (options_.top_up_to.count() == 0 ? ": top it up" : ""));
  }
  if (fills_up(batch)) {
    out.push_back(std::string("the batch is filling up: uploads fail once they meet a full bucket") + (batch.depth >= options_.depth_max ? ": dilute it, or buy another" : ""));
  }
  return out;
}

/// Batches of earlier configurations have paid for older objects, whose locators name them.
void SwarmStore::describe_others(const std::map<std::string, swarm::Batch>& batches, StoreHealth& health) const {
  for (const auto& [id, batch] : batches) {
    const bool ends = batch.usable && batch.ttl_seconds && *batch.ttl_seconds < static_cast<std::uint64_t>(options_.ttl_warn.count());
    if (id != options_.batch && ends) health.warnings.push_back("batch " + id + " of this node ENDS in " + time_left(*batch.ttl_seconds));
  }
}

Result<std::string> SwarmStore::describe(const std::string& version, StoreHealth& health, const CallContext& context) {
  HOLDFAST_ASSIGN(const Bytes peers, get("peers", context));
  HOLDFAST_ASSIGN(const std::size_t count, swarm::parse_peer_count(peers));
  std::string text = "bee " + version + ", " + std::to_string(count) + (count == 1 ? " peer" : " peers");
  if (options_.batch.empty()) return text + "; no postage batch is set, so that nothing can be stored";
  HOLDFAST_ASSIGN(const auto batch, look_at_batch(options_.batch, context));
  const Status fit = judge(batch);
  if (batch && batch->usable) {
    text += ", " + describe_batch(*batch);
    health.warnings = warnings_of(*batch);
  }
  HOLDFAST_ASSIGN(const Bytes wallet, get("wallet", context));
  HOLDFAST_ASSIGN(const std::string money, swarm::parse_wallet(wallet));
  text += "; wallet " + money;
  if (count == 0) health.warnings.emplace_back("NO peers, so nothing can be uploaded");
  if (!fit) health.warnings.push_back("nothing can be uploaded: " + fit.error().message());
  HOLDFAST_ASSIGN(const Bytes stamps, get("stamps", context));
  HOLDFAST_ASSIGN(const auto batches, swarm::parse_batches(stamps));
  describe_others(batches, health);
  if (batch && batch->usable && options_.counts_used) {
    HOLDFAST_ASSIGN(const Bytes buckets, get("stamps/" + options_.batch + "/buckets", context));
    HOLDFAST_ASSIGN(const std::uint64_t count_of_stamps, swarm::parse_stamp_count(buckets));
    health.used_bytes = count_of_stamps * swarm::kChunkMaxBytes;
  }
  return text;
}

Result<StoreHealth> SwarmStore::health(const CallContext& context) {
  StoreHealth health;
  const Result<Bytes> reply = get("health", context);
  const Result<std::string> version = reply ? swarm::parse_version(*reply) : Result<std::string>(reply.error());
  if (!version) {
    if (ends_the_call(version.error().code())) return version.error();
    health.detail = version.error().message();
    return health;
  }
  health.reachable = true;
  const Result<std::string> text = describe(*version, health, context);
  if (!text && ends_the_call(text.error().code())) return text.error();
  health.detail = text ? *text : "bee " + *version + "; the rest is unknown: " + text.error().message();
  for (const std::string& warning : health.warnings) health.detail += "; " + warning;
  return health;
}

}  // namespace holdfast
