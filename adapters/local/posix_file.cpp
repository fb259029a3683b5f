// SPDX-License-Identifier: Apache-2.0
#include "adapters/local/posix_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "core/base/clock.h"

namespace holdfast::local {

namespace {

constexpr std::size_t kStepBytes = 4U << 20;  // between two looks at the context

ErrorCode code_of(int error_number, Direction direction) noexcept {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR: return ErrorCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::kPermissionDenied;
    case ENOSPC: return ErrorCode::kNoSpace;
    case EDQUOT: return ErrorCode::kQuotaExceeded;
    case EEXIST: return ErrorCode::kAlreadyExists;
    case EFBIG:
    case ENAMETOOLONG:
    case EISDIR:
    case ELOOP: return ErrorCode::kInvalidArgument;
    case EIO:
    case EUCLEAN: return direction == Direction::kReading ? ErrorCode::kCorrupt : ErrorCode::kUnavailable;
    default: return ErrorCode::kUnavailable;
  }
}

Status look(const CallContext& context, const std::string& path) {
  return check_context(context, system_clock(), path);
}

}  // namespace

Error posix_error(int error_number, Direction direction, const std::string& doing) {
  return {code_of(error_number, direction), doing + ": " + std::generic_category().message(error_number)};
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

Descriptor::~Descriptor() {
  // Nothing is lost by an ignored error: what must be durable was synced before.
  if (number_ >= 0) ::close(number_);
}

Result<Descriptor> open_to_read(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open()) return posix_error(errno, Direction::kReading, "opening " + path);
  return file;
}

Result<std::uint64_t> size_of(const Descriptor& file, const std::string& path) {
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return posix_error(errno, Direction::kReading, "looking at " + path);
  if (!S_ISREG(about.st_mode)) return Error(ErrorCode::kCorrupt, path + " is not a regular file");
  return static_cast<std::uint64_t>(about.st_size);
}

Status read_at(const Descriptor& file, const std::string& path, std::uint64_t offset, MutableByteView out,
               const CallContext& context) {
  for (std::size_t done = 0; done < out.size();) {
    HOLDFAST_TRY(look(context, path));
    const std::size_t step = std::min(kStepBytes, out.size() - done);
    const ssize_t got = ::pread(file.get(), out.data() + done, step, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return posix_error(errno, Direction::kReading, "reading " + path);
    if (got == 0) {
      return Error(ErrorCode::kOutOfRange, "reading " + path + ": it ends at byte " + std::to_string(offset + done));
    }
    done += static_cast<std::size_t>(got);
  }
  return ok_status();
}

Result<bool> file_equals(const std::string& path, ByteView bytes, const CallContext& context) {
  HOLDFAST_ASSIGN(const Descriptor file, open_to_read(path));
  HOLDFAST_ASSIGN(const std::uint64_t size_bytes, size_of(file, path));
  if (size_bytes != bytes.size()) return false;
  Bytes piece;
  for (std::size_t done = 0; done < bytes.size(); done += piece.size()) {
    piece.resize(std::min(kStepBytes, bytes.size() - done));
    HOLDFAST_TRY(read_at(file, path, done, piece, context));
    if (!std::ranges::equal(piece, bytes.subspan(done, piece.size()))) return false;
  }
  return true;
}

Result<bool> files_equal(const std::string& left, const std::string& right, const CallContext& context) {
  std::error_code ignored;
  if (std::filesystem::equivalent(left, right, ignored)) return true;
  HOLDFAST_ASSIGN(const Descriptor left_file, open_to_read(left));
  HOLDFAST_ASSIGN(const Descriptor right_file, open_to_read(right));
  HOLDFAST_ASSIGN(const std::uint64_t left_size, size_of(left_file, left));
  HOLDFAST_ASSIGN(const std::uint64_t right_size, size_of(right_file, right));
  if (left_size != right_size) return false;
  Bytes left_piece;
  Bytes right_piece;
  for (std::uint64_t done = 0; done < left_size; done += left_piece.size()) {
    left_piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kStepBytes, left_size - done)));
    right_piece.resize(left_piece.size());
    HOLDFAST_TRY(read_at(left_file, left, done, left_piece, context));
    HOLDFAST_TRY(read_at(right_file, right, done, right_piece, context));
    if (left_piece != right_piece) return false;
  }
  return true;
}

