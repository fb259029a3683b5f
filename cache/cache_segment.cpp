// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_segment.h"

#include <xxhash.h>

#include <charconv>

#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr std::string_view kMagic = "HFCSEG01";
constexpr std::string_view kRecordMagic = "HFCR";
constexpr std::string_view kNamePrefix = "records-";
constexpr std::uint64_t kHitGrainBytes = 1024;

std::uint64_t digest_of(ByteView bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

Bytes segment_header(std::uint64_t number) {
  Bytes header;
  ByteWriter writer(header);
  writer.raw(as_bytes(kMagic)).u64(number).zeros(8);
  writer.u64(digest_of(header));
  return header;
}

}  // namespace

CacheSegment::CacheSegment(cache::File file, std::uint64_t number, std::uint64_t size_bytes, std::uint64_t size_max_bytes)
    : file_(std::move(file)),
      number_(number),
      size_max_(size_max_bytes),
      size_(size_bytes),
      hits_(std::max(size_max_bytes, size_bytes) / kHitGrainBytes / 64 + 1) {}

std::string CacheSegment::file_name(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(kNamePrefix) + std::string(20 - digits.size(), '0') + digits;
}

std::optional<std::uint64_t> CacheSegment::number_in(std::string_view name) {
  if (!name.starts_with(kNamePrefix)) return std::nullopt;
  name.remove_prefix(kNamePrefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || name.size() != 20) return std::nullopt;
  return number;
}

Result<std::shared_ptr<CacheSegment>> CacheSegment::create(const std::string& folder, std::uint64_t number,
                                                           std::uint64_t size_max_bytes) {
  HOLDFAST_ASSIGN(cache::File file, cache::File::open(folder + "/" + file_name(number), cache::File::Mode::kCreateNew));
  HOLDFAST_TRY(file.write_at(0, segment_header(number)));
  return std::shared_ptr<CacheSegment>(new CacheSegment(std::move(file), number, kHeaderBytes, size_max_bytes));
}

Result<std::shared_ptr<CacheSegment>> CacheSegment::open(const std::string& folder, std::uint64_t number,
                                                         std::uint64_t size_max_bytes) {
  HOLDFAST_ASSIGN(cache::File file, cache::File::open(folder + "/" + file_name(number), cache::File::Mode::kReadWrite));
  Bytes header(kHeaderBytes);
  HOLDFAST_TRY(file.read_at(0, header));
  if (header != segment_header(number)) return Error(ErrorCode::kCorrupt, file_name(number) + " is no file of this cache");
  HOLDFAST_ASSIGN(const std::uint64_t size, file.size_bytes());
  return std::shared_ptr<CacheSegment>(new CacheSegment(std::move(file), number, size, size_max_bytes));
}

Result<CacheSegment::Place> CacheSegment::append(const ChunkId& id, ByteView record) {
  const std::uint64_t offset = size_bytes();
  Bytes framed;
  framed.reserve(kRecordHeaderBytes + record.size());
  ByteWriter writer(framed);
  writer.raw(as_bytes(kRecordMagic)).u32(static_cast<std::uint32_t>(record.size())).id(id);
  writer.u64(digest_of(framed));
  writer.raw(record);
  Status written = file_.write_at(offset, framed);
  if (!written) {
    // Half a record at the end would hide what a later run appends behind it.
    written.keep_first(file_.truncate(offset));
    return std::move(written).error();
  }
  size_.store(offset + framed.size(), std::memory_order_relaxed);
  return Place{static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(record.size())};
}

Result<CacheSegment::Found> CacheSegment::read_header(std::uint64_t offset) const {
  std::array<std::uint8_t, kRecordHeaderBytes> header{};
  HOLDFAST_TRY(file_.read_at(offset, header));
  const ByteView view(header);
  if (load_le<std::uint64_t>(view.subspan(40)) != digest_of(view.first(40)) ||
      as_text(view.first(4)) != kRecordMagic) {
    return Error(ErrorCode::kCorrupt, "no record of the chunk cache where one should be");
  }
  HOLDFAST_ASSIGN(const ChunkId id, ChunkId::from(view.subspan(8, 32)));
  return Found{id, load_le<std::uint32_t>(view.subspan(4))};
}

Result<Bytes> CacheSegment::read(const ChunkId& id, Place place) const {
  if (place.offset + std::uint64_t{kRecordHeaderBytes} + place.size_bytes > size_bytes()) {
    return Error(ErrorCode::kCorrupt, "a record beyond the end of its cache file");
  }
  HOLDFAST_ASSIGN(const Found found, read_header(place.offset));
  if (found.id != id || found.size_bytes != place.size_bytes) {
    return Error(ErrorCode::kCorrupt, "another record of the chunk cache than was promised");
  }
  Bytes record(place.size_bytes);
  HOLDFAST_TRY(file_.read_at(place.offset + std::uint64_t{kRecordHeaderBytes}, record));
  return record;
}

void CacheSegment::walk(const std::function<void(const ChunkId& id, Place place)>& visit) const {
  const std::uint64_t end = size_bytes();
  for (std::uint64_t at = kHeaderBytes; at + kRecordHeaderBytes <= end && at <= UINT32_MAX;) {
    const auto found = read_header(at);
    if (!found) return;
    const std::uint64_t next = at + kRecordHeaderBytes + found->size_bytes;
    if (next > end) return;
    visit(found->id, {static_cast<std::uint32_t>(at), found->size_bytes});
    at = next;
  }
}

void CacheSegment::mark_hit(Place place) noexcept {
  const std::uint64_t grain = place.offset / kHitGrainBytes;
  if (grain / 64 < hits_.size()) hits_[grain / 64].fetch_or(1ULL << (grain % 64), std::memory_order_relaxed);
}

bool CacheSegment::was_hit(Place place) const noexcept {
  const std::uint64_t grain = place.offset / kHitGrainBytes;
  if (grain / 64 >= hits_.size()) return false;
  return (hits_[grain / 64].load(std::memory_order_relaxed) >> (grain % 64) & 1U) != 0;
}

}  // namespace holdfast
