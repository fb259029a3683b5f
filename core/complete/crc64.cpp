// SPDX-License-Identifier: Apache-2.0
#include "core/complete/crc64.h"

#include "core/format/byte_reader.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kReflectedPolynomial = 0x95ac9329ac4bc9b5U;
using Table = std::array<std::array<std::uint64_t, 256>, 8>;

/// table[k][b]: the CRC of byte b followed by k zero bytes, so that eight bytes are taken in one step.
constexpr Table make_table() {
  Table table{};
  for (std::uint64_t byte = 0; byte < 256; ++byte) {
    std::uint64_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? kReflectedPolynomial : 0);
    table[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint64_t before = table[k - 1][byte];
      table[k][byte] = (before >> 8U) ^ table[0][before & 0xffU];
    }
  }
  return table;
}
constexpr Table kTable = make_table();

}  // namespace

std::uint64_t crc64_jones(std::uint64_t crc, ByteView bytes) noexcept {
  while (bytes.size() >= 8) {
    crc ^= load_le<std::uint64_t>(bytes);
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < 8; ++i) next ^= kTable[7 - i][(crc >> (8 * i)) & 0xffU];
    crc = next;
    bytes = bytes.subspan(8);
  }
  for (const std::uint8_t byte : bytes) crc = (crc >> 8U) ^ kTable[0][(crc ^ byte) & 0xffU];
  return crc;
}

}  // namespace holdfast
