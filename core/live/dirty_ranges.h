// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>

#include "core/base/bytes.h"

namespace holdfast {

/// Bytes written to a file that are in no chunk yet, by offset: stretches that don't overlap. One thread at a time.
class DirtyRanges {
 public:
  /// Later bytes replace earlier ones.
  void put(std::uint64_t offset, ByteView data);
  /// Forgets what lies in the range.
  void erase(ByteRange range);
  /// Copies what lies in [offset, offset + out.size()) over `out`.
  void overlay(std::uint64_t offset, MutableByteView out) const;
  /// The stretch that holds `offset` or else begins after it; end() when there is none.
  using Map = std::map<std::uint64_t, Bytes>;
  [[nodiscard]] Map::const_iterator at_or_after(std::uint64_t offset) const;
  /// Takes the stretch that begins at exactly `offset` out.
  Bytes take(std::uint64_t offset);

  [[nodiscard]] const Map& all() const noexcept { return map_; }
  [[nodiscard]] bool empty() const noexcept { return map_.empty(); }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return bytes_; }
  /// One past the last byte; 0 when empty.
  [[nodiscard]] std::uint64_t end_offset() const { return map_.empty() ? 0 : map_.rbegin()->first + map_.rbegin()->second.size(); }

 private:
  Map map_;
  std::uint64_t bytes_ = 0;
};

}  // namespace holdfast
