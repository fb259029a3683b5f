// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_files.h"

#include <algorithm>
#include <mutex>

#include "core/base/log.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {

using cache::ensure_folder;
using cache::list_folder;
using cache::remove_file;
namespace {

// Sixteen bytes of an id are enough to find a record; its header has the whole id.
constexpr std::size_t kKeyBytes = 16;
constexpr std::size_t kValueBytes = 16;
// An index entry takes 42 bytes of a page; pages of random inserts are two thirds full, and a transaction needs room
// for copies of the pages that it changes.
constexpr std::uint64_t kIndexBytesPerEntry = 160;
constexpr std::uint64_t kIndexGrain = 65536;
constexpr std::uint64_t kSegmentSizeMin = 5ULL << 20U;  // holds the largest record (FORMAT.md §3: 4 MiB and 44 bytes)
constexpr std::uint64_t kSegmentSizeMax = 1ULL << 30U;  // offsets have 32 bits
constexpr std::size_t kSegmentCountMax = 256;           // each is an open file
constexpr std::uint64_t kSurvivorBytesMax = 16ULL << 20U;  // carried on in memory, and at most a quarter of a segment
constexpr std::uint64_t kReserveBytes = 1ULL << 20U;    // lock files, the mark, folder blocks
constexpr std::size_t kRebuildBatch = 4096;

Bytes key_of(const ChunkId& id) { return Bytes(id.bytes.begin(), id.bytes.begin() + kKeyBytes); }

Bytes value_of(std::uint64_t segment, CacheSegment::Place place) {
  Bytes value;
  ByteWriter(value).u64(segment).u32(place.offset).u32(place.size_bytes);
  return value;
}

struct Location {
  std::uint64_t segment = 0;
  CacheSegment::Place place;
};

Result<Location> location_in(ByteView value) {
  if (value.size() != kValueBytes) return Error(ErrorCode::kCorrupt, "an entry of the cache index of the wrong length");
  return Location{load_le<std::uint64_t>(value),
                  {load_le<std::uint32_t>(value.subspan(8)), load_le<std::uint32_t>(value.subspan(12))}};
}

}  // namespace

CacheFiles::CacheFiles(std::string folder, std::uint64_t limit_bytes)
    : folder_(std::move(folder)),
      limit_(limit_bytes),
      index_size_max_(limit_bytes / 16 / kIndexGrain * kIndexGrain),
      segment_size_(std::clamp(limit_bytes / 64, kSegmentSizeMin, kSegmentSizeMax)) {}

Result<std::unique_ptr<CacheFiles>> CacheFiles::open(const std::string& folder, std::uint64_t limit_bytes) {
  std::unique_ptr<CacheFiles> files(new CacheFiles(folder, limit_bytes));
  // The index first: it takes the folder's lock.
  HOLDFAST_ASSIGN(files->index_, LmdbEnv::open({folder + "/index", files->index_size_max_}));
  HOLDFAST_TRY(files->load_segments());
  return files;
}

Status CacheFiles::load_segments() {
  HOLDFAST_ASSIGN(const auto names, list_folder(folder_));
  for (const auto& name : names) {
    const auto number = CacheSegment::number_in(name);
    if (!number) continue;
    next_number_ = std::max(next_number_, *number + 1);
    auto segment = CacheSegment::open(folder_, *number, segment_size_);
    if (segment) {
      segments_[*number] = *segment;
    } else {
      log_warning("dropping a file of the chunk cache: " + segment.error().message());
      HOLDFAST_TRY(remove_file(folder_ + "/" + name));
    }
  }
  needs_rebuild_ = index_->was_empty_at_open() && !segments_.empty();
  // A smaller limit than last time: nothing may be written before it is kept.
  while (!segments_.empty() &&
         segment_bytes() + index_size_max_ + kReserveBytes > limit_) {
    HOLDFAST_TRY(remove_file(folder_ + "/" + CacheSegment::file_name(segments_.begin()->first)));
    segments_.erase(segments_.begin());
  }
  if (!index_->was_empty_at_open() && !segments_.empty()) current_ = segments_.rbegin()->second;
  return ok_status();
}

CacheFiles::Segment CacheFiles::segment_of(std::uint64_t number) const {
  const std::shared_lock lock(mutex_);
  const auto found = segments_.find(number);
  return found == segments_.end() ? nullptr : found->second;
}

CacheFiles::Segment CacheFiles::oldest() const {
  const std::shared_lock lock(mutex_);
  return segments_.empty() ? nullptr : segments_.begin()->second;
}

std::uint64_t CacheFiles::segment_bytes() const {
  const std::shared_lock lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [number, segment] : segments_) sum += segment->size_bytes();
  return sum;
}

std::uint64_t CacheFiles::used_bytes() const { return segment_bytes() + index_->size_bytes(); }

Result<std::optional<CacheFiles::Found>> CacheFiles::find(const ChunkId& id) const {
  HOLDFAST_ASSIGN(const std::optional<Bytes> value, index_->get(key_of(id)));
  if (!value) return std::optional<Found>();
  HOLDFAST_ASSIGN(const Location location, location_in(*value));
  const Segment segment = segment_of(location.segment);
  // Evicted a moment ago, or its file was deleted while nobody ran.
  if (!segment) return std::optional<Found>();
  HOLDFAST_ASSIGN(Bytes record, segment->read(id, location.place));
  return std::optional<Found>({segment, location.place, std::move(record)});
}

