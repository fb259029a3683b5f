// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/base/clock.h"
#include "core/store/limited_store.h"

namespace holdfast {

/// How many bytes went to and came from each network in this calendar month (UTC), in a file of the state folder. The file says more than was moved, by at most kAheadBytes a network, and never
/// less, so that a crash makes nobody pass his free tier; an orderly end writes what it was. Losing the file means counting from nothing, which is logged. Where it can't be written, this run
/// goes on counting in memory. Safe from any thread; of one process (the state's owner).
class TrafficBook final : public TrafficLedger {
 public:
  static constexpr std::uint64_t kAheadBytes = 64ULL << 20;
  /// Reads and writes nothing before the first charge().
  TrafficBook(std::string path, Clock& clock) : path_(std::move(path)), clock_(clock) {}
  ~TrafficBook() override;

  Status charge(const std::string& network, std::uint64_t size_bytes, std::uint64_t quota_bytes) override;
  std::uint64_t moved(const std::string& network) override;

 private:
  struct Count {
    std::uint64_t moved_bytes = 0;
    std::uint64_t written_bytes = 0;  ///< as the file says
  };
  void begin();  // mutex held
  Status load();
  Status save();
  const std::string path_;
  Clock& clock_;
  std::mutex mutex_;
  bool is_loaded_ = false;
  bool is_told_ = false;       ///< that the file can't be written
  std::uint32_t month_ = 0;    ///< year * 12 + month, from 0 on
  std::map<std::string, Count> counts_;
};

}  // namespace holdfast
