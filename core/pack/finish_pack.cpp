// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "core/chunk/chunk_codec.h"
#include "core/crypto/hash.h"
#include "core/crypto/seal.h"
#include "core/format/byte_writer.h"
#include "core/pack/pack_layout.h"

namespace holdfast {

namespace {

Error bad_argument(std::string_view why) {
  return {ErrorCode::kInvalidArgument, "finishing a pack: " + std::string(why)};
}

/// Where the records end.
Result<std::uint64_t> check_entries(const std::vector<PackEntry>& entries) {
  if (entries.empty()) return bad_argument("it has no records");
  if (entries.size() > kPackRecordCountMax) return bad_argument("it has too many records");
  std::uint64_t end = kPackHeaderBytes;
  for (const PackEntry& entry : entries) {
    if (entry.offset != end) return bad_argument("record " + entry.id.hex() + " does not begin where the one before it ends");
    if (entry.record_size_bytes <= kRecordOverheadBytes ||
        entry.record_size_bytes > kRecordOverheadBytes + kChunkPlainMaxBytes) {
      return bad_argument("record " + entry.id.hex() + " has " + std::to_string(entry.record_size_bytes) + " bytes");
    }
    if (entry.kind == ChunkKind::kData && !entry.children.empty()) return bad_argument("a data chunk has children");
    end += entry.record_size_bytes;
  }
  return end;
}

}  // namespace

Result<PackHeader> make_pack_header(RandomSource& random) {
  Bytes bytes;
  ByteWriter(bytes).prelude(kPackObject).zeros(kPackHeaderBytes - kPreludeBytes);
  HOLDFAST_TRY(random.fill(MutableByteView(bytes).subspan(kPreludeBytes, 16)));
  PackHeader header{};
  std::copy(bytes.begin(), bytes.end(), header.begin());
  return header;
}

Result<PackTail> finish_pack(const PackHeader& header, const std::vector<PackEntry>& entries, ByteView k_maint,
                             RandomSource& random) {
  HOLDFAST_ASSIGN(const std::uint64_t records_end, check_entries(entries));
  PackTail tail;
  HOLDFAST_ASSIGN(tail.bytes,
                  seal_box(pack_index_key(k_maint, header).view(), header, encode_pack_index(entries), random));
  if (tail.bytes.size() > std::numeric_limits<std::uint32_t>::max()) return bad_argument("its index is too large");

  PackFooter footer;
  footer.record_count = static_cast<std::uint32_t>(entries.size());
  footer.index_offset = records_end;
  footer.index_size_bytes = static_cast<std::uint32_t>(tail.bytes.size());
  footer.merkle_root = pack_merkle_root(entries);
  footer.index_digest = sha256(tail.bytes);
  footer.pack_size_bytes = records_end + tail.bytes.size() + kPackFooterBytes;
  const Bytes footer_bytes = encode_pack_footer(footer);
  append(tail.bytes, footer_bytes);
  tail.summary = {pack_id_of(header, footer_bytes), footer.merkle_root, footer.pack_size_bytes, footer.record_count};
  return tail;
}

}  // namespace holdfast
