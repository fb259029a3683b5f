// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fuse_lowlevel.h>

#include <chrono>
#include <exception>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/call_context.h"
#include "fs/interrupts.h"

namespace holdfast::fs {

class OpenHandles;

/// What requests need of the mount they came through.
struct RequestServices {
  Clock& clock;
  InterruptWatch& interrupts;
  std::chrono::nanoseconds timeout;  ///< how long a read waits for networks
  OpenHandles& handles;
};

/// One request of the kernel, answered exactly once, from any thread. Moved along with the work; a request that is dropped unanswered
/// (a bug, or an exception on its way) is answered with EIO. No lock of ours is held while answering.
class Request {
 public:
  Request(RequestServices& services, fuse_req_t request) noexcept : services_(&services), request_(request) {}
  ~Request();
  Request(Request&& other) noexcept
      : services_(other.services_), request_(std::exchange(other.request_, nullptr)), interruption_(std::move(other.interruption_)) {}
  Request& operator=(Request&&) = delete;
  Request(const Request&) = delete;

  /// The context for what is done on behalf of this request: the mount's read timeout as deadline, called off when the caller is killed.
  CallContext context();
  /// Who asks. The umask is the caller's.
  [[nodiscard]] const fuse_ctx& caller() const noexcept { return *fuse_req_ctx(request_); }
  [[nodiscard]] RequestServices& services() const noexcept { return *services_; }
  [[nodiscard]] bool is_answered() const noexcept { return request_ == nullptr; }
  [[nodiscard]] fuse_req_t raw() const noexcept { return request_; }

  // Answers. Those that hand out a counted node return whether the kernel took it; if not, the caller takes the count back.
  void fail(int number);
  /// Maps to an errno; writes a log line when is_worth_logging, naming `subject`.
  void fail(const Error& error, std::string_view subject);
  void done();
  /// done() or fail().
  void finish(const Status& status, std::string_view subject);
  [[nodiscard]] bool entry(const fuse_entry_param& entry);
  [[nodiscard]] bool created(const fuse_entry_param& entry, const fuse_file_info& info);
  [[nodiscard]] bool opened(const fuse_file_info& info);
  void attributes(const struct stat& attributes, double timeout_seconds);
  [[nodiscard]] bool bytes(ByteView bytes);
  void pieces(std::span<const iovec> pieces);
  void text(std::string_view text);
  void link_target(const std::string& target);
  void written(std::size_t size);
  /// For getxattr and listxattr: `asked` is the caller's buffer, 0: only the size is wanted.
  void attribute_value(std::string_view value, std::size_t asked);
  void statistics(const struct statvfs& statistics);
  void position(std::int64_t offset);
  void none();

 private:
  fuse_req_t take();
  static void on_interrupt(fuse_req_t request, void* data);

  struct Hook {
    InterruptWatch* watch;
    std::shared_ptr<Interruption> interruption;
  };
  RequestServices* services_;
  fuse_req_t request_;
  std::unique_ptr<Hook> interruption_;
};

void log_thrown(std::string_view what) noexcept;

/// Runs `work(request)`. What it throws goes no further: it is logged, and the request, dropped on the way, answers EIO
/// by itself.
template <typename Work>
void run_guarded(Request request, Work&& work) noexcept {
  try {
    work(std::move(request));
  } catch (const std::exception& error) {
    log_thrown(error.what());
  } catch (...) {
    log_thrown("something unknown");
  }
}

}  // namespace holdfast::fs
