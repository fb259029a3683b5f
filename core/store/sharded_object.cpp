// SPDX-License-Identifier: Apache-2.0
#include "core/store/sharded_object.h"

#include <algorithm>
#include <condition_variable>
#include <map>

namespace holdfast {
namespace {

// The moments are on our clock and the condition is on the machine's.
constexpr std::chrono::milliseconds kSlice(10);
constexpr std::chrono::seconds kPatience(1);

Error none_left(const std::vector<Error>& failed, std::uint8_t needed) {
  ErrorCode code = ErrorCode::kNotFound;
  std::string message = "fewer than " + std::to_string(needed) + " shards could be read";
  for (const Error& error : failed) {
    if (retry_advice(error.code()) == RetryAdvice::kSameSource) code = ErrorCode::kUnavailable;
    if (code == ErrorCode::kNotFound && error.code() != ErrorCode::kNotFound) code = ErrorCode::kCorrupt;
    message += "; " + error.network() + " says: " + error.message();
  }
  return {code, std::move(message)};
}

}  // namespace

/// One range, gathered from several networks, of the reading thread and those that ask. Its end waits for them.
struct ShardedObject::Gathering {
  ~Gathering() { stop.request_stop(); }
  std::uint64_t offset = 0;
  std::size_t size = 0;
  std::stop_source stop;
  MonoTime deadline;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::uint8_t, Bytes> come;  // under mutex
  std::set<std::uint8_t> running;      // under mutex
  std::vector<std::jthread> threads;   // of the reading thread; the last member, so that they are joined first
};

ShardedObject::ShardedObject(const NetworkSet& networks, Clock& clock, std::vector<NetworkCopy> shards, ShardWatch watch)
    : networks_(networks), clock_(clock), watch_(std::move(watch)) {
  std::set<std::uint8_t> indices;
  for (NetworkCopy& copy : shards) {
    // A catalog that is wrong must not make us read beyond anything.
    if (!copy.shard || !copy.shard->plan.is_valid() || copy.ref.size_bytes != copy.shard->plan.object_bytes() || networks_.find(copy.network) == nullptr) continue;
    if (members_.empty()) plan_ = copy.shard->plan;
    ShardPlan same = copy.shard->plan;
    same.index = plan_.index;
    if (same != plan_ || !indices.insert(copy.shard->plan.index).second) continue;
    traits_.name += (traits_.name.empty() ? "" : "+") + copy.network;
    members_.push_back({std::move(copy), {}, std::nullopt});
  }
}

ShardedObject::~ShardedObject() = default;

std::chrono::nanoseconds ShardedObject::patience(const Member& member) const {
  return watch_.patience ? watch_.patience(member.copy) : kPatience;
}

void ShardedObject::put_out(Member& member, const Error& why) {
  if (watch_.failed) watch_.failed(member.copy, why);
  const std::lock_guard lock(mutex_);
  member.out = Error(why).on_network(member.copy.network);
}

std::vector<Error> ShardedObject::reasons() const {
  const std::lock_guard lock(mutex_);
  std::vector<Error> all;
  for (const Member& member : members_) {
    if (member.out) all.push_back(*member.out);
  }
  return all;
}

/// The shard that has the range as it stands comes first and alone; others, up to k of them, once it is out or late.
ShardedObject::Member* ShardedObject::next_for(const Gathering& gathering, std::uint8_t index, bool is_late) {
  const std::lock_guard lock(mutex_);
  const auto is_used = [&](const Member& member) {
    const std::uint8_t i = member.copy.shard->plan.index;
    return member.out || gathering.come.contains(i) || gathering.running.contains(i);
  };
  const auto direct = std::ranges::find_if(members_, [&](const Member& member) { return member.copy.shard->plan.index == index && !member.out; });
  if (direct != members_.end() && !is_used(*direct)) return &*direct;
  if (direct != members_.end() && !is_late) return nullptr;
  const auto others = gathering.come.size() + gathering.running.size() - (gathering.running.contains(index) ? 1 : 0);
  if (others >= plan_.code.k && !is_late) return nullptr;
  const auto next = std::ranges::find_if(members_, [&](const Member& member) { return !is_used(member); });
  return next == members_.end() ? nullptr : &*next;
}

Status ShardedObject::ask(Member& member, std::uint64_t offset, MutableByteView out, const CallContext& context) {
  const auto store = networks_.find(member.copy.network);
  const MonoTime start = clock_.mono_now();
  Status status = store->read(member.copy.ref, kShardHeaderBytes + offset, out, context);
  const std::chrono::nanoseconds took = clock_.mono_now() - start;
  if (status) {
    if (watch_.answered) watch_.answered(member.copy.network, took, out.size());
    const std::lock_guard lock(mutex_);
    for (std::uint64_t block = offset / kShardBlockBytes; block * kShardBlockBytes < offset + out.size(); ++block) member.blocks_read.insert(block);
    return status;
  }
  if (status.error().code() == ErrorCode::kCancelled) {
    if (watch_.called_off) watch_.called_off(member.copy.network, took);
  } else {
    put_out(member, status.error());
  }
  return std::move(status).error().on_network(member.copy.network);
}

void ShardedObject::start(Gathering& gathering, Member& member) {
  const std::uint8_t index = member.copy.shard->plan.index;
  gathering.running.insert(index);
  gathering.threads.emplace_back([this, &gathering, index, &member] {
    Bytes bytes(gathering.size);
    const Status status = ask(member, gathering.offset, bytes, {.deadline = gathering.deadline, .stop = gathering.stop.get_token()});
    const std::lock_guard lock(gathering.mutex);
    gathering.running.erase(index);
    if (status) gathering.come.emplace(index, std::move(bytes));
    gathering.changed.notify_all();
  });
}

Status ShardedObject::gather(Gathering& gathering, std::uint8_t index, const CallContext& context) {
  MonoTime late_at = MonoTime::max();
  std::unique_lock lock(gathering.mutex);
  while (!gathering.come.contains(index) && gathering.come.size() < plan_.code.k) {
    HOLDFAST_TRY(check_context(context, clock_, "reading shards"));
    bool is_late = clock_.mono_now() >= late_at;
    while (Member* next = next_for(gathering, index, is_late)) {
      start(gathering, *next);
      // Each is given its own time before the next joins it; a late one gets enough others to do without it at once.
      late_at = clock_.mono_now() + std::chrono::duration_cast<MonoTime::duration>(patience(*next));
      is_late = is_late && gathering.running.size() + gathering.come.size() <= plan_.code.k;
    }
    if (gathering.running.empty()) return none_left(reasons(), plan_.code.k);
    gathering.changed.wait_for(lock, kSlice);
  }
  return ok_status();
}

Status ShardedObject::read_piece(std::uint8_t index, std::uint64_t offset, MutableByteView out, const CallContext& context) {
  Gathering gathering;
  gathering.offset = offset;
  gathering.size = out.size();
  gathering.deadline = context.deadline;
  const std::stop_callback forward(context.stop, [&] { gathering.stop.request_stop(); });
  HOLDFAST_TRY(gather(gathering, index, context));
  gathering.stop.request_stop();
  gathering.threads.clear();  // joins
  if (const auto direct = gathering.come.find(index); direct != gathering.come.end()) {
    std::ranges::copy(direct->second, out.begin());
    return ok_status();
  }
  std::vector<ShardBytes> given;
  for (const auto& [i, bytes] : gathering.come) {
    if (given.size() < plan_.code.k) given.push_back({i, bytes});
  }
  return rebuild_shard(plan_.code, given, index, out);
}

Status ShardedObject::read(const ObjectRef&, std::uint64_t offset, MutableByteView out, const CallContext& context) {
  if (members_.empty()) return Error(ErrorCode::kNotFound, "no network of this run has a shard of it");
  if (offset > plan_.pack_size_bytes || out.size() > plan_.pack_size_bytes - offset) return Error(ErrorCode::kOutOfRange, "a range beyond the end of a pack");
  const std::uint64_t body = plan_.body_bytes();
  for (std::size_t done = 0; done < out.size();) {
    const std::uint64_t at = offset + done;
    const std::uint64_t in_shard = at % body;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(out.size() - done, body - in_shard));
    HOLDFAST_TRY(read_piece(static_cast<std::uint8_t>(at / body), in_shard, out.subspan(done, size), context));
    done += size;
  }
  return ok_status();
}

