// SPDX-License-Identifier: Apache-2.0
#include "fs/request.h"

#include <cerrno>
#include <string>

#include "core/base/check.h"
#include "core/base/log.h"
#include "fs/errno_map.h"

namespace holdfast::fs {

Request::~Request() {
  if (request_ == nullptr) return;
  log_error("a filesystem request was dropped without an answer; the caller gets EIO");
  fail(EIO);
}

CallContext Request::context() {
  if (!interruption_) {
    interruption_ = std::make_unique<Hook>(
        Hook{&services_->interrupts, std::make_shared<Interruption>(caller().pid)});
    fuse_req_interrupt_func(request_, &Request::on_interrupt, interruption_.get());
  }
  return {services_->clock.mono_now() + std::chrono::duration_cast<MonoTime::duration>(services_->timeout),
          interruption_->interruption->stop.get_token()};
}

// Runs under the library's lock of the request: it must not answer it.
void Request::on_interrupt(fuse_req_t /*request*/, void* data) {
  const Hook* hook = static_cast<const Hook*>(data);
  hook->watch->signalled(hook->interruption);
}

fuse_req_t Request::take() {
  HOLDFAST_CHECK(request_ != nullptr);
  if (interruption_) {
    // Waits for an interrupt that is being handled right now, so that the hook may go.
    fuse_req_interrupt_func(request_, nullptr, nullptr);
    interruption_.reset();
  }
  return std::exchange(request_, nullptr);
}

void Request::fail(int number) { fuse_reply_err(take(), number); }

void Request::fail(const Error& error, std::string_view subject) {
  if (is_worth_logging(error)) {
    std::string line(subject);
    line.append(": ").append(error_code_name(error.code())).append(": ").append(error.message());
    if (!error.network().empty()) line.append(" (network ").append(error.network()).append(")");
    log_error(line);
  }
  fail(errno_of(error));
}

void Request::done() { fuse_reply_err(take(), 0); }

void Request::finish(const Status& status, std::string_view subject) {
  if (status) {
    done();
  } else {
    fail(status.error(), subject);
  }
}

bool Request::entry(const fuse_entry_param& entry) { return fuse_reply_entry(take(), &entry) == 0; }
bool Request::created(const fuse_entry_param& entry, const fuse_file_info& info) {
  return fuse_reply_create(take(), &entry, &info) == 0;
}
bool Request::opened(const fuse_file_info& info) { return fuse_reply_open(take(), &info) == 0; }
void Request::attributes(const struct stat& attributes, double timeout_seconds) {
  fuse_reply_attr(take(), &attributes, timeout_seconds);
}
bool Request::bytes(ByteView bytes) {
  return fuse_reply_buf(take(), reinterpret_cast<const char*>(bytes.data()), bytes.size()) == 0;
}
void Request::pieces(std::span<const iovec> pieces) {
  fuse_reply_iov(take(), pieces.data(), static_cast<int>(pieces.size()));
}
void Request::text(std::string_view text) { fuse_reply_buf(take(), text.data(), text.size()); }
void Request::link_target(const std::string& target) { fuse_reply_readlink(take(), target.c_str()); }
void Request::written(std::size_t size) { fuse_reply_write(take(), size); }
void Request::attribute_value(std::string_view value, std::size_t asked) {
  if (asked == 0) {
    fuse_reply_xattr(take(), value.size());
  } else if (asked < value.size()) {
    fail(ERANGE);
  } else {
    text(value);
  }
}
void Request::statistics(const struct statvfs& statistics) { fuse_reply_statfs(take(), &statistics); }
void Request::position(std::int64_t offset) { fuse_reply_lseek(take(), offset); }
void Request::none() { fuse_reply_none(take()); }

void log_thrown(std::string_view what) noexcept {
  try {
    log_error("internal: a filesystem request failed with " + std::string(what));
  } catch (const std::exception&) {
    return;  // without memory for the line the errno has to do
  }
}

}  // namespace holdfast::fs
