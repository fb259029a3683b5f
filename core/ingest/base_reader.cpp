// SPDX-License-Identifier: Apache-2.0
#include "core/ingest/base_reader.h"

#include "core/base/log.h"
#include "core/chunk/chunk_codec.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds kReadTimeout{5};  ///< of a disk that hangs: the chunk is then stored whole

Error not_at_hand(const ChunkId& id) { return {ErrorCode::kNotFound, "chunk " + id.hex().substr(0, 16) + " is not at hand"}; }
Error damaged(const ChunkId& id) { return {ErrorCode::kCorrupt, "chunk " + id.hex().substr(0, 16) + " is damaged where it is at hand"}; }

}  // namespace

std::optional<ChunkLocation> BaseReader::locate(const ChunkId& id) const {
  if (const auto pending = parts_.stage.find(id)) return pending;
  const Result<std::optional<ChunkLocation>> indexed = parts_.index.find(id);
  if (!indexed) return std::nullopt;
  return *indexed ? *indexed : parts_.stage.find(id);
}

Result<BaseReader::Chain> BaseReader::chain(const ChunkRef& ref) const {
  Chain chain{RecordClosure(ref), {}};
  while (!chain.records.is_complete()) {
    const ChunkId id = chain.records.next().id;
    const std::optional<ChunkLocation> at = locate(id);
    if (!at || !trust_.is_here(at->pack)) return not_at_hand(id);
    HOLDFAST_ASSIGN(VerifiedRecord record, record_at(id, *at));
    if (Status taken = chain.records.take(std::move(record)); !taken) {
      log_debug("a base that can't be used: " + taken.error().message());
      return std::move(taken).error();
    }
    chain.packs.push_back(at->pack);
  }
  return chain;
}

Result<VerifiedRecord> BaseReader::record_at(const ChunkId& id, const ChunkLocation& at) const {
  if (auto ahead = windows_.find(at)) {
    auto verified = VerifiedRecord::check(id, *std::move(ahead));
    return verified ? Result<VerifiedRecord>(*std::move(verified)) : Result<VerifiedRecord>(damaged(id));
  }
  Result<std::optional<Bytes>> staged = parts_.stage.read(at);
  if (staged && *staged) {
    auto verified = VerifiedRecord::check(id, SharedBytes::of(**std::move(staged)));
    return verified ? Result<VerifiedRecord>(*std::move(verified)) : Result<VerifiedRecord>(damaged(id));
  }
  if (auto cached = parts_.cache.get(id)) return *std::move(cached);
  return from_network(id, at);
}

Result<VerifiedRecord> BaseReader::from_network(const ChunkId& id, const ChunkLocation& at) const {
  const auto row = parts_.stage.table().find(at.pack);
  Error why = not_at_hand(id);
  if (!row) return why;
  for (const NetworkCopy& copy : parts_.placement.copies(row->id)) {
    const auto store = parts_.networks.find(copy.network);
    if (copy.shard || store == nullptr || !store->traits().is_at_hand) continue;
    Result<SharedBytes> record = windows_.read(at, row->size_bytes, [&](std::uint64_t offset, MutableByteView out) {
      return store->read(copy.ref, offset, out, with_timeout({}, parts_.clock, kReadTimeout));
    });
    why = record ? damaged(id) : Error(ErrorCode::kUnavailable, record.error().message());
    if (!record) continue;
    if (auto verified = VerifiedRecord::check(id, *std::move(record))) return *std::move(verified);
  }
  return why;
}

}  // namespace holdfast
