// SPDX-License-Identifier: Apache-2.0
// Private to core/chunk: where the parts of a record lie (FORMAT.md §3).
#pragma once

#include "core/chunk/chunk_codec.h"
#include "core/crypto/seal.h"

namespace holdfast {

inline constexpr std::size_t kRecordHeaderBytes = 16;
inline constexpr std::size_t kRecordPayloadOffset = kRecordHeaderBytes + kNonceBytes;
static_assert(kRecordOverheadBytes == kRecordPayloadOffset + kTagBytes);

/// Id, key and size of each base, depth: what stands before the frame of a difference.
inline constexpr std::size_t difference_prefix_bytes(std::size_t bases) { return bases * (32 + 32 + 4) + 1; }

void encode_record_header(const RecordHeader& header, Bytes& out);

}  // namespace holdfast
