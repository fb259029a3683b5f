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

/// Stands between libfuse and /dev/fuse: asks the kernel for FUSE_HANDLE_KILLPRIV_V2, which libfuse 3.14 doesn't know, by setting its bit in the INIT reply.
/// Without it the kernel asks for security.capability before every write(2), which makes 4 KiB writes many times slower.
/// Lives in the Mount that is the session's user data. Safe from any thread once attached.
class KernelChannel {
 public:
  /// Puts itself into `session`, which is mounted already and not yet served. False when libfuse refuses.
  bool attach(fuse_session* session);

  /// Of the request that the calling thread read last.
  static const RawRequest& current() noexcept;
  /// Whether the kernel offered the capability and was asked for it: then suid, sgid and security.capability are ours to clear.
  [[nodiscard]] bool has_killpriv() const noexcept { return killpriv_.load(std::memory_order_relaxed); }

 private:
  friend struct ChannelCalls;
  std::atomic<bool> offered_ = false;
  std::atomic<bool> killpriv_ = false;
};

}  // namespace holdfast::fs
