// SPDX-License-Identifier: Apache-2.0
#include "tests/catalog/catalog_fixture.h"

#include "core/catalog/key_table.h"
#include "core/crypto/hash.h"

namespace holdfast {
namespace {

using testing::CatalogWorld;

/// Every single changed bit and every shortening must be refused.
template <typename Decode>
void expect_every_change_refused(const Bytes& object, const Decode& decode) {
  ASSERT_TRUE(decode(object).has_value());
  for (std::size_t i = 0; i < object.size(); ++i) {
    Bytes changed = object;
    changed[i] ^= static_cast<std::uint8_t>(1U << (i % 8));
    EXPECT_FALSE(decode(changed).has_value()) << "byte " << i;
    EXPECT_FALSE(decode(Bytes(object.begin(), object.begin() + static_cast<std::ptrdiff_t>(i))).has_value()) << "cut at " << i;
  }
  Bytes longer = object;
  longer.push_back(0);
  EXPECT_FALSE(decode(longer).has_value());
}

TEST(Genesis, RoundTrip_IsEqual) {
  CatalogWorld world;
  const auto decoded = decode_genesis(encode_genesis(world.genesis, world.root_seed));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, world.genesis);
}

TEST(Genesis, AnyChange_IsRefused) {
  CatalogWorld world;
  expect_every_change_refused(encode_genesis(world.genesis, world.root_seed), [](const Bytes& bytes) { return decode_genesis(bytes); });
}

TEST(Genesis, NewerVersion_IsRefusedByName) {
  CatalogWorld world;
  Bytes object = encode_genesis(world.genesis, world.root_seed);
  object[8] = 7;
  const auto decoded = decode_genesis(object);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kUnsupported);
  EXPECT_NE(decoded.error().message().find("genesis has format version 7"), std::string::npos) << decoded.error().message();
}

TEST(Genesis, Fingerprint_IsReadBackHoweverItIsTyped) {
  CatalogWorld world;
  std::string text = root_fingerprint(world.genesis.root_key);
  EXPECT_EQ(text.size(), 49U);  // 40 digits in ten groups
  EXPECT_TRUE(fingerprint_matches(text, world.genesis.root_key));
  for (auto& letter : text) letter = static_cast<char>(std::toupper(letter));
  EXPECT_TRUE(fingerprint_matches(text, world.genesis.root_key));
  EXPECT_FALSE(fingerprint_matches(text.substr(5), world.genesis.root_key));
}

TEST(Certificate, AnyChange_IsRefused) {
  CatalogWorld world;
  expect_every_change_refused(encode_certificate(world.certificate, world.root_seed),
                              [&](const Bytes& bytes) { return decode_certificate(bytes, world.genesis); });
}

TEST(Certificate, SignedByAnother_IsPermissionDenied) {
  CatalogWorld world;
  const auto decoded = decode_certificate(encode_certificate(world.certificate, world.writer_seed), world.genesis);
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kUntrusted);
}

TEST(SnapshotRecord, RoundTrip_IsEqual) {
  CatalogWorld world;
  const Bytes key = world.random.bytes(kSnapshotKeyBytes);
  auto record = world.record();
  const auto fields = world.fields();
  const auto bytes = encode_snapshot_record(record, fields, key, world.random);
  ASSERT_TRUE(bytes.has_value());
  const auto decoded = decode_snapshot_record(*bytes);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message();
  EXPECT_EQ(decoded->id, record.id);
  EXPECT_EQ(decoded->key, key_id_of(key));
  const auto opened = open_snapshot_record(*decoded, key);
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  EXPECT_EQ(encode_snapshot_fields(*opened), encode_snapshot_fields(fields));
  EXPECT_EQ(opened->tags, fields.tags);
  EXPECT_FALSE(open_snapshot_record(*decoded, world.random.bytes(32)).has_value());
}

TEST(SnapshotRecord, AnyChange_IsRefused) {
  CatalogWorld world;
  auto record = world.record();
  const auto bytes = encode_snapshot_record(record, world.fields(), world.random.bytes(32), world.random);
  ASSERT_TRUE(bytes.has_value());
  expect_every_change_refused(*bytes, [](const Bytes& changed) { return decode_snapshot_record(changed); });
}

TEST(SnapshotRecord, OtherRootsInsideThanOutside_IsCorrupt) {
  CatalogWorld world;
  const Bytes key = world.random.bytes(32);
  auto record = world.record();
  record.root_node = ChunkId::from(world.random.bytes(32)).value();  // the fields say: empty
  ASSERT_TRUE(encode_snapshot_record(record, world.fields(), key, world.random).has_value());
  const auto opened = open_snapshot_record(record, key);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), ErrorCode::kCorrupt);
}

TEST(KeyTable, RoundTrip_OpensWithTheVaultOnly) {
  CatalogWorld world;
  const Bytes key = world.random.bytes(32);
  const SnapshotId id = SnapshotId::from(world.random.bytes(8)).value();
  const std::vector<KeyTableEntry> entries{seal_snapshot_key(id, key, world.genesis.vault_key)};
  const auto decoded = decode_key_table(encode_key_table(world.repository, entries), world.repository);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, entries);
  const auto opened = open_snapshot_key(decoded->front(), world.genesis.vault_key, world.vault_secret);
  ASSERT_TRUE(opened.has_value());
  EXPECT_TRUE(std::equal(key.begin(), key.end(), opened->view().begin(), opened->view().end()));
  EXPECT_FALSE(open_snapshot_key(decoded->front(), world.genesis.vault_key, world.root_seed).has_value());
}

