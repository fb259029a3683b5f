// SPDX-License-Identifier: Apache-2.0
#include "core/live/file_content.h"

#include <algorithm>

namespace holdfast {
namespace {

/// By so much the tail grows before the chunker looks for the end of the chunk in it: what lies behind the end is
/// copied for nothing.
constexpr std::size_t kTailStepBytes = 16'384;

void copy_part(ByteView from, std::uint64_t from_offset, MutableByteView out, std::uint64_t out_offset) {
  const std::uint64_t begin = std::max(from_offset, out_offset);
  const std::uint64_t end = std::min(from_offset + from.size(), out_offset + out.size());
  if (begin >= end) return;
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(begin - from_offset), end - begin,
              out.begin() + static_cast<std::ptrdiff_t>(begin - out_offset));
}

}  // namespace

Status FileContent::load(const LiveInode& inode, const CallContext& context) {
  std::vector<Piece> pieces;
  Bytes tail;
  std::uint64_t at = 0;
  if (const auto* inlined = std::get_if<InlineContent>(&inode.inode.content)) {
    tail = inlined->bytes;
  } else {
    const ContentReader reader(parts_.source);
    HOLDFAST_ASSIGN(const auto located, reader.extents(inode.inode.content, 0, inode.inode.size_bytes, context));
    pieces.reserve(located.size());
    for (const auto& part : located) {
      if (part.offset != at) return Error(ErrorCode::kCorrupt, "a content with a gap");
      pieces.push_back({part.offset, part.extent.size_bytes, part.extent.chunk, nullptr});
      at += part.extent.size_bytes;
    }
  }
  if (inode.tail) tail = *inode.tail;
  if (at + tail.size() != inode.inode.size_bytes) return Error(ErrorCode::kCorrupt, "a content that does not add up to the file's size");
  const std::lock_guard lock(mutex_);
  pieces_ = std::move(pieces);
  tail_ = std::move(tail);
  tail_start_ = at;
  scanner_.restart();
  last_is_cut_ = false;
  size_ = inode.inode.size_bytes;
  first_pending_ = pieces_.size();
  same_pieces_ = published_serial_ = 0;
  loaded_ = true;
  return ok_status();
}

void FileContent::make_empty() {
  const std::lock_guard lock(mutex_);
  pieces_.clear();
  tail_.clear();
  last_ = nullptr;
  dirty_ = {};
  tail_start_ = size_ = first_pending_ = same_pieces_ = same_tail_ = 0;
  scanner_.restart();
  last_is_cut_ = false;
  count_dirty();
  loaded_ = true;
}

std::size_t FileContent::piece_at(std::uint64_t offset) const {
  const auto after = std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                                      [](std::uint64_t value, const Piece& piece) { return value < piece.offset; });
  return static_cast<std::size_t>(after - pieces_.begin()) - 1;
}

void FileContent::push_piece(Piece piece) {
  tail_start_ = piece.end();
  if (piece.is_hole() && !pieces_.empty() && pieces_.back().is_hole()) {
    pieces_.back().size += piece.size;
    same_pieces_ = std::min(same_pieces_, pieces_.size() - 1);
    return;
  }
  pieces_.push_back(std::move(piece));
}

Result<SharedBytes> FileContent::plain_of(const Piece& piece, const CallContext& context) const {
  if (piece.ticket) return piece.ticket->plain();
  HOLDFAST_ASSIGN(SharedBytes plain, parts_.source.read(*piece.ref, context));
  if (plain.size() != piece.size) return Error(ErrorCode::kCorrupt, "a chunk of another size than its reference says");
  return plain;
}

FileContent::Piece FileContent::submit(std::uint64_t offset, const PlainChunk& chunk, const std::shared_ptr<ChunkTicket>& before) {
  ++parts_.chunks_cut;
  return {offset, chunk.plain.size(), std::nullopt, parts_.pipeline.submit(parts_.domain, chunk, before)};
}

