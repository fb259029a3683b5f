// SPDX-License-Identifier: Apache-2.0
#include "fs/session_loop.h"

#include <fuse_lowlevel.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "core/base/log.h"
#include "fs/request_buffer.h"

namespace holdfast::fs {

namespace {

/// A thread that has no memory to read with tries again after this time: the request stays with the kernel.
constexpr std::chrono::milliseconds kAgainAfter{100};

class FuseReader final : public RequestReader {
 public:
  FuseReader(fuse_session* session, std::shared_ptr<RequestBuffers> buffers)
      : session_(session), buffers_(std::move(buffers)), memory_(buffers_->take()) {}
  int receive() override {
    request_.mem = memory_->bytes;
    const int got = fuse_session_receive_buf(session_, &request_);
    memory_->bytes = request_.mem;
    return got;
  }
  void process() override {
    const CurrentRequestBuffer current(memory_);
    fuse_session_process_buf(session_, &request_);
    if (current.was_lent()) memory_ = buffers_->take();
  }

 private:
  fuse_session* const session_;
  const std::shared_ptr<RequestBuffers> buffers_;
  std::shared_ptr<RequestMemory> memory_;
  fuse_buf request_{};
};

class FuseRequests final : public RequestSource {
 public:
  explicit FuseRequests(fuse_session* session) : session_(session) {}
  std::unique_ptr<RequestReader> make_reader() override { return std::make_unique<FuseReader>(session_, buffers_); }
  [[nodiscard]] bool has_ended() const override { return fuse_session_exited(session_) != 0; }
  void end() override { fuse_session_exit(session_); }

 private:
  fuse_session* const session_;
  const std::shared_ptr<RequestBuffers> buffers_ = std::make_shared<RequestBuffers>();
};

}  // namespace

std::unique_ptr<RequestSource> requests_of(fuse_session* session) { return std::make_unique<FuseRequests>(session); }

SessionLoop::~SessionLoop() { wait_ended(); }

Status SessionLoop::add_thread_locked() {
  ++threads_;
  ++idle_;
  try {
    std::thread([this] { serve(); }).detach();  // counted; wait_ended() waits for the count
  } catch (const std::system_error& error) {
    --threads_;
    --idle_;
    return Error(ErrorCode::kInternal, std::string("no further thread for filesystem requests: ") + error.what());
  }
  return ok_status();
}

Status SessionLoop::start() {
  const std::lock_guard lock(mutex_);
  return add_thread_locked();
}

void SessionLoop::serve() {
  read_requests();
  const std::lock_guard lock(mutex_);
  --threads_;
  if (threads_ == 0) ended_.notify_all();  // under the lock: the object may go as soon as it is free
}

/// Counted in idle_ when it begins, and no longer when it returns.
void SessionLoop::read_requests() {
  const std::unique_ptr<RequestReader> reader = source_->make_reader();
  while (receive(*reader)) {
    begin_work();
    reader->process();
    if (is_spare_after_work()) return;
  }
  const std::lock_guard lock(mutex_);
  --idle_;
}

/// False when there is nothing more to read.
bool SessionLoop::receive(RequestReader& reader) {
  bool told = false;
  while (!source_->has_ended()) {
    const int got = reader.receive();
    if (got > 0) return true;
    if (got == -EINTR || got == -EAGAIN) continue;
    if (got == -ENOMEM) {
      if (!told) log_warning("there is no memory to read filesystem requests with; trying again and again");
      told = true;
      (void)clock_.sleep_until(clock_.mono_now() + kAgainAfter, {}).has_value();
      continue;
    }
    if (got < 0) log_error("reading filesystem requests failed: " + std::generic_category().message(-got));
    source_->end();
  }
  return false;
}

void SessionLoop::begin_work() {
  const std::lock_guard lock(mutex_);
  --idle_;
  if (idle_ > 0 || threads_ >= kThreadsMax) return;
  const Status added = add_thread_locked();
  if (!added) log_warning(added.error().message());
}

/// Whether this thread is to leave, since enough others wait. Decided and counted in one step: were one that leaves
/// still counted among those that wait, the others would leave on its account, down to the last, and nobody would read
/// requests any more.
bool SessionLoop::is_spare_after_work() {
  const std::lock_guard lock(mutex_);
  if (idle_ >= kIdleMax) return true;
  ++idle_;
  return false;
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
