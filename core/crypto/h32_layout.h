// SPDX-License-Identifier: Apache-2.0
// Private to core/crypto: H32 and what is made of it (FORMAT.md §1, §3), whoever computes the segments' digests.
#pragma once

#include <algorithm>

#include "core/crypto/hash.h"
#include "core/format/byte_writer.h"

namespace holdfast {

inline std::size_t h32_segment_count(std::size_t size_bytes) noexcept {
  return (size_bytes + kH32SegmentBytes - 1) / kH32SegmentBytes;
}
inline ByteView h32_segment(ByteView bytes, std::size_t index) noexcept {
  const std::size_t begin = index * kH32SegmentBytes;
  return bytes.subspan(begin, std::min(kH32SegmentBytes, bytes.size() - begin));
}
/// H32 of an input of this size with room for its digests.
inline Bytes h32_frame(std::size_t size_bytes) {
  Bytes out;
  out.reserve(sizeof(std::uint64_t) + h32_segment_count(size_bytes) * Digest::size);
  ByteWriter(out).u64(size_bytes).zeros(h32_segment_count(size_bytes) * Digest::size);
  return out;
}
/// Where the digest of a segment goes.
inline std::uint8_t* h32_slot(Bytes& frame, std::size_t index) noexcept {
  return frame.data() + sizeof(std::uint64_t) + index * Digest::size;
}

inline ChunkId id_of_h32(ByteView h32_bytes) {
  static constexpr std::uint8_t kPrefix[] = {0x00};
  return {sha256({kPrefix, h32_bytes}).bytes};
}

inline Fingerprint fingerprint_of_h32(ByteView k_fp, const ChunkHasher::FingerprintInput& input, ByteView h32_bytes) {
  Bytes front;
  ByteWriter(front).u32(input.domain).u8(static_cast<std::uint8_t>(input.kind));
  const Digest mac = hmac_sha256(k_fp, {front, h32_bytes});
  Fingerprint fp;
  std::copy_n(mac.bytes.begin(), Fingerprint::size, fp.bytes.begin());
  return fp;
}

}  // namespace holdfast
