// SPDX-License-Identifier: Apache-2.0
// Uploading: a reference is believed once it is the one that was computed here, and the network has taken every chunk.
#include <algorithm>

#include "adapters/swarm/swarm_store.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/store/object_name.h"
#include "core/store/whole_file.h"

namespace holdfast {

namespace {

using namespace std::chrono_literals;

constexpr auto kFirstPause = 20ms;   // between two looks at a tag, doubled each time
constexpr auto kPauseMost = 1'000ms;
constexpr auto kAskTimeout = 30'000ms;
constexpr std::size_t kPieceBytes = 1U << 20;  // read back at once
constexpr std::size_t kTagsMax = 1'000;        // of uploads that failed; more are forgotten, which costs an upload anew

}  // namespace

std::optional<std::uint64_t> SwarmStore::unfinished(const std::string& address, const CallContext& context) {
  std::uint64_t uid = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = tags_.find(address);
    if (found == tags_.end()) return std::nullopt;
    uid = found->second;
  }
  const Result<Bytes> reply = get("tags/" + std::to_string(uid), context);
  const Result<swarm::Tag> tag = reply ? swarm::parse_tag(*reply) : Result<swarm::Tag>(reply.error());
  if (!tag || tag->split == 0) return std::nullopt;
  return uid;
}

Result<SwarmStore::Posted> SwarmStore::post_bytes(ByteView object, const std::string& address, const Upload& upload, const CallContext& context) {
  HOLDFAST_ASSIGN(const Bytes made, ask(http::Method::kPost, "tags", kAskTimeout, context));
  HOLDFAST_ASSIGN(const swarm::Tag tag, swarm::parse_tag(made));
  http::Request posting = request(http::Method::kPost, "bytes");
  posting.headers.emplace_back("Swarm-Postage-Batch-Id", options_.batch);
  posting.headers.emplace_back("Swarm-Deferred-Upload", "true");
  posting.headers.emplace_back("Swarm-Pin", "true");
  posting.headers.emplace_back("Swarm-Tag", std::to_string(tag.uid));
  posting.headers.emplace_back("Content-Type", "application/octet-stream");
  if (upload.redundancy > 0) posting.headers.emplace_back("Swarm-Redundancy-Level", std::to_string(upload.redundancy));
  posting.body = object;
  Result<http::CollectedResponse> sent = exchange(posting, time_for(object.size()), context);
  if (!sent) return std::move(sent).error().with_context(upload.doing);
  if (sent->head.status != 201) return swarm::reply_error(sent->head.status, upload.doing + " with postage batch " + batch_name(), sent->body).on_network(traits_.name);
  HOLDFAST_ASSIGN(std::string reference, swarm::parse_reference(sent->body));
  if (upload.redundancy == 0 && reference != address) {
    (void)unpin(reference, context).has_value();  // best effort: nobody will ask for it
    return Error(ErrorCode::kCorrupt, upload.doing + ": Bee stored " + reference + ", and the bytes it was given have the address " + address).on_network(traits_.name);
  }
  if (upload.redundancy == 0) {
    const std::lock_guard lock(mutex_);
    if (tags_.size() >= kTagsMax) tags_.clear();
    tags_[address] = tag.uid;
  }
  return Posted{std::move(reference), tag.uid};
}

Result<swarm::Tag> SwarmStore::wait_synced(std::uint64_t uid, const Upload& upload, const CallContext& context) {
  Clock& clock = system_clock();
  std::chrono::milliseconds pause = kFirstPause;
  std::uint64_t done = 0;
  MonoTime progressed_at = clock.mono_now();
  while (true) {
    HOLDFAST_ASSIGN(const Bytes reply, get("tags/" + std::to_string(uid), context));
    HOLDFAST_ASSIGN(const swarm::Tag tag, swarm::parse_tag(reply));
    if (tag.is_done()) return tag;
    const MonoTime now = clock.mono_now();
    if (tag.seen + tag.synced > done) progressed_at = now;
    done = std::max(done, tag.seen + tag.synced);
    if (now - progressed_at > options_.sync_timeout) {
      return Error(ErrorCode::kUnavailable, upload.doing + ": the network has " + std::to_string(done) + " of " + std::to_string(tag.split) + " chunks, and has taken none for " +
                                                std::to_string(options_.sync_timeout.count() / 1000) + " s; putting it again goes on from there")
          .on_network(traits_.name);
    }
    HOLDFAST_TRY(check_context(context, clock, upload.doing));
    HOLDFAST_TRY(clock.sleep_until(std::min(context.deadline, now + pause), context.stop));
    pause = std::min<std::chrono::milliseconds>(2 * pause, kPauseMost);
  }
}

Status SwarmStore::compare(const std::string& reference, ByteView object, const CallContext& context) {
  const ObjectRef ref{.locator = swarm::to_text({options_.batch, reference}), .size_bytes = object.size()};
  Bytes piece;
  for (std::size_t at = 0; at < object.size(); at += kPieceBytes) {
    const ByteView wanted = object.subspan(at, std::min(kPieceBytes, object.size() - at));
    piece.resize(wanted.size());
    HOLDFAST_TRY(read(ref, at, piece, context));
    if (!std::ranges::equal(piece, wanted)) return Error(ErrorCode::kCorrupt, "reading back " + reference + " gave other bytes than were put").on_network(traits_.name);
  }
  return ok_status();
}

