// SPDX-License-Identifier: Apache-2.0
#include "core/live/dirty_ranges.h"

#include <algorithm>

namespace holdfast {

void DirtyRanges::put(std::uint64_t offset, ByteView data) {
  if (data.empty()) return;
  const auto found = at_or_after(offset);
  if (found != map_.end() && found->first <= offset && offset + data.size() <= found->first + found->second.size()) {
    std::copy(data.begin(), data.end(), map_[found->first].begin() + static_cast<std::ptrdiff_t>(offset - found->first));
    return;
  }
  erase({offset, data.size()});
  bytes_ += data.size();
  auto after = map_.lower_bound(offset);
  if (after != map_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second.size() == offset) {  // small writes in a row stay one stretch
      append(before->second, data);
      return;
    }
  }
  map_.emplace_hint(after, offset, Bytes(data.begin(), data.end()));
}

void DirtyRanges::erase(ByteRange range) {
  for (auto at = map_.lower_bound(range.offset); at != map_.end() && at->first < range.end();) {
    const std::uint64_t size = at->second.size();
    if (at->first + size > range.end()) {
      const auto cut = static_cast<std::ptrdiff_t>(range.end() - at->first);
      map_.emplace(range.end(), Bytes(at->second.begin() + cut, at->second.end()));
      bytes_ += size - static_cast<std::uint64_t>(cut);
    }
    bytes_ -= size;
    at = map_.erase(at);
  }
  const auto after = map_.lower_bound(range.offset);
  if (after == map_.begin()) return;
  const auto before = std::prev(after);
  const std::uint64_t size = before->second.size();
  if (before->first + size <= range.offset) return;
  if (before->first + size > range.end()) {
    const auto cut = static_cast<std::ptrdiff_t>(range.end() - before->first);
    map_.emplace(range.end(), Bytes(before->second.begin() + cut, before->second.end()));
    bytes_ += size - static_cast<std::uint64_t>(cut);
  }
  bytes_ -= before->first + size - range.offset;
  before->second.resize(static_cast<std::size_t>(range.offset - before->first));
}

void DirtyRanges::overlay(std::uint64_t offset, MutableByteView out) const {
  const std::uint64_t end = offset + out.size();
  for (auto at = at_or_after(offset); at != map_.end() && at->first < end; ++at) {
    const std::uint64_t begin = std::max(at->first, offset);
    const std::uint64_t stop = std::min<std::uint64_t>(at->first + at->second.size(), end);
    std::copy_n(at->second.begin() + static_cast<std::ptrdiff_t>(begin - at->first), stop - begin,
                out.begin() + static_cast<std::ptrdiff_t>(begin - offset));
  }
}

DirtyRanges::Map::const_iterator DirtyRanges::at_or_after(std::uint64_t offset) const {
  auto after = map_.upper_bound(offset);
  if (after == map_.begin()) return after;
  const auto before = std::prev(after);
  return before->first + before->second.size() > offset ? before : after;
}

Bytes DirtyRanges::take(std::uint64_t offset) {
  const auto found = map_.find(offset);
  if (found == map_.end()) return {};
  Bytes bytes = std::move(found->second);
  bytes_ -= bytes.size();
  map_.erase(found);
  return bytes;
}

}  // namespace holdfast
