// SPDX-License-Identifier: Apache-2.0
#include "core/complete/completeness.h"

#include <algorithm>
#include <array>

#include "core/complete/checks.h"
#include "core/complete/pg_archive.h"

namespace holdfast {
namespace {

constexpr std::string_view kPgMagic = "PGDMP";
constexpr std::size_t kPgFormatOffset = 10;
constexpr std::string_view kGzipMagic = "\x1f\x8b\x08";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";
constexpr std::string_view kLz4Magic = "\x04\x22\x4d\x18";

using Verdict = CompletenessVerdict;

Verdict verdict(Completeness completeness, std::string_view type, std::string reason) {
  return {completeness, std::string(type), std::move(reason), false};
}

/// A check's outcome as a verdict; errors of reading stay errors.
Result<Verdict> judged(std::string_view type, const Status& checked) {
  if (checked) return verdict(Completeness::kComplete, type, "");
  const Error& error = checked.error();
  const std::string reason = std::string(type) + ": " + error.message();
  if (error.code() == ErrorCode::kIncomplete) return verdict(Completeness::kIncomplete, type, reason);
  if (error.code() == ErrorCode::kUnsupported) return verdict(Completeness::kUnchecked, type, reason);
  return error;
}

Result<Bytes> read_range(RandomBytes& bytes, std::uint64_t offset, std::uint64_t size) {
  Bytes range(static_cast<std::size_t>(size));
  if (!range.empty()) HOLDFAST_TRY(bytes.read(offset, range));
  return range;
}

bool is_rdb(std::string_view head) { return head.starts_with("REDIS0") || head.starts_with("VALKEY"); }

/// What a compressed stream holds, when it was itself found whole: `pg_dump | gzip` ends well when pg_dump was killed.
Result<Verdict> judge_inner(std::string_view type, const StreamEnds& ends) {
  const PlainDump dump = recognise_plain_dump(ends.head(), ends.size() <= StreamEnds::kHeadBytes);
  if (dump == PlainDump::kNone) {
    const std::string_view head = as_text(ends.head());
    const std::string_view inner = head.starts_with(kPgMagic) ? "pg_dump's custom format" : is_rdb(head) ? "an rdb" : "";
    if (inner.empty()) return verdict(Completeness::kComplete, type, "");
    return verdict(Completeness::kUnchecked, type, std::string(type) + ": whole, but " + std::string(inner) + " within is not looked into");
  }
  return judged(std::string(type) + " of a plain dump", check_plain_dump(dump, ends.head(), ends.tail()));
}

Result<Verdict> judge_gzip(RandomBytes& bytes) {
  StreamEnds ends;
  const Status checked = check_gzip(bytes, ends);
  return checked ? judge_inner("gzip", ends) : judged("gzip", checked);
}

Result<Verdict> judge_zstd(RandomBytes& bytes) {
  const Status checked = check_zstd(bytes);
  if (!checked) return judged("zstd", checked);
  StreamEnds head;
  const Status begun = decompress_zstd(bytes, StreamEnds::kHeadBytes, head);
  if (!begun) return judged("zstd", begun);
  if (recognise_plain_dump(head.head(), false) == PlainDump::kNone) return judge_inner("zstd", head);
  StreamEnds all;
  const Status decompressed = decompress_zstd(bytes, 0, all);
  return decompressed ? judge_inner("zstd", all) : judged("zstd", decompressed);
}

Result<Verdict> judge_lz4(RandomBytes& bytes) {
  const Status checked = check_lz4(bytes);
  if (!checked) return judged("lz4", checked);
  return verdict(Completeness::kUnchecked, "lz4", "lz4: whole, but what is within is not looked into");
}

Result<Verdict> judge_rdb(const DumpInput& input) {
  const Result<RdbEnd> end = check_rdb(input.bytes);
  if (!end && end.error().code() == ErrorCode::kIncomplete && input.name.ends_with(".aof")) {
    return verdict(Completeness::kUnchecked, "aof", "aof: commands follow the rdb that it begins with");  // Redis before 7, aof-use-rdb-preamble
  }
  if (!end) return judged("rdb", end.error());
  if (*end == RdbEnd::kProved) return judged("rdb", ok_status());
  return verdict(Completeness::kUnchecked, "rdb", "rdb: the file has no checksum");
}

Result<Verdict> judge_pg_archive(const DumpInput& input, ByteView head) {
  if (head.size() <= kPgFormatOffset || !names_files(static_cast<PgFormat>(head[kPgFormatOffset]))) {
    return judged("pg_dump custom", check_pg_custom(input.bytes));
  }
  constexpr std::string_view kType = "pg_dump directory";
  if (input.siblings == nullptr) {
    Verdict alone = verdict(Completeness::kUnchecked, kType, "pg_dump directory: the files beside toc.dat were not at hand");
    alone.depends_on_siblings = true;
    return alone;
  }
  HOLDFAST_ASSIGN(Verdict found, judged(kType, check_pg_directory(input.bytes, *input.siblings)));
  found.depends_on_siblings = true;
  return found;
}

Result<Verdict> judge_plain(RandomBytes& bytes, PlainDump dump, ByteView head) {
  const std::uint64_t tail_size = std::min<std::uint64_t>(bytes.size(), StreamEnds::kTailBytes);
  HOLDFAST_ASSIGN(const Bytes tail, read_range(bytes, bytes.size() - tail_size, tail_size));
  return judged(dump == PlainDump::kCluster ? "pg_dumpall" : "pg_dump plain", check_plain_dump(dump, head, tail));
}

/// Whether `head` begins with `magic`, or is all there is of it.
bool begins(std::string_view head, std::string_view magic, std::size_t min_bytes) {
  if (head.size() >= magic.size()) return head.starts_with(magic);
  return head.size() >= min_bytes && magic.starts_with(head);
}

bool is_number(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; }

/// Parts of pg_dump's directory format that have no magic: rows by their own end; a list of large objects by the table of contents beside it.
Result<Verdict> judge_unmarked(const DumpInput& input) {
  constexpr std::string_view kRowsEnd = "\\.\n\n\n";  // pg_dump.c, dumpTableData_copy
  const std::string_view name = input.name;
  const std::uint64_t size = input.bytes.size();
  if (name.ends_with(".dat") && is_number(name.substr(0, name.size() - 4)) && size >= kRowsEnd.size()) {
    HOLDFAST_ASSIGN(const Bytes tail, read_range(input.bytes, size - kRowsEnd.size(), kRowsEnd.size()));
    if (as_text(tail) == kRowsEnd) return verdict(Completeness::kComplete, "pg_dump rows", "");
  }
  Verdict unknown = verdict(Completeness::kUnchecked, "", "no known type of dump");
  unknown.depends_on_siblings = name == "blobs.toc" || (name.starts_with("blobs_") && name.ends_with(".toc"));
  return unknown;
}

/// No dump and no archive under such a name is ever empty: what failed before its first byte leaves this behind.
bool is_named_as_dump(std::string_view name) {
  constexpr std::array<std::string_view, 14> kEndings{".sql", ".dump", ".pgdump", ".rdb", ".bak", ".gz", ".tgz", ".zst", ".lz4", ".bz2", ".xz", ".tar", ".zip", ".archive"};
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; });
  return std::any_of(kEndings.begin(), kEndings.end(), [&](std::string_view ending) { return lower.ends_with(ending); });
}

}  // namespace

Result<CompletenessVerdict> check_completeness(const DumpInput& input) {
  RandomBytes& bytes = input.bytes;
  if (bytes.size() == 0) return verdict(is_named_as_dump(input.name) ? Completeness::kIncomplete : Completeness::kUnchecked, "", "the file is empty");
  HOLDFAST_ASSIGN(const Bytes head, read_range(bytes, 0, std::min<std::uint64_t>(bytes.size(), StreamEnds::kHeadBytes)));
  const std::string_view text = as_text(head);
  if (begins(text, kPgMagic, 4)) return judge_pg_archive(input, head);
  if (begins(text, kGzipMagic, 2)) return judge_gzip(bytes);
  if (begins(text, kZstdMagic, 3)) return judge_zstd(bytes);
  if (begins(text, kLz4Magic, 3)) return judge_lz4(bytes);
  if (is_rdb(text)) return judge_rdb(input);
  const PlainDump dump = recognise_plain_dump(head, bytes.size() == head.size());
  if (dump != PlainDump::kNone) return judge_plain(bytes, dump, head);
  return judge_unmarked(input);
}

}  // namespace holdfast
