// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/catalog/key_table.h"

namespace holdfast {

/// An entry of a key file (FORMAT.md §9), and back. Errors: kCorrupt.
Bytes key_frame(const KeyTableEntry& entry);
Result<KeyTableEntry> decode_key_frame(ByteView payload);

/// Renames a damaged file to one that ends in ".damaged", durably. Errors: kInternal.
Status set_aside(const std::string& path);

}  // namespace holdfast
