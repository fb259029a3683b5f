// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/bytes.h"
#include "core/base/call_context.h"

namespace holdfast::local {

/// Whether a failed call was reading or writing: a disk that gives an I/O error has spoilt what it holds
/// (kCorrupt: another network may have it good), but may take the next write (kUnavailable).
enum class Direction { kReading, kWriting };

/// The Error of a failed system call: `doing` and the system's text.
Error posix_error(int error_number, Direction direction, const std::string& doing);

/// A file descriptor that closes itself. Moved, not copied.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();
  [[nodiscard]] int get() const noexcept { return number_; }
  [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }

 private:
  int number_ = -1;
};

/// Opens for reading. Errors: kNotFound, kPermissionDenied, kCorrupt.
Result<Descriptor> open_to_read(const std::string& path);

/// Size of an open regular file. Errors: kCorrupt when it is something else.
Result<std::uint64_t> size_of(const Descriptor& file, const std::string& path);

/// Fills `out` from `offset` on. Errors: kOutOfRange when the file ends before, kCorrupt, kCancelled, kDeadlineExceeded.
Status read_at(const Descriptor& file, const std::string& path, std::uint64_t offset, MutableByteView out,
               const CallContext& context);

/// Whether the file holds exactly `bytes`.
Result<bool> file_equals(const std::string& path, ByteView bytes, const CallContext& context);
/// Whether two files hold the same bytes (true at once where they are one file).
Result<bool> files_equal(const std::string& left, const std::string& right, const CallContext& context);

/// Makes the names in folder `path` durable. Errors: as posix_error.
Status sync_folder(const std::string& path);
/// Makes a file's bytes durable.
Status sync_file(const std::string& path);

/// Makes folder `path` and the missing ones above it, each durable in its parent.
Status make_folders(const std::string& path);

/// A new file beside its later name. While it lives it is locked, so that remove_stale_temporaries of another process
/// leaves it alone; unless renamed it is removed at the end. One thread.
class TemporaryFile {
 public:
  static Result<TemporaryFile> create(const std::string& folder);
  TemporaryFile(TemporaryFile&& other) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile();

  Status write(ByteView bytes, const CallContext& context);
  /// Copies the rest of an open file.
  Status write_all_of(const Descriptor& source, const std::string& source_path, const CallContext& context);
  /// fdatasync, then the final name in one step, then the folder is synced. With `replace` false an existing file
  /// stays and the error is kAlreadyExists. After an error the final name has either its old file or the whole new one.
  Status commit(const std::string& final_path, bool replace);

 private:
  TemporaryFile(Descriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  Descriptor file_;
  std::string path_;  // empty once it has its final name
};

/// Removes what crashed writers left in `folder`. What lives is locked and stays. Best effort: errors are left for the
/// next start.
void remove_stale_temporaries(const std::string& folder);

/// The prefix of temporary names: no object name has a dot.
inline constexpr const char* kTemporaryPrefix = ".tmp-";

}  // namespace holdfast::local
