// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <vector>

#include "cache/index_table.h"

namespace holdfast {

struct IndexKeyHash {
  // Keys are hashes already.
  std::size_t operator()(const IndexKey& key) const noexcept { return load_le<std::uint64_t>(key); }
};

/// A table that is to be written.
struct NewIndexTable {
  std::string path;
  TableKind kind;
  ByteView index_key;
  RandomSource& random;
};

/// One table with the entries of `inputs` (newest first), of equal keys the newest, and of these those whose value `keeps` (none: all); durable but for its
/// name. Reads and writes as streams. Errors: kCorrupt, kNoSpace, kCancelled when `stop` became true, kInternal; a file may be left then.
Status merge_index_tables(const NewIndexTable& output, const std::vector<const IndexTable*>& inputs, const std::atomic<bool>& stop,
                          const std::function<bool(ByteView value)>& keeps = {});

/// Writes `entries`; not durable. Errors: kNoSpace, kInternal; a file may be left then.
template <typename Value>
Status write_sorted_table(const std::string& path, TableKind kind, ByteView index_key, RandomSource& random,
                          const std::unordered_map<IndexKey, Value, IndexKeyHash>& entries) {
  std::vector<const std::pair<const IndexKey, Value>*> sorted;
  sorted.reserve(entries.size());
  for (const auto& entry : entries) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
  HOLDFAST_ASSIGN(auto writer, IndexTableWriter::create(path, kind, index_key, sorted.size(), random));
  for (const auto* entry : sorted) HOLDFAST_TRY(writer->add(entry->first, entry->second));
  return writer->finish(false);
}

}  // namespace holdfast