Status sync_folder(const std::string& path) {
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return posix_error(errno, Direction::kWriting, "opening folder " + path);
  if (::fsync(folder.get()) != 0) return posix_error(errno, Direction::kWriting, "syncing folder " + path);
  return ok_status();
}

Status sync_file(const std::string& path) {
  HOLDFAST_ASSIGN(const Descriptor file, open_to_read(path));
  if (::fsync(file.get()) != 0) return posix_error(errno, Direction::kWriting, "syncing " + path);
  return ok_status();
}

Status make_folders(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    if (errno != ENOENT || parent.empty() || parent == path) {
      return posix_error(errno, Direction::kWriting, "making folder " + path);
    }
    HOLDFAST_TRY(make_folders(parent));
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return posix_error(errno, Direction::kWriting, "making folder " + path);
    }
  }
  // Also when it was there: whoever made it may not have come to this yet.
  return sync_folder(parent.empty() ? "." : parent);
}

Result<TemporaryFile> TemporaryFile::create(const std::string& folder) {
  static std::atomic<std::uint64_t> counter{0};
  constexpr int kAttemptsMax = 100;  // names of dead processes with our number, or a sweeper that was faster
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const std::string path =
        folder + "/" + kTemporaryPrefix + std::to_string(::getpid()) + "-" + std::to_string(counter++);
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.is_open()) {
      if (errno == EEXIST) continue;
      return posix_error(errno, Direction::kWriting, "making a file in " + folder);
    }
    struct stat about {};
    const bool ours = ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 && ::fstat(file.get(), &about) == 0 &&
                      about.st_nlink == 1;
    if (ours) return TemporaryFile(std::move(file), path);
  }
  return Error(ErrorCode::kUnavailable, "making a file in " + folder + ": no free temporary name");
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : file_(std::move(other.file_)), path_(std::exchange(other.path_, std::string())) {}

TemporaryFile::~TemporaryFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

Status TemporaryFile::write(ByteView bytes, const CallContext& context) {
  while (!bytes.empty()) {
    HOLDFAST_TRY(look(context, path_));
    const ssize_t wrote = ::write(file_.get(), bytes.data(), std::min(kStepBytes, bytes.size()));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return posix_error(errno, Direction::kWriting, "writing " + path_);
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
  return ok_status();
}

Status TemporaryFile::write_all_of(const Descriptor& source, const std::string& source_path,
                                   const CallContext& context) {
  HOLDFAST_ASSIGN(const std::uint64_t size_bytes, size_of(source, source_path));
  Bytes piece;
  for (std::uint64_t done = 0; done < size_bytes; done += piece.size()) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kStepBytes, size_bytes - done)));
    HOLDFAST_TRY(read_at(source, source_path, done, piece, context));
    HOLDFAST_TRY(write(piece, context));
  }
  return ok_status();
}

Status TemporaryFile::commit(const std::string& final_path, bool replace) {
  if (::fdatasync(file_.get()) != 0) return posix_error(errno, Direction::kWriting, "syncing " + path_);
  int failed = 0;
  if (!replace && ::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, final_path.c_str(), RENAME_NOREPLACE) != 0) {
    failed = errno;
    // Filesystems without that flag: names are hashes of the content, so a race between two writers of one name
    // replaces bytes by the same bytes.
    if (failed == EINVAL || failed == ENOSYS) {
      failed = 0;
      if (::access(final_path.c_str(), F_OK) == 0) failed = EEXIST;
      replace = true;
    }
  }
  if (failed == 0 && replace && ::rename(path_.c_str(), final_path.c_str()) != 0) failed = errno;
  if (failed != 0) return posix_error(failed, Direction::kWriting, "naming " + final_path);
  path_.clear();
  return sync_folder(std::filesystem::path(final_path).parent_path().string());
}

void remove_stale_temporaries(const std::string& folder) {
  std::error_code failed;
  for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    if (!entry->path().filename().string().starts_with(kTemporaryPrefix)) continue;
    const Descriptor file(::open(entry->path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    // A lock that can be had means that its writer is gone.
    if (file.is_open() && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(entry->path().c_str());
  }
}

}  // namespace holdfast::local
