// SPDX-License-Identifier: Apache-2.0
#include "fs/mount_guard.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "core/base/log.h"

namespace holdfast::fs {

namespace {

namespace stdfs = std::filesystem;

struct Mounted {
  std::string path;
  std::string type;
};

/// Spaces and the like stand as \ooo in mountinfo (proc(5)).
std::string unescaped(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      result.push_back(static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)));
      i += 3;
    } else {
      result.push_back(text[i]);
    }
  }
  return result;
}

std::vector<Mounted> mounts() {
  std::vector<Mounted> result;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    // id parent major:minor root path options [fields…] - type source options
    std::istringstream words(line);
    std::string word;
    Mounted mounted;
    for (int i = 0; i < 5 && words >> word; ++i) mounted.path = word;
    while (words >> word && word != "-") continue;
    words >> mounted.type;
    mounted.path = unescaped(mounted.path);
    result.push_back(std::move(mounted));
  }
  return result;
}

bool is_at_or_below(const std::string& path, const std::string& above) {
  if (above == "/") return true;
  return path == above || (path.starts_with(above) && path.size() > above.size() && path[above.size()] == '/');
}

Status fusermount(const std::string& mountpoint, bool detach) {
  std::vector<std::string> words{"fusermount3", "-u", "-q"};
  if (detach) words.emplace_back("-z");
  words.emplace_back("--");
  words.push_back(mountpoint);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (const int error = ::posix_spawnp(&child, "fusermount3", nullptr, nullptr, arguments.data(), environ); error != 0) {
    return Error(ErrorCode::kInternal, "starting fusermount3: " + std::string(std::strerror(error)));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ok_status();
  return Error(ErrorCode::kConflict, "fusermount3 could not unmount " + mountpoint + "; most likely files in it are open");
}

}  // namespace

Status unmount_path(const std::string& mountpoint, bool detach) {
  if (::umount2(mountpoint.c_str(), UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0)) == 0) return ok_status();
  switch (errno) {
    case EPERM: return fusermount(mountpoint, detach);
    case EBUSY: return Error(ErrorCode::kConflict, "unmounting " + mountpoint + ": files in it are open");
    case EINVAL: return Error(ErrorCode::kNotFound, "nothing is mounted on " + mountpoint);
    default: return Error(ErrorCode::kInternal, "unmounting " + mountpoint + ": " + std::strerror(errno));
  }
}

Result<bool> take_dead_mount_away(const std::string& mountpoint) {
  struct statfs space{};  // always asks the filesystem, while attributes of a dead one may still be cached
  if (::statfs(mountpoint.c_str(), &space) == 0 || (errno != ENOTCONN && errno != ECONNABORTED)) return false;
  // A dead mountpoint can't be resolved as a path, so its name must be absolute in the parts above.
  const stdfs::path given = stdfs::path(stdfs::absolute(mountpoint)).lexically_normal();
  const stdfs::path named = given.has_filename() ? given : given.parent_path();  // without a slash at the end
  std::error_code ignored;
  const std::string path = (stdfs::canonical(named.parent_path(), ignored) / named.filename()).string();
  const std::vector<Mounted> all = mounts();
  const auto top = std::find_if(all.rbegin(), all.rend(), [&](const Mounted& mounted) { return mounted.path == path; });
  if (top == all.rend() || top->type != kMountType) return false;
  log_warning("a dead mount lies on " + path + "; it is taken away");
  HOLDFAST_TRY(unmount_path(path, true));
  return true;
}

namespace {

Error would_hide(const std::string& mountpoint, const std::string& folder) {
  return {ErrorCode::kInvalidArgument, "the mountpoint " + mountpoint + " would hide a folder that the repository itself works with: " + folder};
}

/// Staging on a FUSE filesystem is as durable as that filesystem says, and on one of ours it would wait for itself.
Status check_state_is_on_a_disk(const std::string& state) {
  const Mounted* under = nullptr;
  const std::vector<Mounted> all = mounts();
  for (const Mounted& mounted : all) {
    if (is_at_or_below(state, mounted.path) && (under == nullptr || mounted.path.size() >= under->path.size())) under = &mounted;
  }
  // The layers of a container that was started without rights are a FUSE filesystem over a disk.
  if (under == nullptr || under->type == "fuse.fuse-overlayfs" || (under->type != "fuse" && !under->type.starts_with("fuse."))) return ok_status();
  return Error(ErrorCode::kInvalidArgument, "the state folder " + state + " lies on a FUSE filesystem (" + under->type + " on " + under->path +
                                                "); it must lie on a disk of this machine");
}

}  // namespace

Result<std::string> prepare_mountpoint(const std::string& mountpoint, const std::string& state_directory,
                                       const std::vector<std::string>& other_folders) {
  HOLDFAST_TRY(take_dead_mount_away(mountpoint));
  struct stat status{};
  if (::stat(mountpoint.c_str(), &status) != 0) {
    return Error(ErrorCode::kNotFound, "the mountpoint " + mountpoint + ": " + std::strerror(errno));
  }
  if (!S_ISDIR(status.st_mode)) return Error(ErrorCode::kInvalidArgument, "the mountpoint " + mountpoint + " is no directory");
  std::error_code failed;
  const std::string path = stdfs::canonical(mountpoint, failed).string();
  if (failed) return Error(ErrorCode::kInternal, "the mountpoint " + mountpoint + ": " + failed.message());
  std::vector<std::string> folders = other_folders;
  if (!state_directory.empty()) folders.push_back(state_directory);
  for (const std::string& given : folders) {
    const std::string folder = stdfs::weakly_canonical(given, failed).string();
    if (failed) continue;
    if (is_at_or_below(folder, path)) return would_hide(path, folder);
    if (is_at_or_below(path, folder)) return Error(ErrorCode::kInvalidArgument, "the mountpoint " + path + " lies inside the repository's own folder " + folder);
    if (given == state_directory) HOLDFAST_TRY(check_state_is_on_a_disk(folder));
  }
  for (const Mounted& mounted : mounts()) {
    if (mounted.type != kMountType || !is_at_or_below(path, mounted.path)) continue;
    return Error(ErrorCode::kInvalidArgument, path == mounted.path ? "a repository is mounted on " + path + " already"
                                                                   : "the mountpoint " + path + " lies inside the mount on " + mounted.path);
  }
  return path;
}

}  // namespace holdfast::fs
