// SPDX-License-Identifier: Apache-2.0
// The postage batch: whether it takes something new, and what keeps it alive and roomy.
#include <cmath>

#include "adapters/swarm/swarm_store.h"
#include "core/base/clock.h"
#include "core/base/log.h"

namespace holdfast {

namespace {

using namespace std::chrono_literals;

constexpr auto kChainTimeout = 180'000ms;  // a transaction that is mined, and the node hears of it
constexpr auto kCarePause = 10min;         // until the last transaction must show: the same thing is not paid twice
constexpr auto kWarnPause = 1h;        // between the same warnings in the log
constexpr double kPlurPerBzz = 1e16;
constexpr std::uint64_t kFullPercent = 75;  // of the fullest bucket: the first chunk that meets a full one fails its upload

}  // namespace

std::string SwarmStore::batch_name() const { return options_.batch.substr(0, 8) + "…"; }

bool SwarmStore::fills_up(const swarm::Batch& batch) const noexcept { return batch.utilization * 100 >= batch.bucket_capacity() * kFullPercent; }

Result<std::optional<swarm::Batch>> SwarmStore::look_at_batch(const std::string& id, const CallContext& context) {
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, exchange(request(http::Method::kGet, "stamps/" + id), 30'000ms, context));
  if (reply.head.status == 200) {
    HOLDFAST_ASSIGN(const swarm::Batch batch, swarm::parse_batch(reply.body));
    return std::optional<swarm::Batch>(batch);
  }
  const swarm::BeeError meaning = swarm::classify(reply.head.status, reply.body);
  if (meaning == swarm::BeeError::kNoBatch) return std::optional<swarm::Batch>();
  if (meaning == swarm::BeeError::kNotYetUsable) return std::optional<swarm::Batch>(swarm::Batch{.usable = false, .immutable = true, .depth = 17, .bucket_depth = 16, .utilization = 0, .ttl_seconds = std::nullopt});
  return swarm::reply_error(reply.head.status, "looking at postage batch " + id.substr(0, 8) + "…", reply.body).on_network(traits_.name);
}

Status SwarmStore::judge(const std::optional<swarm::Batch>& batch) const {
  const auto refuse = [&](ErrorCode code, const std::string& why) { return Error(code, "postage batch " + batch_name() + " " + why).on_network(traits_.name); };
  if (!batch) return refuse(ErrorCode::kQuotaExceeded, "has expired, or was never of this node: buy another and set batch to it");
  if (!batch->immutable) return refuse(ErrorCode::kInvalidArgument, "is mutable: once it is full each new chunk ends an old one. Buy an immutable one");
  if (!batch->usable) return refuse(ErrorCode::kUnavailable, "is not usable yet: that takes some ten blocks from its purchase on");
  if (batch->ttl_seconds && *batch->ttl_seconds < static_cast<std::uint64_t>(options_.ttl_min.count())) {
    return refuse(ErrorCode::kQuotaExceeded, "ends in " + std::to_string(*batch->ttl_seconds / 60) + " minutes, and with it all that it paid for: top it up");
  }
  return ok_status();
}

void SwarmStore::warn_of(const swarm::Batch& batch) {
  const std::vector<std::string> warnings = warnings_of(batch);
  if (warnings.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    const MonoTime now = system_clock().mono_now();
    if (warned_ != MonoTime{} && now - warned_ < kWarnPause) return;
    warned_ = now;
  }
  for (const std::string& warning : warnings) log_warning("network " + traits_.name + ": " + warning);
}

Status SwarmStore::ready_batch(const CallContext& context) {
  if (options_.batch.empty()) {
    return Error(ErrorCode::kInvalidArgument, "storing on Swarm takes a postage batch of the node at " + http::origin_of(api_) + ": buy one (POST /stamps/AMOUNT/DEPTH) and set batch")
        .on_network(traits_.name);
  }
  HOLDFAST_ASSIGN(std::optional<swarm::Batch> batch, look_at_batch(options_.batch, context));
  if (batch && batch->usable && batch->immutable) {
    warn_of(*batch);
    look_after(*batch, context);
    HOLDFAST_TRY(check_context(context, system_clock(), "looking after the postage batch"));
  }
  Status fit = judge(batch);
  if (fit || fit.error().code() != ErrorCode::kQuotaExceeded || options_.top_up_to.count() == 0) return fit;
  HOLDFAST_ASSIGN(batch, look_at_batch(options_.batch, context));  // a top-up may have saved it
  return judge(batch);
}

void SwarmStore::look_after(const swarm::Batch& batch, const CallContext& context) {
  const bool needs_time = options_.top_up_to.count() != 0 && batch.ttl_seconds && *batch.ttl_seconds < static_cast<std::uint64_t>(options_.ttl_warn.count());
  // A dilution halves the time: what is left must do.
  const bool has_time = !batch.ttl_seconds || *batch.ttl_seconds / 2 >= static_cast<std::uint64_t>(options_.ttl_min.count());
  const bool needs_room = batch.depth < options_.depth_max && fills_up(batch) && has_time;
  if (!needs_time && !needs_room) return;
  {
    const std::lock_guard lock(mutex_);
    const MonoTime now = system_clock().mono_now();
    if (looked_after_ != MonoTime{} && now - looked_after_ < kCarePause) return;
    looked_after_ = now;
  }
  // Room first: the next look tops it up.
  const Status done = needs_room ? dilute(batch, context) : top_up(batch, context);
  if (!done) log_warning("network " + traits_.name + ": " + done.error().message());
}

Status SwarmStore::top_up(const swarm::Batch& batch, const CallContext& context) {
  HOLDFAST_ASSIGN(const Bytes state, get("chainstate", context));
  HOLDFAST_ASSIGN(const std::uint64_t price, swarm::parse_price(state));
  const std::uint64_t missing_seconds = static_cast<std::uint64_t>(options_.top_up_to.count()) - batch.ttl_seconds.value_or(0);
  const std::uint64_t blocks = missing_seconds / static_cast<std::uint64_t>(options_.block_time.count()) + 1;
  const double cost_bzz = static_cast<double>(blocks) * static_cast<double>(price) * std::exp2(static_cast<double>(batch.depth)) / kPlurPerBzz;
  const std::string cost = std::to_string(cost_bzz) + " BZZ";
  if (cost_bzz > options_.top_up_max_bzz) {
    return Error(ErrorCode::kRefused, "postage batch " + batch_name() + " is not topped up: that would cost " + cost + ", more than batch_top_up_max_bzz = " +
                                          std::to_string(options_.top_up_max_bzz));
  }
  const std::uint64_t amount = blocks * price;  // at most 10^15 PLUR a block, and the bound on the cost keeps the product small
  const http::Request asking = request(http::Method::kPatch, "stamps/topup/" + options_.batch + "/" + std::to_string(amount));
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, exchange(asking, kChainTimeout, context));
  if (reply.head.status != 202) return swarm::reply_error(reply.head.status, "topping up postage batch " + batch_name() + " for " + cost, reply.body);
  log_info("network " + traits_.name + ": topped up postage batch " + options_.batch + " by " + std::to_string(amount) + " PLUR a chunk, " + cost + " in all, to live " +
           std::to_string(options_.top_up_to.count() / 86'400) + " days; transaction " + swarm::transaction_in(reply.body));
  return ok_status();
}

Status SwarmStore::dilute(const swarm::Batch& batch, const CallContext& context) {
  const std::string depth = std::to_string(batch.depth + 1);
  HOLDFAST_ASSIGN(const http::CollectedResponse reply,
                  exchange(request(http::Method::kPatch, "stamps/dilute/" + options_.batch + "/" + depth), kChainTimeout, context));
  if (reply.head.status != 202) return swarm::reply_error(reply.head.status, "diluting postage batch " + batch_name() + " to depth " + depth, reply.body);
  log_info("network " + traits_.name + ": diluted postage batch " + options_.batch + " from depth " + std::to_string(batch.depth) + " to " + depth +
           ", which halves the time that it has left; transaction " + swarm::transaction_in(reply.body));
  return ok_status();
}

}  // namespace holdfast
