// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/bytes.h"

namespace holdfast {

/// An append-only local file of checksummed frames behind a fixed header (FORMAT.md §9): `u32` size ‖ `u64` XXH3 of the payload ‖ payload.
/// What append() has returned for survives a crash; a torn end is dropped when the file is opened. Safe from any thread.
class FramedFile {
 public:
  /// Gets every intact frame in order, with its number.
  using Visitor = std::function<Status(std::uint64_t number, ByteView payload)>;
  /// Opens `path`, or makes it (with directory entry synced) when it is absent. Errors: kCorrupt when the header is another one, or when an intact
  /// frame stands anywhere behind a damaged one (naming the offset; nothing is cut off then); kNoSpace, kInternal; those of `visit`.
  static Result<std::unique_ptr<FramedFile>> open(std::string path, ByteView header, const Visitor& visit);
  /// Every intact frame of a damaged file behind its first `header_size` bytes, in order. The file is only read. Errors: kNotFound, kInternal.
  static Result<std::vector<Bytes>> salvage(const std::string& path, std::size_t header_size);
  ~FramedFile();
  FramedFile(const FramedFile&) = delete;
  FramedFile& operator=(const FramedFile&) = delete;

  /// All or nothing and durable at return (fdatasync). After a failed sync every later append fails: the file's state is unknown.
  /// Errors: kNoSpace, kInternal.
  Status append(const std::vector<Bytes>& payloads);
  /// Payloads [first, first + count). Errors: kOutOfRange, kCorrupt, kInternal.
  Result<std::vector<Bytes>> read(std::uint64_t first, std::uint64_t count) const;
  [[nodiscard]] std::uint64_t count() const;

 private:
  FramedFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  Status load(ByteView header, const Visitor& visit);
  Status write_at_end(ByteView bytes);

  std::string path_;
  int descriptor_ = -1;
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> offsets_;  // of the frames
  std::uint64_t end_ = 0;
  bool broken_ = false;
};

/// Replaces `path` by `bytes` atomically and durably (temporary file, fsync, rename, fsync of the directory), mode 0600. Errors: kNoSpace, kInternal.
Status replace_file(const std::string& path, ByteView bytes);
/// The whole file. Errors: kNotFound, kInternal; kCorrupt above `size_max`.
Result<Bytes> read_whole_file(const std::string& path, std::uint64_t size_max = 1ULL << 30);
/// Makes entries of a directory durable. Errors: kInternal.
Status sync_directory(const std::string& path);
/// Directory part of a path ("." when there is none).
std::string parent_directory(const std::string& path);

}  // namespace holdfast
