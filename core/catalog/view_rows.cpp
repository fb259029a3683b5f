// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/view_rows.h"

#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

// First bytes of keys.
enum Family : std::uint8_t { kMark = 0, kCursor = 1, kSnapshot = 2, kKey = 3, kDatabase = 4, kCopy = 5, kWriter = 6 };
constexpr std::uint8_t kLayout = 2;
constexpr std::uint8_t kIsShard = 1;
constexpr std::uint8_t kIsSuperseded = 2;

template <typename Id>
Bytes key_of(Family family, const Id& id) {
  Bytes key;
  ByteWriter(key).u8(family).id(id);
  return key;
}

/// The record is kept with its id in front of its bytes, so that decoding checks it again.
Bytes record_bytes(const SnapshotRecord& record) {
  Bytes out;
  ByteWriter(out).id(record.id).i64(record.time).id(record.writer).id(record.content_root).id(record.root_node);
  ByteWriter(out).id(record.link_node).varint(record.bytes_new).id(record.key);
  ByteWriter(out).u8(static_cast<std::uint8_t>(record.completeness)).id(record.database).bytes(record.private_box);
  return out;
}

Status decode_record(ByteReader& in, SnapshotRecord& record) {
  HOLDFAST_ASSIGN(record.id, in.id<SnapshotId>());
  HOLDFAST_ASSIGN(record.time, in.i64());
  HOLDFAST_ASSIGN(record.writer, in.id<WriterId>());
  HOLDFAST_ASSIGN(record.content_root, in.id<Digest>());
  HOLDFAST_ASSIGN(record.root_node, in.id<ChunkId>());
  HOLDFAST_ASSIGN(record.link_node, in.id<ChunkId>());
  HOLDFAST_ASSIGN(record.bytes_new, in.varint());
  HOLDFAST_ASSIGN(record.key, in.id<KeyId>());
  HOLDFAST_ASSIGN(const std::uint8_t completeness, in.u8());
  if (completeness < 1 || completeness > 3) return in.corrupt("a completeness that is none");
  record.completeness = static_cast<Completeness>(completeness);
  HOLDFAST_ASSIGN(record.database, in.id<DatabaseId>());
  HOLDFAST_ASSIGN(const ByteView box, in.bytes());
  record.private_box.assign(box.begin(), box.end());
  return ok_status();
}

Status decode_snapshot(ByteReader& in, const ViewRowVisitor& visitor) {
  SnapshotRow row;
  HOLDFAST_TRY(decode_record(in, row.record));
  HOLDFAST_ASSIGN(row.last_pack, in.u32());
  HOLDFAST_ASSIGN(const std::uint8_t safe, in.u8());
  row.stated_safe = safe != 0;
  HOLDFAST_ASSIGN(const ByteView fields, in.bytes());
  if (!fields.empty()) {
    HOLDFAST_ASSIGN(row.fields, decode_snapshot_fields(fields));
  }
  HOLDFAST_TRY(in.expect_end());
  visitor.snapshot(std::move(row));
  return ok_status();
}

Status decode_database(ByteReader& in, const ViewRowVisitor& visitor) {
  DatabaseRow row;
  HOLDFAST_ASSIGN(row.id, in.id<DatabaseId>());
  HOLDFAST_ASSIGN(row.writer, in.id<WriterId>());
  HOLDFAST_ASSIGN(row.time, in.i64());
  HOLDFAST_ASSIGN(const std::string_view toml, in.text());
  row.toml = toml;
  HOLDFAST_TRY(in.expect_end());
  visitor.database(std::move(row));
  return ok_status();
}

Status decode_copy(ByteReader& in, const ViewRowVisitor& visitor) {
  HOLDFAST_ASSIGN(const PackId pack, in.id<PackId>());
  CopyRow row;
  HOLDFAST_ASSIGN(const std::string_view network, in.text());
  row.copy.network = network;
  HOLDFAST_ASSIGN(const std::string_view locator, in.text());
  row.copy.ref.locator = locator;
  HOLDFAST_ASSIGN(row.copy.ref.size_bytes, in.u64());
  HOLDFAST_ASSIGN(const std::uint8_t outcome, in.u8());
  if (outcome < 1 || outcome > 4) return in.corrupt("an outcome that is none");
  row.outcome = static_cast<VerifiedOutcome>(outcome);
  HOLDFAST_ASSIGN(const std::uint8_t flags, in.u8());
  row.is_superseded = (flags & kIsSuperseded) != 0;
  if ((flags & kIsShard) != 0) {
    StoredShard shard;
    HOLDFAST_ASSIGN(shard.plan.code.k, in.u8());
    HOLDFAST_ASSIGN(shard.plan.code.n, in.u8());
    HOLDFAST_ASSIGN(shard.plan.index, in.u8());
    HOLDFAST_ASSIGN(shard.plan.pack_size_bytes, in.u64());
    HOLDFAST_ASSIGN(shard.id, in.id<ShardId>());
    shard.plan.pack = pack;
    if (!shard.plan.is_valid()) return in.corrupt("a shard that can't be");
    row.copy.shard = shard;
  }
  HOLDFAST_TRY(in.expect_end());
  visitor.copy(pack, std::move(row));
  return ok_status();
}

