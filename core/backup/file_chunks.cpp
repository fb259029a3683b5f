// SPDX-License-Identifier: Apache-2.0
#include "core/backup/file_chunks.h"

namespace holdfast {

namespace {
/// Chunks under way for one stream: their plaintext stays in memory until they are sealed. 64 of the default size are 4 MiB.
constexpr std::size_t kPendingMax = 64;
}  // namespace

FileChunks::FileChunks(ChunkPipeline& pipeline, const GearTable& gear, ChunkSizes sizes, std::uint32_t domain)
    : pipeline_(pipeline), chunker_(GearChunker::create(gear, sizes)), domain_(domain) {}

Status FileChunks::add(ByteView bytes) {
  if (!chunker_) return chunker_.error();
  size_bytes_ += bytes.size();
  append(buffer_, bytes);
  return cut(false);
}

Status FileChunks::add_hole(std::uint64_t size_bytes) {
  if (!chunker_) return chunker_.error();
  HOLDFAST_TRY(cut(true));
  size_bytes_ += size_bytes;
  extents_.push_back({size_bytes, std::nullopt});
  return ok_status();
}

Status FileChunks::cut(bool at_end) {
  while (start_ < buffer_.size()) {
    const ByteView rest = ByteView(buffer_).subspan(start_);
    const auto size = chunker_->first_cut_after(rest, scanned_);
    if (size) {
      HOLDFAST_TRY(submit(*size));
      continue;
    }
    scanned_ = rest.size();
    if (!at_end) break;
    HOLDFAST_TRY(submit(rest.size()));
  }
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(start_));
  start_ = 0;
  return ok_status();
}

Status FileChunks::submit(std::size_t size) {
  const ByteView plain = ByteView(buffer_).subspan(start_, size);
  pending_.push_back(
      {extents_.size(), pipeline_.submit(domain_, {SharedBytes::copy_of(plain)}, pending_.empty() ? nullptr : pending_.back().ticket)});
  extents_.push_back({size, std::nullopt});
  start_ += size;
  scanned_ = 0;
  if (pending_.size() > kPendingMax) return take_oldest();
  return ok_status();
}

Status FileChunks::take_oldest() {
  Pending oldest = std::move(pending_.front());
  pending_.pop_front();
  HOLDFAST_ASSIGN(extents_[oldest.extent].chunk, oldest.ticket->wait());
  return ok_status();
}

Result<Content> FileChunks::finish() {
  if (!chunker_) return chunker_.error();
  if (extents_.empty() && buffer_.size() <= kInlineContentMaxBytes) {
    if (buffer_.empty()) return Content(EmptyContent{});
    return Content(InlineContent{std::move(buffer_)});
  }
  HOLDFAST_TRY(cut(true));
  while (!pending_.empty()) HOLDFAST_TRY(take_oldest());
  return build_content(extents_, pipeline_, domain_);
}

}  // namespace holdfast
