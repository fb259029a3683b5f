// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/repo/repository.h"

namespace holdfast {

struct MountOptions {
  std::string mountpoint;
  std::string state_directory;   ///< a mountpoint that holds it is refused, and one that would lie on FUSE itself; empty: not checked
  std::vector<std::string> other_folders;  ///< that the mountpoint must not hold either: the cache, networks that are folders
  std::string fsname = "holdfast";
  bool allow_other = false;      ///< other users may enter (their rights are checked by the kernel as on any disk)
  bool rmdir_forget = false;     ///< `-o rmdir=forget`
  bool read_only = false;        ///< nothing can be written or sealed through the folder
  /// Whether the kernel collects what is written and sends it later (its writeback cache), or each write(2) goes straight to the live tree and is answered from
  /// there: errors come at once, nothing of large files fills the page cache, and large writes cost less; only writes of a few KiB cost more.
  /// Unset: straight, where the kernel can also map files that are written so (since Linux 6.6).
  std::optional<bool> writeback_cache;
  std::uint32_t uid = 0;         ///< owner of the folders that belong to nobody else: who mounts
  std::uint32_t gid = 0;
  std::chrono::seconds read_timeout{120};
  /// Data of writes that wait for staging; what finds no place gets ENOSPC at once. A thread that writes has at most 1 MiB here, the kernel's writeback cache 64 MiB.
  std::uint64_t parked_bytes_max = 192ULL << 20;
  std::uint64_t held_bytes_max = 176ULL << 20;  ///< what is kept for names that the kernel remembers: above, it is asked to forget some
  /// What /.holdfast/status.json shows: the document of `holdfast status --json`, which the program knows. Must be
  /// given.
  std::function<std::string()> status_json;
};

/// A mounted repository: /live, /snapshots, /at and /.holdfast on a mountpoint, served by threads of its own until it is unmounted by stop(), umount(8) or
/// fusermount3. One object a mountpoint; the repository and the clock outlive it. Safe from any thread.
class FuseMount {
 public:
  /// Mounts and begins to serve; at return the folder can be used. A dead mount left on the mountpoint is taken away first.
  /// Call it after the last fork. Errors: kInvalidArgument (the mountpoint is no directory, holds the state folder, or lies inside a
  /// Holdfast mount), kUnavailable (no /dev/fuse), kInternal (the kernel or fusermount3 refused; the message has their reason).
  static Result<std::unique_ptr<FuseMount>> start(Repository& repository, Clock& clock, MountOptions options);

  virtual ~FuseMount() = default;  ///< a mount that still stands is detached; what the kernel had not written yet is lost: call stop() or end()

  /// Writes back what the kernel holds, unmounts and ends the threads. Errors: kConflict (files are open; the mount goes on), kInternal.
  /// With `detach` the folder disappears at once; files that are still open get ENOTCONN.
  virtual Status stop(bool detach) = 0;
  /// Ends the mount whatever holds it, as a shutdown wants: as stop(), but never longer than `patience` for what the kernel still holds, and with
  /// files open the folder is detached. All that was written to them and sent to us is staged once the object is gone. Errors: kInternal.
  virtual Status end(std::chrono::seconds patience) = 0;
  /// Returns when the folder is unmounted, by whomever.
  virtual void wait() = 0;
  [[nodiscard]] virtual bool is_mounted() const = 0;

  /// Drops what the kernel caches of the lists of databases and snapshots. Cheap; lists are looked at anew by themselves as well, so this is never needed for correctness.
  virtual void on_catalog_changed() = 0;
  /// Something else than this mount changed `name` below the directory `parent_ino` of a live tree: the kernel's copy of name, attributes and pages goes.
  virtual void on_live_changed(const std::string& database, std::uint64_t parent_ino, const std::string& name, std::uint64_t ino) = 0;

  struct Counters {
    std::size_t nodes = 0;             ///< snapshot nodes the kernel holds
    std::size_t parked = 0;            ///< requests that wait for room in staging
    std::size_t threads = 0;
    bool killpriv = false;             ///< the kernel took FUSE_HANDLE_KILLPRIV_V2
    bool collects_writes = false;      ///< MountOptions::writeback_cache, or what was chosen where that is unset
  };
  [[nodiscard]] virtual Counters counters() const = 0;
};

}  // namespace holdfast