/// Turns tickets that are ready (or, with `wait`, all) into references. A chunk that could not be stored is handed over anew, so that
/// its bytes stay readable and the next call can succeed.
Status FileContent::resolve(bool wait) {
  Status status;
  for (; first_pending_ < pieces_.size(); ++first_pending_) {
    Piece& piece = pieces_[first_pending_];
    if (!piece.ticket) continue;
    if (!wait && !piece.ticket->is_ready()) break;
    Result<ChunkRef> ref = piece.ticket->wait();
    if (!ref) {
      auto again = parts_.pipeline.submit(parts_.domain, {piece.ticket->plain()});
      // The failure may be an old one, of a time without room.
      if (wait) ref = again->wait();
      const std::lock_guard lock(mutex_);
      piece.ticket = std::move(again);
    }
    if (!ref) {
      is_stuck_ = true;
      return ref.error();
    }
    const std::lock_guard lock(mutex_);
    piece.ref = *ref;
    piece.ticket = nullptr;
  }
  return status;
}

/// Hands over every chunk that is decided.
void FileContent::cut_tail() {
  std::size_t head = 0;
  while (head < tail_.size()) {
    const ByteView rest = ByteView(tail_).subspan(head);
    const auto cut = scanner_.scan(rest);
    if (!cut) break;
    Piece piece = submit(tail_start_ + head, {SharedBytes::copy_of(rest.first(*cut)), scanner_.end_chunk(*cut)}, last_);
    last_ = piece.ticket;
    head += *cut;
    // The tail's bytes go later, all at once: until then readers find the same bytes in the piece or the tail.
    const std::lock_guard lock(mutex_);
    const std::uint64_t start = tail_start_;
    push_piece(std::move(piece));
    tail_start_ = start;
    last_is_cut_ = true;
  }
  if (head == 0) return;
  const std::lock_guard lock(mutex_);
  tail_.erase(tail_.begin(), tail_.begin() + static_cast<std::ptrdiff_t>(head));
  tail_start_ += head;
  same_tail_ = 0;
}

void FileContent::finish_tail() {
  cut_tail();
  if (tail_.empty()) return;
  Piece piece = submit(tail_start_, {SharedBytes::copy_of(tail_), scanner_.end_chunk(tail_.size())}, last_);
  const std::lock_guard lock(mutex_);
  push_piece(std::move(piece));
  tail_.clear();
  same_tail_ = 0;
  last_is_cut_ = false;
}

/// Takes the last chunk back into the tail when it ended only because the file did: bytes that follow belong to it.
Status FileContent::pull_last_chunk(const CallContext& context) {
  if (!tail_.empty() || pieces_.empty() || last_is_cut_) return ok_status();
  const Piece last = pieces_.back();
  if (last.is_hole() || last.size >= parts_.chunker.sizes().max_bytes) return ok_status();
  HOLDFAST_ASSIGN(const SharedBytes plain, plain_of(last, context));
  const auto cut = parts_.chunker.first_cut(plain.view());
  if (cut && *cut == plain.size()) {
    last_is_cut_ = true;
    return ok_status();
  }
  const std::lock_guard lock(mutex_);
  pieces_.pop_back();
  first_pending_ = std::min(first_pending_, pieces_.size());
  same_pieces_ = std::min(same_pieces_, pieces_.size());
  tail_.assign(plain.view().begin(), plain.view().end());
  tail_start_ = last.offset;
  scanner_.restart();
  same_tail_ = 0;
  last_is_cut_ = false;
  absorb_locked();
  return ok_status();
}

/// Moves dirty bytes that overlap or touch the tail into it.
void FileContent::absorb_locked() {
  for (;;) {
    auto next = dirty_.at_or_after(tail_start_);
    if (next == dirty_.all().end()) return;
    const std::uint64_t offset = std::max(next->first, tail_start_);
    if (offset > end_locked()) return;
    const ByteView bytes = ByteView(next->second).subspan(static_cast<std::size_t>(offset - next->first));
    const std::uint64_t inside = std::min<std::uint64_t>(end_locked() - offset, bytes.size());
    if (inside > 0) {
      std::copy_n(bytes.begin(), inside, tail_.begin() + static_cast<std::ptrdiff_t>(offset - tail_start_));
      scanner_.restart();
      same_tail_ = std::min<std::size_t>(same_tail_, static_cast<std::size_t>(offset - tail_start_));
    }
    append(tail_, bytes.subspan(static_cast<std::size_t>(inside)));
    dirty_.erase({offset, bytes.size()});
  }
}

