// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "core/crypto/verified_record.h"
#include "core/store/object_store.h"

namespace holdfast {

/// A record and where it lies in its pack.
struct RecordRange {
  ChunkId id;
  std::uint64_t offset = 0;  ///< from the start of the pack
  std::uint32_t size_bytes = 0;
};

/// Reads from one network and lets nothing through that is not what was asked for. Borrows the network. Safe from any thread.
class VerifyingReader {
 public:
  /// Which of the network's places is asked: where read() looks, or the others (AlternateReader; kUnsupported without).
  enum class Place { kUsual, kElsewhere };
  explicit VerifyingReader(ObjectReader& network, Place place = Place::kUsual) : network_(network), place_(place) {}

  /// One record, verified against its id. Errors: kCorrupt when the bytes are not that record, and those of ObjectReader::read.
  Result<VerifiedRecord> read_record(const ObjectRef& pack, const RecordRange& record, const CallContext& context);

  /// Several records of one pack, in ascending order of their offsets, with one range request over all of them (gaps
  /// included). A bad record is nullopt in its place, so that the others are not fetched again. Errors: those of ObjectReader::read.
  Result<std::vector<std::optional<VerifiedRecord>>> read_records(const ObjectRef& pack, std::span<const RecordRange> records,
                                                         const CallContext& context);

  /// A whole object, verified against its SHA-256 (meta objects; FORMAT.md §8). Errors: kCorrupt, and those of read.
  Result<Bytes> read_object(const ObjectRef& object, const Digest& sha256, const CallContext& context);

 private:
  Status fetch(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context);

  ObjectReader& network_;
  const Place place_;
};

}  // namespace holdfast
