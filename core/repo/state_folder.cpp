// SPDX-License-Identifier: Apache-2.0
#include "core/repo/state_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/base/errno_code.h"
#include "core/catalog/framed_file.h"
#include "core/catalog/genesis.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr ObjectKind kIdentityObject{"HFIDENT1", "repository file"};

Error system_error(std::string_view doing, const std::string& path) {
  const int code = errno;
  return Error(code_of_errno(code), std::string(doing) + " " + path + ": " + std::strerror(code));
}

std::string owner_of(int descriptor) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(descriptor, text.data(), text.size() - 1, 0);
  std::string pid = size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
  while (!pid.empty() && (pid.back() < '0' || pid.back() > '9')) pid.pop_back();
  return pid.empty() ? "another process" : "process " + pid;
}

}  // namespace

Status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return sync_directory(parent_directory(path));
  if (errno != EEXIST) return system_error("making", path);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return system_error("looking at", path);
  if (!S_ISDIR(info.st_mode)) return Error(ErrorCode::kInternal, path + " is no folder");
  return ok_status();
}

bool path_exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error("removing", path);
  return ok_status();
}

Result<std::unique_ptr<StateLock>> StateLock::acquire(const StatePaths& paths) {
  std::error_code made;
  std::filesystem::create_directories(std::filesystem::path(paths.root).parent_path(), made);  // mkdir below says what is wrong
  HOLDFAST_TRY(make_folder(paths.root));
  if (!path_exists(paths.lock())) {
    // Nobody has used it yet; a folder that somebody made with other rights keeps them.
    struct stat info {};
    if (::stat(paths.root.c_str(), &info) != 0) return system_error("looking at", paths.root);
    const bool for_us_alone = (info.st_mode & 0777U) == 0700U;
    if (for_us_alone && ::chmod(paths.root.c_str(), 0711) != 0) return system_error("opening to others", paths.root);
  }
  const int descriptor = ::open(paths.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return system_error("opening", paths.lock());
  std::unique_ptr<StateLock> lock(new StateLock(descriptor));
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error("locking", paths.lock());
    return Error(ErrorCode::kConflict, paths.root + " is in use by " + owner_of(descriptor));
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, pid.data(), pid.size(), 0) < 0) {
    return system_error("writing", paths.lock());
  }
  return lock;
}

StateLock::~StateLock() { ::close(descriptor_); }

Bytes encode_identity(const RepositoryIdentity& identity) {
  Bytes out;
  ByteWriter writer(out);
  writer.prelude(kIdentityObject).bytes(identity.genesis).bytes(identity.certificate).id(identity.incarnation);
  writer.varint(identity.earlier.size());
  for (const auto& incarnation : identity.earlier) writer.id(incarnation);
  return out;
}

Result<RepositoryIdentity> decode_identity(ByteView bytes) {
  ByteReader in(bytes, "repository file");
  HOLDFAST_TRY(in.prelude(kIdentityObject));
  RepositoryIdentity identity;
  HOLDFAST_ASSIGN(const ByteView genesis, in.bytes());
  identity.genesis.assign(genesis.begin(), genesis.end());
  HOLDFAST_ASSIGN(const ByteView certificate, in.bytes());
  identity.certificate.assign(certificate.begin(), certificate.end());
  HOLDFAST_ASSIGN(identity.incarnation, in.id<IncarnationId>());
  HOLDFAST_ASSIGN(const std::size_t count, in.count(IncarnationId::size));
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(const IncarnationId id, in.id<IncarnationId>());
    identity.earlier.push_back(id);
  }
  HOLDFAST_TRY(in.expect_end());
  return identity;
}

std::string machine_boot_id() {
  std::array<char, 64> text{};
  const int descriptor = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  const ssize_t size = ::read(descriptor, text.data(), text.size());
  ::close(descriptor);
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
}

}  // namespace holdfast
