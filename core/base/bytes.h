// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"

namespace holdfast {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableByteView = std::span<std::uint8_t>;

/// Half-open: [offset, offset + size).
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  [[nodiscard]] std::uint64_t end() const noexcept { return offset + size; }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

/// The bytes of a text, not copied.
inline ByteView as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
/// The same memory as text; it need not be valid UTF-8.
inline std::string_view as_text(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline void append(Bytes& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

/// Lower-case hexadecimal digits of `bytes`, two a byte.
std::string to_hex(ByteView bytes);
/// Reads what to_hex writes, upper case too. Errors: kInvalidArgument for an odd length or another character.
Result<Bytes> from_hex(std::string_view text);

}  // namespace holdfast
