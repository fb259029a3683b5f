// SPDX-License-Identifier: Apache-2.0
#include "core/stage/kept_nodes.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/chunk/chunk_codec.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"
#include "core/pack/pack.h"
#include "core/stage/local_file.h"

namespace holdfast {
namespace {

constexpr ObjectKind kMarkObject{"HFNODES1", "mark of kept nodes"};
constexpr std::string_view kSuffix = ".nodes";
constexpr std::string_view kNewSuffix = ".new";
constexpr std::uint64_t kReadMaxBytes = 256ULL << 20;
/// So much may be left over whatever the live trees take: a sweep reads all of them.
constexpr std::uint64_t kSweepSlackBytes = 64ULL << 20;

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

/// Whether what was read says that nothing was kept there.
bool is_hole(const Result<std::optional<Bytes>>& record) { return record && (!*record || all_zero(**record)); }

ByteRange range_of(const ChunkLocation& at) { return {at.offset, at.record_size_bytes}; }

PackBytes bytes_of(const LocalFile& file, std::uint64_t file_size) {
  return [&file, file_size](std::uint64_t offset, std::uint64_t size) -> Result<Bytes> {
    if (offset > file_size || size > file_size - offset) return Error(ErrorCode::kCorrupt, "the file is too short");
    Bytes out(size);
    HOLDFAST_TRY(file.read_at(offset, out));
    return out;
  };
}

/// Header, and sealed index with footer: what a pack's directory is read from.
std::vector<ByteRange> frame_of(const PackDirectory& directory) {
  const std::uint64_t records_end = directory.entries.back().offset + directory.entries.back().record_size_bytes;
  return {{0, kPackHeaderBytes}, {records_end, directory.summary.size_bytes - records_end}};
}

}  // namespace

Result<std::unique_ptr<KeptNodes>> KeptNodes::open(std::string folder, SecretBytes maintenance_key, bool use_holes) {
  std::unique_ptr<KeptNodes> out(new KeptNodes(std::move(folder), std::move(maintenance_key), use_holes));
  HOLDFAST_TRY(out->load());
  return out;
}

Status KeptNodes::load() {
  HOLDFAST_TRY(local_files::make_directories(folder_));
  HOLDFAST_ASSIGN(const std::vector<std::string> names, local_files::list_directory(folder_));
  for (const std::string& name : names) {
    if (name.ends_with(kNewSuffix)) {
      HOLDFAST_TRY(local_files::remove_file(folder_ + "/" + name));
      continue;
    }
    if (!name.ends_with(kSuffix)) continue;
    const auto bytes = from_hex(std::string_view(name).substr(0, name.size() - kSuffix.size()));
    const auto pack = bytes ? PackId::from(*bytes) : Result<PackId>(bytes.error());
    if (pack) note_file(*pack);
  }
  return load_mark();
}

Status KeptNodes::load_mark() {
  const Result<LocalFile> file = LocalFile::open_to_read(mark_path());
  if (!file) return file.error().code() == ErrorCode::kNotFound ? ok_status() : Status(file.error());
  Bytes content(kPreludeBytes + sizeof(std::uint64_t));
  const auto read = [&]() -> Status {
    HOLDFAST_TRY(file->read_at(0, content));
    ByteReader in(content, kMarkObject.name);
    HOLDFAST_TRY(in.prelude(kMarkObject));
    HOLDFAST_ASSIGN(bytes_after_sweep_, in.u64());
    return ok_status();
  };
  // A mark that was cut off says nothing: the live trees are looked through again.
  is_whole_ = read().has_value();
  return ok_status();
}

bool KeptNodes::has_file(const PackId& pack) const {
  const std::lock_guard lock(mutex_);
  return files_.contains(pack);
}

/// Counts what a pack's file takes now.
void KeptNodes::note_file(const PackId& pack) {
  const Result<LocalFile> file = LocalFile::open_to_read(path_of(pack));
  const Result<std::uint64_t> size = file ? file->allocated_bytes() : Result<std::uint64_t>(file.error());
  const std::lock_guard lock(mutex_);
  std::uint64_t& known = files_[pack];
  bytes_ -= known;
  known = size ? *size : 0;
  bytes_ += known;
}

Status KeptNodes::remove_pack(const PackId& pack) {
  HOLDFAST_TRY(local_files::remove_file(path_of(pack)));
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(pack);
  if (found == files_.end()) return ok_status();
  bytes_ -= found->second;
  files_.erase(found);
  return ok_status();
}

/// change_mutex_ held.
Status KeptNodes::take_nodes(const PackId& pack, const std::string& path) {
  HOLDFAST_ASSIGN(const LocalFile file, LocalFile::open_to_read(path));
  HOLDFAST_ASSIGN(const std::uint64_t size, file.size());
  HOLDFAST_ASSIGN(const PackDirectory directory, read_pack_directory(bytes_of(file, size), size, &pack, key_.view()));
  std::vector<ByteRange> ranges;
  for (const PackEntry& entry : directory.entries) {
    if (entry.kind != ChunkKind::kData) ranges.push_back({entry.offset, entry.record_size_bytes});
  }
  if (ranges.empty()) return ok_status();
  for (const ByteRange& range : frame_of(directory)) ranges.push_back(range);
  HOLDFAST_TRY(copy_only(path, path_of(pack), ranges));
  swept_.erase(pack);
  note_file(pack);
  return ok_status();
}

void KeptNodes::take(const PackId& pack, const std::string& path) {
  const std::lock_guard changing(change_mutex_);
  const Status taken = take_nodes(pack, path);
  if (taken) return;
  log_warning("the nodes of pack " + pack.hex() + " are not kept on this machine: " + taken.error().message());
  note_lack();
}

/// Frees what lies outside `ranges`.
Status KeptNodes::leave_only(const PackId& pack, std::vector<ByteRange> ranges) const {
  const std::string path = path_of(pack);
  if (!use_holes_) return copy_only(path, path, ranges);
  HOLDFAST_ASSIGN(LocalFile file, LocalFile::open_or_create(path));
  HOLDFAST_ASSIGN(const std::uint64_t size, file.size());
  std::sort(ranges.begin(), ranges.end(), [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
  std::uint64_t free_from = 0;
  for (const ByteRange& range : ranges) {
    const Status punched = range.offset > free_from ? file.punch({free_from, range.offset - free_from}) : ok_status();
    if (!punched && punched.error().code() == ErrorCode::kUnsupported) return copy_only(path, path, ranges);
    HOLDFAST_TRY(punched);
    free_from = std::max(free_from, range.end());
  }
  return size > free_from ? file.punch({free_from, size - free_from}) : ok_status();
}

/// Writes a file anew that has these ranges of `from` and holes between them, in place of `to`. Durable when it
/// returns.
Status KeptNodes::copy_only(const std::string& from, const std::string& to,
                            const std::vector<ByteRange>& ranges) const {
  const std::string fresh = to + std::string(kNewSuffix);
  const auto copy = [&]() -> Status {
    HOLDFAST_TRY(local_files::remove_file(fresh));
    HOLDFAST_ASSIGN(const LocalFile source, LocalFile::open_to_read(from));
    HOLDFAST_ASSIGN(const std::uint64_t size, source.size());
    HOLDFAST_ASSIGN(LocalFile target, LocalFile::create(fresh));
    for (const ByteRange& range : ranges) {
      Bytes bytes(range.size);
      HOLDFAST_TRY(source.read_at(range.offset, bytes));
      HOLDFAST_TRY(target.write_at(range.offset, bytes));
    }
    HOLDFAST_TRY(target.truncate(size));
    HOLDFAST_TRY(target.sync_data());
    HOLDFAST_TRY(local_files::rename_file(fresh, to));
    return local_files::sync_directory(folder_);
  };
  Status copied = copy();
  if (!copied) copied.keep_first(local_files::remove_file(fresh));
  return copied;
}

Result<std::optional<Bytes>> KeptNodes::read_raw(const PackId& pack, ByteRange range) const {
  if (range.size > kReadMaxBytes)
    return Error(ErrorCode::kOutOfRange, "a range of " + std::to_string(range.size) + " bytes of a pack");
  Result<LocalFile> file = LocalFile::open_to_read(path_of(pack));
  if (!file && file.error().code() == ErrorCode::kNotFound) return std::optional<Bytes>();
  if (!file) return std::move(file).error();
  Bytes out(range.size);
  HOLDFAST_TRY(file->read_at(range.offset, out));
  return std::optional(std::move(out));
}

Result<std::optional<Bytes>> KeptNodes::read_range(const PackId& pack, ByteRange range) const {
  if (!has_file(pack)) return std::optional<Bytes>();
  return read_raw(pack, range);
}

std::optional<VerifiedRecord> KeptNodes::read(const PackId& pack, const ChunkId& id, const ChunkLocation& at) {
  if (!has_file(pack)) return std::nullopt;
  const Result<std::optional<Bytes>> record = read_raw(pack, range_of(at));
  if (record && *record) {
    if (auto verified = VerifiedRecord::check(id, SharedBytes::copy_of(**record))) return verified;
  }
  if (!is_hole(record)) drop_damaged(pack, id, at);
  return std::nullopt;
}

/// A record that is neither what it should be nor gone. A sweep that is just freeing it looks so for a moment.
void KeptNodes::drop_damaged(const PackId& pack, const ChunkId& id, const ChunkLocation& at) {
  const std::lock_guard changing(change_mutex_);
  const Result<std::optional<Bytes>> record = read_raw(pack, range_of(at));
  if (is_hole(record) || (record && verify_record(id, **record))) return;
  log_error("node " + id.hex().substr(0, 16) + " is damaged in " + path_of(pack) + "; it is fetched again");
  note_lack();
  Result<LocalFile> file = LocalFile::open_or_create(path_of(pack));
  if (!file) return;
  const Bytes zeros(at.record_size_bytes);
  (void)file->write_at(at.offset, zeros)
      .has_value();  // so that it is not found again and again; where that fails, it is
}

bool KeptNodes::claim(const PackId& pack, const ChunkId& id, const ChunkLocation& at) {
  {
    const std::lock_guard changing(change_mutex_);
    if (is_sweeping_) claims_[pack].insert(at.offset);
  }
  // A sweep that came to this pack before the claim has freed the record; one that comes after leaves it.
  return read(pack, id, at).has_value();
}

Status KeptNodes::keep(const PackRow& pack, const ChunkLocation& at, ByteView record) {
  const std::lock_guard changing(change_mutex_);
  if (is_sweeping_) claims_[pack.id].insert(at.offset);
  {
    HOLDFAST_ASSIGN(LocalFile file, LocalFile::open_or_create(path_of(pack.id)));
    HOLDFAST_TRY(file.write_at(at.offset, record));
    HOLDFAST_ASSIGN(const std::uint64_t size, file.size());
    if (size < pack.size_bytes) HOLDFAST_TRY(file.truncate(pack.size_bytes));  // what ends earlier was cut off
  }
  note_file(pack.id);
  const std::lock_guard lock(mutex_);
  unsynced_.insert(pack.id);
  return ok_status();
}

void KeptNodes::sync() {
  std::set<PackId> packs;
  {
    const std::lock_guard lock(mutex_);
    packs.swap(unsynced_);
  }
  if (packs.empty()) return;
  const auto sync_all = [&]() -> Status {
    for (const PackId& pack : packs) {
      Result<LocalFile> file = LocalFile::open_to_read(path_of(pack));
      if (!file && file.error().code() == ErrorCode::kNotFound) continue;  // swept meanwhile
      if (!file) return std::move(file).error();
      HOLDFAST_TRY(file->sync_data());
    }
    return local_files::sync_directory(folder_);
  };
  if (const Status synced = sync_all(); !synced) {
    log_warning("nodes of live trees: " + synced.error().message());
    note_lack();
  }
}

void KeptNodes::begin_sweep() {
  const std::lock_guard changing(change_mutex_);
  is_sweeping_ = true;
  claims_.clear();
  const std::lock_guard lock(mutex_);
  swept_.clear();
  for (const auto& [pack, size] : files_) swept_.insert(pack);
}

void KeptNodes::abandon_sweep() {
  const std::lock_guard changing(change_mutex_);
  is_sweeping_ = false;
  claims_.clear();
  swept_.clear();
}

/// change_mutex_ held.
Status KeptNodes::sweep_pack(const PackId& pack, const Live& live) {
  std::vector<ByteRange> ranges;
  const Result<LocalFile> file = LocalFile::open_to_read(path_of(pack));
  if (!file) return file.error().code() == ErrorCode::kNotFound ? remove_pack(pack) : Status(file.error());
  HOLDFAST_ASSIGN(const std::uint64_t size, file->size());
  const auto directory = read_pack_directory(bytes_of(*file, size), size, &pack, key_.view());
  const auto claimed = claims_.find(pack);
  if (const auto found = live.find(pack); found != live.end()) {
    for (const auto& [offset, record_size] : found->second) ranges.push_back({offset, record_size});
  }
  if (claimed != claims_.end() && !directory) return ok_status();  // the sizes of what was claimed are not known here
  if (claimed != claims_.end()) {
    for (const PackEntry& entry : directory->entries) {
      if (claimed->second.contains(entry.offset)) ranges.push_back({entry.offset, entry.record_size_bytes});
    }
  }
  if (ranges.empty()) return remove_pack(pack);
  if (directory) {
    for (const ByteRange& range : frame_of(*directory)) ranges.push_back(range);
  }
  HOLDFAST_TRY(leave_only(pack, std::move(ranges)));
  note_file(pack);
  return ok_status();
}

Status KeptNodes::finish_sweep(const Live& live) {
  Status all;
  for (;;) {
    const std::lock_guard changing(change_mutex_);  // let go after each pack: a seal may wait for it
    if (swept_.empty()) break;
    const PackId pack = *swept_.begin();
    swept_.erase(swept_.begin());
    all.keep_first(sweep_pack(pack, live));
  }
  abandon_sweep();
  {
    const std::lock_guard lock(mutex_);
    bytes_after_sweep_ = bytes_;
  }
  return all;
}

Status KeptNodes::note_whole(std::uint64_t lacks) {
  sync();
  Bytes mark;
  {
    const std::lock_guard lock(mutex_);
    ByteWriter(mark).prelude(kMarkObject).u64(bytes_after_sweep_);
  }
  const std::lock_guard marking(mark_mutex_);
  if (lacks_ != lacks) return ok_status();
  const std::string fresh = mark_path() + std::string(kNewSuffix);
  HOLDFAST_TRY(local_files::remove_file(fresh));
  HOLDFAST_ASSIGN(LocalFile file, LocalFile::create(fresh));
  HOLDFAST_TRY(file.write_at(0, mark));
  HOLDFAST_TRY(file.sync_data());
  HOLDFAST_TRY(local_files::rename_file(fresh, mark_path()));
  HOLDFAST_TRY(local_files::sync_directory(folder_));
  is_whole_ = true;
  return ok_status();
}

void KeptNodes::note_lack() {
  const std::lock_guard marking(mark_mutex_);
  ++lacks_;
  is_whole_ = false;
  Status removed = local_files::remove_file(mark_path());
  removed.keep_first(local_files::sync_directory(folder_));  // after a power failure the mark would speak of what was here before
  if (!removed) log_warning("nodes of live trees: " + removed.error().message());
}

bool KeptNodes::is_sweep_due() const {
  const std::lock_guard lock(mutex_);
  return bytes_ > 2 * bytes_after_sweep_ + kSweepSlackBytes;
}

std::uint64_t KeptNodes::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace holdfast
