// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/complete/dump_reader.h"

namespace holdfast {

// One check a type. Each gives success for what is whole, kIncomplete with the reason for what is not, and other errors for
// what could not be read.

/// What the first bytes of a stream say it is.
enum class PlainDump { kNone, kDatabase, kCluster };
/// `whole`: the head is all there is; a mere beginning of pg_dump's first lines counts too.
PlainDump recognise_plain_dump(ByteView head, bool whole);
/// The closing comment of pg_dump or pg_dumpall in the last bytes of a stream, to the last line feed.
Status check_plain_dump(PlainDump dump, ByteView head, ByteView tail);

/// Members to the end, CRC and length of each; `ends` gets what they hold.
Status check_gzip(RandomBytes& bytes, StreamEnds& ends);
/// Frames to the end by their block headers (RFC 8878); content is not decompressed.
Status check_zstd(RandomBytes& bytes);
/// The first `size_max` bytes at least of what zstd frames hold (all where size_max is 0). kIncomplete for damaged frames.
Status decompress_zstd(RandomBytes& bytes, std::uint64_t size_max, StreamEnds& ends);
/// Frames to the end by their block headers (LZ4 frame format 1.6); content is not decompressed.
Status check_lz4(RandomBytes& bytes);

/// pg_dump's custom format: header, table of contents, and data blocks to the end.
Status check_pg_custom(RandomBytes& bytes);
/// pg_dump's directory format by its toc.dat: every data file that it names is there and whole.
Status check_pg_directory(RandomBytes& toc, SiblingFiles& siblings);

/// What a check can say of a Redis or Valkey database file.
enum class RdbEnd { kProved, kUnproved };
/// The EOF opcode, and the CRC-64 where the file has one; kUnproved where it has none.
Result<RdbEnd> check_rdb(RandomBytes& bytes);

}  // namespace holdfast
