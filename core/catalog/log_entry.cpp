// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/log_entry.h"

#include "core/catalog/signing.h"
#include "core/crypto/hash.h"
#include "core/format/byte_writer.h"

namespace holdfast {
namespace {

constexpr std::uint8_t kEntryVersion = 1;
constexpr std::uint8_t kPackObjectType = 1;
constexpr std::uint8_t kShardObjectType = 3;
constexpr std::string_view kEntryContext = "holdfast/1/entry";
enum Type : std::uint8_t { kIncarnation = 1, kSealed, kPlaced, kVerified, kPolicy, kCheckpoint, kKeyEvent, kSafe };

struct BodyWriter {
  ByteWriter& out;
  void operator()(const IncarnationEntry& body) const {
    out.bytes(body.certificate).varint(body.seen.size());
    for (const auto& seen : body.seen) out.id(seen.writer).u64(seen.size).id(seen.merkle_root);
  }
  void operator()(const SealedEntry& body) const { out.bytes(body.record); }
  void operator()(const PlacedEntry& body) const {
    out.u8(body.shard ? kShardObjectType : kPackObjectType).id(body.pack).u64(body.size_bytes).text(body.network).text(body.locator);
    if (body.shard) out.u8(body.shard->code.k).u8(body.shard->code.n).u8(body.shard->index).id(body.shard->id);
  }
  void operator()(const VerifiedEntry& body) const {
    out.text(body.network).id(body.pack).u8(static_cast<std::uint8_t>(body.outcome));
  }
  void operator()(const PolicyEntry& body) const { out.id(body.database).raw(body.box); }
  void operator()(const CheckpointEntry& body) const { out.u64(body.folded).id(body.merkle_root); }
  void operator()(const KeyEventEntry& body) const { out.text(body.what).u32(body.generation); }
  void operator()(const SafeEntry& body) const { out.id(body.snapshot); }
  void operator()(const UnknownEntry& body) const { out.raw(body.body); }
};

Bytes copy_of(ByteView view) { return {view.begin(), view.end()}; }

Result<IncarnationEntry> decode_incarnation(ByteReader& in) {
  IncarnationEntry body;
  HOLDFAST_ASSIGN(const ByteView certificate, in.bytes());
  body.certificate = copy_of(certificate);
  HOLDFAST_ASSIGN(const std::size_t count, in.count(WriterId::size + 8 + Digest::size));
  for (std::size_t i = 0; i < count; ++i) {
    SeenLog seen;
    HOLDFAST_ASSIGN(seen.writer, in.id<WriterId>());
    HOLDFAST_ASSIGN(seen.size, in.u64());
    HOLDFAST_ASSIGN(seen.merkle_root, in.id<Digest>());
    body.seen.push_back(seen);
  }
  return body;
}

Result<PlacedShard> decode_placed_shard(ByteReader& in) {
  PlacedShard shard;
  HOLDFAST_ASSIGN(shard.code.k, in.u8());
  HOLDFAST_ASSIGN(shard.code.n, in.u8());
  HOLDFAST_ASSIGN(shard.index, in.u8());
  HOLDFAST_ASSIGN(shard.id, in.id<ShardId>());
  return shard;
}

Result<PlacedEntry> decode_placed(ByteReader& in, bool is_shard) {
  PlacedEntry body;
  HOLDFAST_ASSIGN(body.pack, in.id<PackId>());
  HOLDFAST_ASSIGN(body.size_bytes, in.u64());
  HOLDFAST_ASSIGN(const std::string_view network, in.text(kCatalogTextMaxBytes));
  body.network = network;
  HOLDFAST_ASSIGN(const std::string_view locator, in.text(kCatalogTextMaxBytes));
  body.locator = locator;
  if (is_shard) {
    HOLDFAST_ASSIGN(body.shard, decode_placed_shard(in));
    const ShardPlan plan{body.shard->code, body.shard->index, body.pack, body.size_bytes};
    if (!plan.is_valid()) return in.corrupt("a shard of a pack that can't be");
  }
  return body;
}

Result<VerifiedEntry> decode_verified(ByteReader& in) {
  VerifiedEntry body;
  HOLDFAST_ASSIGN(const std::string_view network, in.text(kCatalogTextMaxBytes));
  body.network = network;
  HOLDFAST_ASSIGN(body.pack, in.id<PackId>());
  HOLDFAST_ASSIGN(const std::uint8_t outcome, in.u8());
  if (outcome < 1 || outcome > 4) return in.corrupt("an outcome that is none");
  body.outcome = static_cast<VerifiedOutcome>(outcome);
  return body;
}

Result<CheckpointEntry> decode_checkpoint(ByteReader& in) {
  CheckpointEntry body;
  HOLDFAST_ASSIGN(body.folded, in.u64());
  HOLDFAST_ASSIGN(body.merkle_root, in.id<Digest>());
  return body;
}

Result<KeyEventEntry> decode_key_event(ByteReader& in) {
  KeyEventEntry body;
  HOLDFAST_ASSIGN(const std::string_view what, in.text(kCatalogTextMaxBytes));
  body.what = what;
  HOLDFAST_ASSIGN(body.generation, in.u32());
  return body;
}

Status decode_body(ByteReader& in, std::uint8_t type, LogEntry& entry) {
  const auto unknown = [&] {
    // Also an object type of a later version: kept as it is.
    const auto rest = in.rest();
    entry.body = UnknownEntry{type, copy_of(rest)};
    return in.raw(rest.size()).has_value();
  };
  switch (type) {
    case kIncarnation: {
      HOLDFAST_ASSIGN(entry.body, decode_incarnation(in));
      break;
    }
    case kSealed: {
      HOLDFAST_ASSIGN(const ByteView record, in.bytes());
      entry.body = SealedEntry{copy_of(record)};
      break;
    }
    case kPlaced: {
      const std::uint8_t object = in.rest().empty() ? 0 : in.rest().front();
      if (object != kPackObjectType && object != kShardObjectType) {
        (void)unknown();
        break;
      }
      HOLDFAST_TRY(in.raw(1));
      HOLDFAST_ASSIGN(entry.body, decode_placed(in, object == kShardObjectType));
      break;
    }
    case kVerified: {
      HOLDFAST_ASSIGN(entry.body, decode_verified(in));
      break;
    }
    case kPolicy: {
      PolicyEntry body;
      HOLDFAST_ASSIGN(body.database, in.id<DatabaseId>());
      HOLDFAST_ASSIGN(const ByteView box, in.raw(in.rest().size()));
      body.box = copy_of(box);
      entry.body = std::move(body);
      break;
    }
    case kCheckpoint: {
      HOLDFAST_ASSIGN(entry.body, decode_checkpoint(in));
      break;
    }
    case kKeyEvent: {
      HOLDFAST_ASSIGN(entry.body, decode_key_event(in));
      break;
    }
    case kSafe: {
      HOLDFAST_ASSIGN(const SnapshotId id, in.id<SnapshotId>());
      entry.body = SafeEntry{id};
      break;
    }
    default: (void)unknown();
  }
  return ok_status();
}

Bytes log_context(const LogIdentity& log) {
  Bytes out;
  ByteWriter(out).id(log.writer).id(log.incarnation);
  return out;
}

Bytes entry_aad(const LogIdentity& log, std::uint64_t number) {
  Bytes out = log_context(log);
  ByteWriter(out).u64(number);
  return out;
}

Bytes entry_message(const LogIdentity& log, std::uint64_t number, const Digest& leaf) {
  Bytes out;
  ByteWriter(out).raw(as_bytes(kEntryContext)).id(log.repository).id(log.writer).id(log.incarnation).u64(number).id(leaf);
  return out;
}

}  // namespace

Bytes encode_log_entry(const LogEntry& entry) {
  const auto* unknown = std::get_if<UnknownEntry>(&entry.body);
  const auto type = unknown != nullptr ? unknown->type : static_cast<std::uint8_t>(entry.body.index() + 1);
  Bytes out;
  ByteWriter writer(out);
  writer.u8(kEntryVersion).u8(type).i64(entry.time);
  std::visit(BodyWriter{writer}, entry.body);
  return out;
}

Result<LogEntry> decode_log_entry(ByteView bytes) {
  ByteReader in(bytes, "log entry");
  HOLDFAST_TRY(check_structure_version(in, "log entry", kEntryVersion));
  HOLDFAST_ASSIGN(const std::uint8_t type, in.u8());
  LogEntry entry;
  HOLDFAST_ASSIGN(entry.time, in.i64());
  HOLDFAST_TRY(decode_body(in, type, entry));
  HOLDFAST_TRY(in.expect_end());
  return entry;
}

LogCipher::LogCipher(const LogIdentity& log, ByteView k_cat)
    : log_(log), key_(derive_key(k_cat, log.repository, "log", log_context(log))) {}

Result<Bytes> LogCipher::seal(std::uint64_t number, ByteView plain, RandomSource& random) const {
  return seal_box(key_.view(), entry_aad(log_, number), plain, random);
}

Result<Bytes> LogCipher::open_bytes(std::uint64_t number, ByteView sealed) const {
  auto plain = open_box(key_.view(), entry_aad(log_, number), sealed);
  if (!plain) return std::move(plain).error().with_context("log entry " + std::to_string(number));
  return plain;
}

Result<LogEntry> LogCipher::open(std::uint64_t number, ByteView sealed) const {
  HOLDFAST_ASSIGN(const Bytes plain, open_bytes(number, sealed));
  return decode_log_entry(plain);
}

Signature sign_log_entry(const LogIdentity& log, std::uint64_t number, const Digest& leaf, ByteView writer_seed) {
  return ed25519_sign(writer_seed, entry_message(log, number, leaf));
}

bool verify_log_entry(const LogIdentity& log, std::uint64_t number, const Digest& leaf, const PublicKey& writer_key,
                      const Signature& signature) {
  return ed25519_verify(writer_key, entry_message(log, number, leaf), signature);
}

Result<Bytes> seal_policy(const RepositoryId& repository, ByteView k_cat, const DatabaseId& database, std::string_view toml,
                          RandomSource& random) {
  const SecretBytes key = derive_key(k_cat, repository, "policy", database.view());
  Bytes plain;
  ByteWriter(plain).text(toml);
  return seal_box(key.view(), {}, plain, random);
}

Result<std::string> open_policy(const RepositoryId& repository, ByteView k_cat, const PolicyEntry& entry) {
  const SecretBytes key = derive_key(k_cat, repository, "policy", entry.database.view());
  HOLDFAST_ASSIGN(const Bytes plain, open_box(key.view(), {}, entry.box));
  ByteReader in(plain, "policy");
  HOLDFAST_ASSIGN(const std::string_view text, in.text(1U << 20U));
  HOLDFAST_TRY(in.expect_end());
  return std::string(text);
}

}  // namespace holdfast
