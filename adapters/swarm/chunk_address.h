// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/crypto/keccak.h"

namespace holdfast::swarm {

using Address = Keccak256;

inline constexpr std::size_t kChunkMaxBytes = 4096;
inline constexpr std::size_t kSpanBytes = 8;

/// The address of one chunk: Keccak-256(span ‖ root of the binary Merkle tree over its 32-byte segments, filled up with zeros to 128 of them) (The Book of Swarm, §7.3.3).
/// `payload` has at most 4,096 bytes; `span` is how many bytes of the object lie under it.
Address chunk_address(std::uint64_t span, ByteView payload);

/// The address that /bytes gives an object without encryption and without redundancy: 4,096-byte leaves, 128 references a node, a lone last one is carried up.
Address object_address(ByteView object);

}  // namespace holdfast::swarm