TEST(KeyTable, OfAnotherRepositoryOrCutOff_IsRefused) {
  CatalogWorld world;
  const std::vector<KeyTableEntry> entries(3);
  const Bytes object = encode_key_table(world.repository, entries);
  const auto other = decode_key_table(object, RepositoryId{});
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().code(), ErrorCode::kUntrusted);
  for (std::size_t size = 0; size < object.size(); ++size) {
    EXPECT_FALSE(decode_key_table(ByteView(object).first(size), world.repository).has_value());
  }
}

TEST(LogEntry, EveryType_RoundTrips) {
  CatalogWorld world;
  const PackId pack = PackId::from(world.random.bytes(32)).value();
  const std::vector<LogEntry> entries{
      {1, IncarnationEntry{world.random.bytes(40), {{world.log.writer, 7, Digest{}}}}},
      {2, SealedEntry{world.random.bytes(100)}},
      {3, PlacedEntry{pack, 99, "ipfs", "bafy"}},
      {4, VerifiedEntry{"ipfs", pack, VerifiedOutcome::kMissing}},
      {5, PolicyEntry{DatabaseId{}, world.random.bytes(50)}},
      {6, CheckpointEntry{12, Digest{}}},
      {7, KeyEventEntry{"passphrase changed", 2}},
      {8, SafeEntry{SnapshotId{}}},
      {-9, UnknownEntry{200, world.random.bytes(5)}}};
  for (const auto& entry : entries) {
    const auto decoded = decode_log_entry(encode_log_entry(entry));
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message();
    EXPECT_EQ(*decoded, entry);
  }
}

TEST(LogCipher, EntryAtAnotherPlace_DoesNotOpen) {
  CatalogWorld world;
  const LogCipher cipher(world.log, world.k_cat);
  const auto sealed = cipher.seal(5, encode_log_entry({1, KeyEventEntry{"x", 1}}), world.random);
  ASSERT_TRUE(sealed.has_value());
  EXPECT_TRUE(cipher.open(5, *sealed).has_value());
  EXPECT_FALSE(cipher.open(6, *sealed).has_value());
  LogIdentity other = world.log;
  other.incarnation = IncarnationId{};
  EXPECT_FALSE(LogCipher(other, world.k_cat).open(5, *sealed).has_value());
}

TEST(LogSegment, AnyChange_IsRefused) {
  CatalogWorld world;
  std::vector<SignedEntry> entries;
  for (std::uint64_t number = 4; number < 7; ++number) {
    SignedEntry entry{world.random.bytes(30), {}};
    entry.signature = sign_log_entry(world.log, number, merkle_leaf_hash(entry.sealed), world.writer_seed);
    entries.push_back(entry);
  }
  expect_every_change_refused(encode_log_segment(world.log, 4, entries), [&](const Bytes& bytes) -> Status {
    HOLDFAST_ASSIGN(const auto segment, decode_log_segment(bytes));
    return verify_log_segment(segment, world.certificate.writer_key);
  });
}

Head sample_head(CatalogWorld& world) {
  Head head;
  head.log = world.log;
  head.slot = world.certificate.slot;
  head.log_size = 12;
  head.time = 77;
  head.genesis = encode_genesis(world.genesis, world.root_seed);
  head.certificate = encode_certificate(world.certificate, world.root_seed);
  head.metas = {{MetaType::kKeyring, Digest{}, 5, 0, 0, "k"}, {MetaType::kLogSegment, Digest{}, 5, 0, 10, "a"},
                {MetaType::kLogSegment, Digest{}, 5, 10, 2, "b"}, {MetaType::kKeyTable, Digest{}, 5, 0, 1, "t"}};
  head.others = {{WriterId{}, 9, 3, Digest{}}};
  return head;
}

TEST(Head, RoundTrip_IsEqual) {
  CatalogWorld world;
  const Head head = sample_head(world);
  const auto decoded = decode_head(encode_head(head, world.writer_seed));
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message();
  EXPECT_EQ(decoded->head, head);
  EXPECT_EQ(decoded->certificate, world.certificate);
}

TEST(Head, AnyChange_IsRefused) {
  CatalogWorld world;
  expect_every_change_refused(encode_head(sample_head(world), world.writer_seed), [](const Bytes& bytes) { return decode_head(bytes); });
}

TEST(Head, SegmentsWithGapOverlapOrShortage_AreRefused) {
  CatalogWorld world;
  for (const std::uint64_t first : {9U, 11U}) {
    Head head = sample_head(world);
    head.metas[2].first = first;
    EXPECT_FALSE(decode_head(encode_head(head, world.writer_seed)).has_value());
  }
  Head head = sample_head(world);
  head.log_size = 13;
  EXPECT_FALSE(decode_head(encode_head(head, world.writer_seed)).has_value());
}

TEST(Head, OfAnotherSlotThanCertified_IsPermissionDenied) {
  CatalogWorld world;
  Head head = sample_head(world);
  head.slot = 0;
  const auto decoded = decode_head(encode_head(head, world.writer_seed));
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code(), ErrorCode::kUntrusted);
}

}  // namespace
}  // namespace holdfast
