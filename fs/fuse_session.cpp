// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_session.h"

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>
#include <future>

#include "core/base/log.h"
#include "fs/catalog_nodes.h"
#include "fs/forgetter.h"
#include "fs/fuse_ops.h"
#include "fs/mount.h"
#include "fs/mount_guard.h"
#include "fs/session_loop.h"
#include "fs/stderr_capture.h"

namespace holdfast {

namespace fs {

namespace {
constexpr unsigned kRequestBytesMax = 1U << 20;
/// Writes that the kernel sends by itself, at most this many at once, each of at most 1 MiB: what parked ones may keep in memory.
constexpr unsigned kCollectedWritesMax = 64;
/// Read-ahead, where it sends no writes by itself: some readers of networks that hang leave room for others.
constexpr unsigned kReadsAheadMax = 1024;
constexpr unsigned kReadAheadKib = 1024;
}  // namespace

void Mount::negotiate(fuse_conn_info& connection) {
  const auto want = [&](unsigned capability, bool wanted) {
    if (wanted && (connection.capable & capability) != 0) {
      connection.want |= capability;
    } else {
      connection.want &= ~capability;
    }
  };
  connection.max_write = kRequestBytesMax;
  connection.max_read = kRequestBytesMax;  // as the mount option says; the library wants it twice
  connection.max_readahead = UINT32_MAX;
  connection.time_gran = 1;
  collects_writes = options.writeback_cache.value_or(!channel.offers_direct_mmap());
  connection.max_background = collects_writes ? kCollectedWritesMax : kReadsAheadMax;
  connection.congestion_threshold = connection.max_background;
  want(FUSE_CAP_WRITEBACK_CACHE, collects_writes);
  if (!collects_writes) channel.want_direct_mmap();
  want(FUSE_CAP_PARALLEL_DIROPS, true);
  want(FUSE_CAP_READDIRPLUS, true);
  want(FUSE_CAP_READDIRPLUS_AUTO, true);
  want(FUSE_CAP_CACHE_SYMLINKS, true);
  want(FUSE_CAP_ATOMIC_O_TRUNC, true);
  // Read-ahead as background requests: a reader copies one while the next is answered. Not where the kernel collects writes: reads would stand in one line with those that wait for staging.
  want(FUSE_CAP_ASYNC_READ, !collects_writes);
  want(FUSE_CAP_ASYNC_DIO, false);
  // Pages go when we say so, not when times differ: the kernel's own copy is the newer one.
  want(FUSE_CAP_AUTO_INVAL_DATA, false);
  want(FUSE_CAP_EXPLICIT_INVAL_DATA, true);
  // What is read and written lies in our memory, so pipes would only add a copy.
  want(FUSE_CAP_SPLICE_READ, false);
  want(FUSE_CAP_SPLICE_WRITE, false);
  want(FUSE_CAP_SPLICE_MOVE, false);
  want(FUSE_CAP_POSIX_ACL, false);
  want(FUSE_CAP_HANDLE_KILLPRIV, false);  // the kernel channel asks for its successor
  ready = true;
}

}  // namespace fs

namespace {

class SessionMount final : public FuseMount {
 public:
  SessionMount(Repository& repository, Clock& clock, MountOptions options)
      : mount_(repository, clock, std::move(options)) {
    fs::add_fixed_nodes(mount_);
  }

  ~SessionMount() override {
    if (mount_.session == nullptr) return;
    if (loop_) {
      if (!loop_->has_ended()) {
        // Files that are still open in a detached mount would keep the threads waiting for ever, so the connection is cut first.
        mount_.lot->close();
        abort_connection();
        const Status detached = fs::unmount_path(mount_.options.mountpoint, true);
        if (!detached && detached.error().code() != ErrorCode::kNotFound) log_error(detached.error().message());
      }
      loop_->wait_ended();
      finish_requests();
    }
    forgetter_.reset();  // while there is a session to tell
    fuse_session_unmount(mount_.session);
    fuse_session_destroy(mount_.session);
  }

  Status begin() {
    std::string choices = "default_permissions,subtype=holdfast,max_read=" + std::to_string(fs::kRequestBytesMax) +
                          ",fsname=" + mount_.options.fsname;
    if (mount_.options.allow_other) choices += ",allow_other";
    if (mount_.options.read_only) choices += ",ro";
    std::string name = "holdfast";
    std::string flag = "-o";
    char* words[] = {name.data(), flag.data(), choices.data(), nullptr};
    fuse_args arguments{3, words, 0};
    const fuse_lowlevel_ops& operations = fs::fuse_operations();
    mount_.session = fuse_session_new(&arguments, &operations, sizeof operations, &mount_);
    fuse_opt_free_args(&arguments);  // the library has put copies of its own there
    if (mount_.session == nullptr) return Error(ErrorCode::kInternal, "the FUSE library refused the mount options " + choices);
    if (::access("/dev/fuse", F_OK) != 0) return Error(ErrorCode::kUnavailable, "there is no /dev/fuse here: load the fuse module, or give the container the device");
    fs::StderrCapture said;
    const int refused = fuse_session_mount(mount_.session, mount_.options.mountpoint.c_str());
    const std::string reason = said.end();
    if (refused != 0) {
      return Error(ErrorCode::kInternal, "mounting on " + mount_.options.mountpoint + " was refused: " + (reason.empty() ? "no reason was given" : reason));
    }
    if (!reason.empty()) log_info("while mounting: " + reason);
    if (!mount_.channel.attach(mount_.session)) return Error(ErrorCode::kInternal, "the FUSE library refused our channel");
    loop_ = std::make_unique<fs::SessionLoop>(fs::requests_of(mount_.session), mount_.clock);
    HOLDFAST_TRY(loop_->start());
    HOLDFAST_TRY(settle_in());
    forgetter_ = std::make_unique<fs::Forgetter>(mount_);
    return ok_status();
  }

