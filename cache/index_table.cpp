// SPDX-License-Identifier: Apache-2.0
#include "cache/index_table.h"

#include <algorithm>

#include "core/crypto/hash.h"
#include "core/crypto/seal.h"

namespace holdfast {

namespace index_layout {

Nonce nonce_of(Area area, std::uint64_t number) {
  Nonce nonce{};
  for (std::size_t i = 0; i < 8; ++i) nonce[i] = static_cast<std::uint8_t>(number >> (8 * i));
  nonce[8] = static_cast<std::uint8_t>(area);
  return nonce;
}

SecretBytes file_key(ByteView index_key, ByteView salt, TableKind kind) {
  std::string_view label = "holdfast/1/index-by-feature";
  if (kind == TableKind::kById) label = "holdfast/1/index-by-id";
  if (kind == TableKind::kByFingerprint) label = "holdfast/1/index-by-fp";
  return hkdf_sha256(index_key, salt, as_bytes(label), 32);
}

}  // namespace index_layout

using namespace index_layout;  // NOLINT: the layout of this very file

namespace {

constexpr std::size_t kCursorBlocks = 64;  // 256 KiB at once
Error damaged(std::string_view what) { return Error(ErrorCode::kCorrupt, "a table of the chunk index is damaged: " + std::string(what)); }

}  // namespace

Result<std::shared_ptr<const IndexTable>> IndexTable::open(const std::string& path, TableKind kind, ByteView index_key) {
  auto file = cache::File::open(path, cache::File::Mode::kRead);
  if (!file && file.error().code() == ErrorCode::kNotFound) return damaged("missing");
  if (!file) return std::move(file).error();
  std::shared_ptr<IndexTable> table(new IndexTable(std::move(*file), kind));
  HOLDFAST_TRY(table->read_trailer(index_key));
  HOLDFAST_TRY(table->read_meta());
  table->file_.expect_random_reads();
  return std::shared_ptr<const IndexTable>(std::move(table));
}

Status IndexTable::read_trailer(ByteView index_key) {
  HOLDFAST_ASSIGN(file_size_, file_.size_bytes());
  if (file_size_ < kTrailerBytes) return damaged("too short");
  std::array<std::uint8_t, kTrailerBytes> trailer{};
  HOLDFAST_TRY(file_.read_at(file_size_ - kTrailerBytes, trailer));
  const ByteView view(trailer);
  ByteReader reader(view, "trailer of an index table");
  HOLDFAST_ASSIGN(const ByteView magic, reader.raw(8));
  if (as_text(magic) != kMagic) return damaged("no magic");
  HOLDFAST_ASSIGN(const std::uint16_t version, reader.u16());
  if (version != kVersion) {
    return Error(ErrorCode::kUnsupported, "an index table has version " + std::to_string(version) + "; this program reads 1");
  }
  HOLDFAST_ASSIGN(const std::uint16_t kind, reader.u16());
  HOLDFAST_TRY(reader.zeros(4));
  HOLDFAST_ASSIGN(count_, reader.u64());
  HOLDFAST_ASSIGN(block_count_, reader.u64());
  HOLDFAST_ASSIGN(filter_size_, reader.u64());
  HOLDFAST_ASSIGN(const ByteView salt, reader.raw(32));
  HOLDFAST_TRY(reader.zeros(8));
  key_ = file_key(index_key, salt, kind_);
  if (!aead_open(key_.view(), nonce_of(Area::kTrailer, 0), view.first(kTrailerBytes - kTagBytes), {}, view.last(kTagBytes), {})) {
    return damaged("its trailer does not open");
  }
  // What follows is authentic, so these catch bugs and another kind under this name, not damage.
  const std::uint64_t meta_size = block_count_ * 8 + filter_size_;
  const std::uint64_t pieces = (meta_size + kMetaPieceBytes - 1) / kMetaPieceBytes;
  if (kind != static_cast<std::uint16_t>(kind_) || filter_size_ == 0 || filter_size_ % IndexFilter::kLineBytes != 0 ||
      block_count_ != (count_ + entries_per_block(kind_) - 1) / entries_per_block(kind_)) {
    return damaged("its trailer contradicts itself");
  }
  if (file_size_ != block_count_ * kBlockBytes + meta_size + pieces * kTagBytes + kTrailerBytes) return damaged("its size");
  return ok_status();
}

Status IndexTable::read_meta() {
  std::uint64_t at = block_count_ * kBlockBytes;
  const std::uint64_t meta_size = block_count_ * 8 + filter_size_;
  first_keys_.reserve(block_count_);
  Bytes bits;
  bits.reserve(filter_size_);
  Bytes sealed;
  Bytes plain;
  // A piece holds whole numbers: 65536 is a multiple of 8.
  for (std::uint64_t done = 0, number = 0; done < meta_size; ++number) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(kMetaPieceBytes, meta_size - done));
    sealed.resize(part + kTagBytes);
    plain.resize(part);
    HOLDFAST_TRY(file_.read_at(at, sealed));
    const ByteView view(sealed);
    if (!aead_open(key_.view(), nonce_of(Area::kMeta, number), {}, view.first(part), view.last(kTagBytes), plain)) {
      return damaged("its filter does not open");
    }
    ByteView rest(plain);
    while (!rest.empty() && first_keys_.size() < block_count_) {
      first_keys_.push_back(load_le<std::uint64_t>(rest));
      rest = rest.subspan(8);
    }
    append(bits, rest);
    at += sealed.size();
    done += part;
  }
  filter_ = IndexFilter(std::move(bits));
  return ok_status();
}

