// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/crypto/seal.h"
#include "core/format/byte_reader.h"

namespace holdfast {

/// Appends the signature over `context` ‖ all of `out`, as genesis, certificate and head end (FORMAT.md §7, §8). `seed` has 32 bytes.
void append_signature(Bytes& out, std::string_view context, ByteView seed);

/// Reads the signature at the reader's place, which must be the end of `object`. Errors: kCorrupt (bytes missing or
/// left over); kUntrusted when `key` did not sign what stands before.
Status check_signature(ByteReader& in, ByteView object, std::string_view context, const PublicKey& key,
                       std::string_view what);

/// Reads the `u8` version of a structure. Errors: kUnsupported for another one, by name.
Status check_structure_version(ByteReader& in, std::string_view what, std::uint8_t version);

}  // namespace holdfast
