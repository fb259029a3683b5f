// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "core/complete/checks.h"
#include "core/complete/pg_archive.h"

namespace holdfast {
namespace {

enum class Wrapping { kNone, kGzip, kLz4, kZstd };
struct Suffix {
  std::string_view text;
  Wrapping wrapping;
};
constexpr std::array<Suffix, 4> kSuffixes{{{"", Wrapping::kNone}, {".gz", Wrapping::kGzip}, {".lz4", Wrapping::kLz4}, {".zst", Wrapping::kZstd}}};
constexpr std::size_t kObjectListMaxBytes = 64 * 1024 * 1024;

// What pg_dump writes after the last row (pg_dump.c, dumpTableData_copy and dumpTableData_insert).
constexpr std::string_view kCopyEnd = "\\.\n\n\n";
constexpr std::string_view kInsertsEnd = ";\n\n\n";
constexpr std::string_view kNoInserts = "\n\n";

struct DataFile {
  std::unique_ptr<RandomBytes> bytes;
  Wrapping wrapping = Wrapping::kNone;
  std::string name;
};

/// The file under its name or with a suffix that a compression adds. kIncomplete when there is none.
Result<DataFile> find_file(SiblingFiles& siblings, const std::string& name) {
  if (!is_valid_entry_name(name)) return cut_off("the table of contents names a file that can't be");
  for (const Suffix& suffix : kSuffixes) {
    std::string whole_name = name + std::string(suffix.text);
    HOLDFAST_ASSIGN(std::unique_ptr<RandomBytes> bytes, siblings.open(whole_name));
    if (bytes) return DataFile{std::move(bytes), suffix.wrapping, std::move(whole_name)};
  }
  return cut_off("the data file " + name + " is missing");
}

/// The end of a table's rows. `ends` have seen all of the rows.
Status check_rows(const PgDataEntry& entry, std::string_view tail, std::uint64_t size) {
  if (entry.by_copy) return tail.ends_with(kCopyEnd) ? ok_status() : Status(cut_off("the rows do not end with \\."));
  const bool good = tail.ends_with(kInsertsEnd) || (size == kNoInserts.size() && tail == kNoInserts);
  return good ? ok_status() : Status(cut_off("the rows do not end with a whole INSERT"));
}

/// kUnsupported for what has no end of its own.
Status check_wrapped(DataFile& file, const PgDataEntry* rows) {
  switch (file.wrapping) {
    case Wrapping::kGzip: {
      StreamEnds ends;
      HOLDFAST_TRY(check_gzip(*file.bytes, ends));
      return rows != nullptr ? check_rows(*rows, as_text(ends.tail()), ends.size()) : ok_status();
    }
    case Wrapping::kLz4:
      return check_lz4(*file.bytes);
    case Wrapping::kZstd:
      return check_zstd(*file.bytes);
    case Wrapping::kNone: {
      if (rows == nullptr) return Error(ErrorCode::kUnsupported, "a large object that is not compressed has no end of its own to check");
      Bytes tail(static_cast<std::size_t>(std::min<std::uint64_t>(file.bytes->size(), 16)));
      if (!tail.empty()) HOLDFAST_TRY(file.bytes->read(file.bytes->size() - tail.size(), tail));
      return check_rows(*rows, as_text(tail), file.bytes->size());
    }
  }
  return ok_status();
}

Status check_file(SiblingFiles& siblings, const std::string& name, const PgDataEntry* rows) {
  HOLDFAST_ASSIGN(DataFile file, find_file(siblings, name));
  const Status checked = check_wrapped(file, rows);
  return checked ? checked : Status(checked.error().with_context(file.name));
}

/// Of the large objects of one dump.
struct LargeObjects {
  std::set<std::string> promised;  ///< by the table of contents, by OID; nothing where it lists none (--section=data)
  std::set<std::string> listed;
  std::uint64_t endless = 0;  ///< files without an end of their own, which are there
};

/// What can't be proved whole doesn't end the search for what is proved cut off.
Status keep_unproved(Status checked, LargeObjects& objects) {
  if (checked || checked.error().code() != ErrorCode::kUnsupported) return checked;
  ++objects.endless;
  return ok_status();
}

/// One line of a list: "OID blob_OID.dat" (pg_backup_directory.c, _EndLO).
Status check_listed_object(SiblingFiles& siblings, std::string_view line, LargeObjects& objects) {
  const std::string oid(line.substr(0, line.find(' ')));
  const bool is_number = !oid.empty() && oid.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number || line != oid + " blob_" + oid + ".dat") return cut_off("a line of it names no large object");
  if (!objects.listed.insert(oid).second) return cut_off("it has large object " + oid + " twice");
  if (!objects.promised.empty() && !objects.promised.contains(oid)) {
    return cut_off("it has large object " + oid + ", of which the table of contents knows nothing");
  }
  return keep_unproved(check_file(siblings, "blob_" + oid + ".dat", nullptr), objects);
}

/// The list of large objects. pg_dump writes each line when the object's file has been closed, so a list that was cut
/// off ends within a line or lacks objects.
Status check_object_list(SiblingFiles& siblings, const std::string& name, LargeObjects& objects) {
  HOLDFAST_ASSIGN(DataFile list, find_file(siblings, name));
  if (list.wrapping != Wrapping::kNone || list.bytes->size() > kObjectListMaxBytes) {
    return Error(ErrorCode::kUnsupported, name + ": a list of large objects in a form that is not known");
  }
  std::string text(static_cast<std::size_t>(list.bytes->size()), '\0');
  if (!text.empty()) {
    HOLDFAST_TRY(list.bytes->read(0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}));
  }
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) return cut_off(name + " ends within a line");
    Status checked = check_listed_object(siblings, std::string_view(text).substr(at, end - at), objects);
    if (!checked) return std::move(checked).error().with_context(name);
    at = end + 1;
  }
  return ok_status();
}

/// When all lists were read.
Status check_objects(const LargeObjects& objects) {
  std::vector<std::string> missing;
  std::ranges::set_difference(objects.promised, objects.listed, std::back_inserter(missing));
  if (!missing.empty())
    return cut_off(std::to_string(missing.size()) + " large objects are missing, " + missing.front() + " among them");
  if (objects.endless == 0) return ok_status();
  return Error(ErrorCode::kUnsupported, "all else is whole, and all large objects are there and in their list, but " +
                                            std::to_string(objects.endless) +
                                            " are not compressed: nothing says how long they are");
}

}  // namespace

Status check_pg_directory(RandomBytes& toc, SiblingFiles& siblings) {
  DumpReader in(toc);
  HOLDFAST_ASSIGN(const PgArchive archive, read_pg_archive(in));
  if (!in.at_end()) return cut_off("toc.dat goes on after its table of contents");
  LargeObjects objects;
  for (const PgDataEntry& entry : archive.data) {
    // Without a data entry for large objects (--no-blobs) their mere mention promises nothing.
    if (entry.large_objects) objects.promised = archive.large_object_oids;
  }
  for (const PgDataEntry& entry : archive.data) {
    if (entry.file_name.empty()) continue;
    if (entry.large_objects) {
      HOLDFAST_TRY(check_object_list(siblings, entry.file_name, objects));
    } else {
      HOLDFAST_TRY(check_file(siblings, entry.file_name, &entry));
    }
  }
  return check_objects(objects);
}

}  // namespace holdfast
