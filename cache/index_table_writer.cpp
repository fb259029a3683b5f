// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "cache/index_table.h"
#include "core/crypto/seal.h"
#include "core/format/byte_writer.h"

namespace holdfast {

using namespace index_layout;  // NOLINT: the layout of this very file

namespace {
constexpr std::size_t kWriteBytes = 1U << 20U;
}

Result<std::unique_ptr<IndexTableWriter>> IndexTableWriter::create(const std::string& path, TableKind kind,
                                                                   ByteView index_key, std::uint64_t count_max,
                                                                   RandomSource& random) {
  HOLDFAST_ASSIGN(cache::File file, cache::File::open(path, cache::File::Mode::kCreateNew));
  std::unique_ptr<IndexTableWriter> writer(new IndexTableWriter(std::move(file), kind, count_max));
  HOLDFAST_TRY(random.fill(writer->salt_));
  writer->key_ = file_key(index_key, writer->salt_, kind);
  writer->first_keys_.reserve(count_max / entries_per_block(kind) + 1);
  writer->out_.reserve(kWriteBytes + kMetaPieceBytes + kTagBytes);
  return writer;
}

Status IndexTableWriter::add(ByteView key, ByteView value) {
  HOLDFAST_CHECK(key.size() == sizeof(IndexKey) && value.size() == value_bytes(kind_));
  if (block_.empty()) first_keys_.push_back(IndexFilter::prefix_of(key));
  append(block_, key);
  append(block_, value);
  filter_.add(key);
  ++count_;
  if (block_.size() == entries_per_block(kind_) * entry_bytes(kind_)) return flush_block();
  return ok_status();
}

Status IndexTableWriter::flush_block() {
  const std::size_t at = out_.size();
  out_.resize(at + kBlockBytes);  // the rest of the block is zeros
  const auto block = MutableByteView(out_).subspan(at);
  aead_seal(key_.view(), nonce_of(Area::kBlock, first_keys_.size() - 1), {}, block_, block.first(block_.size()),
            block.subspan(block_.size(), kTagBytes));
  block_.clear();
  return write_out(false);
}

Status IndexTableWriter::write_out(bool all) {
  if (!all && out_.size() < kWriteBytes) return ok_status();
  HOLDFAST_TRY(file_.write_at(written_, out_));
  written_ += out_.size();
  out_.clear();
  return ok_status();
}

Status IndexTableWriter::write_meta() {
  Bytes piece;
  std::uint64_t number = 0;
  const auto seal_piece = [&]() -> Status {
    const std::size_t at = out_.size();
    out_.resize(at + piece.size() + kTagBytes);
    const auto place = MutableByteView(out_).subspan(at);
    aead_seal(key_.view(), nonce_of(Area::kMeta, number++), {}, piece, place.first(piece.size()), place.last(kTagBytes));
    piece.clear();
    return write_out(false);
  };
  for (const std::uint64_t first : first_keys_) {
    ByteWriter(piece).u64(first);
    if (piece.size() == kMetaPieceBytes) HOLDFAST_TRY(seal_piece());
  }
  for (ByteView rest = filter_.bytes(); !rest.empty();) {
    const std::size_t part = std::min(kMetaPieceBytes - piece.size(), rest.size());
    append(piece, rest.first(part));
    rest = rest.subspan(part);
    if (piece.size() == kMetaPieceBytes) HOLDFAST_TRY(seal_piece());
  }
  if (!piece.empty()) HOLDFAST_TRY(seal_piece());
  return ok_status();
}

Status IndexTableWriter::finish(bool durably) {
  if (!block_.empty()) HOLDFAST_TRY(flush_block());
  HOLDFAST_TRY(write_meta());
  Bytes trailer;
  ByteWriter(trailer)
      .raw(as_bytes(kMagic))
      .u16(kVersion)
      .u16(static_cast<std::uint16_t>(kind_))
      .u32(0)
      .u64(count_)
      .u64(first_keys_.size())
      .u64(filter_.bytes().size())
      .raw(salt_)
      .u64(0);
  std::array<std::uint8_t, kTagBytes> tag{};
  aead_seal(key_.view(), nonce_of(Area::kTrailer, 0), trailer, {}, {}, tag);
  append(out_, trailer);
  append(out_, tag);
  HOLDFAST_TRY(write_out(true));
  return durably ? file_.sync() : ok_status();
}

}  // namespace holdfast
