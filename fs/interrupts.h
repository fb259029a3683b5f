// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "core/base/clock.h"

namespace holdfast::fs {

/// A request that a signal may call off.
struct Interruption {
  explicit Interruption(pid_t caller) : thread(caller) {}
  std::stop_source stop;
  const pid_t thread;  ///< the caller's thread id; 0: in a process namespace that we can't see
};

/// Decides which signals call a request off. The kernel tells us of every signal, but a read of a regular file must not end with EINTR because a
/// timer ticked (programs don't expect it); so only a pending SIGKILL, into which the kernel turns every fatal signal, calls off. The kernel
/// tells us only once a request, so those that had a harmless signal are looked at again and again. Safe from any thread.
class InterruptWatch {
 public:
  explicit InterruptWatch(Clock& clock);
  ~InterruptWatch();

  /// The kernel said that a signal came for `request`.
  void signalled(const std::shared_ptr<Interruption>& request);

 private:
  void run(const std::stop_token& stop);

  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable_any added_;
  std::vector<std::weak_ptr<Interruption>> watched_;
  std::jthread thread_;
};

/// Whether thread `thread` has a SIGKILL waiting, or is gone (/proc/PID/status, field SigPnd). True for 0, since nobody could be asked then.
bool is_being_killed(pid_t thread) noexcept;

}  // namespace holdfast::fs