Result<Durability> ShardedObject::probe(const ObjectRef&, const CallContext& context) {
  std::size_t durable = 0;
  std::size_t accepted = 0;
  std::vector<Error> failed;
  for (Member& member : members_) {
    const Result<Durability> one = networks_.find(member.copy.network)->probe(member.copy.ref, context);
    if (!one) failed.push_back(Error(one.error()).on_network(member.copy.network));
    if (one && *one == Durability::kDurable) ++durable;
    if (one && *one == Durability::kAccepted) ++accepted;
  }
  if (durable >= plan_.code.k) return Durability::kDurable;
  if (durable + accepted >= plan_.code.k) return Durability::kAccepted;
  if (durable + accepted + failed.size() >= plan_.code.k) return none_left(failed, plan_.code.k);
  return Durability::kAbsent;
}

Result<StoreHealth> ShardedObject::health(const CallContext&) {
  return Error(ErrorCode::kUnsupported, "an object in shards has no health of its own");
}

std::vector<std::string> ShardedObject::expose(const CallContext& context) {
  std::vector<std::string> liars;
  for (Member& member : members_) {
    if (member.out || member.blocks_read.empty()) continue;
    const auto store = networks_.find(member.copy.network);
    const PackBytes read = [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
      Bytes bytes(size);
      HOLDFAST_TRY(store->read(member.copy.ref, offset, bytes, context));
      return bytes;
    };
    const auto bad = find_bad_blocks(member.copy.shard->plan, member.copy.shard->id, read, *member.blocks_read.begin(), *member.blocks_read.rbegin());
    if (bad && bad->empty()) continue;
    const Error why = bad ? Error(ErrorCode::kCorrupt, std::to_string(bad->size()) + " blocks of the shard " + member.copy.ref.locator + " do not verify") : bad.error();
    put_out(member, why);
    liars.push_back(member.copy.network);
  }
  return liars;
}

}  // namespace holdfast
