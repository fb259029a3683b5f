// SPDX-License-Identifier: Apache-2.0
#include "core/complete/dump_reader.h"

namespace holdfast {

Status DumpReader::load() {
  window_offset_ = offset_;
  window_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kWindowBytes, left())));
  return window_.empty() ? ok_status() : bytes_.read(window_offset_, window_);
}

Result<ByteView> DumpReader::take(std::size_t count) {
  HOLDFAST_CHECK(count <= kWindowBytes);
  if (count > left()) return cut_off("ends at byte " + std::to_string(size_) + " in the middle of a structure");
  const bool at_hand = offset_ >= window_offset_ && offset_ + count <= window_offset_ + window_.size();
  if (!at_hand) HOLDFAST_TRY(load());
  const ByteView view = ByteView(window_).subspan(static_cast<std::size_t>(offset_ - window_offset_), count);
  offset_ += count;
  return view;
}

Result<ByteView> DumpReader::take_some() {
  if (at_end()) return ByteView();
  const bool at_hand = offset_ >= window_offset_ && offset_ < window_offset_ + window_.size();
  if (!at_hand) HOLDFAST_TRY(load());
  const ByteView view = ByteView(window_).subspan(static_cast<std::size_t>(offset_ - window_offset_));
  offset_ += view.size();
  return view;
}

Result<std::uint8_t> DumpReader::u8() {
  HOLDFAST_ASSIGN(const ByteView view, take(1));
  return view[0];
}

Result<std::uint64_t> DumpReader::little_endian(std::size_t count) {
  HOLDFAST_CHECK(count <= 8);
  HOLDFAST_ASSIGN(const ByteView view, take(count));
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value |= std::uint64_t{view[i]} << (8 * i);
  return value;
}

Status DumpReader::skip(std::uint64_t count) {
  if (count > left()) {
    return cut_off("a block at byte " + std::to_string(offset_) + " runs past the end at byte " + std::to_string(size_));
  }
  offset_ += count;
  return ok_status();
}

void StreamEnds::add(ByteView bytes) {
  size_ += bytes.size();
  if (head_.size() < kHeadBytes) append(head_, bytes.first(std::min(bytes.size(), kHeadBytes - head_.size())));
  append(tail_, bytes.last(std::min(bytes.size(), kTailBytes)));
  if (tail_.size() > 8 * kTailBytes) tail_.erase(tail_.begin(), tail_.end() - static_cast<std::ptrdiff_t>(kTailBytes));
}

}  // namespace holdfast
