// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "core/catalog/head.h"
#include "core/catalog/key_table.h"
#include "core/catalog/log_segment.h"
#include "core/catalog/snapshot_record.h"
#include "core/crypto/hash.h"
#include "tests/golden/golden_vectors.h"

namespace holdfast::golden {
namespace {

Status check_genesis(const Vector& v) {
  HOLDFAST_ASSIGN(const Genesis genesis, decode_genesis(v.data));
  if (!v.refused().empty()) return ok_status();
  EXPECT_EQ(genesis.repository.hex(), v.text("repository"));
  EXPECT_EQ(genesis.created, v.row.at("created").get<WallNanos>());
  EXPECT_EQ(genesis.root_key.hex(), v.text("root"));
  EXPECT_EQ(genesis.vault_key.hex(), v.text("vault"));
  EXPECT_EQ(root_fingerprint(genesis.root_key), v.text("fingerprint"));
  return ok_status();
}

TEST(Golden, Geneses) {
  for (const Vector& v : vectors_of("genesis")) EXPECT_EQ(judge(v, check_genesis(v)), "") << v.name();
}

Status check_certificate(const Vector& v) {
  HOLDFAST_ASSIGN(const Genesis genesis, decode_genesis(v.hex("genesis")));
  HOLDFAST_ASSIGN(const Certificate certificate, decode_certificate(v.data, genesis));
  if (!v.refused().empty()) return ok_status();
  EXPECT_EQ(certificate.writer_key.hex(), v.text("writer_key"));
  EXPECT_EQ(writer_id_of(certificate.writer_key).hex(), v.text("writer"));
  EXPECT_EQ(certificate.slot, v.row.at("slot").get<std::uint32_t>());
  EXPECT_EQ(certificate.roles, v.row.at("roles").get<std::uint8_t>());
  EXPECT_EQ(certificate.issued, v.row.at("issued").get<WallNanos>());
  EXPECT_EQ(certificate.host, v.text("host"));
  return ok_status();
}

TEST(Golden, Certificates) {
  for (const Vector& v : vectors_of("certificate")) EXPECT_EQ(judge(v, check_certificate(v)), "") << v.name();
}

Status check_snapshot(const Vector& v) {
  HOLDFAST_ASSIGN(const SnapshotRecord record, decode_snapshot_record(v.data));
  HOLDFAST_ASSIGN(const SnapshotFields fields, open_snapshot_record(record, v.hex("key")));
  if (!v.refused().empty()) return ok_status();
  EXPECT_EQ(record.id.hex(), v.text("id"));
  EXPECT_EQ(record.time, v.row.at("time").get<WallNanos>());
  EXPECT_EQ(record.writer.hex(), v.text("writer"));
  EXPECT_EQ(record.content_root.hex(), v.text("content_root"));
  EXPECT_EQ(record.root_node.hex(), v.text("root_node"));
  EXPECT_EQ(record.bytes_new, v.row.at("bytes_new").get<std::uint64_t>());
  EXPECT_EQ(record.key.hex(), v.text("key_id"));
  EXPECT_EQ(static_cast<int>(record.completeness), v.row.at("completeness").get<int>());
  EXPECT_EQ(record.database.hex(), v.text("database_id"));
  EXPECT_EQ(fields.database, v.text("database"));
  EXPECT_EQ(fields.label, v.text("label"));
  EXPECT_EQ(fields.strategy, v.text("strategy"));
  EXPECT_EQ(fields.tags, v.row.at("tags").get<std::vector<std::string>>());
  EXPECT_EQ(fields.content_hash.hex(), v.text("content_hash"));
  EXPECT_EQ(fields.incomplete_paths, v.row.at("incomplete").get<std::vector<std::string>>());
  EXPECT_EQ(fields.host, v.text("host"));
  EXPECT_EQ(fields.program, v.text("program"));
  return ok_status();
}

TEST(Golden, Snapshots) {
  for (const Vector& v : vectors_of("snapshot")) EXPECT_EQ(judge(v, check_snapshot(v)), "") << v.name();
}

Status check_key_table(const Vector& v) {
  HOLDFAST_ASSIGN(const auto entries, decode_key_table(v.data, v.id<RepositoryId>("repository")));
  const Bytes secret = v.hex("vault_secret");
  std::vector<std::string> snapshots;
  std::vector<std::string> keys;
  for (const KeyTableEntry& entry : entries) {
    HOLDFAST_ASSIGN(const SecretBytes key, open_snapshot_key(entry, x25519_public(secret), secret));
    snapshots.push_back(entry.snapshot.hex());
    keys.push_back(to_hex(key.view()));
  }
  if (!v.refused().empty()) return ok_status();
  EXPECT_EQ(snapshots, v.row.at("snapshots").get<std::vector<std::string>>());
  EXPECT_EQ(keys, v.row.at("keys").get<std::vector<std::string>>());
  EXPECT_EQ(to_hex(encode_key_table(v.id<RepositoryId>("repository"), entries)), to_hex(v.data));
  return ok_status();
}

TEST(Golden, KeyTables) {
  for (const Vector& v : vectors_of("key_table")) EXPECT_EQ(judge(v, check_key_table(v)), "") << v.name();
}

/// The number that FORMAT.md §8 gives a type.
int type_of(const LogEntry& entry) {
  const auto* unknown = std::get_if<UnknownEntry>(&entry.body);
  return unknown != nullptr ? unknown->type : static_cast<int>(entry.body.index()) + 1;
}

Status check_log_entry(const Vector& v) {
  HOLDFAST_ASSIGN(const LogEntry entry, decode_log_entry(v.data));
  if (!v.refused().empty()) return ok_status();
  EXPECT_EQ(type_of(entry), v.row.at("type").get<int>());
  EXPECT_EQ(entry.time, v.row.at("time").get<WallNanos>());
  EXPECT_EQ(to_hex(encode_log_entry(entry)), to_hex(v.data)) << v.name();
  return ok_status();
}

TEST(Golden, LogEntries) {
  for (const Vector& v : vectors_of("log_entry")) EXPECT_EQ(judge(v, check_log_entry(v)), "") << v.name();
}

Status check_log_segment(const Vector& v) {
  HOLDFAST_ASSIGN(const LogSegment segment, decode_log_segment(v.data));
  HOLDFAST_TRY(verify_log_segment(segment, v.id<PublicKey>("writer_key")));
  const LogCipher cipher(segment.log, v.hex("k_cat"));
  std::vector<int> types;
  std::vector<ByteView> leaves;
  for (std::size_t i = 0; i < segment.entries.size(); ++i) {
    HOLDFAST_ASSIGN(const LogEntry entry, cipher.open(segment.first + i, segment.entries[i].sealed));
    types.push_back(type_of(entry));
    leaves.emplace_back(segment.entries[i].sealed);
  }
  if (!v.refused().empty()) return ok_status();
  EXPECT_EQ(segment.log.repository.hex(), v.text("repository"));
  EXPECT_EQ(segment.log.writer.hex(), v.text("writer"));
  EXPECT_EQ(segment.log.incarnation.hex(), v.text("incarnation"));
  EXPECT_EQ(segment.first, v.row.at("first").get<std::uint64_t>());
  EXPECT_EQ(types, v.row.at("types").get<std::vector<int>>());
  EXPECT_EQ(merkle_root(leaves).hex(), v.text("root"));
  EXPECT_EQ(to_hex(encode_log_segment(segment.log, segment.first, segment.entries)), to_hex(v.data));
  return ok_status();
}

TEST(Golden, LogSegments) {
  for (const Vector& v : vectors_of("log_segment")) EXPECT_EQ(judge(v, check_log_segment(v)), "") << v.name();
}

Status check_head(const Vector& v) {
  HOLDFAST_ASSIGN(const VerifiedHead verified, decode_head(v.data));
  if (!v.refused().empty()) return ok_status();
  const Head& head = verified.head;
  EXPECT_EQ(head.log.repository.hex(), v.text("repository"));
  EXPECT_EQ(head.log.writer.hex(), v.text("writer"));
  EXPECT_EQ(head.log.incarnation.hex(), v.text("incarnation"));
  EXPECT_EQ(head.slot, v.row.at("slot").get<std::uint32_t>());
  EXPECT_EQ(head.log_size, v.row.at("log_size").get<std::uint64_t>());
  EXPECT_EQ(head.merkle_root.hex(), v.text("root"));
  EXPECT_EQ(head.time, v.row.at("time").get<WallNanos>());
  EXPECT_EQ(head.others.size(), v.row.at("others").get<std::size_t>());
  std::vector<std::string> locators;
  for (const MetaObject& meta : head.metas) locators.push_back(meta.locator);
  EXPECT_EQ(locators, v.row.at("locators").get<std::vector<std::string>>());
  return ok_status();
}

TEST(Golden, Heads) {
  for (const Vector& v : vectors_of("head")) EXPECT_EQ(judge(v, check_head(v)), "") << v.name();
}

}  // namespace
}  // namespace holdfast::golden
