// SPDX-License-Identifier: Apache-2.0
#include "core/complete/pg_archive.h"

#include <sstream>

namespace holdfast {
namespace {

// Versions as in PostgreSQL's src/bin/pg_dump/pg_backup_archiver.h, with what each brought.
constexpr int kOldest = 0x010a;       // 1.10: tablespaces
constexpr int kWithSection = 0x010b;  // 1.11
constexpr int kWithTableAm = 0x010e;  // 1.14
constexpr int kWithAlgorithm = 0x010f;  // 1.15: compression algorithm in the header
constexpr int kWithRelkind = 0x0110;  // 1.16: PostgreSQL 17
constexpr int kNewest = 0x0110;
constexpr std::uint8_t kOffsetSet = 2;
constexpr std::uint8_t kOffsetNoData = 3;
constexpr std::size_t kTextKeptMaxBytes = 4096;
constexpr std::size_t kOidListMaxBytes = 1024 * 1024;  // a BLOB METADATA entry lists at most 1,000 objects

/// A text, kept up to `keep` bytes; nullopt for the archive's "no text".
Result<std::optional<std::string>> read_text(DumpReader& in, std::uint8_t int_size, std::size_t keep = kTextKeptMaxBytes) {
  HOLDFAST_ASSIGN(const std::int64_t size, read_pg_int(in, int_size));
  if (size < 0) return std::optional<std::string>();
  auto left = static_cast<std::uint64_t>(size);
  std::string text;
  while (left > 0 && text.size() < keep) {
    const std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>({left, keep - text.size(), DumpReader::kWindowBytes}));
    HOLDFAST_ASSIGN(const ByteView view, in.take(part));
    text += as_text(view);
    left -= part;
  }
  HOLDFAST_TRY(in.skip(left));
  return std::optional<std::string>(std::move(text));
}

Status skip_text(DumpReader& in, std::uint8_t int_size) {
  HOLDFAST_ASSIGN(const std::int64_t size, read_pg_int(in, int_size));
  return size > 0 ? in.skip(static_cast<std::uint64_t>(size)) : ok_status();
}

Status read_header(DumpReader& in, PgArchive& archive) {
  HOLDFAST_ASSIGN(const ByteView magic, in.take(5));
  if (as_text(magic) != "PGDMP") return cut_off("does not begin with PGDMP");
  HOLDFAST_ASSIGN(const std::uint8_t major, in.u8());
  HOLDFAST_ASSIGN(const std::uint8_t minor, in.u8());
  HOLDFAST_TRY(in.skip(1));
  archive.version = major * 256 + minor;
  if (archive.version < kOldest || archive.version > kNewest) {
    return Error(ErrorCode::kUnsupported, "pg_dump archive version " + std::to_string(major) + "." + std::to_string(minor) + " is not known");
  }
  HOLDFAST_ASSIGN(archive.int_size, in.u8());
  HOLDFAST_ASSIGN(archive.offset_size, in.u8());
  HOLDFAST_ASSIGN(const std::uint8_t format, in.u8());
  if (archive.int_size < 1 || archive.int_size > 8 || archive.offset_size < 1 || archive.offset_size > 8) {
    return cut_off("the archive's header is damaged");
  }
  archive.format = static_cast<PgFormat>(format);
  if (archive.version >= kWithAlgorithm) {
    HOLDFAST_ASSIGN(const std::uint8_t algorithm, in.u8());
    archive.is_compressed = algorithm != 0;
  } else {
    HOLDFAST_ASSIGN(const std::int64_t level, read_pg_int(in, archive.int_size));
    archive.is_compressed = level != 0;  // -1: zlib's default
  }
  for (int i = 0; i < 7; ++i) HOLDFAST_TRY(read_pg_int(in, archive.int_size));  // the date
  for (int i = 0; i < 3; ++i) HOLDFAST_TRY(skip_text(in, archive.int_size));    // database, two versions
  return ok_status();
}

/// What of an entry decides whether and which data belong to it.
struct Entry {
  PgDataEntry data;
  bool has_data = false;
  std::string tag;
  std::string description;
  std::string definition;
};

Status read_position(DumpReader& in, const PgArchive& archive, Entry& entry) {
  if (names_files(archive.format)) {
    HOLDFAST_ASSIGN(const auto file_name, read_text(in, archive.int_size));
    entry.data.file_name = file_name.value_or("");
    return ok_status();
  }
  HOLDFAST_ASSIGN(const std::uint8_t state, in.u8());
  HOLDFAST_ASSIGN(const std::uint64_t offset, in.little_endian(archive.offset_size));
  if (state == kOffsetNoData) entry.has_data = false;
  if (state == kOffsetSet) entry.data.offset = offset;
  return ok_status();
}

Result<Entry> read_entry(DumpReader& in, const PgArchive& archive) {
  const std::uint8_t int_size = archive.int_size;
  Entry entry;
  HOLDFAST_ASSIGN(entry.data.dump_id, read_pg_int(in, int_size));
  if (entry.data.dump_id <= 0) return cut_off("the table of contents is damaged at byte " + std::to_string(in.offset()));
  HOLDFAST_ASSIGN(const std::int64_t had_dumper, read_pg_int(in, int_size));
  entry.has_data = had_dumper != 0;
  HOLDFAST_TRY(skip_text(in, int_size));  // OIDs of catalog and object
  HOLDFAST_TRY(skip_text(in, int_size));
  HOLDFAST_ASSIGN(const auto tag, read_text(in, int_size));
  HOLDFAST_ASSIGN(const auto description, read_text(in, int_size));
  entry.tag = tag.value_or("");
  entry.description = description.value_or("");
  if (archive.version >= kWithSection) HOLDFAST_TRY(read_pg_int(in, int_size));
  const std::size_t keep = entry.description == "BLOB METADATA" ? kOidListMaxBytes : 0;
  HOLDFAST_ASSIGN(const auto definition, read_text(in, int_size, keep));
  entry.definition = definition.value_or("");
  HOLDFAST_TRY(skip_text(in, int_size));  // DROP statement
  HOLDFAST_ASSIGN(const auto copy, read_text(in, int_size));
  entry.data.by_copy = copy && copy->starts_with("COPY ");
  entry.data.large_objects = entry.description == "BLOBS";
  HOLDFAST_TRY(skip_text(in, int_size));  // schema, tablespace
  HOLDFAST_TRY(skip_text(in, int_size));
  if (archive.version >= kWithTableAm) HOLDFAST_TRY(skip_text(in, int_size));
  if (archive.version >= kWithRelkind) HOLDFAST_TRY(read_pg_int(in, int_size));
  HOLDFAST_TRY(skip_text(in, int_size));  // owner, "with OIDs"
  HOLDFAST_TRY(skip_text(in, int_size));
  while (true) {
    HOLDFAST_ASSIGN(const auto dependency, read_text(in, int_size));
    if (!dependency) break;
  }
  HOLDFAST_TRY(read_position(in, archive, entry));
  return entry;
}

/// Large objects stand in the table of contents one by one (to PostgreSQL 16), or in lists.
void collect_large_objects(const Entry& entry, std::set<std::string>& oids) {
  if (entry.description == "BLOB") oids.insert(entry.tag);
  if (entry.description != "BLOB METADATA") return;
  std::istringstream lines(entry.definition);
  for (std::string oid; lines >> oid;) oids.insert(oid);
}

}  // namespace