Status decode_writer(ByteReader& in, const ViewRowVisitor& visitor) {
  WriterRow row;
  HOLDFAST_ASSIGN(row.id, in.id<WriterId>());
  HOLDFAST_ASSIGN(row.slot, in.u32());
  HOLDFAST_ASSIGN(row.incarnation, in.id<IncarnationId>());
  HOLDFAST_ASSIGN(row.log.size, in.u64());
  HOLDFAST_ASSIGN(row.log.merkle_root, in.id<Digest>());
  HOLDFAST_ASSIGN(row.head_time, in.i64());
  HOLDFAST_ASSIGN(const ByteView certificate, in.bytes());
  row.certificate.assign(certificate.begin(), certificate.end());
  HOLDFAST_TRY(in.expect_end());
  visitor.writer(std::move(row));
  return ok_status();
}

}  // namespace

Bytes view_mark_key() { return {kMark}; }

Bytes view_mark_value(const RepositoryId& repository) {
  Bytes out;
  ByteWriter(out).u8(kLayout).id(repository);
  return out;
}

ViewStore::Put encode_cursor_row(const IncarnationId& id, std::uint64_t count) {
  Bytes value;
  ByteWriter(value).id(id).u64(count);
  return {key_of(kCursor, id), std::move(value)};
}

ViewStore::Put encode_snapshot_row(const SnapshotRow& row) {
  Bytes value = record_bytes(row.record);
  ByteWriter(value).u32(row.last_pack).u8(row.stated_safe ? 1 : 0).bytes(row.fields ? encode_snapshot_fields(*row.fields) : Bytes());
  return {key_of(kSnapshot, row.record.id), std::move(value)};
}

ViewStore::Put encode_key_row(const KeyTableEntry& entry) {
  Bytes value;
  encode_key_table_entry(entry, value);
  return {key_of(kKey, entry.snapshot), std::move(value)};
}

ViewStore::Put encode_database_row(const DatabaseRow& row) {
  Bytes value;
  ByteWriter(value).id(row.id).id(row.writer).i64(row.time).text(row.toml);
  return {key_of(kDatabase, row.id), std::move(value)};
}

ViewStore::Put encode_copy_row(const PackId& pack, const CopyRow& row) {
  Bytes key = key_of(kCopy, pack);
  append(key, sha256(as_bytes(row.copy.network)).view().first(8));  // a network's name may be longer than a key
  Bytes value;
  ByteWriter(value).id(pack).text(row.copy.network).text(row.copy.ref.locator).u64(row.copy.ref.size_bytes);
  const std::optional<StoredShard>& shard = row.copy.shard;
  const unsigned flags = (shard ? kIsShard : 0U) | (row.is_superseded ? kIsSuperseded : 0U);
  ByteWriter(value).u8(static_cast<std::uint8_t>(row.outcome)).u8(static_cast<std::uint8_t>(flags));
  if (shard) ByteWriter(value).u8(shard->plan.code.k).u8(shard->plan.code.n).u8(shard->plan.index).u64(shard->plan.pack_size_bytes).id(shard->id);
  return {std::move(key), std::move(value)};
}

ViewStore::Put encode_writer_row(const WriterRow& row) {
  Bytes value;
  ByteWriter(value).id(row.id).u32(row.slot).id(row.incarnation).u64(row.log.size).id(row.log.merkle_root);
  ByteWriter(value).i64(row.head_time).bytes(row.certificate);
  return {key_of(kWriter, row.id), std::move(value)};
}

Status decode_view_row(ByteView key, ByteView value, const ViewRowVisitor& visitor) {
  ByteReader in(value, "row of the catalog view");
  if (key.empty()) return Error(ErrorCode::kCorrupt, "a row of the catalog view without a key");
  switch (key.front()) {
    case kMark: return ok_status();
    case kCursor: {
      HOLDFAST_ASSIGN(const IncarnationId id, in.id<IncarnationId>());
      HOLDFAST_ASSIGN(const std::uint64_t count, in.u64());
      visitor.cursor(id, count);
      return in.expect_end();
    }
    case kSnapshot: return decode_snapshot(in, visitor);
    case kKey: {
      HOLDFAST_ASSIGN(const KeyTableEntry entry, decode_key_table_entry(in));
      visitor.key(entry);
      return in.expect_end();
    }
    case kDatabase: return decode_database(in, visitor);
    case kCopy: return decode_copy(in, visitor);
    case kWriter: return decode_writer(in, visitor);
    default: return Error(ErrorCode::kCorrupt, "a row of the catalog view of an unknown family");
  }
}

}  // namespace holdfast
