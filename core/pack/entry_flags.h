// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"
#include "core/pack/pack.h"

namespace holdfast {

/// `u8` flags ‖ ids of the bases, as an entry of a pack index has them (FORMAT.md §5).
void encode_flags_and_bases(const PackEntry& entry, ByteWriter& out);
/// Fills entry.bases; whether children follow. Errors: kCorrupt.
Result<bool> decode_flags_and_bases(ByteReader& in, PackEntry& entry);

}  // namespace holdfast
