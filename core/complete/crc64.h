// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/bytes.h"

namespace holdfast {

/// CRC-64 with the polynomial of D. T. Jones (0xad93d23594c935a9, reflected, no final xor), which Redis uses; of "123456789" it is
/// 0xe9c6d914c4b8d9ca. `crc` is 0 at first, then what the call before gave.
std::uint64_t crc64_jones(std::uint64_t crc, ByteView bytes) noexcept;

}  // namespace holdfast
