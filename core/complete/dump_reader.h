// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/complete/completeness.h"

namespace holdfast {

/// Reads forward through a file in windows and skips without reading what a skip jumps over. What runs past the end is kIncomplete:
/// checks return that code for every fault of the bytes, and check_completeness() makes a verdict of it. One thread.
class DumpReader {
 public:
  explicit DumpReader(RandomBytes& bytes, std::uint64_t offset = 0) : bytes_(bytes), size_(bytes.size()), offset_(offset) {}

  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint64_t left() const noexcept { return size_ - offset_; }
  [[nodiscard]] bool at_end() const noexcept { return offset_ == size_; }

  /// A view of the next `count` bytes (at most kWindowBytes), valid until the next call.
  Result<ByteView> take(std::size_t count);
  /// The next bytes, as many as are at hand: 1..kWindowBytes; empty at the end.
  Result<ByteView> take_some();
  Result<std::uint8_t> u8();
  Result<std::uint64_t> little_endian(std::size_t count);
  Status skip(std::uint64_t count);

  static constexpr std::size_t kWindowBytes = 64 * 1024;

 private:
  Status load();
  RandomBytes& bytes_;
  std::uint64_t size_;
  std::uint64_t offset_;
  std::uint64_t window_offset_ = 0;
  Bytes window_;
};

/// An error that becomes the verdict "incomplete" with this reason.
inline Error cut_off(std::string reason) { return {ErrorCode::kIncomplete, std::move(reason)}; }

/// First and last bytes of a stream that is seen once, for checks of what a compressed file holds. One thread.
class StreamEnds {
 public:
  static constexpr std::size_t kHeadBytes = 8 * 1024;
  static constexpr std::size_t kTailBytes = 8 * 1024;
  void add(ByteView bytes);
  [[nodiscard]] ByteView head() const noexcept { return head_; }
  [[nodiscard]] ByteView tail() const noexcept {
    return ByteView(tail_).last(std::min(tail_.size(), kTailBytes));
  }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  Bytes head_;
  Bytes tail_;
  std::uint64_t size_ = 0;
};

}  // namespace holdfast
