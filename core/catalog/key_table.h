// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <span>
#include <vector>

#include "core/catalog/genesis.h"
#include "core/format/byte_reader.h"

namespace holdfast {

inline constexpr std::size_t kSealedSnapshotKeyBytes = 80;

/// A snapshot key sealed to the vault (FORMAT.md §6 "Key table").
struct KeyTableEntry {
  SnapshotId snapshot;
  KeyId key;
  std::array<std::uint8_t, kSealedSnapshotKeyBytes> box{};
  friend bool operator==(const KeyTableEntry&, const KeyTableEntry&) = default;
};
inline constexpr std::size_t kKeyTableEntryBytes = SnapshotId::size + KeyId::size + kSealedSnapshotKeyBytes;

/// Seals a snapshot key of 32 bytes to the vault.
KeyTableEntry seal_snapshot_key(const SnapshotId& snapshot, ByteView key, const PublicKey& vault);
/// Errors: kCorrupt when it does not open or is another key than the entry says.
Result<SecretBytes> open_snapshot_key(const KeyTableEntry& entry, const PublicKey& vault, ByteView vault_secret);

void encode_key_table_entry(const KeyTableEntry& entry, Bytes& out);
Result<KeyTableEntry> decode_key_table_entry(ByteReader& in);

Bytes encode_key_table(const RepositoryId& repository, std::span<const KeyTableEntry> entries);
/// Errors: kCorrupt, kUnsupported; kUntrusted for a table of another repository.
Result<std::vector<KeyTableEntry>> decode_key_table(ByteView object, const RepositoryId& repository);

}  // namespace holdfast