std::size_t IndexTable::entries_in(std::uint64_t block) const noexcept {
  const std::uint64_t before = block * entries_per_block(kind_);
  return static_cast<std::size_t>(std::min<std::uint64_t>(entries_per_block(kind_), count_ - before));
}

Result<Bytes> IndexTable::open_block(std::uint64_t number, ByteView sealed) const {
  const std::size_t size = entries_in(number) * entry_bytes(kind_);
  Bytes plain(size);
  if (!aead_open(key_.view(), nonce_of(Area::kBlock, number), {}, sealed.first(size), sealed.subspan(size, kTagBytes), plain)) {
    return damaged("block " + std::to_string(number) + " does not open");
  }
  return plain;
}

Result<std::optional<Bytes>> IndexTable::find(const IndexKey& key) const {
  if (count_ == 0 || !filter_.may_hold(key)) return std::optional<Bytes>();
  const std::uint64_t prefix = IndexFilter::prefix_of(key);
  // The last block that begins before the key, and all further ones that begin with the same eight bytes.
  const auto first_not_before = std::lower_bound(first_keys_.begin(), first_keys_.end(), prefix);
  auto block = static_cast<std::uint64_t>(first_not_before - first_keys_.begin());
  if (block > 0) --block;
  const std::size_t stride = entry_bytes(kind_);
  std::array<std::uint8_t, kBlockBytes> sealed;  // NOLINT: read_at fills it
  for (; block < block_count_ && first_keys_[block] <= prefix; ++block) {
    HOLDFAST_TRY(file_.read_at(block * kBlockBytes, sealed));
    HOLDFAST_ASSIGN(const Bytes plain, open_block(block, sealed));
    std::size_t low = 0;
    std::size_t high = plain.size() / stride;
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      const auto entry = ByteView(plain).subspan(middle * stride, stride);
      const int order = std::memcmp(entry.data(), key.data(), key.size());
      if (order == 0) return std::optional<Bytes>(Bytes(entry.begin() + sizeof(IndexKey), entry.end()));
      if (order < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
  }
  return std::optional<Bytes>();
}

ByteView IndexTable::Cursor::entry() const noexcept {
  const std::size_t stride = entry_bytes(table_->kind_);
  return ByteView(plain_).subspan(entry_ * stride, stride);
}

Result<bool> IndexTable::Cursor::next() {
  const std::size_t stride = entry_bytes(table_->kind_);
  if ((entry_ + 1) * stride < plain_.size()) {
    ++entry_;
    return true;
  }
  if (blocks_read_ == table_->block_count_) return false;
  if (sealed_at_ == sealed_.size()) {
    const auto blocks = std::min<std::uint64_t>(kCursorBlocks, table_->block_count_ - blocks_read_);
    sealed_.resize(static_cast<std::size_t>(blocks) * kBlockBytes);
    HOLDFAST_TRY(table_->file_.read_at(blocks_read_ * kBlockBytes, sealed_));
    sealed_at_ = 0;
  }
  HOLDFAST_ASSIGN(plain_, table_->open_block(blocks_read_, ByteView(sealed_).subspan(sealed_at_, kBlockBytes)));
  sealed_at_ += kBlockBytes;
  ++blocks_read_;
  entry_ = 0;
  return true;
}

}  // namespace holdfast
