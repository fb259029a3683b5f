// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/check/verifier.h"
#include "core/store/pack_sources.h"

namespace holdfast {
namespace {

constexpr std::size_t kSampleBlocks = 4;
constexpr std::size_t kProblemsMax = 20;

}  // namespace

bool Verifier::Pack::is_held() const {
  std::set<std::uint8_t> indices;
  for (const Copy& copy : copies) {
    if (copy.outcome != VerifiedOutcome::kGood) continue;
    if (!copy.shard) return true;
    indices.insert(copy.shard->index);
    if (indices.size() >= copy.shard->code.k) return true;
  }
  return false;
}

bool Verifier::Pack::gives(const ChunkId& id) const {
  return std::ranges::any_of(copies, [&](const Copy& copy) { return copy.gives(id); }) || (together && together->gives(id));
}

Status Verifier::check_shard(const NetworkCopy& copy, ObjectStore& store, VerifyLevel level, VerifyReport::Network& report, Copy& out, const CallContext& context) {
  const ShardPlan& plan = copy.shard->plan;
  const CopyId id{plan.pack, copy.network};
  if (const auto known = shards_.find(id); known != shards_.end()) {
    out = known->second;
    return ok_status();
  }
  const PackBytes read = [&](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    Bytes bytes(size);
    HOLDFAST_TRY(store.read(copy.ref, offset, bytes, context));
    report.bytes_read += size;
    return bytes;
  };
  const bool is_full = level == VerifyLevel::kFull;
  const auto bad = is_full ? find_bad_blocks(plan, copy.shard->id, read, 0, plan.block_count() - 1) : find_bad_in_sample(plan, copy.shard->id, read, kSampleBlocks, parts_.random);
  report.sampled += is_full ? plan.block_count() : kSampleBlocks;
  if (!bad || !bad->empty()) {
    if (!bad) HOLDFAST_TRY(check_context(context, parts_.clock, "verifying"));
    const bool is_silent = !bad && retry_advice(bad.error().code()) == RetryAdvice::kSameSource;
    out.outcome = is_silent                                            ? VerifiedOutcome::kUnreachable
                  : !bad && bad.error().code() == ErrorCode::kNotFound ? VerifiedOutcome::kMissing
                                                                       : VerifiedOutcome::kCorrupt;
    out.answered = !is_silent;
    note(report.problems, kProblemsMax, bad ? "shard " + copy.ref.locator + ": wrong bytes in block " + std::to_string(bad->front()) : bad.error().message());
    ++report.failed;
  }
  if (out.answered) shards_.emplace(id, out);
  return ok_status();
}

Result<Verifier::Copy> Verifier::check_together(const std::vector<NetworkCopy>& shards, const std::vector<Record>& records, const CallContext& context) {
  Copy out;
  ShardedObject object(parts_.networks, parts_.clock, shards);
  VerifyingReader reader(object);
  for (const Record& record : records) {
    const RecordRange range{record.id, record.location.offset, record.location.record_size_bytes};
    const Status read = read_shards(object, context, [&]() -> Status {
      HOLDFAST_TRY(reader.read_record(object.ref(), range, context));
      return ok_status();
    });
    if (read) continue;
    HOLDFAST_TRY(check_context(context, parts_.clock, "verifying"));
    out.bad.insert(record.id);
    out.answered = out.answered && retry_advice(read.error().code()) != RetryAdvice::kSameSource;
  }
  return out;
}

}  // namespace holdfast