/// Bytes that follow the end: chunks are cut where the bytes lie, and only what belongs to a chunk without an end yet
/// is copied. The size grows with what is kept or handed over, so that readers never find a stretch that has neither.
void FileContent::append_stream(const LentBytes& lent) {
  cut_tail();
  ByteView data = lent.view();
  std::vector<PlainChunk> chunks;
  while (!tail_.empty() && !data.empty() && chunks.empty()) {  // the chunk that the tail began
    const ByteView step = data.first(std::min(data.size(), kTailStepBytes));
    const std::lock_guard lock(mutex_);
    append(tail_, step);
    const auto cut = scanner_.scan(tail_);
    if (cut) {  // in this step: the tail had none
      data = data.subspan(step.size() - (tail_.size() - *cut));
      chunks.push_back({SharedBytes::copy_of(ByteView(tail_).first(*cut)), scanner_.end_chunk(*cut)});
    } else {
      data = data.subspan(step.size());
      size_ = std::max(size_, end_locked());
    }
  }
  while (!data.empty()) {
    const auto cut = scanner_.scan(data);
    if (!cut) break;
    chunks.push_back({lent.keep(data.first(*cut)), scanner_.end_chunk(*cut)});
    data = data.subspan(*cut);
  }
  parts_.chunks_cut += chunks.size();
  const std::vector<std::shared_ptr<ChunkTicket>> tickets = parts_.pipeline.submit_all(parts_.domain, chunks, last_);
  if (!tickets.empty()) last_ = tickets.back();
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < chunks.size(); ++i) push_piece({tail_start_, chunks[i].plain.size(), std::nullopt, tickets[i]});
  if (!chunks.empty()) {
    tail_.clear();
    same_tail_ = 0;
    last_is_cut_ = true;
  }
  append(tail_, data);
  size_ = std::max(size_, end_locked());
}

Status FileContent::write(std::uint64_t offset, const LentBytes& lent, const CallContext& context) {
  const ByteView data = lent.view();
  if (data.empty()) return ok_status();
  if (is_stuck_) HOLDFAST_TRY(store_what_waits(context));
  const std::uint64_t end = offset + data.size();
  if (offset <= tail_start_ && end > tail_start_) HOLDFAST_TRY(pull_last_chunk(context));
  const auto ahead = dirty_.at_or_after(offset);
  if (offset == end_locked() && (ahead == dirty_.all().end() || ahead->first >= end)) {
    append_stream(lent);  // the common case
    const std::lock_guard lock(mutex_);
    absorb_locked();
  } else {
    const std::lock_guard lock(mutex_);
    size_ = std::max(size_, end);
    const std::uint64_t before = offset < tail_start_ ? std::min<std::uint64_t>(tail_start_ - offset, data.size()) : 0;
    dirty_.put(offset, data.first(static_cast<std::size_t>(before)));
    dirty_.put(offset + before, data.subspan(static_cast<std::size_t>(before)));
    absorb_locked();
  }
  cut_tail();
  HOLDFAST_TRY(resolve(false));
  if (!is_too_dirty()) return ok_status();
  Status settled = settle(context);
  count_dirty();
  is_stuck_ = !settled;
  return settled;
}

void FileContent::count_dirty() {
  parts_.dirty_bytes += dirty_.size_bytes() - counted_dirty_;  // modulo 2^64
  counted_dirty_ = dirty_.size_bytes();
}

