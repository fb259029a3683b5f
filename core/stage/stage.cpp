// SPDX-License-Identifier: Apache-2.0
#include "core/stage/stage.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/log.h"
#include "core/stage/stage_state.h"

namespace holdfast {
namespace {

/// A bound against a mistaken location, above any record and any range that a reader asks for.
constexpr std::uint64_t kReadMaxBytes = 256ULL << 20U;

}  // namespace

std::shared_ptr<StageLane> Stage::State::lane(std::uint32_t domain) {
  const std::lock_guard lock(lanes_mutex);
  auto& lane = lanes[domain];
  if (!lane) {
    lane = std::make_shared<StageLane>();
    lane->target_bytes = options.pack_target_bytes;
  }
  return lane;
}

Status Stage::State::check_room(const NewRecord& record) const {
  // Nodes may use the reserve: they are what sealing and forgetting write.
  const std::uint64_t limit =
      record.ref.kind == ChunkKind::kData ? options.limit_bytes - reserve_bytes : options.limit_bytes;
  if (bytes.load() + record.record.size() <= limit) return ok_status();
  return Error(ErrorCode::kNoSpace, "staging is full: " + std::to_string(bytes.load()) + " of " +
                                        std::to_string(options.limit_bytes) + " bytes wait for their networks");
}

Status Stage::State::check_disk(const NewRecord& record) const {
  struct statvfs about {};
  if (::statvfs(packs_directory.c_str(), &about) != 0) return ok_status();  // then the write itself will tell
  const std::uint64_t available = std::uint64_t{about.f_bavail} * about.f_frsize;
  const std::uint64_t wanted =
      record.record.size() + (record.ref.kind == ChunkKind::kData ? reserve_bytes + options.pack_target_bytes : 0);
  if (available >= wanted) return ok_status();
  return Error(ErrorCode::kNoSpace, "the disk of " + packs_directory + " has " + std::to_string(available) +
                                        " bytes left; the last of them are kept for sealing");
}

Result<std::shared_ptr<OpenPack>> Stage::State::open_pack(std::uint32_t domain) {
  auto pack = std::make_shared<OpenPack>();
  pack->domain = domain;
  HOLDFAST_ASSIGN(pack->header, make_pack_header(random));
  pack->number = table->take_number();
  pack->path = open_path(pack->number);
  HOLDFAST_ASSIGN(pack->file, LocalFile::create(pack->path));
  Status made = pack->file.write_at(0, pack->header);
  if (made) made = local_files::sync_directory(packs_directory);
  if (!made) {
    made.keep_first(local_files::remove_file(pack->path));
    return std::move(made).error();
  }
  step("open.created");
  const std::unique_lock lock(mutex);
  open[pack->number] = pack;
  last_number = std::max(last_number, pack->number);
  bytes += kPackHeaderBytes;
  return pack;
}

Result<ChunkLocation> Stage::State::append_to(StageLane& lane, const NewRecord& record) {
  HOLDFAST_TRY(check_room(record));
  if (!lane.pack) {
    HOLDFAST_TRY(check_disk(record));
    HOLDFAST_ASSIGN(lane.pack, open_pack(record.domain));
  }
  OpenPack& pack = *lane.pack;
  const ChunkLocation location{pack.number, pack.length, static_cast<std::uint32_t>(record.record.size())};
  if (Status written = pack.file.write_at(pack.length, record.record); !written) {
    // What was written beyond `length` is not part of the pack and will be overwritten; cutting it off only gives the room back.
    (void)pack.file.truncate(pack.length).has_value();
    return std::move(written).error();
  }
  PackEntry entry;
  entry.id = record.ref.id;
  entry.kind = record.ref.kind;
  entry.offset = pack.length;
  entry.record_size_bytes = location.record_size_bytes;
  entry.bases.assign(record.bases.begin(), record.bases.end());
  entry.children.assign(record.children.begin(), record.children.end());

  const std::unique_lock lock(mutex);
  pack.entries.push_back(std::move(entry));
  for (const PackNumber base : record.base_packs) {
    if (base != pack.number) pack.leans_on.insert(base);
  }
  pack.refs.push_back(record.ref);
  pack.length += record.record.size();
  pending_ids[record.ref.id] = location;
  pending_refs[record.ref.fp] = record.ref;
  bytes += record.record.size();
  ++untold_records;
  return location;
}

Status Stage::State::sync(OpenPack& pack) {
  {
    const std::shared_lock lock(mutex);
    if (broken) return *broken;
  }
  Status synced = pack.file.sync_data();
  if (synced) return synced;
  // The kernel reports a lost write once and then forgets it: a second try would succeed and mean nothing.
  const std::unique_lock lock(mutex);
  broken = synced.error();
  return synced;
}

Status Stage::State::close_file(OpenPack& pack, StagedPack& done) {
  if (!pack.tail) {
    HOLDFAST_ASSIGN(pack.tail, finish_pack(pack.header, pack.entries, options.maintenance_key.view(), random));
  }
  const PackSummary& summary = pack.tail->summary;
  HOLDFAST_TRY(pack.file.write_at(pack.length, pack.tail->bytes));
  step("close.tail");
  HOLDFAST_TRY(sync(pack));
  step("close.synced");
  done = {pack.number, summary.id, summary.size_bytes, pack.domain, closed_path(summary.id)};
  HOLDFAST_TRY(table->add({pack.number, summary.id, summary.size_bytes, pack.domain, PackState::kStaged}, {pack.leans_on.begin(), pack.leans_on.end()}));
  // From here on the pack is closed: a restart finds the row and gives the file its name if that is missing.
  step("close.row");
  Status renamed = local_files::rename_file(pack.path, done.path);
  if (renamed) renamed = local_files::sync_directory(packs_directory);
  if (!renamed) {
    log_warning("pack " + summary.id.hex() + " keeps its old name for now: " + renamed.error().message());
    if (::access(done.path.c_str(), F_OK) != 0) done.path = pack.path;
  }
  step("close.renamed");
  return ok_status();
}

Status Stage::State::close_pack(OpenPack& pack) {
  StagedPack done;
  {
    const std::lock_guard closing(pack.close_mutex);
    if (pack.is_closed) return ok_status();
    HOLDFAST_TRY(close_file(pack, done));
    pack.is_closed = true;
    {
      const std::unique_lock lock(mutex);
      closed_untold.push_back(open.at(pack.number));
      open.erase(pack.number);
      closed[pack.number] = done;
      bytes += pack.tail->bytes.size();
    }
    pack.tail.reset();
    // Where the index refuses, they stay known in memory, prepare() tries again, and a restart replays them from the journal.
    (void)put_into_index(pack, pack.entries.size()).has_value();
  }
  if (pack_closed) pack_closed(done);
  return ok_status();
}

Stage::Stage() = default;
Stage::~Stage() = default;

void Stage::set_pack_target(std::uint32_t domain, std::uint64_t target_bytes) {
  const auto lane = state_->lane(domain);
  const std::lock_guard lock(lane->mutex);
  lane->target_bytes = target_bytes;
}

Result<ChunkLocation> Stage::append(const NewRecord& record) {
  HOLDFAST_CHECK(!record.record.empty());
  const auto lane = state_->lane(record.domain);
  std::shared_ptr<OpenPack> full;
  std::unique_lock lock(lane->mutex);
  HOLDFAST_ASSIGN(const ChunkLocation location, state_->append_to(*lane, record));
  if (lane->pack->length >= lane->target_bytes || lane->pack->entries.size() >= kPackRecordCountMax) {
    full = std::move(lane->pack);
    lane->pack.reset();
  }
  lock.unlock();
  if (full) {
    if (Status closed = state_->close_pack(*full); !closed) {
      // The chunk is where it should be; close_open_packs tries again and tells.
      log_warning("pack " + std::to_string(full->number) + " could not be closed: " + closed.error().message());
    }
  }
  return location;
}

Status Stage::close_open_packs() {
  std::vector<std::shared_ptr<StageLane>> lanes;
  {
    const std::lock_guard lock(state_->lanes_mutex);
    for (const auto& [domain, lane] : state_->lanes) lanes.push_back(lane);
  }
  for (const auto& lane : lanes) {
    const std::lock_guard lock(lane->mutex);
    if (lane->pack && !lane->pack->entries.empty()) lane->pack.reset();
  }
  std::vector<std::shared_ptr<OpenPack>> packs;
  {
    const std::shared_lock lock(state_->mutex);
    for (const auto& [number, pack] : state_->open) packs.push_back(pack);
  }
  Status all;
  for (const auto& pack : packs) {
    const auto lane = state_->lane(pack->domain);
    {
      // A new pack that was opened meanwhile, or an empty one, goes on.
      const std::lock_guard lock(lane->mutex);
      if (lane->pack == pack || pack->entries.empty()) continue;
    }
    all.keep_first(state_->close_pack(*pack));
  }
  return all;
}

Status Stage::close_open_pack(std::uint32_t domain) {
  const auto lane = state_->lane(domain);
  std::shared_ptr<OpenPack> pack;
  {
    const std::lock_guard lock(lane->mutex);
    if (!lane->pack || lane->pack->entries.empty()) return ok_status();
    pack = std::move(lane->pack);
    lane->pack.reset();
  }
  return state_->close_pack(*pack);
}

std::uint64_t Stage::uncommitted_records() const noexcept { return state_->untold_records.load(); }

std::optional<ChunkLocation> Stage::find(const ChunkId& id) const {
  const std::shared_lock lock(state_->mutex);
  const auto found = state_->pending_ids.find(id);
  if (found == state_->pending_ids.end()) return std::nullopt;
  return found->second;
}

std::optional<ChunkRef> Stage::find_known(const Fingerprint& fp) const {
  const std::shared_lock lock(state_->mutex);
  const auto found = state_->pending_refs.find(fp);
  if (found == state_->pending_refs.end()) return std::nullopt;
  return found->second;
}

bool Stage::is_usable(PackNumber pack) const {
  {
    const std::shared_lock lock(state_->mutex);
    if (state_->open.contains(pack)) return true;
  }
  const auto row = state_->table->find(pack);
  return row && row->state != PackState::kLost;
}

std::vector<PackNumber> Stage::leans_on(PackNumber pack) const {
  {
    const std::shared_lock lock(state_->mutex);
    if (const auto found = state_->open.find(pack); found != state_->open.end()) {
      return {found->second->leans_on.begin(), found->second->leans_on.end()};
    }
  }
  return state_->table->leans_on(pack);
}

Result<std::optional<Bytes>> Stage::read(PackNumber pack, std::uint64_t offset, std::uint64_t size) const {
  if (size > kReadMaxBytes) return Error(ErrorCode::kOutOfRange, "a range of " + std::to_string(size) + " bytes of a pack");
  std::shared_ptr<OpenPack> open;
  std::string path;
  {
    const std::shared_lock lock(state_->mutex);
    if (const auto found = state_->open.find(pack); found != state_->open.end()) {
      open = found->second;
    } else if (const auto staged = state_->closed.find(pack); staged != state_->closed.end()) {
      path = staged->second.path;
    } else {
      return std::optional<Bytes>();
    }
  }
  Bytes out(size);
  if (open) {
    HOLDFAST_TRY(open->file.read_at(offset, out));
    return std::optional(std::move(out));
  }
  Result<LocalFile> file = LocalFile::open_to_read(path);
  if (!file && file.error().code() == ErrorCode::kNotFound) return std::optional<Bytes>();  // dropped just now
  if (!file) return std::move(file).error();
  HOLDFAST_TRY(file->read_at(offset, out));
  return std::optional(std::move(out));
}

PackTable& Stage::table() noexcept { return *state_->table; }
const PackTable& Stage::table() const noexcept { return *state_->table; }

std::vector<StagedPack> Stage::closed_packs() const {
  const std::shared_lock lock(state_->mutex);
  std::vector<StagedPack> packs;
  packs.reserve(state_->closed.size());
  for (const auto& [number, pack] : state_->closed) packs.push_back(pack);
  return packs;
}

std::optional<StagedPack> Stage::closed_pack(PackNumber number) const {
  const std::shared_lock lock(state_->mutex);
  const auto found = state_->closed.find(number);
  if (found == state_->closed.end()) return std::nullopt;
  return found->second;
}

PackNumber Stage::last_number() const noexcept {
  const std::shared_lock lock(state_->mutex);
  return state_->last_number;
}

Status Stage::drop(PackNumber number) {
  const auto pack = closed_pack(number);
  if (!pack) return Error(ErrorCode::kNotFound, "pack number " + std::to_string(number) + " is not staged");
  Status row = state_->table->set_state(number, PackState::kRemote);
  // On a full disk the file must go first; a restart that finds a row without its file sets the row right.
  if (!row && row.error().code() != ErrorCode::kNoSpace) return row;
  state_->step("drop.row");
  state_->kept_nodes->take(pack->id, pack->path);  // first, so that nodes are somewhere at any moment
  state_->step("drop.kept");
  {
    const std::unique_lock lock(state_->mutex);
    if (state_->closed.erase(number) == 0) return ok_status();  // somebody else was faster
    state_->dropped_untold.push_back(encode_pack_dropped({number}));
    state_->bytes -= pack->size_bytes;
  }
  Status removed = local_files::remove_file(pack->path);  // a restart removes what stays
  state_->step("drop.removed");
  if (!row) removed.keep_first(state_->table->set_state(number, PackState::kRemote));
  if (state_->space_freed) state_->space_freed();
  return removed;
}

KeptNodes& Stage::kept_nodes() noexcept { return *state_->kept_nodes; }

void Stage::on_pack_closed(std::function<void(const StagedPack&)> call) { state_->pack_closed = std::move(call); }
void Stage::on_space_freed(std::function<void()> call) { state_->space_freed = std::move(call); }

std::uint64_t Stage::staged_bytes() const noexcept { return state_->bytes.load(); }

Stage::Usage Stage::usage() const noexcept {
  Usage usage;
  usage.limit_bytes = state_->options.limit_bytes;
  usage.data_limit_bytes = usage.limit_bytes - state_->reserve_bytes;
  // An eighth, at most 1 GiB, between the first slowing down and the last byte: room for what is under way.
  usage.soft_limit_bytes = usage.data_limit_bytes - std::min<std::uint64_t>(usage.data_limit_bytes / 8, 1ULL << 30U);
  usage.bytes = state_->bytes.load();
  const std::shared_lock lock(state_->mutex);
  for (const auto& [number, pack] : state_->open) usage.open_bytes += pack->length;
  usage.closed_count = state_->closed.size();
  return usage;
}

}  // namespace holdfast
