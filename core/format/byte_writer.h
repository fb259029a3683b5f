// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/format/prelude.h"

namespace holdfast {

/// Writes `value` little-endian into the first sizeof(T) bytes of `at`, which must hold that many.
template <std::unsigned_integral T>
void store_le(MutableByteView at, T value) noexcept {
  HOLDFAST_CHECK(at.size() >= sizeof(T));
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    at[i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
}

/// Appends the layouts of FORMAT.md §1 to a buffer of the caller, which must outlive the writer. Calls chain. One thread.
class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) noexcept : out_(out) {}

  ByteWriter& u8(std::uint8_t value) { return fixed(value); }
  ByteWriter& u16(std::uint16_t value) { return fixed(value); }
  ByteWriter& u32(std::uint32_t value) { return fixed(value); }
  ByteWriter& u64(std::uint64_t value) { return fixed(value); }
  /// Two's complement, as `u64`.
  ByteWriter& i64(std::int64_t value) { return fixed(static_cast<std::uint64_t>(value)); }
  /// The one big-endian layout of the format: names in link tables, so that they sort by number.
  ByteWriter& u64_big_endian(std::uint64_t value);
  /// LEB128 in its shortest form, 1..10 bytes.
  ByteWriter& varint(std::uint64_t value);
  /// The bytes as they are, without a length.
  ByteWriter& raw(ByteView bytes) {
    append(out_, bytes);
    return *this;
  }
  template <typename Tag, std::size_t kSize>
  ByteWriter& id(const FixedBytes<Tag, kSize>& value) {
    return raw(value.view());
  }
  /// A varint length, then the bytes.
  ByteWriter& bytes(ByteView value) { return varint(value.size()).raw(value); }
  ByteWriter& text(std::string_view value) { return bytes(as_bytes(value)); }
  ByteWriter& zeros(std::size_t count) {
    out_.insert(out_.end(), count, 0);
    return *this;
  }
  /// Magic, version and suite: kPreludeBytes.
  ByteWriter& prelude(const ObjectKind& kind) { return raw(as_bytes(kind.magic)).u16(kFormatVersion).u16(kFormatSuite); }

 private:
  template <std::unsigned_integral T>
  ByteWriter& fixed(T value) {
    std::array<std::uint8_t, sizeof(T)> bytes{};
    store_le(bytes, value);
    return raw(bytes);
  }
  Bytes& out_;
};

}  // namespace holdfast
