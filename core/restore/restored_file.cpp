// SPDX-License-Identifier: Apache-2.0
#include "core/restore/restored_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/base/errno_code.h"
#include "core/crypto/hash.h"

namespace holdfast {

RestoreDirectory::~RestoreDirectory() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Error restore_error(const std::string& doing, const std::string& path) {
  const int cause = errno;
  return Error(code_of_errno(cause), doing + " " + path + ": " + std::strerror(cause));
}

Status apply_metadata(int descriptor, const Inode& inode, bool as_root) {
  if (as_root && ::fchown(descriptor, inode.uid, inode.gid) != 0) return restore_error("setting the owner of", "it");
  if (::fchmod(descriptor, inode.mode & 07777U) != 0) return restore_error("setting the mode of", "it");
  for (const auto& [name, value] : inode.xattrs) {
    if (::fsetxattr(descriptor, name.c_str(), value.data(), value.size(), 0) == 0) continue;
    // An unprivileged user can't give trusted.* and security.*; a filesystem may have none at all.
    if (!as_root && (errno == EPERM || errno == EACCES)) continue;
    return restore_error("setting the extended attribute " + name + " of", "it");
  }
  const auto time_of = [](WallNanos nanos) {
    timespec time{};
    time.tv_sec = nanos / 1'000'000'000;
    time.tv_nsec = nanos % 1'000'000'000;
    if (time.tv_nsec < 0) {
      time.tv_nsec += 1'000'000'000;
      --time.tv_sec;
    }
    return time;
  };
  const std::array<timespec, 2> times{time_of(inode.atime), time_of(inode.mtime)};
  if (::futimens(descriptor, times.data()) != 0) return restore_error("setting the times of", "it");
  return ok_status();
}

Result<std::shared_ptr<RestoredFile>> RestoredFile::create(std::shared_ptr<RestoreDirectory> directory, std::string name,
                                                           std::string path, const Inode& inode, bool keep_digests,
                                                           RandomSource& random) {
  std::shared_ptr<RestoredFile> file(new RestoredFile());
  std::array<std::uint8_t, 8> salt{};
  HOLDFAST_TRY(random.fill(salt));
  file->temporary_ = ".holdfast-restore-" + to_hex(salt);
  file->descriptor_ = ::openat(directory->get(), file->temporary_.c_str(),
                               O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file->descriptor_ < 0) return restore_error("creating", path);
  file->directory_ = std::move(directory);
  file->name_ = std::move(name);
  file->path_ = std::move(path);
  file->inode_ = inode;
  file->keep_digests_ = keep_digests;
  struct stat info {};
  if (::fstat(file->descriptor_, &info) != 0) return restore_error("looking at", file->path_);
  file->device_ = info.st_dev;
  if (::ftruncate(file->descriptor_, static_cast<off_t>(inode.size_bytes)) != 0) {
    return restore_error("sizing", file->path_);
  }
  return file;
}

RestoredFile::~RestoredFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
    if (!temporary_.empty()) ::unlinkat(directory_->get(), temporary_.c_str(), 0);
  }
}

Status RestoredFile::write(std::uint64_t offset, ByteView bytes) {
  const Written written{offset, bytes.size(), keep_digests_ ? sha256(bytes) : Digest{}};
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return restore_error("writing", path_);
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  if (keep_digests_) {
    const std::lock_guard lock(mutex_);
    written_.push_back(written);
  }
  return ok_status();
}

bool RestoredFile::part_done(Status outcome) {
  {
    const std::lock_guard lock(mutex_);
    outcome_.keep_first(std::move(outcome));
  }
  return --parts_ == 0;
}

Status RestoredFile::read_back() {
  // What the page cache holds proves nothing about the disk.
  (void)::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED);
  Bytes buffer;
  for (const Written& part : written_) {
    buffer.resize(part.size);
    std::size_t done = 0;
    while (done < part.size) {
      const ssize_t count = ::pread(descriptor_, buffer.data() + done, part.size - done,
                                    static_cast<off_t>(part.offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return restore_error("reading back", path_);
      done += static_cast<std::size_t>(count);
    }
    if (sha256(buffer) != part.digest) {
      return Error(ErrorCode::kCorrupt, "reading back " + path_ + ": the disk gives other bytes at offset " +
                                            std::to_string(part.offset) + " than were written");
    }
  }
  return ok_status();
}

Status RestoredFile::sync() {
  if (::fdatasync(descriptor_) != 0) return restore_error("syncing", path_);
  return ok_status();
}

Status RestoredFile::sync_filesystem() {
  // Reports what failed since the descriptor was opened (Linux 5.8 and later), which was before the first byte was written.
  if (::syncfs(descriptor_) != 0) return restore_error("syncing the filesystem of", path_);
  return ok_status();
}

Status RestoredFile::finish(bool as_root, bool verify) {
  HOLDFAST_TRY(outcome_);
  if (verify) HOLDFAST_TRY(read_back());
  const Status metadata = apply_metadata(descriptor_, inode_, as_root);
  if (!metadata) return metadata.error().with_context(path_);
  if (::renameat(directory_->get(), temporary_.c_str(), directory_->get(), name_.c_str()) != 0) {
    return restore_error("naming", path_);
  }
  temporary_.clear();
  return ok_status();
}

}  // namespace holdfast
