// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/stage/stage_state.h"

namespace holdfast {

/// The index is derived: where it fails, entries stay in memory and in the journal, and nothing else stops.
Status Stage::State::try_index(std::span<const IndexEntry> batch) {
  Status added = index.add(batch);
  if (!added && added.error().code() == ErrorCode::kCorrupt) index_is_damaged = true;
  if (!added && !index_refuses.exchange(true)) log_error("the chunk index takes no entries: " + added.error().message());
  if (added) index_refuses = false;
  return added;
}

Status Stage::State::put_into_index(OpenPack& pack, std::size_t until) {
  std::vector<IndexEntry> batch;
  {
    const std::shared_lock lock(mutex);
    for (std::size_t i = pack.indexed; i < until; ++i) {
      const PackEntry& entry = pack.entries[i];
      batch.push_back({entry.id, {pack.number, entry.offset, entry.record_size_bytes}, pack.refs[i]});
    }
  }
  if (batch.empty()) return ok_status();
  HOLDFAST_TRY(try_index(batch));
  const std::unique_lock lock(mutex);
  pack.indexed = std::max(pack.indexed, until);
  for (const IndexEntry& entry : batch) {
    pending_ids.erase(entry.id);
    const auto known = pending_refs.find(entry.ref->fp);
    if (known != pending_refs.end() && known->second.id == entry.id) pending_refs.erase(known);
  }
  return ok_status();
}

void Stage::State::index_told() {
  std::vector<std::pair<std::shared_ptr<OpenPack>, std::size_t>> packs;
  {
    const std::shared_lock lock(mutex);
    for (const auto& [number, pack] : open) packs.emplace_back(pack, pack->told);
  }
  for (const auto& [pack, told] : packs) {
    const std::lock_guard closing(pack->close_mutex);
    if (!put_into_index(*pack, told)) return;
  }
}

/// Waits for closings under way, and keeps those in mind whose entries are not all in the index.
void Stage::State::index_closed(const std::vector<std::shared_ptr<OpenPack>>& packs) {
  for (const auto& pack : packs) {
    const std::lock_guard closing(pack->close_mutex);
    if (put_into_index(*pack, pack->entries.size())) continue;
    const std::unique_lock lock(mutex);
    closed_unindexed.push_back(pack);
  }
}

/// Appends what the journal must know of the entries up to `until`: those that it was not told yet, or all.
void Stage::State::tell(OpenPack& pack, std::size_t until, bool all, std::vector<Bytes>& records) {
  // An opening voids what was told of the pack before, so it comes only with all entries.
  const bool opening = !pack.opened_told || all;
  if (opening) records.push_back(encode_pack_opened({pack.number, pack.domain, pack.header}));
  pack.opened_told = true;
  untold_records -= until - pack.told;
  for (std::size_t at = opening ? 0 : pack.told; at < until;) {
    const std::size_t count = std::min(until - at, kEntriesPerRecordMax);
    records.push_back(encode_chunks(pack.number, std::span(pack.entries).subspan(at, count),
                                    std::span(pack.refs).subspan(at, count)));
    at += count;
  }
  pack.told = until;
}

Result<std::vector<Bytes>> Stage::prepare() {
  State& state = *state_;
  // That the journal commits again says that the commit before this one succeeded: what that told is durable.
  state.index_told();
  struct Batch {
    std::shared_ptr<OpenPack> pack;
    std::size_t until;
    bool closed;
  };
  std::vector<Batch> batches;
  std::vector<Bytes> dropped;
  std::vector<std::shared_ptr<OpenPack>> closed;
  bool restate = false;
  {
    const std::unique_lock lock(state.mutex);
    if (state.broken) return *state.broken;
    closed = std::exchange(state.closed_unindexed, {});
    // Told before, and again for a checkpoint: what the index lacked when that synced it, the journal must still have.
    const std::size_t first_untold = state.restate ? 0 : closed.size();
    closed.insert(closed.end(), state.closed_untold.begin(), state.closed_untold.end());
    state.closed_untold.clear();
    for (std::size_t i = first_untold; i < closed.size(); ++i) batches.push_back({closed[i], closed[i]->entries.size(), true});
    for (const auto& [number, pack] : state.open) {
      if (pack->entries.size() > pack->told || (state.restate && !pack->entries.empty())) batches.push_back({pack, pack->entries.size(), false});
    }
    dropped.swap(state.dropped_untold);
    restate = std::exchange(state.restate, false);
  }
  // A checkpoint that follows relies on the index having what is told now.
  state.index_closed(closed);
  state.step("prepare.begun");
  for (const Batch& batch : batches) {
    if (batch.closed) continue;  // synced when it was closed
    HOLDFAST_TRY(state.sync(*batch.pack));
  }
  state.kept_nodes->sync();
  state.step("prepare.synced");
  std::vector<Bytes> records;
  const std::unique_lock lock(state.mutex);
  for (const Batch& batch : batches) {
    // A closed pack is told whole: then a checkpoint that began before it closed loses nothing of it.
    state.tell(*batch.pack, batch.until, restate || batch.closed, records);
    if (!batch.closed) continue;
    const auto row = state.table->find(batch.pack->number);
    HOLDFAST_CHECK(row.has_value());
    records.push_back(encode_pack_closed({row->number, row->domain, row->id, row->size_bytes}));
  }
  for (Bytes& record : dropped) records.push_back(std::move(record));
  return records;
}

void Stage::report_index_damage() noexcept { state_->index_is_damaged = true; }

bool Stage::index_is_damaged() const noexcept { return state_->index_is_damaged; }

Status Stage::reindex() {
  State& state = *state_;
  state.index_is_damaged = false;
  std::vector<std::pair<std::shared_ptr<OpenPack>, std::size_t>> packs;
  {
    const std::shared_lock lock(state.mutex);
    for (const auto& [number, pack] : state.open) packs.emplace_back(pack, pack->told);
  }
  for (const auto& [pack, told] : packs) {
    const std::lock_guard closing(pack->close_mutex);
    std::vector<IndexEntry> batch;
    {
      const std::shared_lock lock(state.mutex);
      for (std::size_t i = 0; i < std::min(told, pack->indexed); ++i) {
        const PackEntry& entry = pack->entries[i];
        batch.push_back({entry.id, {pack->number, entry.offset, entry.record_size_bytes}, pack->refs[i]});
      }
    }
    if (!batch.empty()) HOLDFAST_TRY(state.try_index(batch));
  }
  return ok_status();
}

void Stage::restate_at_next_commit() {
  const std::unique_lock lock(state_->mutex);
  state_->restate = true;
}

std::vector<Bytes> Stage::checkpoint_records() const {
  std::vector<Bytes> records;
  const std::shared_lock lock(state_->mutex);
  for (const auto& [number, pack] : state_->open) {
    if (!pack->opened_told) continue;
    records.push_back(encode_pack_opened({number, pack->domain, pack->header}));
    for (std::size_t at = 0; at < pack->told; at += kEntriesPerRecordMax) {
      const std::size_t count = std::min(pack->told - at, kEntriesPerRecordMax);
      records.push_back(encode_chunks(number, std::span(pack->entries).subspan(at, count),
                                      std::span(pack->refs).subspan(at, count)));
    }
  }
  return records;
}

}  // namespace holdfast
