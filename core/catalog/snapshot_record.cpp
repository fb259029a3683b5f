// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/snapshot_record.h"

#include <algorithm>

#include "core/catalog/signing.h"
#include "core/crypto/hash.h"
#include "core/format/byte_writer.h"
#include "core/tree/codec.h"

namespace holdfast {
namespace {

constexpr std::uint8_t kRecordVersion = 1;
constexpr std::size_t kIncompletePathsMax = 100;
constexpr std::size_t kTagsMax = 4096;
constexpr std::uint8_t kIdPrefix = 0x04;

/// The record up to and without its private part; `id` as given (zeros where it is not known yet).
Bytes encode_open_part(const SnapshotRecord& record, const SnapshotId& id) {
  Bytes out;
  ByteWriter writer(out);
  writer.u8(kRecordVersion).id(id).i64(record.time).id(record.writer).id(record.content_root);
  writer.id(record.root_node).id(record.link_node).varint(record.bytes_new).id(record.key);
  writer.u8(static_cast<std::uint8_t>(record.completeness)).id(record.database);
  return out;
}

SnapshotId id_of(const SnapshotRecord& record) {
  Bytes bytes = encode_open_part(record, SnapshotId{});
  ByteWriter(bytes).bytes(record.private_box);
  const Digest digest = sha256({ByteView(&kIdPrefix, 1), bytes});
  SnapshotId id;
  std::copy_n(digest.bytes.begin(), SnapshotId::size, id.bytes.begin());
  return id;
}

Result<std::vector<std::string>> decode_texts(ByteReader& in, std::size_t count_max) {
  HOLDFAST_ASSIGN(const std::size_t count, in.count(1));
  if (count > count_max) return in.corrupt("too many texts");
  std::vector<std::string> texts;
  texts.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(const std::string_view text, in.text(kCatalogTextMaxBytes));
    texts.emplace_back(text);
  }
  return texts;
}

void encode_texts(const std::vector<std::string>& texts, ByteWriter& out) {
  out.varint(texts.size());
  for (const auto& text : texts) out.text(text);
}

Result<std::string> decode_text(ByteReader& in) {
  HOLDFAST_ASSIGN(const std::string_view text, in.text(kCatalogTextMaxBytes));
  return std::string(text);
}

ChunkId root_node_of(const SnapshotFields& fields) {
  const auto* directory = std::get_if<DirectoryContent>(&fields.root.content);
  return directory == nullptr ? ChunkId{} : directory->root.ref.id;
}

}  // namespace

/// What a reader would refuse must never be sealed: nobody could open the snapshot.
Status check_snapshot_fields(const SnapshotFields& fields) {
  const auto is_long = [](const std::string& text) { return text.size() > kCatalogTextMaxBytes; };
  const auto refuse = [](std::string_view what) {
    return Error(ErrorCode::kInvalidArgument, std::string(what) + " has more than " + std::to_string(kCatalogTextMaxBytes) + " bytes: a snapshot can't hold it");
  };
  if (is_long(fields.database)) return refuse("the database's name");
  if (is_long(fields.label)) return refuse("the label");
  if (is_long(fields.strategy)) return refuse("the strategy");
  if (is_long(fields.host)) return refuse("the host's name");
  if (is_long(fields.program)) return refuse("the program's name");
  if (std::any_of(fields.tags.begin(), fields.tags.end(), is_long)) return refuse("a tag");
  if (std::any_of(fields.incomplete_paths.begin(), fields.incomplete_paths.end(), is_long)) return refuse("a path of an incomplete file");
  if (fields.tags.size() > kTagsMax) return Error(ErrorCode::kInvalidArgument, "more than " + std::to_string(kTagsMax) + " tags");
  if (fields.incomplete_paths.size() > kIncompletePathsMax) return Error(ErrorCode::kInvalidArgument, "more than " + std::to_string(kIncompletePathsMax) + " incomplete paths");
  return ok_status();
}

