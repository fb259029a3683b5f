// SPDX-License-Identifier: Apache-2.0
#include "core/store/verifying_reader.h"

#include "core/crypto/hash.h"
#include "core/store/alternate_reader.h"

namespace holdfast {

namespace {

/// Far above any pack or meta object, far below what would hurt: sizes come from catalogs that others wrote.
constexpr std::uint64_t kReadMaxBytes = 1ULL << 30;

}  // namespace

Status VerifyingReader::fetch(const ObjectRef& ref, std::uint64_t offset, MutableByteView out,
                              const CallContext& context) {
  if (place_ == Place::kUsual) return network_.read(ref, offset, out, context);
  auto* elsewhere = dynamic_cast<AlternateReader*>(&network_);
  if (elsewhere != nullptr) return elsewhere->read_elsewhere(ref, offset, out, context);
  return Error(ErrorCode::kUnsupported, "network " + network_.traits().name + " has one place to read from")
      .on_network(network_.traits().name);
}

Result<VerifiedRecord> VerifyingReader::read_record(const ObjectRef& pack, const RecordRange& record,
                                           const CallContext& context) {
  HOLDFAST_ASSIGN(auto records, read_records(pack, {&record, 1}, context));
  if (!records.front()) {
    return Error(ErrorCode::kCorrupt, "the record " + record.id.hex() + " at " + std::to_string(record.offset) +
                                          " of " + pack.locator + " does not verify")
        .on_network(network_.traits().name);
  }
  return std::move(*records.front());
}

Result<std::vector<std::optional<VerifiedRecord>>> VerifyingReader::read_records(const ObjectRef& pack,
                                                                        std::span<const RecordRange> records,
                                                                        const CallContext& context) {
  if (records.empty()) return std::vector<std::optional<VerifiedRecord>>();
  const std::uint64_t start = records.front().offset;
  std::uint64_t end = start;
  for (const RecordRange& record : records) {
    if (record.offset < end || record.size_bytes > pack.size_bytes || record.offset > pack.size_bytes - record.size_bytes) {
      return Error(ErrorCode::kCorrupt, "records of " + pack.locator + " overlap or lie outside of it");
    }
    end = record.offset + record.size_bytes;
  }
  if (end - start > kReadMaxBytes) return Error(ErrorCode::kInvalidArgument, "a range of over 1 GiB in one read");
  FreshBytes buffer(static_cast<std::size_t>(end - start));
  HOLDFAST_TRY(fetch(pack, start, buffer.view(), context));
  const SharedBytes bytes = std::move(buffer).share();
  std::vector<ChunkId> ids;
  std::vector<SharedBytes> parts;
  for (const RecordRange& record : records) {
    ids.push_back(record.id);
    parts.push_back(bytes.part(static_cast<std::size_t>(record.offset - start), record.size_bytes));
  }
  return VerifiedRecord::check_all(ids, parts);
}

Result<Bytes> VerifyingReader::read_object(const ObjectRef& object, const Digest& sha256_wanted,
                                           const CallContext& context) {
  if (object.size_bytes > kReadMaxBytes) return Error(ErrorCode::kInvalidArgument, "an object of over 1 GiB in one read");
  Bytes bytes(static_cast<std::size_t>(object.size_bytes));
  HOLDFAST_TRY(fetch(object, 0, bytes, context));
  if (sha256(bytes) != sha256_wanted) {
    return Error(ErrorCode::kCorrupt, "the object " + object.locator + " does not have the hash that it was put with")
        .on_network(network_.traits().name);
  }
  return bytes;
}

}  // namespace holdfast