Status CacheFiles::rebuild() {
  needs_rebuild_ = false;  // also when it fails: then everything is a miss, and nobody tries for ever
  HOLDFAST_TRY(index_->reset());
  std::vector<LmdbPut> puts;
  Status status;
  std::uint64_t room = index_size_max_ / kIndexBytesPerEntry;
  std::vector<Segment> newest_last;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [number, segment] : segments_) newest_last.push_back(segment);
  }
  // In order of age, so that of two copies of a record the younger counts.
  for (const auto& segment : newest_last) {
    segment->walk([&](const ChunkId& id, CacheSegment::Place place) {
      if (!status || room == 0) return;
      --room;
      puts.push_back({key_of(id), value_of(segment->number(), place)});
      if (puts.size() < kRebuildBatch) return;
      status = index_->write(puts);
      puts.clear();
    });
    HOLDFAST_TRY(std::move(status));
    status = ok_status();
  }
  return index_->write(puts);
}

bool CacheFiles::must_evict() const {
  const std::shared_lock lock(mutex_);
  if (segments_.empty()) return false;
  std::uint64_t sum = 0;
  for (const auto& [number, segment] : segments_) sum += segment->size_bytes();
  return sum + segment_size_ + index_size_max_ + kReserveBytes > limit_ || segments_.size() >= kSegmentCountMax;
}

Status CacheFiles::evict_oldest(std::vector<LmdbPut>& puts, std::vector<Item>& survivors) {
  const Segment victim = oldest();
  std::uint64_t survivor_bytes = 0;
  for (const auto& item : survivors) survivor_bytes += item.record->size();
  const std::uint64_t survivor_bytes_max = std::min(kSurvivorBytesMax, segment_size_ / 4);
  Status status;
  victim->walk([&](const ChunkId& id, CacheSegment::Place place) {
    if (!status) return;
    auto value = index_->get(key_of(id));
    if (!value) {
      status = std::move(value).error();
      return;
    }
    if (!*value || **value != value_of(victim->number(), place)) return;  // stored again elsewhere, or forgotten
    if (victim->was_hit(place) && survivor_bytes + place.size_bytes <= survivor_bytes_max) {
      auto record = victim->read(id, place);
      if (record) {
        survivor_bytes += place.size_bytes;
        survivors.push_back({id, std::make_shared<const Bytes>(std::move(*record))});
        return;
      }
    }
    evicted_.fetch_add(1, std::memory_order_relaxed);
    puts.push_back({key_of(id), std::nullopt});
  });
  HOLDFAST_TRY(std::move(status));
  HOLDFAST_TRY(remove_file(folder_ + "/" + CacheSegment::file_name(victim->number())));
  const std::unique_lock lock(mutex_);
  segments_.erase(victim->number());
  if (current_ == victim) current_.reset();
  return ok_status();
}

Status CacheFiles::begin_segment(std::vector<LmdbPut>& puts) {
  std::vector<Item> survivors;
  while (must_evict()) {
    HOLDFAST_TRY(evict_oldest(puts, survivors));
    // Entries go before others come: the index has a bound too.
    HOLDFAST_TRY(index_->write(puts));
    puts.clear();
  }
  auto created = CacheSegment::create(folder_, next_number_, segment_size_);
  if (!created && created.error().code() == ErrorCode::kNotFound) {
    // Somebody removed the folder; a cache may be deleted at any time.
    HOLDFAST_TRY(ensure_folder(folder_));
    created = CacheSegment::create(folder_, next_number_, segment_size_);
  }
  HOLDFAST_ASSIGN(current_, std::move(created));
  ++next_number_;
  {
    const std::unique_lock lock(mutex_);
    segments_[current_->number()] = current_;
  }
  for (const auto& item : survivors) {
    HOLDFAST_ASSIGN(const auto place, current_->append(item.id, *item.record));
    puts.push_back({key_of(item.id), value_of(current_->number(), place)});
  }
  return ok_status();
}

Status CacheFiles::store(const Item& item, std::vector<LmdbPut>& puts) {
  if (!item.record) {
    puts.push_back({key_of(item.id), std::nullopt});
    return ok_status();
  }
  if (item.record->size() + CacheSegment::kRecordHeaderBytes + CacheSegment::kHeaderBytes > segment_size_) {
    return ok_status();  // no record of the format is so large
  }
  if (!current_ || !current_->has_room(item.record->size())) HOLDFAST_TRY(begin_segment(puts));
  HOLDFAST_ASSIGN(const auto place, current_->append(item.id, *item.record));
  puts.push_back({key_of(item.id), value_of(current_->number(), place)});
  return ok_status();
}

Status CacheFiles::keep_index_bound(std::vector<LmdbPut>& puts) {
  std::vector<Item> survivors;
  while (index_->count() > index_size_max_ / kIndexBytesPerEntry && oldest()) {
    HOLDFAST_TRY(evict_oldest(puts, survivors));
    HOLDFAST_TRY(index_->write(puts));
    puts.clear();
  }
  for (const auto& item : survivors) HOLDFAST_TRY(store(item, puts));
  return ok_status();
}

Status CacheFiles::apply(std::span<const Item> batch) {
  std::vector<LmdbPut> puts;
  Status status = keep_index_bound(puts);
  for (std::size_t i = 0; status && i < batch.size(); ++i) status = store(batch[i], puts);
  // What is in a segment is worth finding even when the next record found no room.
  status.keep_first(index_->write(puts));
  if (status) return status;
  if (status.error().code() == ErrorCode::kCorrupt) needs_rebuild_ = true;
  if (status.error().code() == ErrorCode::kNoSpace && oldest()) {
    // The disk is full: others need the room more than a cache does.
    std::vector<Item> survivors;
    puts.clear();
    status.keep_first(evict_oldest(puts, survivors));
    for (const auto& item : survivors) puts.push_back({key_of(item.id), std::nullopt});
    status.keep_first(index_->write(puts));
  }
  return status;
}

}  // namespace holdfast
