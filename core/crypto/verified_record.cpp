// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/verified_record.h"

#include "core/crypto/hash.h"

namespace holdfast {

std::optional<VerifiedRecord> VerifiedRecord::check(const ChunkId& id, SharedBytes record) {
  if (best_chunk_hasher().chunk_id(record.view()) != id) return std::nullopt;
  return VerifiedRecord(id, std::move(record));
}

std::vector<std::optional<VerifiedRecord>> VerifiedRecord::check_all(std::span<const ChunkId> ids, std::span<const SharedBytes> records) {
  HOLDFAST_CHECK(ids.size() == records.size());
  std::vector<ByteView> views;
  views.reserve(records.size());
  for (const SharedBytes& record : records) views.push_back(record.view());
  std::vector<ChunkId> found(records.size());
  best_chunk_hasher().chunk_ids(views, found);
  std::vector<std::optional<VerifiedRecord>> verified(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (found[i] == ids[i]) verified[i] = VerifiedRecord(ids[i], records[i]);
  }
  return verified;
}

}  // namespace holdfast
