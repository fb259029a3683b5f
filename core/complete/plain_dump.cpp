// SPDX-License-Identifier: Apache-2.0
#include "core/complete/checks.h"

namespace holdfast {
namespace {

// src/bin/pg_dump of PostgreSQL 9.0 to 18: each dump opens and closes with such comments.
constexpr std::string_view kDatabaseTitle = "-- PostgreSQL database dump";
constexpr std::string_view kClusterTitle = "-- PostgreSQL database cluster dump";
constexpr std::string_view kDatabaseEnd = "--\n-- PostgreSQL database dump complete\n--\n\n";
constexpr std::string_view kClusterEnd = "--\n-- PostgreSQL database cluster dump complete\n--\n\n";
constexpr std::string_view kFirstBytes = "--\n-- PostgreSQL database ";
/// So many bytes of kFirstBytes are taken for a dump that was cut off right there.
constexpr std::size_t kFirstBytesMin = 8;
constexpr std::string_view kRestrict = "\\restrict ";
constexpr std::string_view kUnrestrict = "\\unrestrict ";

/// Line ends as on Unix, whatever wrote the file.
std::string normalised(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (const std::uint8_t byte : bytes) {
    if (byte == '\n' && !text.empty() && text.back() == '\r') text.pop_back();
    text.push_back(static_cast<char>(byte));
  }
  return text;
}

std::size_t find_line(std::string_view text, std::string_view line) {
  for (std::size_t at = text.find(line); at != std::string_view::npos; at = text.find(line, at + 1)) {
    const bool starts = at == 0 || text[at - 1] == '\n';
    const std::size_t end = at + line.size();
    if (starts && (end == text.size() || text[end] == '\n')) return at;
  }
  return std::string_view::npos;
}

/// What follows `word` on the first line that begins with it; empty when none does.
std::string_view token_after(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    if (at != 0 && text[at - 1] != '\n') continue;
    const std::string_view rest = text.substr(at + word.size());
    return rest.substr(0, rest.find('\n'));
  }
  return {};
}

Status several_dumps() { return Error(ErrorCode::kUnsupported, "several dumps in one file, of which only the last one's end was looked at"); }

}  // namespace

PlainDump recognise_plain_dump(ByteView head, bool whole) {
  const std::string text = normalised(head);
  const std::size_t cluster = find_line(text, kClusterTitle);
  const std::size_t database = find_line(text, kDatabaseTitle);
  if (cluster != std::string::npos && cluster < database) return PlainDump::kCluster;
  if (database != std::string::npos) return PlainDump::kDatabase;
  const bool is_beginning = text.size() >= kFirstBytesMin && kFirstBytes.starts_with(std::string_view(text).substr(0, kFirstBytes.size()));
  const bool is_title_cut = text.starts_with(kFirstBytes);
  return whole && (is_beginning || is_title_cut) ? PlainDump::kDatabase : PlainDump::kNone;
}

Status check_plain_dump(PlainDump dump, ByteView head, ByteView tail) {
  const std::string_view ending = dump == PlainDump::kCluster ? kClusterEnd : kDatabaseEnd;
  const std::string head_text = normalised(head);
  const std::string text = normalised(tail);
  const std::string_view name = dump == PlainDump::kCluster ? "pg_dumpall" : "pg_dump";
  if (text.ends_with(ending)) {
    // A dump of one database that enters psql's restricted mode also leaves it, after the closing comment. pg_dumpall leaves it before.
    const bool enters = dump == PlainDump::kDatabase && !token_after(head_text, kRestrict).empty();
    return enters ? Status(cut_off("pg_dump plain: the file ends before its \\unrestrict line")) : ok_status();
  }
  const std::size_t at = text.rfind(ending);
  if (at != std::string::npos) {
    const std::string_view after = std::string_view(text).substr(at + ending.size());
    const std::string_view token = token_after(after, kUnrestrict);
    const std::string expected = std::string(kUnrestrict) + std::string(token) + "\n\n";
    if (!token.empty() && after == expected) {
      if (token == token_after(head_text, kRestrict)) return ok_status();
      return several_dumps();
    }
  }
  // pg_dumpall -g, then dumps of databases: the cluster's part has ended before the others begin. In one run of pg_dumpall it ends last.
  const bool cluster_ended = dump == PlainDump::kCluster && head_text.find(kClusterEnd) != std::string::npos;
  if (cluster_ended) {
    const Status last = check_plain_dump(PlainDump::kDatabase, {}, tail);
    const bool must_leave = !token_after(head_text, kRestrict).empty();
    if (last ? !must_leave : last.error().code() == ErrorCode::kUnsupported) return several_dumps();
  }
  return cut_off(std::string(name) + ": the file does not end with the closing comment \"" + std::string(name == "pg_dump" ? kDatabaseTitle : kClusterTitle) +
                 " complete\"");
}

}  // namespace holdfast
