// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>

#include "core/base/clock.h"

struct fuse_session;

namespace holdfast::fs {

/// One thread's way to requests, with a buffer of its own. One thread.
class RequestReader {
 public:
  virtual ~RequestReader() = default;
  /// Waits for the next request and keeps it. Above 0 when there is one, 0 when the filesystem is unmounted, else a
  /// negative errno.
  virtual int receive() = 0;
  /// Has the request answered, now or later in another thread.
  virtual void process() = 0;
};

/// Where requests come from. Safe from any thread.
class RequestSource {
 public:
  virtual ~RequestSource() = default;
  virtual std::unique_ptr<RequestReader> make_reader() = 0;
  /// Whether no more requests are to be read: the filesystem is unmounted, or end() was called.
  [[nodiscard]] virtual bool has_ended() const = 0;
  virtual void end() = 0;
};

/// The requests of a mounted session, which outlives the source.
std::unique_ptr<RequestSource> requests_of(fuse_session* session);

/// The threads that read requests. There is always one that waits for the next request as long as fewer than kThreadsMax exist, whatever the others wait for; those
/// that are not needed end. (libfuse's own loop gives up growing at ten, and ends its threads by cancelling them.)
class SessionLoop {
 public:
  /// More than may wait at the slow gate, so that some are always free for what is answered from memory.
  static constexpr std::size_t kThreadsMax = 160;
  static constexpr std::size_t kIdleMax = 6;  ///< each keeps a buffer of 1 MiB

  SessionLoop(std::unique_ptr<RequestSource> source, Clock& clock) : source_(std::move(source)), clock_(clock) {}
  /// Every thread has ended (see wait_ended).
  ~SessionLoop();

  /// Serves in threads of its own until the filesystem is unmounted. Errors: kInternal (no thread can be made: nothing
  /// is served).
  Status start();
  /// Returns when the filesystem is unmounted and all threads have ended.
  void wait_ended();
  [[nodiscard]] bool has_ended() const;
  [[nodiscard]] std::size_t thread_count() const;

 private:
  void serve();
  void read_requests();
  bool receive(RequestReader& reader);
  void begin_work();
  bool is_spare_after_work();
  Status add_thread_locked();

  const std::unique_ptr<RequestSource> source_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;  ///< of them, those that wait for a request; not those that are leaving
};

}  // namespace holdfast::fs
