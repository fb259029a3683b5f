// SPDX-License-Identifier: Apache-2.0
#include "core/stage/local_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "core/base/errno_code.h"

namespace holdfast {
namespace {

Error file_error(int number, std::string_view doing, const std::string& path) {
  ErrorCode code = code_of_errno(number);
  if (number == ENOENT) code = ErrorCode::kNotFound;
  if (number == EEXIST) code = ErrorCode::kAlreadyExists;
  return Error(code, std::string(doing) + " " + path + ": " + std::generic_category().message(number));
}

int open_file(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

}  // namespace

LocalFile::~LocalFile() {
  if (fd_ >= 0) ::close(fd_);
}

LocalFile::LocalFile(LocalFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

LocalFile& LocalFile::operator=(LocalFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

Result<LocalFile> LocalFile::open_or_create(const std::string& path) {
  const int fd = open_file(path, O_RDWR | O_CREAT);
  if (fd < 0) return file_error(errno, "opening", path);
  return LocalFile(fd, path);
}

Result<LocalFile> LocalFile::create(const std::string& path) {
  const int fd = open_file(path, O_RDWR | O_CREAT | O_EXCL);
  if (fd < 0) return file_error(errno, "creating", path);
  return LocalFile(fd, path);
}

Result<LocalFile> LocalFile::open_to_read(const std::string& path) {
  const int fd = open_file(path, O_RDONLY);
  if (fd < 0) return file_error(errno, "opening", path);
  return LocalFile(fd, path);
}

Status LocalFile::read_at(std::uint64_t offset, MutableByteView out) const {
  while (!out.empty()) {
    const ssize_t count = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return file_error(errno, "reading", path_);
    if (count == 0) return Error(ErrorCode::kOutOfRange, "reading " + path_ + ": the file ends at " + std::to_string(offset));
    offset += static_cast<std::uint64_t>(count);
    out = out.subspan(static_cast<std::size_t>(count));
  }
  return ok_status();
}

Status LocalFile::write_at(std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return file_error(count < 0 ? errno : ENOSPC, "writing", path_);
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return ok_status();
}

Status LocalFile::truncate(std::uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return file_error(errno, "cutting", path_);
  return ok_status();
}

Status LocalFile::punch(ByteRange range) {
  if (range.size == 0) return ok_status();
  constexpr int kMode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (::fallocate(fd_, kMode, static_cast<off_t>(range.offset), static_cast<off_t>(range.size)) == 0)
    return ok_status();
  if (errno == EOPNOTSUPP || errno == ENOSYS)
    return Error(ErrorCode::kUnsupported, "making a hole in " + path_ + ": the filesystem has none");
  return file_error(errno, "making a hole in", path_);
}

Status LocalFile::sync_data() {
  if (::fdatasync(fd_) != 0) return file_error(errno, "syncing", path_);
  return ok_status();
}

Result<std::uint64_t> LocalFile::size() const {
  struct stat about {};
  if (::fstat(fd_, &about) != 0) return file_error(errno, "looking at", path_);
  return static_cast<std::uint64_t>(about.st_size);
}

Result<std::uint64_t> LocalFile::allocated_bytes() const {
  constexpr std::uint64_t kStatBlockBytes = 512;  // stat(2), whatever the filesystem's blocks are
  struct stat about {};
  if (::fstat(fd_, &about) != 0) return file_error(errno, "looking at", path_);
  return static_cast<std::uint64_t>(about.st_blocks) * kStatBlockBytes;
}

namespace local_files {

Status sync_directory(const std::string& path) {
  const int fd = open_file(path, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return file_error(errno, "opening", path);
  const int failed = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  if (failed != 0) return file_error(failed, "syncing", path);
  return ok_status();
}

Status make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::path so_far;
  for (const auto& part : std::filesystem::path(path)) {
    so_far /= part;
    if (::mkdir(so_far.c_str(), 0700) != 0 && errno != EEXIST && !std::filesystem::is_directory(so_far, error)) {
      return file_error(errno, "making the folder", so_far);
    }
  }
  return ok_status();
}

Status rename_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return file_error(errno, "renaming", from);
  return ok_status();
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return file_error(errno, "removing", path);
  return ok_status();
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  if (error) return file_error(error.value(), "listing", path);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace local_files
}  // namespace holdfast