Bytes encode_snapshot_fields(const SnapshotFields& fields) {
  Bytes out;
  ByteWriter writer(out);
  writer.text(fields.database).text(fields.label).text(fields.strategy);
  encode_texts(fields.tags, writer);
  encode_inode(fields.root, writer);
  writer.u8(fields.links ? 1 : 0);
  if (fields.links) encode_node_ref(*fields.links, writer);
  writer.id(fields.content_hash);
  encode_texts(fields.incomplete_paths, writer);
  writer.text(fields.host).text(fields.program);
  return out;
}

Result<SnapshotFields> decode_snapshot_fields(ByteView bytes) {
  ByteReader in(bytes, "snapshot fields");
  SnapshotFields fields;
  HOLDFAST_ASSIGN(fields.database, decode_text(in));
  HOLDFAST_ASSIGN(fields.label, decode_text(in));
  HOLDFAST_ASSIGN(fields.strategy, decode_text(in));
  HOLDFAST_ASSIGN(fields.tags, decode_texts(in, kTagsMax));
  HOLDFAST_ASSIGN(fields.root, decode_inode(in));
  if (!fields.root.is_directory()) return in.corrupt("a root that is no directory");
  HOLDFAST_ASSIGN(const std::uint8_t has_links, in.u8());
  if (has_links > 1) return in.corrupt("a link table mark that is neither 0 nor 1");
  if (has_links == 1) {
    HOLDFAST_ASSIGN(fields.links, decode_node_ref(in, ChunkKind::kTree));
  }
  HOLDFAST_ASSIGN(fields.content_hash, in.id<Digest>());
  HOLDFAST_ASSIGN(fields.incomplete_paths, decode_texts(in, kIncompletePathsMax));
  HOLDFAST_ASSIGN(fields.host, decode_text(in));
  HOLDFAST_ASSIGN(fields.program, decode_text(in));
  HOLDFAST_TRY(in.expect_end());
  return fields;
}

Result<Bytes> encode_snapshot_record(SnapshotRecord& record, const SnapshotFields& fields, ByteView snapshot_key,
                                     RandomSource& random) {
  if (record.completeness == Completeness::kNotApplicable) {
    return Error(ErrorCode::kInvalidArgument, "a snapshot without a completeness");
  }
  HOLDFAST_TRY(check_snapshot_fields(fields));
  record.key = key_id_of(snapshot_key);
  const Bytes aad = encode_open_part(record, SnapshotId{});
  HOLDFAST_ASSIGN(record.private_box, seal_box(snapshot_key, aad, encode_snapshot_fields(fields), random));
  record.id = id_of(record);
  Bytes out = encode_open_part(record, record.id);
  ByteWriter(out).bytes(record.private_box);
  return out;
}

Result<SnapshotRecord> decode_snapshot_record(ByteView bytes) {
  ByteReader in(bytes, "snapshot record");
  HOLDFAST_TRY(check_structure_version(in, "snapshot record", kRecordVersion));
  SnapshotRecord record;
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
  HOLDFAST_TRY(in.expect_end());
  record.private_box.assign(box.begin(), box.end());
  if (id_of(record) != record.id) return in.corrupt("an id that is not that of the record");
  return record;
}

Result<SnapshotFields> open_snapshot_record(const SnapshotRecord& record, ByteView snapshot_key) {
  const Bytes aad = encode_open_part(record, SnapshotId{});
  HOLDFAST_ASSIGN(const Bytes plain, open_box(snapshot_key, aad, record.private_box));
  HOLDFAST_ASSIGN(SnapshotFields fields, decode_snapshot_fields(plain));
  const ChunkId links = fields.links ? fields.links->ref.id : ChunkId{};
  if (root_node_of(fields) != record.root_node || links != record.link_node) {
    return Error(ErrorCode::kCorrupt, "snapshot " + record.id.hex() + " names other roots inside than outside");
  }
  return fields;
}

}  // namespace holdfast
