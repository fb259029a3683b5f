// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "cache/file_io.h"
#include "core/base/ids.h"

namespace holdfast {

/// One file of the chunk cache: sealed records back to back, each behind a small header that says whose it is, so that the
/// LMDB index can be made again from the files alone. Layout in cache/README.md.
/// Reading and hits are safe from any thread; appending is for one thread.
class CacheSegment {
 public:
  static constexpr std::size_t kHeaderBytes = 32;
  static constexpr std::size_t kRecordHeaderBytes = 48;

  /// A new file. Errors: those of File::open.
  static Result<std::shared_ptr<CacheSegment>> create(const std::string& folder, std::uint64_t number,
                                                      std::uint64_t size_max_bytes);
  /// Errors: kCorrupt when it is no segment with this number, those of File::open.
  static Result<std::shared_ptr<CacheSegment>> open(const std::string& folder, std::uint64_t number,
                                                    std::uint64_t size_max_bytes);
  static std::string file_name(std::uint64_t number);
  /// The number in a file's name; nullopt for another file.
  static std::optional<std::uint64_t> number_in(std::string_view name);

  /// Where a record lies.
  struct Place {
    std::uint32_t offset = 0;  ///< of its header in the file
    std::uint32_t size_bytes = 0;  ///< of the record without the header
  };
  /// Errors: kNoSpace, kInternal: the segment then ends where it did.
  Result<Place> append(const ChunkId& id, ByteView record);
  /// The record as it lies there; its bytes are not verified. Errors: kCorrupt when another record or none is there.
  Result<Bytes> read(const ChunkId& id, Place place) const;
  /// Calls `visit` for each record in order and stops where the file no longer makes sense. Reads headers only.
  void walk(const std::function<void(const ChunkId& id, Place place)>& visit) const;

  /// Remembers that something at `place` was asked for.
  void mark_hit(Place place) noexcept;
  /// Whether anything within the same KiB was asked for since the segment was opened.
  [[nodiscard]] bool was_hit(Place place) const noexcept;

  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool has_room(std::size_t record_size_bytes) const noexcept {
    return size_bytes() + kRecordHeaderBytes + record_size_bytes <= size_max_;
  }

 private:
  CacheSegment(cache::File file, std::uint64_t number, std::uint64_t size_bytes, std::uint64_t size_max_bytes);
  struct Found {
    ChunkId id;
    std::uint32_t size_bytes = 0;
  };
  Result<Found> read_header(std::uint64_t offset) const;

  cache::File file_;
  const std::uint64_t number_;
  const std::uint64_t size_max_;
  std::atomic<std::uint64_t> size_;
  std::vector<std::atomic<std::uint64_t>> hits_;  // a bit for each KiB of the file
};

}  // namespace holdfast
