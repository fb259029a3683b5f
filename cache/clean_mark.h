// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/bytes.h"

namespace holdfast {

/// A small file beside `name` that says: this file was closed cleanly, has this size, and these bytes (XXH3, 128 bits, which
/// finds accidents; it is no signature). Magic "HFCLEAN1", u64 size, XXH3-128 of the content in canonical form [16], XXH3-64 of the 32 bytes before.
/// One process at a time.

/// Reads the file, syncs it and leaves the mark durably. Errors: kInternal, kNoSpace: there is then no mark.
Status write_clean_mark(const std::string& folder, const std::string& name);
/// True when there is a mark and every byte agrees; false when there is none. Errors: kCorrupt when file and mark differ
/// or the mark is damaged, kOutOfRange when the file is larger than `size_max_bytes`, kInternal.
Result<bool> check_clean_mark(const std::string& folder, const std::string& name, std::uint64_t size_max_bytes);
/// Removes the mark durably. No error when there is none.
Status remove_clean_mark(const std::string& folder);

}  // namespace holdfast
