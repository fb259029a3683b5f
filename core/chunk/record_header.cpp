// SPDX-License-Identifier: Apache-2.0
#include "core/chunk/record_layout.h"
#include "core/crypto/hash.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {

namespace {
constexpr std::string_view kRecordMagic = "HC";
}  // namespace

void encode_record_header(const RecordHeader& header, Bytes& out) {
  ByteWriter(out)
      .raw(as_bytes(kRecordMagic))
      .u8(static_cast<std::uint8_t>(kFormatVersion))
      .u8(static_cast<std::uint8_t>(kFormatSuite))
      .u8(static_cast<std::uint8_t>(header.kind))
      .u8(static_cast<std::uint8_t>(header.codec))
      .zeros(2)
      .u32(header.plain_size_bytes)
      .u32(header.payload_size_bytes);
}

Result<RecordHeader> decode_record_header(ByteView record) {
  ByteReader in(record, "chunk record");
  HOLDFAST_ASSIGN(const ByteView magic, in.raw(kRecordMagic.size()));
  if (as_text(magic) != kRecordMagic) return in.corrupt("does not begin with HC");
  HOLDFAST_ASSIGN(const std::uint8_t version, in.u8());
  if (version != kFormatVersion) {
    return Error(ErrorCode::kUnsupported, "chunk record has format version " + std::to_string(version) +
                                              "; this program reads " + std::to_string(kFormatVersion));
  }
  HOLDFAST_ASSIGN(const std::uint8_t suite, in.u8());
  if (suite != kFormatSuite) {
    return Error(ErrorCode::kUnsupported, "chunk record has cipher suite " + std::to_string(suite) +
                                              "; this program knows " + std::to_string(kFormatSuite));
  }
  RecordHeader header;
  HOLDFAST_ASSIGN(header.kind, decode_chunk_kind(in));
  HOLDFAST_ASSIGN(const std::uint8_t codec, in.u8());
  if (codec > static_cast<std::uint8_t>(ChunkCodec::kDifferenceToTwo)) {
    return Error(ErrorCode::kUnsupported, "chunk record has codec " + std::to_string(codec) + ", which this program does not know");
  }
  header.codec = static_cast<ChunkCodec>(codec);
  HOLDFAST_TRY(in.zeros(2));
  HOLDFAST_ASSIGN(header.plain_size_bytes, in.u32());
  if (header.plain_size_bytes == 0 || header.plain_size_bytes > kChunkPlainMaxBytes) {
    return in.corrupt("a plaintext of " + std::to_string(header.plain_size_bytes) + " bytes");
  }
  HOLDFAST_ASSIGN(header.payload_size_bytes, in.u32());
  const bool fits = header.codec == ChunkCodec::kStored ? header.payload_size_bytes == header.plain_size_bytes
                                                        : header.payload_size_bytes < header.plain_size_bytes;
  if (header.payload_size_bytes == 0 || !fits) {
    return in.corrupt("a payload of " + std::to_string(header.payload_size_bytes) + " bytes for a plaintext of " +
                      std::to_string(header.plain_size_bytes));
  }
  return header;
}

bool verify_record(const ChunkId& id, ByteView record) { return best_chunk_hasher().chunk_id(record) == id; }

}  // namespace holdfast
