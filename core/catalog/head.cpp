// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/head.h"

#include "core/catalog/signing.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr std::string_view kHeadContext = "holdfast/1/head";
constexpr std::size_t kMetaMinBytes = 1 + 32 + 8 + 8 + 8 + 1;
constexpr std::size_t kOtherBytes = 16 + 4 + 8 + 32;

Result<MetaObject> decode_meta(ByteReader& in) {
  MetaObject meta;
  HOLDFAST_ASSIGN(const std::uint8_t type, in.u8());
  if (type < 1 || type > 3) return in.corrupt("a meta object of an unknown type");
  meta.type = static_cast<MetaType>(type);
  HOLDFAST_ASSIGN(meta.digest, in.id<Digest>());
  HOLDFAST_ASSIGN(meta.size_bytes, in.u64());
  HOLDFAST_ASSIGN(meta.first, in.u64());
  HOLDFAST_ASSIGN(meta.count, in.u64());
  HOLDFAST_ASSIGN(const std::string_view locator, in.text(kCatalogTextMaxBytes));
  meta.locator = locator;
  return meta;
}

/// Segments must cover [0, log size) in order.
Status check_cover(const Head& head, const ByteReader& in) {
  std::uint64_t next = 0;
  for (const auto& meta : head.metas) {
    if (meta.type != MetaType::kLogSegment) continue;
    if (meta.first != next || meta.count == 0 || meta.count > head.log_size - next) {
      return in.corrupt("log segments that leave a gap or overlap");
    }
    next += meta.count;
  }
  if (next != head.log_size) return in.corrupt("log segments that do not cover the log");
  return ok_status();
}

Result<Head> parse(ByteReader& in) {
  HOLDFAST_TRY(in.prelude(kHeadObject));
  Head head;
  HOLDFAST_ASSIGN(head.log.repository, in.id<RepositoryId>());
  HOLDFAST_ASSIGN(head.log.writer, in.id<WriterId>());
  HOLDFAST_ASSIGN(head.log.incarnation, in.id<IncarnationId>());
  HOLDFAST_ASSIGN(head.slot, in.u32());
  HOLDFAST_ASSIGN(head.log_size, in.u64());
  HOLDFAST_ASSIGN(head.merkle_root, in.id<Digest>());
  HOLDFAST_ASSIGN(head.time, in.i64());
  HOLDFAST_ASSIGN(const ByteView genesis, in.bytes());
  head.genesis.assign(genesis.begin(), genesis.end());
  HOLDFAST_ASSIGN(const ByteView certificate, in.bytes());
  head.certificate.assign(certificate.begin(), certificate.end());
  HOLDFAST_ASSIGN(const std::size_t meta_count, in.count(kMetaMinBytes));
  for (std::size_t i = 0; i < meta_count; ++i) {
    HOLDFAST_ASSIGN(auto meta, decode_meta(in));
    head.metas.push_back(std::move(meta));
  }
  HOLDFAST_ASSIGN(const std::size_t other_count, in.count(kOtherBytes));
  for (std::size_t i = 0; i < other_count; ++i) {
    OtherWriter other;
    HOLDFAST_ASSIGN(other.writer, in.id<WriterId>());
    HOLDFAST_ASSIGN(other.slot, in.u32());
    HOLDFAST_ASSIGN(other.log_size, in.u64());
    HOLDFAST_ASSIGN(other.merkle_root, in.id<Digest>());
    head.others.push_back(other);
  }
  HOLDFAST_TRY(check_cover(head, in));
  return head;
}

}  // namespace

std::string_view meta_type_name(MetaType type) noexcept {
  switch (type) {
    case MetaType::kKeyring: return "keyring";
    case MetaType::kLogSegment: return "log segment";
    case MetaType::kKeyTable: return "key table";
  }
  return "meta object";
}

Bytes encode_head(const Head& head, ByteView writer_seed) {
  Bytes out;
  ByteWriter writer(out);
  writer.prelude(kHeadObject).id(head.log.repository).id(head.log.writer).id(head.log.incarnation).u32(head.slot);
  writer.u64(head.log_size).id(head.merkle_root).i64(head.time).bytes(head.genesis).bytes(head.certificate);
  writer.varint(head.metas.size());
  for (const auto& meta : head.metas) {
    writer.u8(static_cast<std::uint8_t>(meta.type)).id(meta.digest).u64(meta.size_bytes).u64(meta.first);
    writer.u64(meta.count).text(meta.locator);
  }
  writer.varint(head.others.size());
  for (const auto& other : head.others) writer.id(other.writer).u32(other.slot).u64(other.log_size).id(other.merkle_root);
  append_signature(out, kHeadContext, writer_seed);
  return out;
}

Result<VerifiedHead> decode_head(ByteView object) {
  if (object.size() > kHeadMaxBytes) return Error(ErrorCode::kCorrupt, "a head of more than 1 MiB");
  ByteReader in(object, "head");
  VerifiedHead out;
  HOLDFAST_ASSIGN(out.head, parse(in));
  HOLDFAST_ASSIGN(out.genesis, decode_genesis(out.head.genesis));
  HOLDFAST_ASSIGN(out.certificate, decode_certificate(out.head.certificate, out.genesis));
  HOLDFAST_TRY(check_signature(in, object, kHeadContext, out.certificate.writer_key, "head"));
  const Head& head = out.head;
  if (head.log.repository != out.genesis.repository || head.slot != out.certificate.slot ||
      head.log.writer != writer_id_of(out.certificate.writer_key)) {
    return Error(ErrorCode::kUntrusted, "the head does not belong to the certificate that it carries");
  }
  return out;
}

}  // namespace holdfast
