// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/base/log.h"
#include "core/place/placer_state.h"
#include "core/store/pack_sources.h"
#include "core/store/verifying_reader.h"

namespace holdfast {
namespace {

/// What a copy's sample is to have at the least.
constexpr std::uint64_t kSampleMinBytes = 1'024;
/// And at least so many records, or blocks of a shard, which lie in different places.
constexpr std::size_t kSampleRecords = 2;
constexpr auto kVisibilityPause = std::chrono::milliseconds(250);

std::string object_name(const PackId& id) { return "packs/" + id.hex(); }

std::string object_name(const ShardPlan& shard) {
  return object_name(shard.pack) + "-" + std::to_string(shard.code.k) + "-" + std::to_string(shard.code.n) + "-" + std::to_string(shard.index);
}

std::string pack_name(const PackId& id) { return "pack " + id.hex().substr(0, 16); }

}  // namespace

Status until_visible(Clock& clock, const StoreTraits& traits, const CallContext& context,
                     const std::function<Status()>& attempt) {
  const MonoTime last = clock.mono_now() + traits.visible_after_max;
  for (;;) {
    Status status = attempt();
    if (status) return status;
    const ErrorCode code = status.error().code();
    if (code != ErrorCode::kNotFound && code != ErrorCode::kOutOfRange) return status;
    if (clock.mono_now() >= last) return status;
    HOLDFAST_TRY(clock.sleep_until(std::min(last, clock.mono_now() + kVisibilityPause), context.stop));
    HOLDFAST_TRY(check_context(context, clock, "waiting for an object to appear"));
  }
}

Status Placer::State::deliver(const Job& job, const CallContext& context) {
  if (job.shard) return deliver_shard(job, context);
  const std::string& network = job.store->traits().name;
  HOLDFAST_ASSIGN(const ObjectRef ref, put_once(job, job.pack.size_bytes, [&] { return put_whole(job, context); }, context));
  note_checking(job.pack.number, network);
  if (Status sampled = check_sample(job.pack, *job.store, ref, context); !sampled) {
    take_back(job, ref, sampled.error(), context);
    return std::move(sampled).error().with_context("reading back " + pack_name(job.pack.id)).on_network(network);
  }
  HOLDFAST_TRY(parts.log.placed(job.pack, {network, ref}));
  parts.stage.table().forget_put(job.pack.number, network);
  return ok_status();
}

/// The network has it wrong or not at all: what it answered is worth nothing. It is put again, and what lies there must not stand in the way.
void Placer::State::take_back(const Job& job, const ObjectRef& ref, const Error& why, const CallContext& context) {
  if (retry_advice(why.code()) != RetryAdvice::kOtherSource) return;
  parts.stage.table().forget_put(job.pack.number, job.store->traits().name);
  if (why.code() != ErrorCode::kCorrupt && why.code() != ErrorCode::kOutOfRange) return;
  if (!job.store->traits().can_remove) return;
  if (Status removed = job.store->remove(ref, context); !removed) log_warning("removing a spoilt " + ref.locator + " from " + job.store->traits().name + ": " + removed.error().message());
}

/// Made anew for each try, which is cheaper than keeping it.
Status Placer::State::deliver_shard(const Job& job, const CallContext& context) {
  const std::string& network = job.store->traits().name;
  HOLDFAST_ASSIGN(const PackBytes pack, bytes_of(job, context));
  HOLDFAST_ASSIGN(const MadeShard made, make_shard(*job.shard, pack));
  HOLDFAST_ASSIGN(const ObjectRef ref, put_once(job, made.object.size(), [&]() -> Result<ObjectRef> {
    if (job.bad && job.store->traits().can_remove) HOLDFAST_TRY(job.store->remove(*job.bad, context));
    return job.store->put(object_name(*job.shard), made.object, context);
  }, context));
  note_checking(job.pack.number, network);
  if (Status checked = check_shard(job, made, ref, context); !checked) {
    take_back(job, ref, checked.error(), context);
    return std::move(checked).error().with_context("reading back shard " + std::to_string(job.shard->index) + " of " + pack_name(job.pack.id)).on_network(network);
  }
  HOLDFAST_TRY(parts.log.placed(job.pack, {network, ref, StoredShard{*job.shard, made.id}}));
  parts.stage.table().forget_put(job.pack.number, network);
  return ok_status();
}

/// Puts it, or finds that an earlier put went well that a crash kept from being recorded.
Result<ObjectRef> Placer::State::put_once(const Job& job, std::uint64_t size_bytes, const std::function<Result<ObjectRef>()>& put, const CallContext& context) {
  const std::string& network = job.store->traits().name;
  PackTable& table = parts.stage.table();
  // A note may outlive its use; where what lies there is known to be bad it would only say that the bad one is there.
  if (const auto noted = table.noted_put(job.pack.number, network); noted && !job.bad && noted->size_bytes == size_bytes) {
    HOLDFAST_ASSIGN(const Durability durability, job.store->probe(*noted, context));
    if (durability != Durability::kAbsent) return *noted;
    table.forget_put(job.pack.number, network);
  }
  HOLDFAST_ASSIGN(const ObjectRef ref, put());
  if (ref.size_bytes != size_bytes) {
    return Error(ErrorCode::kCorrupt, "put " + std::to_string(size_bytes) + " bytes of " + pack_name(job.pack.id) +
                                          ", and the network says it has " + std::to_string(ref.size_bytes))
        .on_network(network);
  }
  HOLDFAST_TRY(table.note_put(job.pack.number, network, ref));
  return ref;
}

Result<ObjectRef> Placer::State::put_whole(const Job& job, const CallContext& context) {
  const bool is_staged = parts.stage.closed_pack(job.pack.number).has_value();
  Bytes object;
  if (is_staged) {
    HOLDFAST_TRY(verify_staged(job.pack));
  } else {
    HOLDFAST_ASSIGN(object, read_from_networks(job.pack, job.store->traits().name, context));
  }
  // Only now, with all of it at hand, may what lies there go.
  if (job.bad && job.store->traits().can_remove) HOLDFAST_TRY(job.store->remove(*job.bad, context));
  if (is_staged) return job.store->put_file(object_name(job.pack.id), job.pack.path, context);
  return job.store->put(object_name(job.pack.id), object, context);
}

/// The whole pack, verified: from staging, else from networks.
Result<PackBytes> Placer::State::bytes_of(const Job& job, const CallContext& context) {
  if (parts.stage.closed_pack(job.pack.number)) {
    HOLDFAST_TRY(verify_staged(job.pack));
    return staged_bytes(job.pack);
  }
  HOLDFAST_ASSIGN(Bytes object, read_from_networks(job.pack, {}, context));
  return PackBytes([held = std::make_shared<const Bytes>(std::move(object))](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    if (offset > held->size() || size > held->size() - offset) return Error(ErrorCode::kOutOfRange, "beyond the end of a pack");
    const auto start = held->begin() + static_cast<std::ptrdiff_t>(offset);
    return Bytes(start, start + static_cast<std::ptrdiff_t>(size));
  });
}

/// Header, trailer and random blocks, read back and proved.
Status Placer::State::check_shard(const Job& job, const MadeShard& made, const ObjectRef& ref, const CallContext& context) {
  const PackBytes read = [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    Bytes bytes(size);
    HOLDFAST_TRY(job.store->read(ref, offset, bytes, context));
    return bytes;
  };
  return until_visible(parts.clock, job.store->traits(), context, [&]() -> Status {
    HOLDFAST_ASSIGN(const auto bad, find_bad_in_sample(*job.shard, made.id, read, kSampleRecords, parts.random));
    if (!bad.empty()) return Error(ErrorCode::kCorrupt, "block " + std::to_string(bad.front()) + " of it is not what was put");
    return ok_status();
  });
}

PackBytes Placer::State::staged_bytes(const StagedPack& pack) const {
  return [this, pack](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    HOLDFAST_ASSIGN(std::optional<Bytes> bytes, parts.stage.read(pack.number, offset, size));
    if (!bytes) return Error(ErrorCode::kConflict, pack_name(pack.id) + " left staging meanwhile");
    return *std::move(bytes);
  };
}

/// Once a pack: a disk that spoilt the file must not have its fault copied to every network.
Status Placer::State::verify_staged(const StagedPack& pack) {
  {
    const std::lock_guard lock(mutex);
    const auto found = packs.find(pack.number);
    if (found != packs.end() && found->second.verified) return ok_status();
  }
  Result<PackDirectory> verified = verify_pack(staged_bytes(pack), pack.size_bytes, &pack.id, maintenance_key.view());
  if (!verified && verified.error().code() != ErrorCode::kCorrupt) return std::move(verified).error();
  if (!verified) return std::move(verified).error().with_context(pack_name(pack.id) + " is damaged in staging");
  const std::lock_guard lock(mutex);
  if (const auto found = packs.find(pack.number); found != packs.end()) found->second.verified = true;
  return ok_status();
}

/// The whole pack, verified, from any network that has it, or from its shards.
Result<Bytes> Placer::State::read_from_networks(const StagedPack& pack, const std::string& except,
                                                const CallContext& context) const {
  Bytes object(pack.size_bytes);
  Status read = read_pack_from_any(parts.networks, parts.clock, parts.directory.copies(pack.id), except, context, [&](ObjectReader& reader, const ObjectRef& ref) -> Status {
    HOLDFAST_TRY(reader.read(ref, 0, object, context));
    HOLDFAST_TRY(verify_pack(object, &pack.id, maintenance_key.view()));
    return ok_status();
  });
  if (read) return object;
  return std::move(read).error().with_context("fetching " + pack_name(pack.id) + " from other networks");
}

Result<PackDirectory> Placer::State::directory_of(const StagedPack& pack, ObjectStore& store, const ObjectRef& ref,
                                                  const CallContext& context) {
  const auto read = [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    HOLDFAST_ASSIGN(std::optional<Bytes> staged, parts.stage.read(pack.number, offset, size));
    if (staged) return std::move(*staged);
    Bytes out(size);
    HOLDFAST_TRY(store.read(ref, offset, out, context));
    return out;
  };
  return read_pack_directory(read, pack.size_bytes, &pack.id, maintenance_key.view());
}

Status Placer::State::read_back(ObjectStore& store, const ObjectRef& ref, const PackEntry& entry,
                                const CallContext& context) {
  VerifyingReader reader(store);
  return until_visible(parts.clock, store.traits(), context, [&]() -> Status {
    HOLDFAST_TRY(reader.read_record(ref, {entry.id, entry.offset, entry.record_size_bytes}, context));
    return ok_status();
  });
}

/// Reads records at random places back from the network, whole, and verifies them.
Status Placer::State::check_sample(const StagedPack& pack, ObjectStore& store, const ObjectRef& ref,
                                   const CallContext& context) {
  PackDirectory directory;
  HOLDFAST_TRY(until_visible(parts.clock, store.traits(), context, [&]() -> Status {
    HOLDFAST_ASSIGN(directory, directory_of(pack, store, ref, context));
    return ok_status();
  }));
  std::vector<PackEntry>& left = directory.entries;
  std::uint64_t bytes = 0;
  for (std::size_t count = 0; !left.empty() && (bytes < kSampleMinBytes || count < kSampleRecords); ++count) {
    std::uint64_t draw = 0;
    HOLDFAST_TRY(parts.random.fill({reinterpret_cast<std::uint8_t*>(&draw), sizeof draw}));
    std::swap(left[draw % left.size()], left.back());
    HOLDFAST_TRY(read_back(store, ref, left.back(), context));
    bytes += left.back().record_size_bytes;
    left.pop_back();
  }
  return ok_status();
}

}  // namespace holdfast
