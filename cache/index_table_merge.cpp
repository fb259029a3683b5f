// SPDX-License-Identifier: Apache-2.0
#include "cache/index_table_merge.h"

#include <cstring>

namespace holdfast {
namespace {

constexpr std::size_t kStopCheckEvery = 4096;

bool key_less(ByteView a, ByteView b) { return std::memcmp(a.data(), b.data(), sizeof(IndexKey)) < 0; }

/// The inputs of a merge that are not at their end; few, so the smallest is looked for one by one.
class MergeInputs {
 public:
  Status open(const std::vector<const IndexTable*>& tables) {
    for (const auto* table : tables) {
      cursors_.emplace_back(*table);
      HOLDFAST_ASSIGN(const bool more, cursors_.back().next());
      if (!more) cursors_.pop_back();
    }
    return ok_status();
  }
  [[nodiscard]] bool empty() const { return cursors_.empty(); }
  /// Inputs are newest first, so of equal keys the first found is the newest.
  Status pop_smallest(IndexKey& key, Bytes& value) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < cursors_.size(); ++i) {
      if (key_less(cursors_[i].key(), cursors_[best].key())) best = i;
    }
    std::copy_n(cursors_[best].key().begin(), key.size(), key.begin());
    value.assign(cursors_[best].value().begin(), cursors_[best].value().end());
    for (std::size_t i = best; i < cursors_.size();) {
      if (std::memcmp(cursors_[i].key().data(), key.data(), key.size()) != 0) {
        ++i;
        continue;
      }
      HOLDFAST_ASSIGN(const bool more, cursors_[i].next());
      if (more) {
        ++i;
      } else {
        cursors_.erase(cursors_.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    return ok_status();
  }

 private:
  std::vector<IndexTable::Cursor> cursors_;
};

}  // namespace

Status merge_index_tables(const NewIndexTable& output, const std::vector<const IndexTable*>& inputs, const std::atomic<bool>& stop,
                          const std::function<bool(ByteView value)>& keeps) {
  std::uint64_t count_max = 0;
  for (const auto* table : inputs) count_max += table->count();
  HOLDFAST_ASSIGN(auto writer, IndexTableWriter::create(output.path, output.kind, output.index_key, count_max, output.random));
  MergeInputs merging;
  HOLDFAST_TRY(merging.open(inputs));
  IndexKey key{};
  Bytes value;
  for (std::size_t done = 0; !merging.empty(); ++done) {
    if (done % kStopCheckEvery == 0 && stop.load(std::memory_order_relaxed)) {
      return Error(ErrorCode::kCancelled, "a merge of index tables was stopped");
    }
    HOLDFAST_TRY(merging.pop_smallest(key, value));
    if (!keeps || keeps(value)) HOLDFAST_TRY(writer->add(key, value));
  }
  return writer->finish(true);
}

}  // namespace holdfast
