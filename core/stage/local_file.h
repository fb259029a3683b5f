// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "core/base/bytes.h"

namespace holdfast {

/// An open file of the state folder, closed when it goes. Every error names the path: kNoSpace (disk or quota full), kInternal otherwise.
/// Reads and writes give their own offset, so that several threads may use one.
class LocalFile {
 public:
  LocalFile() = default;
  ~LocalFile();
  LocalFile(LocalFile&& other) noexcept;
  LocalFile& operator=(LocalFile&& other) noexcept;

  /// For reading and writing, made with mode 0600 when it is absent.
  static Result<LocalFile> open_or_create(const std::string& path);
  /// A new one for reading and writing. Errors: kAlreadyExists, and as above.
  static Result<LocalFile> create(const std::string& path);
  /// For reading. Errors: kNotFound, and as above.
  static Result<LocalFile> open_to_read(const std::string& path);

  /// Fills all of `out`. Errors: kOutOfRange when the file ends before.
  Status read_at(std::uint64_t offset, MutableByteView out) const;
  /// After an error the file may have got a part of it.
  Status write_at(std::uint64_t offset, ByteView bytes);
  Status truncate(std::uint64_t size);
  /// Gives the room of these bytes back: they read as zeros, the size stays. Errors: kUnsupported (the filesystem has
  /// no holes), and as above.
  Status punch(ByteRange range);
  /// fdatasync. After an error the kernel may have forgotten what was not written: don't try again.
  Status sync_data();
  [[nodiscard]] Result<std::uint64_t> size() const;
  /// What it takes on the disk, holes left out.
  [[nodiscard]] Result<std::uint64_t> allocated_bytes() const;
  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }

 private:
  LocalFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_ = -1;
  std::string path_;
};

namespace local_files {

/// Makes names that were created, renamed or removed in a folder durable.
Status sync_directory(const std::string& path);
/// Makes the folder (mode 0700) and those above it where absent.
Status make_directories(const std::string& path);
/// rename(2), replacing; not durable before sync_directory.
Status rename_file(const std::string& from, const std::string& to);
/// unlink(2); an absent file is success.
Status remove_file(const std::string& path);
/// Names in the folder, sorted, without "." and "..".
Result<std::vector<std::string>> list_directory(const std::string& path);

}  // namespace local_files
}  // namespace holdfast
