// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "core/base/shared_bytes.h"
#include "core/index/chunk_index.h"

namespace holdfast {

/// Stretches of packs that are being read from front to back, so that their records, of a few KiB each, need not be asked for one by one: a day's chunks lean on the day before's in the
/// order of both. Reads ahead only where the last reads of a pack were close together. Not verified. Safe from any thread.
class PackWindows {
 public:
  /// Fills all of `out` from `offset` of the pack on.
  using Read = std::function<Status(std::uint64_t offset, MutableByteView out)>;

  /// A record that lies in a stretch that was read before.
  [[nodiscard]] std::optional<SharedBytes> find(const ChunkLocation& at);
  /// Reads a record, and what follows it where that is likely to be wanted; `pack_size_bytes` bounds it. Errors: those of `read`.
  Result<SharedBytes> read(const ChunkLocation& at, std::uint64_t pack_size_bytes, const Read& read);

 private:
  struct Window {
    PackNumber pack = 0;
    std::uint64_t offset = 0;  ///< of bytes
    SharedBytes bytes;
    std::uint64_t last_end = 0;  ///< where the record ended that was asked for last
    std::uint64_t used = 0;      ///< a count that grows
  };
  Window* window_of(PackNumber pack);
  Window& new_window(PackNumber pack);

  std::mutex mutex_;
  std::vector<Window> windows_;
  std::uint64_t uses_ = 0;
};

}  // namespace holdfast
