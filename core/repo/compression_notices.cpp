// SPDX-License-Identifier: Apache-2.0
#include "core/repo/compression_notices.h"

#include <array>
#include <cstdio>

#include "core/base/log.h"
#include "core/catalog/framed_file.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr ObjectKind kNoticesObject{"HFNOTICE", "list of notices"};
constexpr std::uint64_t kWorthSayingBytes = 1U << 20U;

/// What 30 daily dumps take, in tenths of what the first does: 2.5 where they are not compressed (tests/bench/days: 139 MB after a first of 56), 30 where they are.
constexpr std::uint64_t kTenthsOpen = 25;
constexpr std::uint64_t kTenthsCompressed = 300;

std::string about(std::uint64_t bytes) {
  constexpr std::array kUnits{"MB", "GB", "TB", "PB"};
  double size = static_cast<double>(bytes) / 1e6;
  std::size_t unit = 0;
  for (; size >= 1000 && unit + 1 < kUnits.size(); ++unit) size /= 1000;
  std::array<char, 32> text{};
  (void)std::snprintf(text.data(), text.size(), size < 10 ? "%.1f %s" : "%.0f %s", size, kUnits[unit]);
  return text.data();
}

}  // namespace

void CompressionNotices::Amount::add(std::uint64_t size_bytes, const std::optional<InnerCompression>& found) {
  all_bytes += size_bytes;
  if (!found) return;
  compressed_bytes += size_bytes;
  if (size_bytes < largest_bytes) return;
  largest_bytes = size_bytes;
  how = found->how;
  remedy = found->remedy;
}

std::unique_ptr<CompressionNotices> CompressionNotices::open(std::string path) {
  std::unique_ptr<CompressionNotices> notices(new CompressionNotices(std::move(path)));
  if (const Status loaded = notices->load(); !loaded) {
    log_warning("notices that were given: " + loaded.error().message());
    notices->notices_.clear();
  }
  return notices;
}

Status CompressionNotices::load() {
  const auto bytes = read_whole_file(path_);
  if (!bytes && bytes.error().code() == ErrorCode::kNotFound) return ok_status();
  if (!bytes) return bytes.error();
  ByteReader in(*bytes, kNoticesObject.name);
  HOLDFAST_TRY(in.prelude(kNoticesObject));
  HOLDFAST_ASSIGN(const std::size_t count, in.count(DatabaseId::size + 1));
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(const DatabaseId id, in.id<DatabaseId>());
    HOLDFAST_ASSIGN(const std::string_view text, in.text());
    notices_.insert_or_assign(id, std::string(text));
  }
  return in.expect_end();
}

void CompressionNotices::save() const {
  Bytes out;
  ByteWriter writer(out);
  writer.prelude(kNoticesObject).varint(notices_.size());
  for (const auto& [id, text] : notices_) writer.id(id).text(text);
  if (const Status written = replace_file(path_, out); !written) log_warning("keeping the notices that were given: " + written.error().message());
}

std::optional<std::string> CompressionNotices::note(const DatabaseId& database, const std::string& name, const Amount& amount) {
  if (amount.all_bytes < kWorthSayingBytes) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (amount.compressed_bytes < amount.all_bytes / 2 || amount.compressed_bytes < kWorthSayingBytes) {
    if (notices_.erase(database) > 0) save();
    return std::nullopt;
  }
  const std::string text = name + ": compressed inside (" + amount.how + "); " + amount.remedy + " 30 days would take about " +
                           about(amount.compressed_bytes / 10 * kTenthsOpen) + ", not " + about(amount.compressed_bytes / 10 * kTenthsCompressed);
  std::string& standing = notices_[database];
  const bool is_first = standing.empty();
  if (standing != text) {
    standing = text;
    save();
  }
  return is_first ? std::optional(text) : std::nullopt;
}

std::string CompressionNotices::text(const DatabaseId& database) const {
  const std::lock_guard lock(mutex_);
  const auto found = notices_.find(database);
  return found == notices_.end() ? "" : found->second;
}

}  // namespace holdfast
