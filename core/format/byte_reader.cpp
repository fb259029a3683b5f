// SPDX-License-Identifier: Apache-2.0
#include "core/format/byte_reader.h"

#include <algorithm>

namespace holdfast {

Error ByteReader::corrupt(std::string_view why) const {
  std::string message(what_);
  message.append(": ").append(why).append(" (at byte ").append(std::to_string(offset_)).append(")");
  return {ErrorCode::kCorrupt, std::move(message)};
}

Result<ByteView> ByteReader::raw(std::size_t size) {
  if (in_.size() - offset_ < size) {
    return corrupt("cut off: " + std::to_string(size) + " bytes wanted, " + std::to_string(in_.size() - offset_) +
                   " left");
  }
  const ByteView view = in_.subspan(offset_, size);
  offset_ += size;
  return view;
}

Result<std::int64_t> ByteReader::i64() {
  HOLDFAST_ASSIGN(const std::uint64_t value, u64());
  return static_cast<std::int64_t>(value);
}

Result<std::uint64_t> ByteReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at_end()) return corrupt("cut off inside a number");
    const std::uint8_t byte = in_[offset_++];
    const std::uint64_t bits = byte & 0x7fU;
    if (shift == 63 && bits > 1) return corrupt("a number of more than 64 bits");
    value |= bits << shift;
    if ((byte & 0x80U) == 0) {
      if (byte == 0 && shift > 0) return corrupt("a number that is not in its shortest form");
      return value;
    }
  }
  return corrupt("a number of more than 10 bytes");
}

Result<std::uint64_t> ByteReader::varint_at_most(std::uint64_t max) {
  HOLDFAST_ASSIGN(const std::uint64_t value, varint());
  if (value > max) {
    return corrupt("the number " + std::to_string(value) + " where at most " + std::to_string(max) + " is allowed");
  }
  return value;
}

Result<std::size_t> ByteReader::count(std::size_t item_min_bytes) {
  HOLDFAST_CHECK(item_min_bytes > 0);
  HOLDFAST_ASSIGN(const std::uint64_t value, varint());
  if (value > (in_.size() - offset_) / item_min_bytes) {
    return corrupt("cut off: " + std::to_string(value) + " items promised, which the " +
                   std::to_string(in_.size() - offset_) + " bytes left can't hold");
  }
  return static_cast<std::size_t>(value);
}

Result<ByteView> ByteReader::bytes(std::size_t size_max) {
  HOLDFAST_ASSIGN(const std::uint64_t size, varint());
  if (size > size_max) {
    return corrupt("a field of " + std::to_string(size) + " bytes where at most " + std::to_string(size_max) +
                   " are allowed");
  }
  if (size > in_.size() - offset_) return corrupt("cut off: a field of " + std::to_string(size) + " bytes");
  return raw(static_cast<std::size_t>(size));
}

Result<std::string_view> ByteReader::text(std::size_t size_max) {
  HOLDFAST_ASSIGN(const ByteView view, bytes(size_max));
  return as_text(view);
}

Status ByteReader::zeros(std::size_t count) {
  HOLDFAST_ASSIGN(const ByteView view, raw(count));
  if (std::any_of(view.begin(), view.end(), [](std::uint8_t byte) { return byte != 0; })) {
    return corrupt("a reserved field that is not zero");
  }
  return ok_status();
}

Status ByteReader::prelude(const ObjectKind& kind) {
  const std::string name(kind.name);
  HOLDFAST_ASSIGN(const ByteView magic, raw(kind.magic.size()));
  if (as_text(magic) != kind.magic) {
    return Error(ErrorCode::kCorrupt, name + " does not begin with " + std::string(kind.magic));
  }
  HOLDFAST_ASSIGN(const std::uint16_t version, u16());
  if (version != kFormatVersion) {
    return Error(ErrorCode::kUnsupported, name + " has format version " + std::to_string(version) +
                                              "; this program reads " + std::to_string(kFormatVersion));
  }
  HOLDFAST_ASSIGN(const std::uint16_t suite, u16());
  if (suite != kFormatSuite) {
    return Error(ErrorCode::kUnsupported, name + " has cipher suite " + std::to_string(suite) +
                                              "; this program knows " + std::to_string(kFormatSuite));
  }
  return ok_status();
}

Status ByteReader::expect_end() const {
  if (at_end()) return ok_status();
  return corrupt(std::to_string(in_.size() - offset_) + " bytes left over");
}

}  // namespace holdfast
