// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

struct fuse_session;

namespace holdfast::fs {

/// What libfuse 3.14 does not show of the request that this thread read last (linux/fuse.h, protocol 7.33).
struct RawRequest {
  std::uint32_t opcode = 0;
  /// FUSE_WRITE_KILL_SUIDGID, FATTR_KILL_SUIDGID or FUSE_OPEN_KILL_SUIDGID: the caller lacks CAP_FSETID, so suid and sgid must go.
  bool kill_suidgid = false;
};

/// Stands between libfuse and /dev/fuse: asks the kernel for capabilities that libfuse 3.14 doesn't know, by setting their bits in the INIT reply.
/// FUSE_HANDLE_KILLPRIV_V2: without it the kernel asks for security.capability before every write(2), which makes 4 KiB writes many times slower.
/// FUSE_DIRECT_IO_ALLOW_MMAP (Linux 6.6): without it no file that is open for direct I/O can be mapped shared.
/// Lives in the Mount that is the session's user data. Safe from any thread once attached.
class KernelChannel {
 public:
  /// Puts itself into `session`, which is mounted already and not yet served. False when libfuse refuses.
  bool attach(fuse_session* session);

  /// Of the request that the calling thread read last.
  static const RawRequest& current() noexcept;
  /// Whether the kernel offered the capability and was asked for it: then suid, sgid and security.capability are ours to clear.
  [[nodiscard]] bool has_killpriv() const noexcept { return killpriv_.load(std::memory_order_relaxed); }
  /// Whether files that are open for direct I/O can be mapped if that is asked for. From INIT on.
  [[nodiscard]] bool offers_direct_mmap() const noexcept { return offers_direct_mmap_; }
  /// Asks for it. Before INIT is answered.
  void want_direct_mmap() noexcept { wants_direct_mmap_ = true; }

 private:
  friend struct ChannelCalls;
  std::atomic<bool> offers_killpriv_ = false;
  std::atomic<bool> offers_direct_mmap_ = false;
  std::atomic<bool> wants_direct_mmap_ = false;
  std::atomic<bool> killpriv_ = false;
};

}  // namespace holdfast::fs