/// Whether dirty ranges are to become chunks now. Bytes beyond the end mostly came before their turn, and those between
/// are on their way: filling the gap now would make a hole and cuts where none belong.
bool FileContent::is_too_dirty() {
  count_dirty();
  const std::uint64_t own = dirty_.size_bytes();
  if (parts_.dirty_bytes > parts_.dirty_bytes_max) return own > parts_.dirty_bytes_max_per_file / 8;
  const bool is_ahead = dirty_.end_offset() > end_locked();
  return own > parts_.dirty_bytes_max_per_file * (is_ahead ? 4 : 1);
}

/// What failed before, once more. Chunks are waited for: one that was handed over anew is not ready at once.
Status FileContent::store_what_waits(const CallContext& context) {
  HOLDFAST_TRY(resolve(true));
  if (is_too_dirty()) HOLDFAST_TRY(settle(context));
  is_stuck_ = false;
  return ok_status();
}

std::uint64_t FileContent::size_bytes() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

std::uint64_t FileContent::allocated_bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = tail_.size();
  for (const Piece& piece : pieces_) bytes += piece.is_hole() ? 0 : piece.size;
  for (const auto& [offset, dirty] : dirty_.all()) {
    if (offset >= tail_start_) bytes += dirty.size();
  }
  return bytes;
}

Result<std::size_t> FileContent::read(std::uint64_t offset, MutableByteView out, const CallContext& context) const {
  std::vector<Piece> wanted;
  DirtyRanges over;
  {
    const std::lock_guard lock(mutex_);
    if (offset >= size_) return std::size_t{0};
    out = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset)));
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    const std::uint64_t end = offset + out.size();
    if (offset < tail_start_ && !pieces_.empty()) {
      for (std::size_t i = piece_at(offset); i < pieces_.size() && pieces_[i].offset < std::min(end, tail_start_); ++i) {
        if (!pieces_[i].is_hole()) wanted.push_back(pieces_[i]);
      }
    }
    copy_part(tail_, tail_start_, out, offset);
    if (wanted.empty()) {
      dirty_.overlay(offset, out);
      return out.size();
    }
    for (auto at = dirty_.at_or_after(offset); at != dirty_.all().end() && at->first < end; ++at) over.put(at->first, at->second);
  }
  std::vector<ChunkRef> refs;
  for (const Piece& piece : wanted) {
    if (piece.ref) refs.push_back(*piece.ref);
  }
  if (refs.size() > 1) parts_.source.prefetch(refs);
  for (const Piece& piece : wanted) {
    HOLDFAST_ASSIGN(const SharedBytes plain, plain_of(piece, context));
    copy_part(plain.view(), piece.offset, out, offset);
  }
  over.overlay(offset, out);
  return out.size();
}

std::optional<std::uint64_t> FileContent::next_data(std::uint64_t offset) const {
  const std::lock_guard lock(mutex_);
  std::optional<std::uint64_t> found;
  if (offset < tail_start_) {
    for (std::size_t i = piece_at(offset); i < pieces_.size() && !found; ++i) {
      if (!pieces_[i].is_hole()) found = std::max(offset, pieces_[i].offset);
    }
  }
  if (!found && !tail_.empty() && offset < end_locked()) found = std::max(offset, tail_start_);
  const auto dirty = dirty_.at_or_after(offset);
  if (dirty != dirty_.all().end()) {
    const std::uint64_t at = std::max(offset, dirty->first);
    if (!found || at < *found) found = at;
  }
  return found;
}

std::uint64_t FileContent::next_hole(std::uint64_t offset) const {
  const std::lock_guard lock(mutex_);
  while (offset < size_) {
    const auto dirty = dirty_.at_or_after(offset);
    if (dirty != dirty_.all().end() && dirty->first <= offset) {
      offset = dirty->first + dirty->second.size();
    } else if (offset < tail_start_) {
      const Piece& piece = pieces_[piece_at(offset)];
      if (piece.is_hole()) return offset;
      offset = piece.end();
    } else if (offset < end_locked()) {
      offset = end_locked();
    } else {
      return offset;
    }
  }
  return size_;
}

}  // namespace holdfast
