// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/bytes.h"

namespace holdfast {

/// MD5 (RFC 1321) of `bytes` in lower-case hexadecimal, to be compared with what a network calls an object's ETag. It tells accidents, not attackers:
/// nothing that must be trusted rests on it. Errors: kUnsupported (an OpenSSL without it).
Result<std::string> md5_hex(ByteView bytes);

}  // namespace holdfast
