// SPDX-License-Identifier: Apache-2.0
#include "core/repo/log_parts.h"

#include <algorithm>
#include <filesystem>

#include "core/base/log.h"
#include "core/catalog/framed_file.h"
#include "core/crypto/hash.h"
#include "core/repo/state_folder.h"

namespace holdfast {

Result<LogParts> LogParts::open(std::string folder) {
  LogParts out(std::move(folder));
  HOLDFAST_TRY(make_folder(out.folder_));
  std::error_code failed;
  std::vector<std::string> names;
  for (const auto& item : std::filesystem::directory_iterator(out.folder_, failed)) names.push_back(item.path().filename().string());
  if (failed) return Error(ErrorCode::kInternal, "listing " + out.folder_ + ": " + failed.message());
  for (const std::string& name : names) {
    const auto bytes = from_hex(name);
    const auto digest = bytes ? Digest::from(*bytes) : Result<Digest>(bytes.error());
    const auto segment = digest ? out.read(*digest) : Result<LogSegment>(digest.error());
    if (segment) {
      out.parts_[*digest] = {segment->log, {segment->first, segment->entries.size()}};
      continue;
    }
    log_warning("a part of a log is fetched again: " + segment.error().message());
    HOLDFAST_TRY(remove_file(out.folder_ + "/" + name));
  }
  return out;
}

Status LogParts::add(const Digest& digest, ByteView object, const LogSegment& segment) {
  HOLDFAST_TRY(replace_file(path_of(digest), object));
  parts_[digest] = {segment.log, {segment.first, segment.entries.size()}};
  return ok_status();
}

Result<LogSegment> LogParts::read(const Digest& digest) const {
  HOLDFAST_ASSIGN(const Bytes object, read_whole_file(path_of(digest)));
  if (sha256(object) != digest) return Error(ErrorCode::kCorrupt, "the part of a log in " + path_of(digest) + " is damaged");
  return decode_log_segment(object);
}

/// The parts of one log by their first entry; of those that begin alike the longest first.
std::vector<std::pair<LogRange, Digest>> LogParts::sorted(const LogIdentity& log) const {
  std::vector<std::pair<LogRange, Digest>> out;
  for (const auto& [digest, part] : parts_) {
    if (part.log == log) out.emplace_back(part.range, digest);
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return a.first.first != b.first.first ? a.first.first < b.first.first : a.first.count > b.first.count;
  });
  return out;
}

std::vector<LogRange> LogParts::missing(const LogIdentity& log, std::uint64_t first, std::uint64_t end) const {
  std::vector<LogRange> out;
  for (const auto& [range, digest] : sorted(log)) {
    if (range.first >= end) break;
    if (range.first > first) out.push_back({first, range.first - first});
    first = std::max(first, range.end());
  }
  if (first < end) out.push_back({first, end - first});
  return out;
}

Result<std::vector<SignedEntry>> LogParts::entries(const LogIdentity& log, std::uint64_t first, std::uint64_t end) const {
  std::vector<SignedEntry> out;
  std::uint64_t next = first;
  for (const auto& [range, digest] : sorted(log)) {
    if (range.end() <= first || range.first >= end) continue;
    if (range.first > next) break;
    HOLDFAST_ASSIGN(LogSegment segment, read(digest));
    for (std::uint64_t i = 0; i < segment.entries.size(); ++i) {
      const std::uint64_t number = segment.first + i;
      if (number < first || number >= end) continue;
      if (number < next) {
        if (out[number - first].sealed == segment.entries[i].sealed) continue;
        return Error(ErrorCode::kConflict, "two networks have different entries " + std::to_string(number) + " of the log of writer " + log.writer.hex());
      }
      out.push_back(std::move(segment.entries[i]));
      ++next;
    }
  }
  if (next != end) return Error(ErrorCode::kNotFound, "entry " + std::to_string(next) + " of the log of writer " + log.writer.hex() + " is not here");
  return out;
}

Status LogParts::drop(const Digest& digest) {
  HOLDFAST_TRY(remove_file(path_of(digest)));
  parts_.erase(digest);
  return ok_status();
}

Status LogParts::drop_before(const LogIdentity& log, std::uint64_t first) {
  for (auto part = parts_.begin(); part != parts_.end();) {
    if (part->second.log != log || part->second.range.end() > first) {
      ++part;
      continue;
    }
    HOLDFAST_TRY(remove_file(path_of(part->first)));
    part = parts_.erase(part);
  }
  return ok_status();
}

}  // namespace holdfast
