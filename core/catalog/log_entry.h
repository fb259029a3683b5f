// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "core/base/random_source.h"
#include "core/catalog/genesis.h"
#include "core/erasure/shard.h"

namespace holdfast {

/// What a writer had seen of another's log.
struct SeenLog {
  WriterId writer;
  std::uint64_t size = 0;
  Digest merkle_root;
  friend bool operator==(const SeenLog&, const SeenLog&) = default;
};

// Bodies of log entries (FORMAT.md §8). The numbers of their types are those of the variant's alternatives plus one.
struct IncarnationEntry { Bytes certificate; std::vector<SeenLog> seen; friend bool operator==(const IncarnationEntry&, const IncarnationEntry&) = default; };
struct SealedEntry { Bytes record; friend bool operator==(const SealedEntry&, const SealedEntry&) = default; };
struct PlacedShard {
  ErasureCode code;
  std::uint8_t index = 0;
  ShardId id;
  friend bool operator==(const PlacedShard&, const PlacedShard&) = default;
};
struct PlacedEntry {
  PackId pack;
  std::uint64_t size_bytes = 0;  ///< of the pack
  std::string network;
  std::string locator;           ///< of the pack, or of the shard's object
  std::optional<PlacedShard> shard = std::nullopt;
  friend bool operator==(const PlacedEntry&, const PlacedEntry&) = default;
};
enum class VerifiedOutcome : std::uint8_t { kGood = 1, kMissing = 2, kCorrupt = 3, kUnreachable = 4 };
struct VerifiedEntry {
  std::string network;
  PackId pack;
  VerifiedOutcome outcome = VerifiedOutcome::kGood;
  friend bool operator==(const VerifiedEntry&, const VerifiedEntry&) = default;
};
struct PolicyEntry { DatabaseId database; Bytes box; friend bool operator==(const PolicyEntry&, const PolicyEntry&) = default; };
struct CheckpointEntry { std::uint64_t folded = 0; Digest merkle_root; friend bool operator==(const CheckpointEntry&, const CheckpointEntry&) = default; };
struct KeyEventEntry { std::string what; std::uint32_t generation = 0; friend bool operator==(const KeyEventEntry&, const KeyEventEntry&) = default; };
/// All chunks of a snapshot were *safe* (design §1) when its writer said so.
struct SafeEntry { SnapshotId snapshot; friend bool operator==(const SafeEntry&, const SafeEntry&) = default; };
/// A type that this version does not know: kept and skipped.
struct UnknownEntry { std::uint8_t type = 0; Bytes body; friend bool operator==(const UnknownEntry&, const UnknownEntry&) = default; };

struct LogEntry {
  WallNanos time = 0;
  std::variant<IncarnationEntry, SealedEntry, PlacedEntry, VerifiedEntry, PolicyEntry, CheckpointEntry, KeyEventEntry, SafeEntry, UnknownEntry> body;
  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

Bytes encode_log_entry(const LogEntry& entry);
/// Errors: kCorrupt, kUnsupported (version).
Result<LogEntry> decode_log_entry(ByteView bytes);

/// Which log: everything of an entry is bound to it.
struct LogIdentity {
  RepositoryId repository;
  WriterId writer;
  IncarnationId incarnation;
  friend bool operator==(const LogIdentity&, const LogIdentity&) = default;
};

/// An entry as it is stored: a leaf of the log's tree, and the writer's word for it.
struct SignedEntry {
  Bytes sealed;
  Signature signature;
  friend bool operator==(const SignedEntry&, const SignedEntry&) = default;
};

/// Seals and opens the entries of one log (FORMAT.md §8). Safe from any thread once made.
class LogCipher {
 public:
  /// `k_cat` is RepositoryKeys::catalog().
  LogCipher(const LogIdentity& log, ByteView k_cat);
  /// Errors: kInternal (no entropy).
  Result<Bytes> seal(std::uint64_t number, ByteView plain, RandomSource& random) const;
  /// The bytes of the entry. Errors: kCorrupt when it is not entry `number` of this log.
  Result<Bytes> open_bytes(std::uint64_t number, ByteView sealed) const;
  /// The same, decoded. Errors: also those of decode_log_entry.
  Result<LogEntry> open(std::uint64_t number, ByteView sealed) const;
  [[nodiscard]] const LogIdentity& log() const noexcept { return log_; }

 private:
  LogIdentity log_;
  SecretBytes key_;
};

Signature sign_log_entry(const LogIdentity& log, std::uint64_t number, const Digest& leaf, ByteView writer_seed);
[[nodiscard]] bool verify_log_entry(const LogIdentity& log, std::uint64_t number, const Digest& leaf,
                                    const PublicKey& writer_key, const Signature& signature);

/// Policies travel in a box of their own, so that erasing a database's key erases them (FORMAT.md §8, type 5).
Result<Bytes> seal_policy(const RepositoryId& repository, ByteView k_cat, const DatabaseId& database, std::string_view toml,
                          RandomSource& random);
Result<std::string> open_policy(const RepositoryId& repository, ByteView k_cat, const PolicyEntry& entry);

}  // namespace holdfast
