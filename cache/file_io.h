// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/bytes.h"

namespace holdfast::cache {

/// One open file of this machine, read and written by position with pread and pwrite: never mapped, so that a bad
/// sector or a truncated file is an error and not a signal. Closed by the destructor, which loses no data that sync()
/// has promised. Reads and writes are safe from any thread.
class File {
 public:
  enum class Mode : unsigned char { kRead, kReadWrite, kCreate, kCreateNew };
  /// kRead and kReadWrite want the file to be there, kCreate makes it where it is not, kCreateNew wants it absent.
  /// Errors: kNotFound, kAlreadyExists (kCreateNew), kNoSpace, kPermissionDenied, kInternal. New files have mode 0600.
  static Result<File> open(const std::string& path, Mode mode);
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  /// Fills all of `out` from `offset` on. Errors: kOutOfRange when the file ends before, kInternal (the disk).
  Status read_at(std::uint64_t offset, MutableByteView out) const;
  /// Errors: kNoSpace, kInternal. After a failure the range's content is unspecified.
  Status write_at(std::uint64_t offset, ByteView bytes);
  /// Cuts the file off. Errors: kInternal.
  Status truncate(std::uint64_t size_bytes);
  /// fdatasync.
  Status sync();
  Result<std::uint64_t> size_bytes() const;
  /// Takes the whole-file lock (flock) without waiting; held until the file is closed. Errors: kConflict when another
  /// open file description holds it.
  Status try_lock();
  /// Whether the file that is now at `path` is this one and not another of the same name.
  [[nodiscard]] bool is_at(const std::string& path) const noexcept;
  /// Tells the kernel that reads will be at random places: no read-ahead.
  void expect_random_reads() const noexcept;
  /// Tells the kernel that the pages read so far will not be needed again.
  void forget_cached_pages() const noexcept;

 private:
  File(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  int descriptor_ = -1;
  std::string path_;
};

/// An error for what the operating system said (`errno` right after the call), naming what was tried.
Error error_from_errno(int code, std::string_view doing, const std::string& path);

/// Makes the folder and its parents, mode 0700; no error when it is there.
Status ensure_folder(const std::string& path);
/// Removes a file; no error when it is absent.
Status remove_file(const std::string& path);
Status rename_file(const std::string& from, const std::string& to);
/// fsync of a folder, so that names in it are durable.
Status sync_folder(const std::string& path);
/// Names (not paths) in a folder without "." and "..", sorted. Errors: kNotFound, kInternal.
Result<std::vector<std::string>> list_folder(const std::string& path);
/// Replaces `folder`/`name` so that after a crash the old or the new content is there: temporary file, sync, rename, sync of the folder.
Status replace_file(const std::string& folder, const std::string& name, ByteView content);
/// The whole file. Errors: kNotFound, kOutOfRange when it is larger than `size_max_bytes`, kInternal.
Result<Bytes> read_file(const std::string& path, std::uint64_t size_max_bytes);

}  // namespace holdfast::cache
