// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>

#include "core/base/bytes.h"
#include "core/base/ids.h"

namespace holdfast {

using Keccak256 = FixedBytes<struct Keccak256Tag, 32>;

/// Keccak-256 of the parts one after the other, with the padding of Keccak's submission (0x01), as Ethereum and Swarm use it. It is not SHA3-256, which differs in
/// its padding and is all that OpenSSL 3.0 has. Does not fail.
Keccak256 keccak256(std::initializer_list<ByteView> parts);
inline Keccak256 keccak256(ByteView bytes) { return keccak256({bytes}); }

}  // namespace holdfast
