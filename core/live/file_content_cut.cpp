// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/live/file_content.h"

namespace holdfast {

/// Everything from `size_bytes` on goes. The chunk that it lies in becomes the tail.
Status FileContent::drop_from(std::uint64_t size_bytes, const CallContext& context) {
  if (size_bytes >= tail_start_) {
    const std::lock_guard lock(mutex_);
    dirty_.erase({size_bytes, dirty_.end_offset() > size_bytes ? dirty_.end_offset() - size_bytes : 0});
    if (size_bytes < end_locked()) {
      tail_.resize(static_cast<std::size_t>(size_bytes - tail_start_));
      scanner_.restart();
      same_tail_ = std::min(same_tail_, tail_.size());
    }
    size_ = std::min(size_, size_bytes);
    return ok_status();
  }
  const std::size_t index = piece_at(size_bytes);
  const Piece piece = pieces_[index];
  const auto kept = static_cast<std::size_t>(size_bytes - piece.offset);
  Bytes tail;
  if (kept > 0 && !piece.is_hole()) {
    HOLDFAST_ASSIGN(const SharedBytes plain, plain_of(piece, context));
    append(tail, plain.view().first(kept));
  }
  const std::lock_guard lock(mutex_);
  dirty_.erase({size_bytes, std::max(dirty_.end_offset(), size_bytes) - size_bytes});
  pieces_.resize(index);
  first_pending_ = std::min(first_pending_, index);
  same_pieces_ = std::min(same_pieces_, index);
  tail_start_ = piece.offset;
  if (kept > 0 && piece.is_hole()) push_piece({piece.offset, kept, std::nullopt, nullptr});
  tail_ = std::move(tail);
  scanner_.restart();
  same_tail_ = 0;
  last_is_cut_ = tail_start_ == size_bytes;
  size_ = size_bytes;
  absorb_locked();
  return ok_status();
}

Status FileContent::truncate(std::uint64_t size_bytes, const CallContext& context) {
  if (size_bytes == 0) {
    make_empty();
    return ok_status();
  }
  if (size_bytes < size_) return drop_from(size_bytes, context);
  const std::lock_guard lock(mutex_);
  size_ = size_bytes;
  return ok_status();
}

Status FileContent::punch(std::uint64_t offset, std::uint64_t size, const CallContext& context) {
  if (offset >= size_ || size == 0) return ok_status();
  const std::uint64_t end = size > size_ - offset ? size_ : offset + size;
  if (end > tail_start_ && offset < end_locked()) finish_tail();
  // What survives of the chunks at both ends becomes dirty bytes around the hole.
  struct Part {
    std::uint64_t offset;
    Bytes bytes;
  };
  std::vector<Part> survivors;
  const std::uint64_t stop = std::min(end, tail_start_);
  const auto survive = [&](const Piece& piece, std::uint64_t from, std::uint64_t to) -> Status {
    if (piece.is_hole() || from >= to) return ok_status();
    HOLDFAST_ASSIGN(const SharedBytes plain, plain_of(piece, context));
    const ByteView part = plain.view().subspan(static_cast<std::size_t>(from - piece.offset), static_cast<std::size_t>(to - from));
    survivors.push_back({from, Bytes(part.begin(), part.end())});
    return ok_status();
  };
  Replacement hole{{offset, 0}, {}};
  if (offset < stop) {
    const Piece first = pieces_[piece_at(offset)];
    const Piece last = pieces_[piece_at(stop - 1)];
    HOLDFAST_TRY(survive(first, first.offset, offset));
    HOLDFAST_TRY(survive(last, stop, last.end()));
    // A hole is only trimmed, a chunk goes whole.
    hole.range.offset = first.is_hole() ? offset : first.offset;
    hole.range.size = (last.is_hole() ? stop : last.end()) - hole.range.offset;
    hole.pieces.push_back({hole.range.offset, hole.range.size, std::nullopt, nullptr});
  }
  const std::lock_guard lock(mutex_);
  dirty_.erase({offset, end - offset});
  if (hole.range.size == 0) return ok_status();
  const std::uint64_t old_end = tail_start_;
  rebuild_locked({hole});
  tail_start_ = old_end;
  // Dirty bytes over a survivor are newer than it.
  for (Part& part : survivors) {
    dirty_.overlay(part.offset, part.bytes);
    dirty_.put(part.offset, part.bytes);
  }
  last_is_cut_ = last_is_cut_ || pieces_.back().is_hole();
  return ok_status();
}

}  // namespace holdfast
