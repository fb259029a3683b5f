// SPDX-License-Identifier: Apache-2.0
#include "core/catalog/key_table.h"

#include "core/format/byte_writer.h"

namespace holdfast {

KeyTableEntry seal_snapshot_key(const SnapshotId& snapshot, ByteView key, const PublicKey& vault) {
  KeyTableEntry entry;
  entry.snapshot = snapshot;
  entry.key = key_id_of(key);
  const Bytes box = vault_seal(vault, key);
  HOLDFAST_CHECK(box.size() == entry.box.size());
  std::copy(box.begin(), box.end(), entry.box.begin());
  return entry;
}

Result<SecretBytes> open_snapshot_key(const KeyTableEntry& entry, const PublicKey& vault, ByteView vault_secret) {
  HOLDFAST_ASSIGN(SecretBytes key, vault_open(vault, vault_secret, entry.box));
  if (key_id_of(key.view()) != entry.key) {
    return Error(ErrorCode::kCorrupt, "the key table holds another key for snapshot " + entry.snapshot.hex());
  }
  return key;
}

void encode_key_table_entry(const KeyTableEntry& entry, Bytes& out) {
  ByteWriter(out).id(entry.snapshot).id(entry.key).raw(entry.box);
}

Result<KeyTableEntry> decode_key_table_entry(ByteReader& in) {
  KeyTableEntry entry;
  HOLDFAST_ASSIGN(entry.snapshot, in.id<SnapshotId>());
  HOLDFAST_ASSIGN(entry.key, in.id<KeyId>());
  HOLDFAST_ASSIGN(const ByteView box, in.raw(kSealedSnapshotKeyBytes));
  std::copy(box.begin(), box.end(), entry.box.begin());
  return entry;
}

Bytes encode_key_table(const RepositoryId& repository, std::span<const KeyTableEntry> entries) {
  Bytes out;
  ByteWriter(out).prelude(kKeyTableObject).id(repository).varint(entries.size());
  for (const auto& entry : entries) encode_key_table_entry(entry, out);
  return out;
}

Result<std::vector<KeyTableEntry>> decode_key_table(ByteView object, const RepositoryId& repository) {
  ByteReader in(object, "key table");
  HOLDFAST_TRY(in.prelude(kKeyTableObject));
  HOLDFAST_ASSIGN(const RepositoryId found, in.id<RepositoryId>());
  if (found != repository) return Error(ErrorCode::kUntrusted, "the key table is of another repository");
  HOLDFAST_ASSIGN(const std::size_t count, in.count(kKeyTableEntryBytes));
  std::vector<KeyTableEntry> entries;
  entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(auto entry, decode_key_table_entry(in));
    entries.push_back(entry);
  }
  HOLDFAST_TRY(in.expect_end());
  return entries;
}

}  // namespace holdfast
