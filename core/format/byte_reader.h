// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/format/prelude.h"

namespace holdfast {

/// The little-endian number in the first sizeof(T) bytes of `at`; the caller has checked that there are so many.
template <std::unsigned_integral T>
[[nodiscard]] T load_le(ByteView at) noexcept {
  HOLDFAST_CHECK(at.size() >= sizeof(T));
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(static_cast<T>(at[i]) << (8 * i)));
  }
  return value;
}

/// Reads the layouts of FORMAT.md §1 from the front of bytes that may be anything at all. Every error is kCorrupt
/// (kUnsupported for a version or suite) and names the structure and the offset. After an error the position is unspecified. Views
/// that it gives point into the input. One thread.
class ByteReader {
 public:
  /// `what` names the structure in messages ("log segment"); it and `in` must outlive the reader.
  ByteReader(ByteView in, std::string_view what) noexcept : in_(in), what_(what) {}

  Result<std::uint8_t> u8() { return fixed<std::uint8_t>(); }
  Result<std::uint16_t> u16() { return fixed<std::uint16_t>(); }
  Result<std::uint32_t> u32() { return fixed<std::uint32_t>(); }
  Result<std::uint64_t> u64() { return fixed<std::uint64_t>(); }
  Result<std::int64_t> i64();
  /// Refuses more than 10 bytes, more than 64 bits, and a form that is not the shortest.
  Result<std::uint64_t> varint();
  /// A varint that must not exceed `max`.
  Result<std::uint64_t> varint_at_most(std::uint64_t max);
  /// A varint that counts items of at least `item_min_bytes` (1 or more) each: one that the bytes left can't hold is
  /// refused, so that it is safe to reserve memory for so many.
  Result<std::size_t> count(std::size_t item_min_bytes);
  /// Exactly `size` bytes.
  Result<ByteView> raw(std::size_t size);
  template <typename Id>
  Result<Id> id() {
    HOLDFAST_ASSIGN(const ByteView view, raw(Id::size));
    return Id::from(view);
  }
  /// A varint length, at most `size_max`, then so many bytes.
  Result<ByteView> bytes(std::size_t size_max = kNoLimit);
  Result<std::string_view> text(std::size_t size_max = kNoLimit);
  /// Reserved bytes: refuses any that is not zero.
  Status zeros(std::size_t count);
  /// Magic, version and suite. Errors: kCorrupt for another magic ("pack does not begin with HFPACK01"); kUnsupported for
  /// another version or suite ("pack has format version 7; this program reads 1").
  Status prelude(const ObjectKind& kind);
  /// Refuses bytes left over.
  Status expect_end() const;

  [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
  [[nodiscard]] ByteView rest() const noexcept { return in_.subspan(offset_); }
  [[nodiscard]] bool at_end() const noexcept { return offset_ == in_.size(); }
  /// What has been read since `offset` (an earlier offset()).
  [[nodiscard]] ByteView read_since(std::size_t offset) const noexcept { return in_.subspan(offset, offset_ - offset); }
  /// kCorrupt with the structure, the offset and `why`: for refusals that the caller finds.
  [[nodiscard]] Error corrupt(std::string_view why) const;

  static constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);

 private:
  template <std::unsigned_integral T>
  Result<T> fixed() {
    HOLDFAST_ASSIGN(const ByteView view, raw(sizeof(T)));
    return load_le<T>(view);
  }
  ByteView in_;
  std::size_t offset_ = 0;
  std::string_view what_;
};

}  // namespace holdfast
