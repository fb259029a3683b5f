// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/bytes.h"

namespace holdfast {

/// Base 64 with padding, on one line (RFC 4648 §4). Does not fail.
std::string base64(ByteView bytes);

}  // namespace holdfast
