// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "core/base/ids.h"
#include "core/crypto/verified_record.h"

namespace holdfast {

/// Number of a pack on this machine; the catalog view and the stage know what it stands for. Never reused.
using PackNumber = std::uint32_t;
/// The number of no pack: where the index says that a chunk is when it was lost.
inline constexpr PackNumber kNoPack = 0;

struct ChunkLocation {
  PackNumber pack = 0;
  std::uint64_t offset = 0;             ///< of the record in the pack, under 2^40
  std::uint32_t record_size_bytes = 0;  ///< under 2^24
  friend bool operator==(const ChunkLocation&, const ChunkLocation&) = default;
};

struct IndexEntry {
  ChunkId id;
  ChunkLocation location;
  /// Present for chunks that this repository's secrets can deduplicate: without it the chunk can be read, not reused.
  std::optional<ChunkRef> ref;
};

/// Where chunks are, and which plaintext is known. Derived data: losing it loses time. Safe from any thread.
class ChunkIndex {
 public:
  virtual ~ChunkIndex() = default;
  /// Errors: kCorrupt (the index must be cleared and rebuilt; later calls give it too), kInternal.
  virtual Result<std::optional<ChunkLocation>> find(const ChunkId& id) const = 0;
  /// The reference of a known chunk with this fingerprint: what deduplication asks.
  virtual Result<std::optional<ChunkRef>> find_known(const Fingerprint& fp) const = 0;
  /// Adds or replaces entries; visible at once, durable after sync(). An entry without `ref` replaces the location and leaves
  /// a reference that is known for the chunk in place. Of several references with one fingerprint the last one added counts.
  /// What is no longer true of packs that went is put right by a rebuild, not by a verb of this interface.
  /// Errors: kInvalidArgument for a location out of its bounds, kNoSpace, kInternal.
  virtual Status add(std::span<const IndexEntry> batch) = 0;
  /// Makes everything added durable. `journal_position` is kept beside it and given back by position(), also after a
  /// restart: entries of the journal up to it need not be replayed. After a failure the old position stands.
  virtual Status sync(std::uint64_t journal_position) = 0;
  /// What the last sync() was given; 0 for an index that never saw one (new, dropped, rebuilt).
  virtual std::uint64_t position() const noexcept = 0;
  /// Empties it, damaged or not; position() is then 0. Errors: kNoSpace, kInternal.
  virtual Status clear() = 0;
  struct Stats {
    std::uint64_t chunks = 0;
    std::uint64_t disk_bytes = 0;
    std::uint64_t memory_bytes = 0;
  };
  virtual Stats stats() const = 0;
};

/// Sealed records on this machine, of a bounded size, which may forget anything at any time. Safe from any thread.
class ChunkCache {
 public:
  virtual ~ChunkCache() = default;
  /// The record with that id, verified against it; a damaged entry is dropped and is a miss. Errors never reach the caller: they are misses, counted.
  virtual std::optional<VerifiedRecord> get(const ChunkId& id) = 0;
  /// Keeps a record that the caller has verified. May do nothing.
  virtual void put(const ChunkId& id, ByteView record) = 0;
  virtual void drop(const ChunkId& id) = 0;
  struct Stats {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t damaged = 0;
    std::uint64_t evicted = 0;
    std::uint64_t used_bytes = 0;
    std::uint64_t limit_bytes = 0;
  };
  virtual Stats stats() const = 0;
};

inline constexpr std::size_t kViewKeyMaxBytes = 511;  ///< LMDB's default MDB_MAXKEYSIZE

/// Small sealed values that can be folded again from the logs (the folded catalog view). Keys are 1 to 511 opaque bytes; order is bytewise.
/// Values are sealed by the implementation under the key given when it was opened; keys should be hashes where they would betray names. Safe from any thread.
class ViewStore {
 public:
  virtual ~ViewStore() = default;
  /// Errors: kCorrupt: the view is to be dropped and folded again.
  virtual Result<std::optional<Bytes>> get(ByteView key) const = 0;
  struct Put {
    Bytes key;
    std::optional<Bytes> value;  ///< nullopt removes
  };
  /// All or nothing.
  virtual Status apply(std::span<const Put> batch) = 0;
  /// Calls `visit` for each key with that prefix (of at most 511 bytes; empty for all) in order until it returns false.
  /// `visit` may call this store; what changes meanwhile may be seen or not. Errors: kCorrupt; what was visited before was good.
  virtual Status scan(ByteView prefix, const std::function<bool(ByteView key, ByteView value)>& visit) const = 0;
  /// Empties it.
  virtual Status clear() = 0;
};

}  // namespace holdfast
