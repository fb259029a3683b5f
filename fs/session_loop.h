// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

struct fuse_session;

namespace holdfast::fs {

/// The threads that read requests. There is always one that waits for the next request as long as fewer than kThreadsMax exist, whatever the others wait for; those
/// that are not needed end. (libfuse's own loop gives up growing at ten, and ends its threads by cancelling them.)
class SessionLoop {
 public:
  /// More than may wait at the slow gate, so that some are always free for what is answered from memory.
  static constexpr std::size_t kThreadsMax = 160;
  static constexpr std::size_t kIdleMax = 6;  ///< each keeps a buffer of 1 MiB

  explicit SessionLoop(fuse_session* session) : session_(session) {}
  /// Every thread has ended (see wait_ended).
  ~SessionLoop();

  /// Serves in threads of its own until the filesystem is unmounted.
  void start();
  /// Returns when the filesystem is unmounted and all threads have ended.
  void wait_ended();
  [[nodiscard]] bool has_ended() const;
  [[nodiscard]] std::size_t thread_count() const;

 private:
  void serve();
  void add_thread_locked();

  fuse_session* const session_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
};

}  // namespace holdfast::fs