Result<std::int64_t> read_pg_int(DumpReader& in, std::uint8_t int_size) {
  HOLDFAST_ASSIGN(const std::uint8_t negative, in.u8());
  HOLDFAST_ASSIGN(const std::uint64_t magnitude, in.little_endian(int_size));
  if (negative > 1 || magnitude > 0x7fffffffffffffffU) return cut_off("a damaged number before byte " + std::to_string(in.offset()));
  const auto value = static_cast<std::int64_t>(magnitude);
  return negative == 1 ? -value : value;
}

Result<PgArchive> read_pg_header(DumpReader& in) {
  PgArchive archive;
  HOLDFAST_TRY(read_header(in, archive));
  return archive;
}

Result<PgArchive> read_pg_archive(DumpReader& in) {
  HOLDFAST_ASSIGN(PgArchive archive, read_pg_header(in));
  if (archive.format != PgFormat::kCustom && !names_files(archive.format)) {
    return Error(ErrorCode::kUnsupported, "a pg_dump archive of another format than custom or directory");
  }
  HOLDFAST_ASSIGN(const std::int64_t count, read_pg_int(in, archive.int_size));
  if (count < 0) return cut_off("the table of contents is damaged at its start");
  for (std::int64_t i = 0; i < count; ++i) {
    auto entry = read_entry(in, archive);
    if (!entry) {
      return std::move(entry).error().with_context("in the table of contents, entry " + std::to_string(i + 1) + " of " + std::to_string(count));
    }
    collect_large_objects(*entry, archive.large_object_oids);
    if (entry->has_data) archive.data.push_back(std::move(entry->data));
  }
  return archive;
}

}  // namespace holdfast
