// SPDX-License-Identifier: Apache-2.0
#include "cache/segment_index.h"

#include <algorithm>
#include <cstring>

#include "cache/segment_index_state.h"
#include "core/base/log.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kOffsetLimit = 1ULL << 40U;  // chunk_index.h
constexpr std::uint32_t kRecordSizeLimit = 1U << 24U;

IndexKey key_of(const ChunkId& id) {
  IndexKey key;
  std::copy_n(id.bytes.begin(), key.size(), key.begin());
  return key;
}

LocationValue encode(const ChunkLocation& location) {
  LocationValue value{};
  const auto out = MutableByteView(value);
  store_le(out, location.pack);
  store_le(out.subspan(4), static_cast<std::uint32_t>(location.offset));
  value[8] = static_cast<std::uint8_t>(location.offset >> 32U);
  store_le(out.subspan(9), static_cast<std::uint16_t>(location.record_size_bytes));
  value[11] = static_cast<std::uint8_t>(location.record_size_bytes >> 16U);
  return value;
}

ChunkLocation decode_location(ByteView value) {
  ChunkLocation location;
  location.pack = load_le<std::uint32_t>(value);
  location.offset = load_le<std::uint32_t>(value.subspan(4)) | static_cast<std::uint64_t>(value[8]) << 32U;
  location.record_size_bytes = load_le<std::uint16_t>(value.subspan(9)) | static_cast<std::uint32_t>(value[11]) << 16U;
  return location;
}

ReferenceValue encode(const ChunkRef& ref) {
  ReferenceValue value{};
  std::copy(ref.id.bytes.begin(), ref.id.bytes.end(), value.begin());
  std::copy(ref.key.bytes.begin(), ref.key.bytes.end(), value.begin() + 32);
  store_le(MutableByteView(value).subspan(64), ref.plain_size_bytes);
  value[68] = static_cast<std::uint8_t>(ref.kind);
  return value;
}

Result<ChunkRef> decode_reference(const Fingerprint& fp, ByteView value) {
  ChunkRef ref;
  std::copy_n(value.begin(), 32, ref.id.bytes.begin());
  std::copy_n(value.begin() + 32, 32, ref.key.bytes.begin());
  ref.fp = fp;
  ref.plain_size_bytes = load_le<std::uint32_t>(value.subspan(64));
  if (value[68] < 1 || value[68] > 3) return Error(ErrorCode::kCorrupt, "the chunk index has a chunk of no known kind");
  ref.kind = static_cast<ChunkKind>(value[68]);
  return ref;
}

Status check_entry(const IndexEntry& entry) {
  if (entry.location.offset >= kOffsetLimit || entry.location.record_size_bytes >= kRecordSizeLimit) {
    return Error(ErrorCode::kInvalidArgument, "a chunk location out of bounds");
  }
  if (entry.ref && entry.ref->id != entry.id) {
    return Error(ErrorCode::kInvalidArgument, "an index entry whose reference is to another chunk");
  }
  return ok_status();
}

}  // namespace

SegmentIndex::SegmentIndex(std::unique_ptr<State> state) : state_(std::move(state)) {}

SegmentIndex::~SegmentIndex() { state_->stop_merging(); }

Result<std::unique_ptr<SegmentIndex>> SegmentIndex::open(const SegmentIndexOptions& options, ByteView key,
                                                         RandomSource& random) {
  if (key.size() != 32) return Error(ErrorCode::kInvalidArgument, "an index key must have 32 bytes");
  if (options.memtable_count_max == 0) return Error(ErrorCode::kInvalidArgument, "an index needs room for entries");
  auto state = std::make_unique<State>();
  state->folder = {options.folder, SecretBytes::copy_of(key), &random};
  state->memtable_count_max = options.memtable_count_max;
  HOLDFAST_TRY(state->load());
  state->start_merging();
  return std::unique_ptr<SegmentIndex>(new SegmentIndex(std::move(state)));
}

Result<std::unique_ptr<SegmentIndex>> SegmentIndex::open_or_start_over(const SegmentIndexOptions& options, ByteView key,
                                                                       RandomSource& random) {
  auto index = open(options, key, random);
  if (index || (index.error().code() != ErrorCode::kCorrupt && index.error().code() != ErrorCode::kUnsupported)) return index;
  log_warning("the chunk index will be made again: " + index.error().message());
  {
    State state;
    state.folder.path = options.folder;
    HOLDFAST_TRY(state.take_lock());
    HOLDFAST_TRY(state.remove_all_files());
  }
  return open(options, key, random);
}

