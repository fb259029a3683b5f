// SPDX-License-Identifier: Apache-2.0
// Private to core/pack: header, footer and index as bytes (FORMAT.md §5).
#pragma once

#include "core/base/secret_bytes.h"
#include "core/pack/pack.h"

namespace holdfast {

struct PackFooter {
  std::uint32_t record_count = 0;
  std::uint64_t index_offset = 0;
  std::uint32_t index_size_bytes = 0;
  Digest merkle_root;
  Digest index_digest;
  std::uint64_t pack_size_bytes = 0;
};

Bytes encode_pack_footer(const PackFooter& footer);
/// Errors: kCorrupt, kUnsupported; also when the fields don't fit a pack of `pack_size_bytes`.
Result<PackFooter> decode_pack_footer(ByteView footer, std::uint64_t pack_size_bytes);

/// Refuses a header that isn't one of format 1.
Status check_pack_header(ByteView header);

/// SHA-256(0x03 ‖ header ‖ footer).
PackId pack_id_of(ByteView header, ByteView footer);
/// The key of this pack's index.
SecretBytes pack_index_key(ByteView k_maint, ByteView header);

/// The plaintext of the index.
Bytes encode_pack_index(const std::vector<PackEntry>& entries);
/// Errors: kCorrupt; also when the records don't fill the pack up to the index.
Result<std::vector<PackEntry>> decode_pack_index(ByteView plain, const PackFooter& footer);

/// MTH over the ids.
Digest pack_merkle_root(const std::vector<PackEntry>& entries);

}  // namespace holdfast
