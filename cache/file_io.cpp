// SPDX-License-Identifier: Apache-2.0
#include "cache/file_io.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace holdfast::cache {
namespace {

ErrorCode code_of(int code) {
  switch (code) {
    case ENOENT:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::kNoSpace;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kPermissionDenied;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

Error error_from_errno(int code, std::string_view doing, const std::string& path) {
  return Error(code_of(code),
               std::string(doing) + " " + path + ": " + std::generic_category().message(code));
}

Result<File> File::open(const std::string& path, Mode mode) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case Mode::kRead:
      flags |= O_RDONLY;
      break;
    case Mode::kReadWrite:
      flags |= O_RDWR;
      break;
    case Mode::kCreate:
      flags |= O_RDWR | O_CREAT;
      break;
    case Mode::kCreateNew:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
  }
  const int descriptor = ::open(path.c_str(), flags, 0600);
  if (descriptor < 0) return error_from_errno(errno, "opening", path);
  return File(descriptor, path);
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

Status File::read_at(std::uint64_t offset, MutableByteView out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_from_errno(errno, "reading", path_);
    if (got == 0) return Error(ErrorCode::kOutOfRange, "reading " + path_ + ": it ends too early");
    done += static_cast<std::size_t>(got);
  }
  return ok_status();
}

Status File::write_at(std::uint64_t offset, ByteView bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put =
        ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return error_from_errno(errno, "writing", path_);
    done += static_cast<std::size_t>(put);
  }
  return ok_status();
}

Status File::truncate(std::uint64_t size_bytes) {
  if (::ftruncate(descriptor_, static_cast<off_t>(size_bytes)) != 0) return error_from_errno(errno, "cutting off", path_);
  return ok_status();
}

Status File::sync() {
  if (::fdatasync(descriptor_) != 0) return error_from_errno(errno, "syncing", path_);
  return ok_status();
}

Result<std::uint64_t> File::size_bytes() const {
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0) return error_from_errno(errno, "asking for the size of", path_);
  return static_cast<std::uint64_t>(info.st_size);
}

Status File::try_lock() {
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return ok_status();
  if (errno == EWOULDBLOCK) return Error(ErrorCode::kConflict, path_ + " is in use by another process");
  return error_from_errno(errno, "locking", path_);
}

bool File::is_at(const std::string& path) const noexcept {
  struct stat mine {};
  struct stat there {};
  return ::fstat(descriptor_, &mine) == 0 && ::stat(path.c_str(), &there) == 0 && mine.st_dev == there.st_dev &&
         mine.st_ino == there.st_ino;
}

void File::expect_random_reads() const noexcept { ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_RANDOM); }

void File::forget_cached_pages() const noexcept { ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED); }

Status ensure_folder(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      const int code = errno;
      struct stat info {};
      // A parent on a read-only or foreign filesystem is fine as long as it is there.
      if (::stat(part.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
        return error_from_errno(code, "making the folder", part);
      }
    }
    if (end == std::string::npos) return ok_status();
  }
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return error_from_errno(errno, "removing", path);
  return ok_status();
}

Status rename_file(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) return error_from_errno(errno, "renaming", from);
  return ok_status();
}

Status sync_folder(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return error_from_errno(errno, "opening the folder", path);
  const int result = ::fsync(descriptor);
  const int code = errno;
  ::close(descriptor);
  if (result != 0) return error_from_errno(code, "syncing the folder", path);
  return ok_status();
}

Result<std::vector<std::string>> list_folder(const std::string& path) {
  DIR* folder = ::opendir(path.c_str());
  if (folder == nullptr) return error_from_errno(errno, "listing", path);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* item = ::readdir(folder)) {
    const std::string name = item->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  const int code = errno;
  ::closedir(folder);
  if (code != 0) return error_from_errno(code, "listing", path);
  std::sort(names.begin(), names.end());
  return names;
}

Status replace_file(const std::string& folder, const std::string& name, ByteView content) {
  const std::string temporary = folder + "/" + name + ".new";
  HOLDFAST_TRY(remove_file(temporary));
  {
    HOLDFAST_ASSIGN(File file, File::open(temporary, File::Mode::kCreateNew));
    HOLDFAST_TRY(file.write_at(0, content));
    HOLDFAST_TRY(file.sync());
  }
  HOLDFAST_TRY(rename_file(temporary, folder + "/" + name));
  return sync_folder(folder);
}

Result<Bytes> read_file(const std::string& path, std::uint64_t size_max_bytes) {
  HOLDFAST_ASSIGN(const File file, File::open(path, File::Mode::kRead));
  HOLDFAST_ASSIGN(const std::uint64_t size, file.size_bytes());
  if (size > size_max_bytes) return Error(ErrorCode::kOutOfRange, path + " is too large");
  Bytes content(size);
  HOLDFAST_TRY(file.read_at(0, content));
  return content;
}

}  // namespace holdfast::cache
