// SPDX-License-Identifier: Apache-2.0
#include "core/heal/copy_check.h"

#include "core/store/verifying_reader.h"

namespace holdfast {
namespace {

constexpr std::size_t kSamples = 2;

Result<std::uint64_t> draw_below(RandomSource& random, std::uint64_t bound) {
  std::uint64_t draw = 0;
  HOLDFAST_TRY(random.fill({reinterpret_cast<std::uint8_t*>(&draw), sizeof draw}));
  return draw % bound;
}

CopyFinding finding_of(const Error& error) {
  const ErrorCode code = error.code();
  if (code == ErrorCode::kNotFound) return {VerifiedOutcome::kMissing, error.message()};
  const bool is_wrong = code == ErrorCode::kCorrupt || code == ErrorCode::kOutOfRange || code == ErrorCode::kUnsupported;
  return {is_wrong ? VerifiedOutcome::kCorrupt : VerifiedOutcome::kUnreachable, error.message()};
}

Status check_shard(const NetworkCopy& copy, const PackBytes& read, CopyCheckLevel level, RandomSource& random) {
  const ShardPlan& plan = copy.shard->plan;
  HOLDFAST_ASSIGN(const auto bad, level == CopyCheckLevel::kFull ? find_bad_blocks(plan, copy.shard->id, read, 0, plan.block_count() - 1)
                                                                 : find_bad_in_sample(plan, copy.shard->id, read, kSamples, random));
  if (bad.empty()) return ok_status();
  return Error(ErrorCode::kCorrupt, std::to_string(bad.size()) + " blocks of the shard " + copy.ref.locator + " are not what was put, the first of them block " + std::to_string(bad.front()));
}

Status check_whole(ObjectReader& store, const NetworkCopy& copy, const PackId& pack, const PackBytes& read, ByteView maintenance_key, CopyCheckLevel level,
                   RandomSource& random, const CallContext& context) {
  if (level == CopyCheckLevel::kFull) {
    HOLDFAST_TRY(verify_pack(read, copy.ref.size_bytes, &pack, maintenance_key));
    return ok_status();
  }
  HOLDFAST_ASSIGN(const PackDirectory directory, read_pack_directory(read, copy.ref.size_bytes, &pack, maintenance_key));
  VerifyingReader reader(store);
  for (std::size_t i = 0; i < kSamples; ++i) {
    HOLDFAST_ASSIGN(const std::uint64_t number, draw_below(random, directory.entries.size()));
    const PackEntry& entry = directory.entries[number];
    HOLDFAST_TRY(reader.read_record(copy.ref, {entry.id, entry.offset, entry.record_size_bytes}, context));
  }
  return ok_status();
}

}  // namespace

Result<CopyFinding> check_copy(ObjectReader& store, const NetworkCopy& copy, const PackId& pack, ByteView maintenance_key, CopyCheckLevel level,
                               Clock& clock, RandomSource& random, const CallContext& context) {
  const PackBytes read = [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    Bytes bytes(size);
    HOLDFAST_TRY(store.read(copy.ref, offset, bytes, context));
    return bytes;
  };
  const auto look = [&]() -> Status {
    HOLDFAST_ASSIGN(const Durability durability, store.probe(copy.ref, context));
    if (durability == Durability::kAbsent) return Error(ErrorCode::kNotFound, copy.ref.locator + " is not there any more, or not all of it");
    if (level == CopyCheckLevel::kAvailability) return ok_status();
    if (copy.shard) return check_shard(copy, read, level, random);
    return check_whole(store, copy, pack, read, maintenance_key, level, random, context);
  };
  const Status looked = look();
  if (looked) return CopyFinding{};
  HOLDFAST_TRY(check_context(context, clock, "looking after copies"));
  if (looked.error().code() == ErrorCode::kInternal) return looked.error();
  return finding_of(looked.error());
}

}  // namespace holdfast
