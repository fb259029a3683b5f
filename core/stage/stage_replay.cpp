// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/base/log.h"
#include "core/stage/stage_state.h"

namespace holdfast {
namespace {

constexpr std::size_t kIndexBatch = 4'096;

bool ends_with(const std::string& name, std::string_view suffix) {
  return name.size() > suffix.size() && name.ends_with(suffix);
}

}  // namespace

Result<std::unique_ptr<Stage>> Stage::open(StageOptions options, ChunkIndex& index, RandomSource& random) {
  HOLDFAST_CHECK(options.limit_bytes > 0 && options.pack_target_bytes > 0);
  auto stage = std::unique_ptr<Stage>(new Stage());
  stage->state_ = std::make_unique<State>(std::move(options), index, random);
  State& state = *stage->state_;
  // An eighth, at most 256 MiB: some thousand tree nodes and the tails of the open packs.
  state.reserve_bytes = std::min<std::uint64_t>(state.options.limit_bytes / 8, 256ULL << 20U);
  HOLDFAST_TRY(local_files::make_directories(state.packs_directory));
  HOLDFAST_ASSIGN(state.table, PackTable::open(state.options.state_directory + "/packs.hft",
                                               std::move(state.options.table_key), random));
  HOLDFAST_ASSIGN(state.kept_nodes, KeptNodes::open(state.options.state_directory + "/nodes",
                                                    SecretBytes::copy_of(state.options.maintenance_key.view())));
  return stage;
}

Status Stage::replay(ByteView payload) {
  State& state = *state_;
  HOLDFAST_ASSIGN(StageRecord record, decode_stage_record(payload));
  if (const auto* opened = std::get_if<PackOpenedRecord>(&record)) return state.replay_opened(*opened);
  if (auto* chunks = std::get_if<ChunksRecord>(&record)) return state.replay_chunks(*chunks);
  if (const auto* closed = std::get_if<PackClosedRecord>(&record)) return state.replay_closed(*closed);
  // A dropped pack's row says so already; the record only tells that its number was in use.
  state.table->reserve_up_to(std::get<PackDroppedRecord>(record).number);
  return ok_status();
}

Status Stage::State::replay_opened(const PackOpenedRecord& record) {
  table->reserve_up_to(record.number);
  last_number = std::max(last_number, record.number);
  auto pack = std::make_shared<OpenPack>();
  pack->number = record.number;
  pack->domain = record.domain;
  pack->header = record.header;
  pack->opened_told = true;
  // A checkpoint repeats what came before it, so the last one counts.
  unopened.erase(record.number);
  replayed[record.number] = std::move(pack);
  return ok_status();
}

Status Stage::State::replay_chunks(ChunksRecord& record) {
  table->reserve_up_to(record.number);
  report.records_replayed += record.entries.size();
  if (table->find(record.number)) {
    for (std::size_t i = 0; i < record.entries.size(); ++i) {
      const PackEntry& entry = record.entries[i];
      replayed_entries.push_back({entry.id, {record.number, entry.offset, entry.record_size_bytes}, record.refs[i]});
    }
    return replayed_entries.size() >= kIndexBatch ? flush_replayed() : ok_status();
  }
  const auto found = replayed.find(record.number);
  if (found == replayed.end()) {
    // The start of the history went with a checkpoint, which tells the whole pack further on.
    unopened[record.number] += record.entries.size();
    return ok_status();
  }
  OpenPack& pack = *found->second;
  if (record.entries.front().offset != pack.length) {
    return Error(ErrorCode::kCorrupt, "the journal has a gap in pack number " + std::to_string(record.number) + " at " +
                                          std::to_string(pack.length));
  }
  for (const PackEntry& entry : record.entries) pack.length += entry.record_size_bytes;
  std::move(record.entries.begin(), record.entries.end(), std::back_inserter(pack.entries));
  pack.refs.insert(pack.refs.end(), record.refs.begin(), record.refs.end());
  return ok_status();
}

Status Stage::State::replay_closed(const PackClosedRecord& record) {
  table->reserve_up_to(record.number);
  last_number = std::max(last_number, record.number);
  if (table->find(record.number) || table->find(record.id)) return ok_status();
  // The row was durable before this record could be: the table was lost. The file or a network has the pack.
  HOLDFAST_TRY(table->add({record.number, record.id, record.size_bytes, record.domain, PackState::kStaged}));
  const auto pack = replayed.find(record.number);
  if (pack == replayed.end()) return ok_status();
  for (std::size_t i = 0; i < pack->second->entries.size(); ++i) {
    const PackEntry& entry = pack->second->entries[i];
    replayed_entries.push_back(
        {entry.id, {record.number, entry.offset, entry.record_size_bytes}, pack->second->refs[i]});
  }
  return flush_replayed();
}

Status Stage::State::flush_replayed() {
  if (replayed_entries.empty()) return ok_status();
  HOLDFAST_TRY(index.add(replayed_entries));
  replayed_entries.clear();
  return ok_status();
}

/// As far as the index knows: what it doesn't is nowhere, and found missing when it is read.
std::set<PackNumber> Stage::State::packs_of_bases(const std::vector<PackEntry>& entries, PackNumber self) const {
  std::set<PackNumber> packs;
  for (const PackEntry& entry : entries) {
    for (const ChunkId& base : entry.bases) {
      const auto at = index.find(base);
      if (at && *at && (*at)->pack != self) packs.insert((*at)->pack);
    }
  }
  return packs;
}

/// Goes on with a pack that was open: its file is cut to what was committed.
Status Stage::State::reopen(const std::shared_ptr<OpenPack>& pack) {
  pack->path = open_path(pack->number);
  std::uint64_t size = 0;
  if (Result<LocalFile> there = LocalFile::open_to_read(pack->path); there) {
    HOLDFAST_ASSIGN(pack->file, LocalFile::open_or_create(pack->path));
    HOLDFAST_ASSIGN(size, pack->file.size());
  } else if (there.error().code() != ErrorCode::kNotFound) {
    return std::move(there).error();
  }
  std::vector<IndexEntry> lost;
  while (!pack->entries.empty() && pack->length > size) {  // committed bytes are missing: the disk lost them
    lost.push_back({pack->entries.back().id, {kNoPack, 0, 0}, std::nullopt});
    pack->length -= pack->entries.back().record_size_bytes;
    pack->entries.pop_back();
    pack->refs.pop_back();
  }
  if (!lost.empty()) {
    report.records_lost += lost.size();
    // Other records will stand in their places: an index that still named those would deduplicate new data against nothing.
    HOLDFAST_TRY(index.add(lost));
    HOLDFAST_TRY(index.sync(index.position()));
  }
  if (pack->entries.empty()) return local_files::remove_file(pack->path);
  HOLDFAST_TRY(pack->file.write_at(0, pack->header));  // the journal's copy is the one that the index key is derived from
  HOLDFAST_TRY(pack->file.truncate(pack->length));
  HOLDFAST_TRY(pack->file.sync_data());
  if (lost.empty()) {
    pack->told = pack->entries.size();
  } else {
    // What goes on from here would be a gap after what the journal told: the next commit tells the pack anew.
    pack->opened_told = false;
    untold_records += pack->entries.size();
  }
  ++report.packs_reopened;
  bytes += pack->length;
  open[pack->number] = pack;
  HOLDFAST_TRY(put_into_index(*pack, pack->entries.size()));
  pack->leans_on = packs_of_bases(pack->entries, pack->number);
  const auto its_lane = lane(pack->domain);
  if (!its_lane->pack) its_lane->pack = pack;  // a second one, whose closing failed, waits for close_open_packs
  return ok_status();
}

/// Finds the file of every row that says that the pack is staged, and finishes a close that was cut off before the rename.
Status Stage::State::find_closed_files() {
  std::vector<PackRow> staged;
  table->for_each([&](const PackRow& row) {
    last_number = std::max(last_number, row.number);
    if (row.state == PackState::kStaged) staged.push_back(row);
  });
  for (const PackRow& row : staged) {
    const std::string path = closed_path(row.id);
    Result<LocalFile> file = LocalFile::open_to_read(path);
    if (!file) {
      file = LocalFile::open_to_read(open_path(row.number));
      if (file) {
        HOLDFAST_ASSIGN(const std::uint64_t size, file->size());
        if (size < row.size_bytes) file = Error(ErrorCode::kNotFound, "its file is too short");
      }
      if (file) HOLDFAST_TRY(local_files::rename_file(open_path(row.number), path));
    }
    if (!file) {
      log_warning("pack " + row.id.hex() + " is not in staging any more: " + file.error().message());
      HOLDFAST_TRY(table->set_state(row.number, PackState::kRemote));
      continue;
    }
    closed[row.number] = {row.number, row.id, row.size_bytes, row.domain, path};
    bytes += row.size_bytes;
  }
  return ok_status();
}

/// A pack file without a row: the table was lost or restored. Its own index says what is in it.
Status Stage::State::adopt(const std::string& path) {
  HOLDFAST_ASSIGN(const LocalFile file, LocalFile::open_to_read(path));
  HOLDFAST_ASSIGN(const std::uint64_t size, file.size());
  const auto read = [&](std::uint64_t offset, std::uint64_t count) -> Result<Bytes> {
    if (offset > size || count > size - offset) return Error(ErrorCode::kCorrupt, "the file is too short");
    Bytes out(count);
    HOLDFAST_TRY(file.read_at(offset, out));
    return out;
  };
  HOLDFAST_ASSIGN(const PackDirectory directory, read_pack_directory(read, size, nullptr, options.maintenance_key.view()));
  const PackSummary& summary = directory.summary;
  if (closed_path(summary.id) != path) return Error(ErrorCode::kCorrupt, "it holds another pack than its name says");
  HOLDFAST_ASSIGN(const PackNumber number, table->adopt(summary.id, summary.size_bytes, 0, PackState::kStaged));
  for (const PackEntry& entry : directory.entries) {
    replayed_entries.push_back({entry.id, {number, entry.offset, entry.record_size_bytes}, std::nullopt});
  }
  HOLDFAST_TRY(flush_replayed());
  const std::set<PackNumber> bases = packs_of_bases(directory.entries, number);
  HOLDFAST_TRY(table->note_leans_on(number, {bases.begin(), bases.end()}));
  closed[number] = {number, summary.id, summary.size_bytes, 0, path};
  last_number = std::max(last_number, number);
  bytes += summary.size_bytes;
  ++report.packs_adopted;
  return ok_status();
}

/// Removes files of packs that were never committed or that went; adopts closed packs that no row names.
Status Stage::State::sweep() {
  HOLDFAST_ASSIGN(const std::vector<std::string> names, local_files::list_directory(packs_directory));
  std::map<std::string, PackRow> rows;
  table->for_each([&](const PackRow& row) { rows[row.id.hex() + ".pack"] = row; });
  for (const std::string& name : names) {
    const std::string path = packs_directory + "/" + name;
    if (ends_with(name, ".open")) {
      const bool in_use = std::any_of(open.begin(), open.end(), [&](const auto& item) { return item.second->path == path; });
      if (!in_use) HOLDFAST_TRY(local_files::remove_file(path));
    } else if (ends_with(name, ".pack")) {
      const auto row = rows.find(name);
      if (row == rows.end()) {
        if (Status adopted = adopt(path); !adopted) {
          log_warning("leaving " + path + " alone, which is no pack of this repository: " + adopted.error().message());
        }
      } else if (row->second.state != PackState::kStaged) {
        if (row->second.state == PackState::kRemote) kept_nodes->take(row->second.id, path);  // a drop was cut off
        HOLDFAST_TRY(local_files::remove_file(path));
      }
    }
  }
  return local_files::sync_directory(packs_directory);
}

Result<Stage::ReplayReport> Stage::finish_replay() {
  State& state = *state_;
  HOLDFAST_TRY(state.flush_replayed());
  HOLDFAST_TRY(state.find_closed_files());
  for (const auto& [number, pack] : state.replayed) {
    if (state.table->find(number)) continue;  // it was closed
    HOLDFAST_TRY(state.reopen(pack));
  }
  state.replayed.clear();
  for (const auto& [number, count] : state.unopened) {
    if (!state.table->find(number)) state.report.records_lost += count;
  }
  state.unopened.clear();
  HOLDFAST_TRY(state.sweep());
  if (state.report.records_lost > 0) {
    log_error("staging lost " + std::to_string(state.report.records_lost) + " chunks that had been committed: the disk did not keep them");
  }
  return state.report;
}

}  // namespace holdfast
