// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/bytes.h"
#include "core/format/byte_reader.h"

namespace holdfast {

/// Says of a 16-byte key that it is surely absent or perhaps there: a Bloom filter whose probes for one key stay within 64
/// bytes (Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007), ten bits a key. Keys must be
/// hashes. Lines are in the order of keys, so that a sorted build writes from front to back.
class IndexFilter {
 public:
  static constexpr std::size_t kLineBytes = 64;
  static constexpr std::uint64_t kBitsPerKey = 10;

  static std::uint64_t size_bytes_for(std::uint64_t key_count) {
    return (key_count * kBitsPerKey / (kLineBytes * 8) + 1) * kLineBytes;
  }
  explicit IndexFilter(std::uint64_t key_count) : bits_(size_bytes_for(key_count)) {}
  /// Takes what bytes() gave; the size must be a multiple of kLineBytes and not 0.
  explicit IndexFilter(Bytes bits) : bits_(std::move(bits)) {}

  void add(ByteView key) noexcept {
    std::uint8_t* line = line_of(key);
    for_each_bit(key, [line](std::size_t bit) {
      line[bit / 8] = static_cast<std::uint8_t>(line[bit / 8] | (1U << (bit % 8)));
      return true;
    });
  }
  [[nodiscard]] bool may_hold(ByteView key) const noexcept {
    const std::uint8_t* line = const_cast<IndexFilter*>(this)->line_of(key);
    return for_each_bit(key, [line](std::size_t bit) { return (static_cast<unsigned>(line[bit / 8] >> (bit % 8)) & 1U) != 0; });
  }
  [[nodiscard]] const Bytes& bytes() const noexcept { return bits_; }

  /// The first eight bytes as a number that sorts as the key does.
  static std::uint64_t prefix_of(ByteView key) noexcept { return __builtin_bswap64(load_le<std::uint64_t>(key)); }

 private:
  std::uint8_t* line_of(ByteView key) noexcept {
    __extension__ using Wide = unsigned __int128;
    const std::uint64_t lines = bits_.size() / kLineBytes;
    return bits_.data() + static_cast<std::uint64_t>((Wide{prefix_of(key)} * lines) >> 64U) * kLineBytes;
  }
  template <typename Visit>
  static bool for_each_bit(ByteView key, Visit visit) noexcept {
    std::uint64_t rest = load_le<std::uint64_t>(key.subspan(8));
    for (int probe = 0; probe < 6; ++probe, rest >>= 9U) {
      if (!visit(static_cast<std::size_t>(rest & 511U))) return false;
    }
    return true;
  }
  Bytes bits_;
};

}  // namespace holdfast
