// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>

#include "core/complete/dump_reader.h"

namespace holdfast {

/// As the header says it. The directory format's toc.dat calls itself tar (pg_backup_directory.c, _CloseArchive), whose layout it has.
enum class PgFormat : std::uint8_t { kCustom = 1, kTar = 3, kDirectory = 5 };
[[nodiscard]] constexpr bool names_files(PgFormat format) noexcept { return format == PgFormat::kTar || format == PgFormat::kDirectory; }

/// An entry of an archive's table of contents that has data of its own.
struct PgDataEntry {
  std::int64_t dump_id = 0;
  bool by_copy = false;                    ///< rows as COPY writes them, else INSERTs or large objects
  bool large_objects = false;              ///< a BLOBS entry
  std::optional<std::uint64_t> offset;     ///< custom format: where its block lies, once pg_dump has written it down
  std::string file_name;                   ///< directory format
};

/// Header and table of contents of pg_dump's archives, versions 1.10 to 1.16 (PostgreSQL 8.3 to 18).
struct PgArchive {
  int version = 0;  ///< 0x010c for 1.12
  std::uint8_t int_size = 0;
  std::uint8_t offset_size = 0;
  PgFormat format = PgFormat::kCustom;
  bool is_compressed = false;               ///< the rows, if the header tells the truth
  std::vector<PgDataEntry> data;            ///< in the order of the table of contents
  std::set<std::string> large_object_oids;  ///< that the table of contents promises, in decimal
};

/// The archive's own numbers and texts.
Result<std::int64_t> read_pg_int(DumpReader& in, std::uint8_t int_size);

/// Reads the header alone. Errors: as read_pg_archive.
Result<PgArchive> read_pg_header(DumpReader& in);

/// Reads header and table of contents and leaves `in` at the end of it. Errors: kIncomplete (cut off or damaged), kUnsupported (a newer
/// or much older version), those of reading.
Result<PgArchive> read_pg_archive(DumpReader& in);

}  // namespace holdfast
