// SPDX-License-Identifier: Apache-2.0
#include "fs/session_loop.h"

#include <fuse_lowlevel.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>
#include <thread>

#include "core/base/log.h"

namespace holdfast::fs {

SessionLoop::~SessionLoop() { wait_ended(); }

void SessionLoop::add_thread_locked() {
  ++threads_;
  ++idle_;
  try {
    std::thread([this] { serve(); }).detach();  // counted; wait_ended() waits for the count
  } catch (const std::system_error& error) {
    --threads_;
    --idle_;
    log_warning(std::string("no further thread for filesystem requests: ") + error.what());
  }
}

void SessionLoop::start() {
  const std::lock_guard lock(mutex_);
  add_thread_locked();
}

void SessionLoop::serve() {
  fuse_buf buffer{};
  while (fuse_session_exited(session_) == 0) {
    const int got = fuse_session_receive_buf(session_, &buffer);
    if (got == -EINTR || got == -EAGAIN) continue;
    if (got <= 0) {
      if (got < 0) log_error("reading filesystem requests failed: " + std::generic_category().message(-got));
      fuse_session_exit(session_);
      break;
    }
    {
      const std::lock_guard lock(mutex_);
      --idle_;
      if (idle_ == 0 && threads_ < kThreadsMax) add_thread_locked();
    }
    fuse_session_process_buf(session_, &buffer);
    const std::lock_guard lock(mutex_);
    ++idle_;
    if (idle_ > kIdleMax) break;
  }
  std::free(buffer.mem);
  const std::lock_guard lock(mutex_);
  --idle_;
  --threads_;
  if (threads_ == 0) ended_.notify_all();  // under the lock: the object may go as soon as it is free
}

void SessionLoop::wait_ended() {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return threads_ == 0; });
}

bool SessionLoop::has_ended() const {
  const std::lock_guard lock(mutex_);
  return threads_ == 0;
}

std::size_t SessionLoop::thread_count() const {
  const std::lock_guard lock(mutex_);
  return threads_;
}

}  // namespace holdfast::fs
