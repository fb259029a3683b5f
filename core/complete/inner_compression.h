// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "core/complete/completeness.h"

namespace holdfast {

/// How a dump was compressed before it came here. Such bytes are like no older ones wherever a row changed before them, so that neither cutting by content nor differences can save much.
struct InnerCompression {
  std::string_view how;     ///< "gzip", "pg_dump -Fc"
  std::string_view remedy;  ///< "with pg_dump -Z0", "without gzip"
  friend bool operator==(const InnerCompression&, const InnerCompression&) = default;
};

/// Looks at the first bytes: pg_dump's archives and the files of its directory format, gzip, zstd, LZ4, xz and bzip2 streams, RDB files with LZF strings among their first quarter
/// of a mebibyte. Nullopt for all else. Errors: those of reading; never for what the bytes say.
Result<std::optional<InnerCompression>> find_inner_compression(const DumpInput& input);

}  // namespace holdfast
