// SPDX-License-Identifier: Apache-2.0
// Services that pin what the node has: asked, waited for, looked at and told to forget.
#include <algorithm>

#include "adapters/ipfs/ipfs_store.h"
#include "core/base/clock.h"
#include "core/base/log.h"

namespace holdfast {

namespace {

using ipfs::Pin;
using ipfs::PinningService;
using ipfs::PinStatus;

constexpr std::chrono::milliseconds kFirstLook{50};
constexpr std::chrono::milliseconds kLookMax{2'000};
// ipfs-cluster 1.1.0 says "pinned" for up to 70 ms after it was asked, though only the peer that was asked has it: the others have not heard of it yet.
constexpr std::chrono::milliseconds kSettleTime{500};
constexpr std::chrono::seconds kConnectTimeout{3};  // to one delegate
constexpr std::size_t kOriginsMax = 20;             // of the specification

/// The pin that says the most for an object: pinned before under way before failed.
const Pin* best_of(const std::vector<Pin>& pins) {
  const auto worth = [](const Pin& pin) { return pin.status == PinStatus::kPinned ? 2 : pin.status == PinStatus::kFailed ? 0 : 1; };
  const auto best = std::ranges::max_element(pins, {}, worth);
  return best == pins.end() ? nullptr : &*best;
}

std::string described(const PinningService& service, const Pin& pin) {
  return "pinning service " + service.name() + " says " + std::string(pin_status_name(pin.status)) + " of " + pin.cid + (pin.details.empty() ? "" : ": " + pin.details);
}

bool is_local_address(const std::string& address) { return address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/"); }

}  // namespace

std::vector<std::string> IpfsStore::origins_for(const PinningService& service, const CallContext& context) {
  const Result<Bytes> reply = call_within(find_timeout_, "id", context);
  Result<ipfs::NodeId> node = reply ? ipfs::parse_node_id(*reply) : Result<ipfs::NodeId>(reply.error());
  if (!node) return {};  // the service finds it by itself, or not
  std::vector<std::string>& addresses = node->addresses;
  if (!service.is_on_loopback()) std::erase_if(addresses, is_local_address);
  addresses.resize(std::min(addresses.size(), kOriginsMax));
  return std::move(addresses);
}

void IpfsStore::connect_to(const std::vector<std::string>& delegates, const CallContext& context) {
  for (const std::string& address : delegates) {
    const Result<Bytes> connected = call_within(kConnectTimeout, "swarm/connect?arg=" + http::query_escaped(address), context);
    if (connected) return;  // they are ways to one service: one does
    log_debug("network " + traits_.name + ": " + connected.error().message());
  }
}

bool IpfsStore::Asked::is_done() const {
  return pin.status == PinStatus::kFailed || (pin.status == PinStatus::kPinned && system_clock().mono_now() >= settled);
}

Result<IpfsStore::Asked> IpfsStore::pin_at(PinningService& service, const std::string& name, const std::string& cid, const CallContext& context) {
  HOLDFAST_ASSIGN(const std::vector<Pin> known, service.find(cid, context));
  // What is pinned or under way is not asked for, and paid, again.
  if (const Pin* best = best_of(known); best != nullptr && best->status != PinStatus::kFailed) return Asked{.service = &service, .pin = *best};
  HOLDFAST_ASSIGN(Pin pin, service.ask(cid, name, origins_for(service, context), context));
  Asked asked{.service = &service, .pin = std::move(pin), .settled = system_clock().mono_now() + kSettleTime};
  for (const Pin& failed : known) {
    if (failed.request_id == asked.pin.request_id) continue;
    const Status removed = service.remove(failed.request_id, context);
    if (!removed) log_debug("network " + traits_.name + ": " + removed.error().message());
  }
  return asked;
}

Status IpfsStore::wait_for_pins(std::vector<Asked> asked, const CallContext& context) {
  Status status;
  for (std::chrono::milliseconds pause = kFirstLook;; pause = std::min(2 * pause, kLookMax)) {
    const MonoTime now = system_clock().mono_now();
    MonoTime next = now;
    for (const Asked& one : asked) {
      if (one.pin.status == PinStatus::kFailed) status.keep_first(Error(ErrorCode::kUnavailable, described(*one.service, one.pin)).on_network(traits_.name));
      next = std::max(next, one.pin.status == PinStatus::kPinned ? one.settled : now + pause);
    }
    std::erase_if(asked, [](const Asked& one) { return one.is_done(); });
    if (asked.empty()) return status;
    HOLDFAST_TRY(system_clock().sleep_until(std::min(next, context.deadline), context.stop));
    if (system_clock().mono_now() >= context.deadline) {
      return Error(ErrorCode::kDeadlineExceeded, described(*asked.front().service, asked.front().pin) + ", and the time is up").on_network(traits_.name);
    }
    for (Asked& one : asked) {
      HOLDFAST_ASSIGN(std::optional<Pin> seen, one.service->look(one.pin, context));
      if (!seen) return Error(ErrorCode::kUnavailable, "pinning service " + one.service->name() + " has forgotten that it was asked for " + one.pin.cid);
      one.pin = *std::move(seen);
    }
  }
}

Status IpfsStore::pin_with_services(const std::string& name, const ObjectRef& ref, std::chrono::milliseconds bound, const CallContext& context) {
  if (services_.empty()) return ok_status();
  const CallContext bounded = with_timeout(context, system_clock(), bound);
  Status status;
  std::vector<Asked> asked;
  for (const auto& service : services_) {
    Result<Asked> one = pin_at(*service, name, ref.locator, bounded);
    if (!one) {
      status.keep_first(std::move(one).error());
      continue;
    }
    if (one->pin.status != PinStatus::kPinned) connect_to(one->pin.delegates, bounded);
    asked.push_back(*std::move(one));
  }
  if (!asked.empty()) status.keep_first(wait_for_pins(std::move(asked), bounded));
  if (!status) return within_bound(std::move(status).error(), context);
  // A service that runs over this very node may have unpinned it there meanwhile, for a removal before this put.
  return pin_on_node(ref, context);
}

Status IpfsStore::pin_on_node(const ObjectRef& ref, const CallContext& context) {
  const Result<Bytes> pinned = call_within(find_timeout_, "pin/ls?arg=" + ref.locator + "&type=recursive", context);
  if (pinned) return ok_status();
  if (ipfs::classify(pinned.error().message()) != ipfs::KuboError::kNotPinned) return pinned.error();
  HOLDFAST_ASSIGN(const Bytes reply, call_within(time_for(ref.size_bytes), "pin/add?arg=" + ref.locator, context));
  return ok_status();
}

Result<Durability> IpfsStore::durability_at_services(const std::string& cid, const CallContext& context) {
  Durability worst = Durability::kDurable;
  std::optional<Error> error;
  for (const auto& service : services_) {
    Result<std::vector<Pin>> pins = service->find(cid, context);
    if (!pins) {
      if (!error) error = std::move(pins).error();
      continue;
    }
    const Pin* best = best_of(*pins);
    // Absent, though the node has it: the network as configured has not all of it, and another put brings it there.
    if (best == nullptr || best->status == PinStatus::kFailed) return Durability::kAbsent;
    if (best->status != PinStatus::kPinned) worst = Durability::kAccepted;
  }
  if (error) return within_bound(std::move(*error), context);
  return worst;
}

Status IpfsStore::unpin_at_services(const std::string& cid, const CallContext& context) {
  Status status;
  for (const auto& service : services_) {
    const Result<std::vector<Pin>> pins = service->find(cid, context);
    if (!pins) status.keep_first(pins.error());
    if (!pins) continue;
    for (const Pin& pin : *pins) status.keep_first(service->remove(pin.request_id, context));
  }
  if (status) return status;
  return within_bound(std::move(status).error(), context);
}

void IpfsStore::pin_head(const std::string& name, const ObjectRef& ref, const CallContext& context) {
  if (services_.empty()) return;
  // A head is published even where a service has no room or can't be asked: without it nothing of what is stored counts.
  const Status pinned = pin_with_services(name, ref, find_timeout_, context);
  if (!pinned) {
    // A program that ends now has asked all the same. The head before stays there until the next.
    const std::string text = "network " + traits_.name + ": the head is not yet with every pinning service: " + pinned.error().message();
    if (pinned.error().code() == ErrorCode::kCancelled) {
      log_debug(text);
    } else {
      log_warning(text);
    }
    return;
  }
  for (const auto& service : services_) {
    const Result<std::vector<Pin>> pins = service->find_named(name, context);
    if (!pins) log_debug("network " + traits_.name + ": " + pins.error().message());
    if (!pins) continue;
    for (const Pin& pin : *pins) {
      if (pin.cid == ref.locator) continue;
      const Status removed = service->remove(pin.request_id, context);
      if (!removed) log_debug("network " + traits_.name + ": " + removed.error().message());
    }
  }
}

}  // namespace holdfast
