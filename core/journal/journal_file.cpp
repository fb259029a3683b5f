// SPDX-License-Identifier: Apache-2.0
#include "core/journal/journal_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/base/errno_code.h"

namespace holdfast {
namespace {

// Reserving ahead keeps the file in few pieces and lets a full disk show early; 4 MiB is some thousand operations.
constexpr std::uint64_t kReserveStepBytes = 4U << 20;

Error system_error(std::string_view doing, const std::string& path) {
  const int reason = errno;
  return Error(code_of_errno(reason), std::string(doing) + " " + path + ": " + std::strerror(reason));
}

}  // namespace

Result<std::unique_ptr<JournalFile>> JournalFile::create(const std::string& path) {
  const int fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return system_error("making", path);
  return std::unique_ptr<JournalFile>(new JournalFile(fd, path));
}

JournalFile::~JournalFile() { ::close(fd_); }

Status JournalFile::append(ByteView bytes) {
  if (size_ + bytes.size() > reserved_) {
    const std::uint64_t wanted = (size_ + bytes.size() + kReserveStepBytes) / kReserveStepBytes * kReserveStepBytes;
    // Not every filesystem can; then blocks are allocated as they are written.
    if (::fallocate(fd_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(size_), static_cast<off_t>(wanted - size_)) == 0 || errno != ENOSPC) {
      reserved_ = wanted;
    }
  }
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (count < 0) {
      if (errno == EINTR) continue;
      return system_error("writing", path_);
    }
    size_ += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return ok_status();
}

Status JournalFile::sync() {
  if (::fdatasync(fd_) != 0) return system_error("syncing", path_);
  return ok_status();
}

Status make_journal_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) == 0) {
    const std::size_t slash = directory.find_last_of('/');
    return sync_journal_directory(slash == std::string::npos ? "." : directory.substr(0, slash + 1));
  }
  if (errno != EEXIST) return system_error("making", directory);
  return ok_status();
}

Status sync_journal_directory(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return system_error("opening", directory);
  const int outcome = ::fsync(fd);
  Status status = outcome == 0 ? ok_status() : Status(system_error("syncing", directory));
  ::close(fd);
  return status;
}

Result<std::vector<std::string>> journal_names(const std::string& directory) {
  DIR* const listing = ::opendir(directory.c_str());
  if (listing == nullptr) return system_error("listing", directory);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* const item = ::readdir(listing)) names.emplace_back(item->d_name);
  const bool failed = errno != 0;
  Error error = system_error("listing", directory);
  ::closedir(listing);
  if (failed) return error;
  return names;
}

Result<Bytes> read_journal_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return system_error("opening", path);
  Bytes bytes;
  struct stat status {};
  if (::fstat(fd, &status) == 0) bytes.resize(static_cast<std::size_t>(status.st_size));
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      Error error = system_error("reading", path);
      ::close(fd);
      return error;
    }
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  ::close(fd);
  bytes.resize(done);
  return bytes;
}

Status truncate_journal_file(const std::string& path, std::uint64_t size_bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return system_error("opening", path);
  const bool good = ::ftruncate(fd, static_cast<off_t>(size_bytes)) == 0 && ::fsync(fd) == 0;
  Status status = good ? ok_status() : Status(system_error("cutting", path));
  ::close(fd);
  return status;
}

Status rename_journal_file(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) return system_error("renaming", from);
  return ok_status();
}

Status remove_journal_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error("removing", path);
  return ok_status();
}

}  // namespace holdfast
