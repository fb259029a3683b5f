// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/base/waker.h"
#include "core/ingest/plain_cache.h"

namespace holdfast {

/// Chunks that somebody is reading, so that others who want the same one wait instead of reading it too. Who leads a flight may
/// wait for the flight of a base, and only for that: bases never form a circle, since ids are hashes. Safe from any thread.
class ChunkFlights {
 public:
  using Outcome = Result<PlainCache::Item>;

  /// One read under way.
  struct Flight {
    explicit Flight(const ChunkRef& wanted) : ref(wanted) {}
    const ChunkRef ref;
    std::mutex mutex;
    bool done = false;
    std::optional<Outcome> outcome;  ///< nullopt when done: the leader gave up, try yourself
    std::vector<Waker*> waiting;
  };

  struct Place {
    std::shared_ptr<Flight> flight;
    bool leads = false;
  };
  /// Takes a place in the flight of `ref`. nullptr when another reference with the same id is under way: read alone.
  Place join(const ChunkRef& ref) {
    const std::lock_guard lock(mutex_);
    auto& flight = flights_[ref.id];
    if (!flight) {
      flight = std::make_shared<Flight>(ref);
      return {flight, true};
    }
    if (flight->ref != ref) return {};
    return {flight, false};
  }

  /// For the leader, once.
  void land(const std::shared_ptr<Flight>& flight, std::optional<Outcome> outcome) {
    {
      const std::lock_guard lock(mutex_);
      flights_.erase(flight->ref.id);
    }
    const std::lock_guard lock(flight->mutex);
    flight->done = true;
    flight->outcome = std::move(outcome);
    for (Waker* waker : flight->waiting) waker->wake();
  }

  /// For the others: the leader's outcome; nullopt when it gave up. Errors in the outer result: kDeadlineExceeded, kCancelled of `context`.
  static Result<std::optional<Outcome>> wait(Flight& flight, Clock& clock, const CallContext& context) {
    Waker waker;
    {
      const std::lock_guard lock(flight.mutex);
      if (flight.done) return flight.outcome;
      flight.waiting.push_back(&waker);
    }
    for (;;) {
      waker.wait_until(clock, context.deadline, context.stop);
      const Status in_time = check_context(context, clock, "waiting for a chunk");
      const std::lock_guard lock(flight.mutex);
      if (!flight.done && in_time) continue;
      std::erase(flight.waiting, &waker);
      if (flight.done) return flight.outcome;
      return in_time.error();
    }
  }

 private:
  std::mutex mutex_;
  std::unordered_map<ChunkId, std::shared_ptr<Flight>> flights_;
};

}  // namespace holdfast
