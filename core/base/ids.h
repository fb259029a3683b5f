// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "core/base/bytes.h"

namespace holdfast {

/// A fixed number of bytes with a meaning; `Tag` keeps ids of different things apart.
template <typename Tag, std::size_t kSize>
struct FixedBytes {
  static constexpr std::size_t size = kSize;
  std::array<std::uint8_t, kSize> bytes{};

  [[nodiscard]] ByteView view() const noexcept { return bytes; }
  [[nodiscard]] MutableByteView mutable_view() noexcept { return bytes; }
  [[nodiscard]] std::string hex() const { return to_hex(bytes); }
  [[nodiscard]] bool is_zero() const noexcept {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
  }
  /// Takes exactly kSize bytes. Errors: kCorrupt for another length.
  static Result<FixedBytes> from(ByteView view) {
    if (view.size() != kSize) return Error(ErrorCode::kCorrupt, "an id of the wrong length");
    FixedBytes id;
    std::copy(view.begin(), view.end(), id.bytes.begin());
    return id;
  }
  friend auto operator<=>(const FixedBytes&, const FixedBytes&) = default;
};

using Digest = FixedBytes<struct DigestTag, 32>;          ///< a SHA-256
using ChunkId = FixedBytes<struct ChunkIdTag, 32>;        ///< FORMAT.md §3: hash of the sealed record
using ChunkKey = FixedBytes<struct ChunkKeyTag, 32>;      ///< AES-256 key of one chunk
using Fingerprint = FixedBytes<struct FingerprintTag, 16>;  ///< keyed hash of plaintext, local to the repository
using PackId = FixedBytes<struct PackIdTag, 32>;          ///< FORMAT.md §5
using SnapshotId = FixedBytes<struct SnapshotIdTag, 8>;   ///< 16 hex digits
using KeyId = FixedBytes<struct KeyIdTag, 8>;
using RepositoryId = FixedBytes<struct RepositoryIdTag, 16>;
using WriterId = FixedBytes<struct WriterIdTag, 16>;
using IncarnationId = FixedBytes<struct IncarnationIdTag, 16>;
using DatabaseId = FixedBytes<struct DatabaseIdTag, 16>;  ///< survives a rename of the database

/// What a chunk holds. The numbers are part of the format (FORMAT.md §3).
enum class ChunkKind : std::uint8_t { kData = 1, kTree = 2, kList = 3 };

/// Whoever has it can open the chunk; nobody else can (FORMAT.md §4).
struct ChunkRef {
  ChunkId id;
  ChunkKey key;
  Fingerprint fp;
  std::uint32_t plain_size_bytes = 0;
  ChunkKind kind = ChunkKind::kData;
  friend bool operator==(const ChunkRef&, const ChunkRef&) = default;
};

}  // namespace holdfast

template <typename Tag, std::size_t kSize>
struct std::hash<holdfast::FixedBytes<Tag, kSize>> {
  // The bytes are themselves hashes or random, so any eight of them are a good hash.
  std::size_t operator()(const holdfast::FixedBytes<Tag, kSize>& id) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, id.bytes.data(), sizeof value);
    return value;
  }
};
