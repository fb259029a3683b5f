// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/live/file_content.h"

namespace holdfast {

/// One run over changed bytes: from a boundary before them until the cuts meet an old boundary again.
struct FileContent::Rechunk {
  std::uint64_t base = 0;  ///< where buffer begins in the file: always a cut
  Bytes buffer;
  std::size_t scanned = 0;
  std::vector<Piece> pieces;
  [[nodiscard]] std::uint64_t end() const noexcept { return base + buffer.size(); }
};

/// Re-chunks from the boundary before `dirty_offset`, which lies before the tail. The run ends where a cut meets an old boundary, where a hole
/// begins, or where the pieces end: then what is left uncut goes to `to_tail`.
Status FileContent::rechunk_from(std::uint64_t dirty_offset, std::vector<Replacement>& done, std::optional<Bytes>& to_tail,
                                 const CallContext& context) {
  const Piece& first = pieces_[piece_at(dirty_offset)];
  Rechunk run;
  // In a hole only what was written becomes data.
  run.base = first.is_hole() ? dirty_offset : first.offset;
  // A boundary inside a run that an earlier one ended on stays: runs don't overlap.
  if (!done.empty()) run.base = std::max(run.base, done.back().range.end());
  const std::uint64_t begin = run.base;
  const auto hand_over = [&](std::uint64_t offset, ByteView plain) {
    run.pieces.push_back(submit(offset, {SharedBytes::copy_of(plain)}, run.pieces.empty() ? nullptr : run.pieces.back().ticket));
  };
  const auto finish_rest = [&] {
    if (run.buffer.empty()) return;
    hand_over(run.base, run.buffer);
    run.base = run.end();
    run.buffer.clear();
  };
  bool met = false;
  while (!met) {
    const std::uint64_t position = run.end();
    if (position >= tail_start_) {
      to_tail = std::move(run.buffer);
      break;
    }
    const Piece& piece = pieces_[piece_at(position)];
    std::uint64_t stop = piece.end();
    if (piece.is_hole()) {
      const auto dirty = dirty_.at_or_after(position);
      if (dirty == dirty_.all().end() || dirty->first > position) {
        finish_rest();
        break;
      }
      stop = std::min(stop, dirty->first + dirty->second.size());
    }
    const std::size_t filled = run.buffer.size();
    run.buffer.resize(filled + static_cast<std::size_t>(stop - position));
    const MutableByteView fresh = MutableByteView(run.buffer).subspan(filled);
    if (!piece.is_hole()) {
      HOLDFAST_ASSIGN(const SharedBytes plain, plain_of(piece, context));
      std::copy_n(plain.view().begin() + static_cast<std::ptrdiff_t>(position - piece.offset), fresh.size(), fresh.begin());
    }
    dirty_.overlay(position, fresh);
    std::size_t head = 0;
    while (const auto cut = parts_.chunker.first_cut_after(ByteView(run.buffer).subspan(head), run.scanned)) {
      hand_over(run.base + head, ByteView(run.buffer).subspan(head, *cut));
      head += *cut;
      run.scanned = 0;
      const std::uint64_t at = run.base + head;
      met = at >= tail_start_ || pieces_[piece_at(at)].offset == at;
      if (met || head == run.buffer.size()) break;
    }
    run.buffer.erase(run.buffer.begin(), run.buffer.begin() + static_cast<std::ptrdiff_t>(head));
    run.base += head;
    run.scanned = run.buffer.size();
  }
  done.push_back({{begin, run.base - begin}, std::move(run.pieces)});
  return ok_status();
}

/// Puts the replacements (ascending) in place of what they replace; what lies outside of them stays.
void FileContent::rebuild_locked(const std::vector<Replacement>& replacements) {
  const std::size_t first = piece_at(replacements.front().range.offset);
  std::vector<Piece> old(pieces_.begin() + static_cast<std::ptrdiff_t>(first), pieces_.end());
  pieces_.resize(first);
  first_pending_ = std::min(first_pending_, first);
  same_pieces_ = std::min(same_pieces_, first);
  auto next = replacements.begin();
  for (Piece& piece : old) {
    // Parts of this piece that stay; a chunk is replaced whole or not at all, only holes are trimmed.
    std::uint64_t at = piece.offset;
    while (next != replacements.end() && next->range.offset < piece.end()) {
      if (next->range.offset > at) push_piece({at, next->range.offset - at, std::nullopt, nullptr});
      if (next->range.offset >= piece.offset) {
        for (const Piece& fresh : next->pieces) push_piece(fresh);
      }
      at = std::max(at, next->range.end());
      if (next->range.end() > piece.end()) break;
      ++next;
    }
    if (at == piece.offset) {
      push_piece(std::move(piece));
    } else if (at < piece.end()) {
      push_piece({at, piece.end() - at, std::nullopt, nullptr});
    }
  }
}

/// Makes holes of what was never written before the ranges that lie beyond the end (and, with `to_size`, before the file's end).
void FileContent::fill_gaps(bool to_size) {
  for (;;) {
    const auto next = dirty_.at_or_after(end_locked());
    const bool has_range = next != dirty_.all().end();
    if (!has_range && (!to_size || size_ <= end_locked())) return;
    const std::uint64_t stop = has_range ? next->first : size_;
    finish_tail();
    {
      const std::lock_guard lock(mutex_);
      if (stop > tail_start_) push_piece({tail_start_, stop - tail_start_, std::nullopt, nullptr});
      last_is_cut_ = true;
      absorb_locked();
    }
    cut_tail();
  }
}

/// Brings all dirty ranges into pieces and tail.
Status FileContent::settle(const CallContext& context) {
  fill_gaps(false);
  std::vector<Replacement> done;
  std::optional<Bytes> to_tail;
  const std::uint64_t old_end = tail_start_;
  std::uint64_t from = 0;
  for (;;) {
    const auto next = dirty_.at_or_after(from);
    if (next == dirty_.all().end() || to_tail) break;
    const std::uint64_t offset = std::max(next->first, from);
    if (offset >= old_end) break;
    HOLDFAST_TRY(rechunk_from(offset, done, to_tail, context));
    from = done.back().range.end();
  }
  if (done.empty()) return ok_status();
  {
    const std::lock_guard lock(mutex_);
    std::uint64_t new_end = old_end;
    if (to_tail) {  // the last run reached the tail: its uncut rest stands before it
      new_end = old_end - to_tail->size();
      done.back().range.size = old_end - done.back().range.offset;
      to_tail->insert(to_tail->end(), tail_.begin(), tail_.end());
      tail_ = std::move(*to_tail);
      scanner_.restart();
      same_tail_ = 0;
      last_is_cut_ = true;
    }
    rebuild_locked(done);
    tail_start_ = new_end;
    dirty_.erase({0, old_end});
  }
  cut_tail();
  return resolve(false);
}

/// Small files become bytes in their inode; whether this one did.
Result<bool> FileContent::make_inline(const CallContext& context) {
  if (size_ > kInlineContentMaxBytes) return false;
  if (pieces_.empty() && dirty_.empty() && tail_.size() == size_) return true;
  Bytes bytes(static_cast<std::size_t>(size_));
  HOLDFAST_ASSIGN(const std::size_t count, read(0, bytes, context));
  bytes.resize(count);
  const std::lock_guard lock(mutex_);
  pieces_.clear();
  dirty_ = {};
  tail_ = std::move(bytes);
  tail_start_ = first_pending_ = same_pieces_ = same_tail_ = 0;
  scanner_.restart();
  last_is_cut_ = false;
  return true;
}

ContentUpdate FileContent::snapshot() const {
  ContentUpdate update;
  update.size_bytes = size_;
  ExtentContent extents;
  extents.extents.reserve(pieces_.size());
  for (const Piece& piece : pieces_) extents.extents.push_back({piece.size, piece.ref});
  if (!tail_.empty()) update.tail = std::make_shared<const Bytes>(tail_);
  if (published_serial_ != 0) {
    update.base_serial = published_serial_;
    if (same_pieces_ == published_pieces_ && pieces_.size() == published_pieces_ && tail_start_ == published_tail_start_) {
      update.tail_from = std::min({same_tail_, published_tail_size_, tail_.size()});
      update.keep = tail_start_ + update.tail_from;
    } else {
      const std::size_t kept = std::min(same_pieces_, pieces_.size());
      update.keep = kept == 0 ? 0 : pieces_[kept - 1].end();
      update.added.assign(extents.extents.begin() + static_cast<std::ptrdiff_t>(kept), extents.extents.end());
    }
  }
  if (!extents.extents.empty()) update.content = std::move(extents);
  return update;
}

Result<ContentUpdate> FileContent::finish(bool keep_tail, const CallContext& context) {
  HOLDFAST_ASSIGN(const bool is_inline, make_inline(context));
  if (is_inline) {
    ContentUpdate update;
    update.size_bytes = size_;
    if (!tail_.empty()) update.content = InlineContent{tail_};
    return update;
  }
  HOLDFAST_TRY(settle(context));
  count_dirty();
  fill_gaps(true);
  if (!keep_tail) finish_tail();
  HOLDFAST_TRY(resolve(true));
  if (!keep_tail) last_ = nullptr;  // its plaintext need not stay in memory
  return snapshot();
}

void FileContent::note_published(std::uint64_t serial, const ContentUpdate& update) {
  const std::lock_guard lock(mutex_);
  const bool extendable = std::holds_alternative<ExtentContent>(update.content) ||
                          (std::holds_alternative<EmptyContent>(update.content) && update.tail);
  published_serial_ = extendable ? serial : 0;
  published_pieces_ = same_pieces_ = pieces_.size();
  published_tail_start_ = tail_start_;
  published_tail_size_ = same_tail_ = tail_.size();
}

}  // namespace holdfast