Status SwarmStore::need_peers(const CallContext& context) {
  HOLDFAST_ASSIGN(const Bytes reply, get("peers", context));
  HOLDFAST_ASSIGN(const std::size_t count, swarm::parse_peer_count(reply));
  if (count > 0) return ok_status();
  return Error(ErrorCode::kUnavailable, "the node has no peers, so that nobody else has what it was given").on_network(traits_.name);
}

/// Looking comes first only where another upload may have done it: a node that has asked a peer for a chunk in vain asks it no more for a minute (Bee 2.7.0, pkg/retrieval).
Status SwarmStore::push_rest(const Posted& posted, const swarm::Tag& tag, std::uint64_t size_bytes, const CallContext& context) {
  HOLDFAST_TRY(need_peers(context));
  if (tag.stored == 0) {
    HOLDFAST_ASSIGN(const bool there, is_retrievable(posted.reference, size_bytes, context));
    if (there) return ok_status();
  }
  log_warning("network " + traits_.name + ": the network lacks chunks of " + posted.reference + "; the node uploads them again");
  // Answers when somebody has given a receipt for each chunk; a node that is alone takes them itself, and says the same.
  HOLDFAST_TRY(ask(http::Method::kPut, "stewardship/" + posted.reference, time_for(size_bytes), context));
  return need_peers(context);
}

/// Chunks that two uploads have in common are pushed by one of them only: whoever puts the same bytes meanwhile waits.
Result<std::string> SwarmStore::store_bytes(ByteView object, const Upload& upload, const CallContext& context) {
  const std::string address = swarm::object_address(object).hex();
  const std::string key = address + "/" + std::to_string(upload.redundancy);  // with redundancy the reference is another
  std::shared_ptr<Flight> flight;
  while (!flight) {
    std::shared_ptr<Flight> other;
    {
      const std::lock_guard lock(mutex_);
      const auto [found, mine] = flights_.try_emplace(key, nullptr);
      if (mine) flight = found->second = std::make_shared<Flight>();
      if (!mine) other = found->second;
    }
    while (other && !other->is_over) {
      HOLDFAST_TRY(check_context(context, system_clock(), upload.doing));
      HOLDFAST_TRY(system_clock().sleep_until(std::min(context.deadline, system_clock().mono_now() + kFirstPause), context.stop));
    }
    // What failed for another may have failed for its deadline alone.
    if (other && !other->reference.empty()) return other->reference;
  }
  Result<std::string> stored = upload_all(object, address, upload, context);
  {
    const std::lock_guard lock(mutex_);
    flights_.erase(key);
  }
  if (stored) flight->reference = *stored;
  flight->is_over = true;
  // What is put is not absent: then something on the way is.
  if (!stored && stored.error().code() == ErrorCode::kNotFound) return std::move(stored).error().with_code(ErrorCode::kUnavailable);
  return stored;
}

Result<std::string> SwarmStore::upload_all(ByteView object, const std::string& address, const Upload& upload, const CallContext& context) {
  Posted posted{address, 0};
  // With redundancy the address also covers parities, and only an upload tells it.
  const std::optional<std::uint64_t> uid = upload.redundancy == 0 ? unfinished(address, context) : std::nullopt;
  if (uid) {
    posted.uid = *uid;
  } else {
    HOLDFAST_ASSIGN(posted, post_bytes(object, address, upload, context));
  }
  const std::string& reference = posted.reference;
  HOLDFAST_ASSIGN(const swarm::Tag tag, wait_synced(posted.uid, upload, context));
  if (upload.redundancy > 0) HOLDFAST_TRY(compare(reference, object, context));
  if (!tag.is_on_network()) HOLDFAST_TRY(push_rest(posted, tag, object.size(), context));
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = tags_.find(address); found != tags_.end() && found->second == posted.uid) tags_.erase(found);
  }
  const Result<Bytes> dropped = ask(http::Method::kDelete, "tags/" + std::to_string(posted.uid), kAskTimeout, context);
  if (!dropped) log_debug("network " + traits_.name + ": a finished tag stays: " + dropped.error().message());
  // It may have ended meanwhile; then nobody keeps what was just sent.
  HOLDFAST_ASSIGN(const auto batch, look_at_batch(options_.batch, context));
  HOLDFAST_TRY(judge(batch));
  return reference;
}

Result<ObjectRef> SwarmStore::put(const ObjectName& name, ByteView object, const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(name));
  const Upload upload{"putting " + name, options_.redundancy};
  HOLDFAST_TRY(check_context(context, system_clock(), upload.doing));
  HOLDFAST_TRY(ready_batch(context));
  HOLDFAST_ASSIGN(const std::string reference, store_bytes(object, upload, context));
  return ObjectRef{.locator = swarm::to_text({options_.batch, reference}), .size_bytes = object.size()};
}

Result<ObjectRef> SwarmStore::put_file(const ObjectName& name, const std::string& path, const CallContext& context) {
  HOLDFAST_ASSIGN(const Bytes object, read_whole_file(path, 0, context));
  return put(name, object, context);
}

}  // namespace holdfast