Result<std::optional<ChunkLocation>> SegmentIndex::find(const ChunkId& id) const {
  const IndexKey key = key_of(id);
  const auto view = state_->view();
  {
    const std::shared_lock lock(state_->memtable_mutex);
    const auto found = view.memtable->by_id.find(key);
    if (found != view.memtable->by_id.end()) return std::optional<ChunkLocation>(decode_location(found->second));
  }
  for (const auto& segment : *view.segments) {
    auto value = segment->by_id->find(key);
    if (!value) return state_->note(std::move(value).error());
    if (*value) return std::optional<ChunkLocation>(decode_location(**value));
  }
  return std::optional<ChunkLocation>();
}

Result<std::optional<ChunkRef>> SegmentIndex::find_known(const Fingerprint& fp) const {
  const IndexKey& key = fp.bytes;
  const auto view = state_->view();
  {
    const std::shared_lock lock(state_->memtable_mutex);
    const auto found = view.memtable->by_fp.find(key);
    if (found != view.memtable->by_fp.end()) {
      HOLDFAST_ASSIGN(const ChunkRef ref, decode_reference(fp, found->second));
      return std::optional<ChunkRef>(ref);
    }
  }
  for (const auto& segment : *view.segments) {
    auto value = segment->by_fp->find(key);
    if (!value) return state_->note(std::move(value).error());
    if (!*value) continue;
    auto ref = decode_reference(fp, **value);
    if (!ref) return state_->note(std::move(ref).error());
    return std::optional<ChunkRef>(*ref);
  }
  return std::optional<ChunkRef>();
}

Status SegmentIndex::add(std::span<const IndexEntry> batch) {
  for (const auto& entry : batch) HOLDFAST_TRY(check_entry(entry));
  const std::lock_guard writers(state_->write_mutex);
  HOLDFAST_TRY(state_->usable());
  const auto memtable = state_->view().memtable;
  {
    const std::unique_lock lock(state_->memtable_mutex);
    for (const auto& entry : batch) {
      memtable->by_id.insert_or_assign(key_of(entry.id), encode(entry.location));
      if (entry.ref) memtable->by_fp.insert_or_assign(entry.ref->fp.bytes, encode(*entry.ref));
    }
  }
  if (memtable->count() < state_->memtable_count_max) return ok_status();
  // Not durable until sync().
  return state_->flush();
}

Status SegmentIndex::sync(std::uint64_t journal_position) {
  const std::lock_guard writers(state_->write_mutex);
  HOLDFAST_TRY(state_->usable());
  HOLDFAST_TRY(state_->flush());
  return state_->commit(journal_position);
}

std::uint64_t SegmentIndex::position() const noexcept { return state_->position.load(std::memory_order_relaxed); }

ChunkIndex::Stats SegmentIndex::stats() const {
  const auto view = state_->view();
  Stats stats;
  {
    const std::shared_lock lock(state_->memtable_mutex);
    stats.chunks += view.memtable->by_id.size();
    // Nodes with links and allocator heads.
    stats.memory_bytes += view.memtable->by_id.size() * 64 + view.memtable->by_fp.size() * 128;
  }
  for (const auto& segment : *view.segments) {
    stats.chunks += segment->by_id->count();
    stats.disk_bytes += segment->size_bytes();
    stats.memory_bytes += segment->memory_bytes();
  }
  return stats;
}

Status SegmentIndex::clear() {
  const std::lock_guard writers(state_->write_mutex);
  return state_->start_over();
}

Status SegmentIndex::wait_for_merges() { return state_->wait_for_merges(); }

Status SegmentIndex::verify() const {
  const auto view = state_->view();
  for (const auto& segment : *view.segments) {
    for (const auto* table : {segment->by_id.get(), segment->by_fp.get()}) {
      IndexTable::Cursor cursor(*table);
      while (true) {
        auto more = cursor.next();
        if (!more) return state_->note(std::move(more).error());
        if (!*more) break;
      }
    }
  }
  return ok_status();
}

}  // namespace holdfast
