// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/log_segment.h"

#include "core/crypto/hash.h"
#include "core/format/byte_reader.h"
#include "core/format/byte_writer.h"

namespace holdfast {

Bytes encode_log_segment(const LogIdentity& log, std::uint64_t first, std::span<const SignedEntry> entries) {
  Bytes out;
  ByteWriter writer(out);
  writer.prelude(kLogSegmentObject).id(log.repository).id(log.writer).id(log.incarnation).u64(first);
  writer.varint(entries.size());
  for (const auto& entry : entries) writer.bytes(entry.sealed).id(entry.signature);
  return out;
}

Result<LogSegment> decode_log_segment(ByteView object) {
  ByteReader in(object, "log segment");
  HOLDFAST_TRY(in.prelude(kLogSegmentObject));
  LogSegment segment;
  HOLDFAST_ASSIGN(segment.log.repository, in.id<RepositoryId>());
  HOLDFAST_ASSIGN(segment.log.writer, in.id<WriterId>());
  HOLDFAST_ASSIGN(segment.log.incarnation, in.id<IncarnationId>());
  HOLDFAST_ASSIGN(segment.first, in.u64());
  HOLDFAST_ASSIGN(const std::size_t count, in.count(1 + Signature::size));
  if (count == 0) return in.corrupt("no entry");
  segment.entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    SignedEntry entry;
    HOLDFAST_ASSIGN(const ByteView sealed, in.bytes());
    entry.sealed.assign(sealed.begin(), sealed.end());
    HOLDFAST_ASSIGN(entry.signature, in.id<Signature>());
    segment.entries.push_back(std::move(entry));
  }
  HOLDFAST_TRY(in.expect_end());
  return segment;
}

Status verify_log_segment(const LogSegment& segment, const PublicKey& writer_key) {
  for (std::size_t i = 0; i < segment.entries.size(); ++i) {
    const auto& entry = segment.entries[i];
    const std::uint64_t number = segment.first + i;
    if (!verify_log_entry(segment.log, number, merkle_leaf_hash(entry.sealed), writer_key, entry.signature)) {
      return Error(ErrorCode::kUntrusted, "the signature of log entry " + std::to_string(number) + " of writer " +
                                              segment.log.writer.hex() + " is wrong");
    }
  }
  return ok_status();
}

}  // namespace holdfast
