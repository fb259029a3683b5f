// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/place/placer_state.h"
#include "core/store/verifying_reader.h"

namespace holdfast {
namespace {

/// What a copy's sample is to have at the least.
constexpr std::uint64_t kSampleMinBytes = 1'024;
/// And at least so many records, which lie in different places.
constexpr std::size_t kSampleRecords = 2;
constexpr auto kVisibilityPause = std::chrono::milliseconds(250);

std::string object_name(const PackId& id) { return "packs/" + id.hex(); }

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

Status Placer::State::deliver(const StagedPack& pack, ObjectStore& store, const CallContext& context) {
  const std::string& network = store.traits().name;
  HOLDFAST_ASSIGN(const ObjectRef ref, put_once(pack, store, context));
  note_checking(pack.number, network);
  if (Status sampled = check_sample(pack, store, ref, context); !sampled) {
    const RetryAdvice advice = retry_advice(sampled.error().code());
    // The network has it wrong or not at all: what it answered is worth nothing, and the pack is put again.
    if (advice == RetryAdvice::kOtherSource) parts.stage.table().forget_put(pack.number, network);
    return std::move(sampled).error().with_context("reading back " + pack_name(pack.id)).on_network(network);
  }
  HOLDFAST_TRY(parts.log.placed(pack, {network, ref}));
  parts.stage.table().forget_put(pack.number, network);
  return ok_status();
}

/// Puts the pack, or finds that an earlier put went well that a crash kept from being recorded.
Result<ObjectRef> Placer::State::put_once(const StagedPack& pack, ObjectStore& store, const CallContext& context) {
  const std::string& network = store.traits().name;
  PackTable& table = parts.stage.table();
  if (const auto noted = table.noted_put(pack.number, network)) {
    HOLDFAST_ASSIGN(const Durability durability, store.probe(*noted, context));
    if (durability != Durability::kAbsent) return *noted;
    table.forget_put(pack.number, network);
  }
  HOLDFAST_ASSIGN(const ObjectRef ref, put(pack, store, context));
  if (ref.size_bytes != pack.size_bytes) {
    return Error(ErrorCode::kCorrupt, "put " + pack_name(pack.id) + " of " + std::to_string(pack.size_bytes) +
                                          " bytes, and the network says it has " + std::to_string(ref.size_bytes))
        .on_network(network);
  }
  HOLDFAST_TRY(table.note_put(pack.number, network, ref));
  return ref;
}

Result<ObjectRef> Placer::State::put(const StagedPack& pack, ObjectStore& store, const CallContext& context) {
  if (parts.stage.closed_pack(pack.number)) {
    HOLDFAST_TRY(verify_staged(pack));
    return store.put_file(object_name(pack.id), pack.path, context);
  }
  HOLDFAST_ASSIGN(const Bytes object, read_from_networks(pack, store.traits().name, context));
  return store.put(object_name(pack.id), object, context);
}

/// Once a pack: a disk that spoilt the file must not have its fault copied to every network.
Status Placer::State::verify_staged(const StagedPack& pack) {
  {
    const std::lock_guard lock(mutex);
    const auto found = packs.find(pack.number);
    if (found != packs.end() && found->second.verified) return ok_status();
  }
  const PackBytes read = [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    HOLDFAST_ASSIGN(std::optional<Bytes> bytes, parts.stage.read(pack.number, offset, size));
    if (!bytes) return Error(ErrorCode::kConflict, pack_name(pack.id) + " left staging meanwhile");
    return *std::move(bytes);
  };
  Result<PackDirectory> verified = verify_pack(read, pack.size_bytes, &pack.id, maintenance_key.view());
  if (!verified && verified.error().code() != ErrorCode::kCorrupt) return std::move(verified).error();
  if (!verified) return std::move(verified).error().with_context(pack_name(pack.id) + " is damaged in staging");
  const std::lock_guard lock(mutex);
  if (const auto found = packs.find(pack.number); found != packs.end()) found->second.verified = true;
  return ok_status();
}

/// The whole pack, verified, from any network that has it.
Result<Bytes> Placer::State::read_from_networks(const StagedPack& pack, const std::string& except,
                                                const CallContext& context) {
  Error last(ErrorCode::kNotFound, "no network has " + pack_name(pack.id));
  for (const NetworkCopy& copy : parts.directory.copies(pack.id)) {
    const auto store = parts.networks.find(copy.network);
    if (copy.network == except || !store) continue;
    Bytes object(pack.size_bytes);
    Status read = store->read(copy.ref, 0, object, context);
    if (read) {
      Result<PackDirectory> verified = verify_pack(object, &pack.id, maintenance_key.view());
      if (verified) return object;
      read = std::move(verified).error();
    }
    last = std::move(read).error().on_network(copy.network);
  }
  return std::move(last).with_context("fetching " + pack_name(pack.id) + " from another network");
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
