// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/random_source.h"

namespace holdfast {

inline constexpr std::size_t kPackHeaderBytes = 32;
inline constexpr std::size_t kPackFooterBytes = 128;
inline constexpr std::uint32_t kPackRecordCountMax = 1U << 20;

/// One record of a pack as its index shows it.
struct PackEntry {
  ChunkId id;
  ChunkKind kind = ChunkKind::kData;
  std::uint64_t offset = 0;  ///< of the record, from the start of the pack
  std::uint32_t record_size_bytes = 0;
  std::vector<ChunkId> bases;  ///< what a difference leans on, 1 or 2
  std::vector<ChunkId> children;
};

/// What is known of a whole pack.
struct PackSummary {
  PackId id;
  Digest merkle_root;
  std::uint64_t size_bytes = 0;
  std::uint32_t record_count = 0;
};

using PackHeader = std::array<std::uint8_t, kPackHeaderBytes>;
/// Header of a new pack with a random salt. Errors: kInternal.
Result<PackHeader> make_pack_header(RandomSource& random);

/// The end of a pack: sealed index and footer.
struct PackTail {
  Bytes bytes;
  PackSummary summary;
};
/// `entries` in the order of their records, contiguous from offset kPackHeaderBytes, at least one. Where the records lie
/// (file, memory) is the caller's affair: packs are written by appending records and then this tail. Errors: kInvalidArgument, kInternal.
Result<PackTail> finish_pack(const PackHeader& header, const std::vector<PackEntry>& entries, ByteView k_maint,
                             RandomSource& random);

struct PackDirectory {
  PackSummary summary;
  std::vector<PackEntry> entries;
};
/// Gives `size` bytes of the pack from `offset` on.
using PackBytes = std::function<Result<Bytes>(std::uint64_t offset, std::uint64_t size)>;
/// Reads and verifies a pack's directory from its end: footer, header, index (two or three reads). When `expected` is given, the pack id must be that.
/// Records themselves are not read. Errors: kCorrupt, kUnsupported, and those of `read`.
Result<PackDirectory> read_pack_directory(const PackBytes& read, std::uint64_t pack_size_bytes,
                                          const PackId* expected, ByteView k_maint);

/// Verifies a whole pack: directory, every record's id, the Merkle root. Records are read in order, about 1 MiB at a time.
/// Errors: kCorrupt naming what and where; those of `read`.
Result<PackDirectory> verify_pack(const PackBytes& read, std::uint64_t pack_size_bytes, const PackId* expected, ByteView k_maint);
/// The same of a pack in memory.
Result<PackDirectory> verify_pack(ByteView pack, const PackId* expected, ByteView k_maint);

}  // namespace holdfast