  Status stop(bool detach) override {
    if (!is_mounted()) return ok_status();
    write_back();
    if (detach) abort_connection();
    Status unmounted = fs::unmount_path(mount_.options.mountpoint, detach);
    if (!unmounted && unmounted.error().code() != ErrorCode::kNotFound) return unmounted;
    loop_->wait_ended();
    return ok_status();
  }
  Status end(std::chrono::seconds patience) override {
    if (!is_mounted()) return ok_status();
    // In a thread of its own: the kernel waits for writes that may wait for room in staging. The thread ends at the latest when the connection is cut.
    const std::future<void> written = std::async(std::launch::async, [this] { write_back(); });
    if (written.wait_for(patience) == std::future_status::ready) {
      const Status unmounted = fs::unmount_path(mount_.options.mountpoint, false);
      if (unmounted || unmounted.error().code() == ErrorCode::kNotFound) {
        loop_->wait_ended();
        return ok_status();
      }
      log_warning(unmounted.error().message() + "; detaching");
    } else {
      log_error("the kernel could not write all it holds within " + std::to_string(patience.count()) + " s, since staging is full; the rest is lost");
    }
    mount_.lot->close();
    abort_connection();
    const Status detached = fs::unmount_path(mount_.options.mountpoint, true);
    if (!detached && detached.error().code() != ErrorCode::kNotFound) return detached;
    loop_->wait_ended();
    return ok_status();
  }
  void wait() override { loop_->wait_ended(); }
  [[nodiscard]] bool is_mounted() const override { return loop_ && !loop_->has_ended(); }

  void on_catalog_changed() override {
    mount_.table.visit_children(fs::kSnapshotsId, [this](const fs::Node& database) {
      fuse_lowlevel_notify_inval_inode(mount_.session, database.id(), -1, 0);
      const auto names = mount_.names.of(database.key());
      for (const auto& [link, target] : names->links) {
        fuse_lowlevel_notify_inval_entry(mount_.session, database.id(), link.c_str(), link.size());
      }
    });
  }

  void on_live_changed(const std::string& database, std::uint64_t parent_ino, const std::string& name,
                       std::uint64_t ino) override {
    const fs::NodeId parent = mount_.live.known_node(database, parent_ino);
    if (parent == 0) return;
    fuse_lowlevel_notify_inval_entry(mount_.session, parent, name.c_str(), name.size());
    fuse_lowlevel_notify_inval_inode(mount_.session, parent, -1, 0);
    if (ino != 0) fuse_lowlevel_notify_inval_inode(mount_.session, mount_.live.known_node(database, ino), 0, 0);
  }

  [[nodiscard]] Counters counters() const override {
    return {mount_.table.size(), mount_.lot->parked_count(), loop_ ? loop_->thread_count() : 0, mount_.channel.has_killpriv(),
            mount_.collects_writes};
  }

  fs::Mount& parts() noexcept { return mount_; }

 private:
  /// Any access makes the kernel finish INIT; then more read-ahead than its 128 KiB is asked for, which only root may.
  Status settle_in() {
    struct stat status{};
    if (::stat(mount_.options.mountpoint.c_str(), &status) != 0) {
      return Error(ErrorCode::kInternal, "the mount on " + mount_.options.mountpoint + " does not answer");
    }
    device_ = status.st_dev;
    std::ofstream file("/sys/class/bdi/" + std::to_string(major(device_)) + ":" + std::to_string(minor(device_)) + "/read_ahead_kb");
    file << fs::kReadAheadKib;
    return ok_status();
  }

  /// No thread reads requests any more; those that wait or work elsewhere are answered while there is a session to answer to, and what was
  /// written to files that the kernel never released is kept.
  void finish_requests() {
    mount_.lot->close();
    mount_.seals.finish();
    mount_.pool->finish();
    for (const auto& handle : mount_.handles.release_all()) {
      if (const auto file = std::dynamic_pointer_cast<fs::LiveHandle>(handle)) mount_.live.keep_what_was_written(file);
    }
  }

  /// Has the kernel send us what it holds, while the threads still serve.
  void write_back() const {
    const int directory = ::open(mount_.options.mountpoint.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return;
    if (::syncfs(directory) != 0) log_error("writing back what the kernel held before unmounting failed; see the lines before");
    ::close(directory);
  }

  void abort_connection() const {
    (void)::umount2(mount_.options.mountpoint.c_str(), MNT_FORCE | UMOUNT_NOFOLLOW);  // root's way; may say busy, and has cut it then
    std::ofstream file("/sys/fs/fuse/connections/" + std::to_string(minor(device_)) + "/abort");
    file << 1;
  }

  fs::Mount mount_;
  std::unique_ptr<fs::SessionLoop> loop_;
  std::unique_ptr<fs::Forgetter> forgetter_;
  dev_t device_ = 0;
};

}  // namespace

Result<std::unique_ptr<FuseMount>> FuseMount::start(Repository& repository, Clock& clock, MountOptions options) {
  HOLDFAST_CHECK(options.status_json != nullptr);
  HOLDFAST_ASSIGN(options.mountpoint, fs::prepare_mountpoint(options.mountpoint, options.state_directory, options.other_folders));
  auto mount = std::make_unique<SessionMount>(repository, clock, std::move(options));
  HOLDFAST_TRY(mount->begin());
  return std::unique_ptr<FuseMount>(std::move(mount));
}

}  // namespace holdfast
