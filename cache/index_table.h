// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "cache/file_io.h"
#include "cache/index_filter.h"
#include "core/base/ids.h"
#include "core/base/random_source.h"
#include "core/base/secret_bytes.h"
#include "core/crypto/seal.h"

namespace holdfast {

/// Keys of all orders: a fingerprint, the first 16 bytes of a chunk id, or a hash of a feature.
using IndexKey = std::array<std::uint8_t, 16>;

/// Which order a table is in. The numbers are part of its format.
enum class TableKind : std::uint16_t { kById = 1, kByFingerprint = 2, kByFeature = 3 };
inline constexpr std::size_t kLocationValueBytes = 12;   ///< pack u32, offset u40, record size u24
inline constexpr std::size_t kReferenceValueBytes = 69;  ///< id [32], key [32], plain size u32, kind u8
inline constexpr std::size_t kSimilarValueBytes = 21;    ///< fp [16], version u8, stamp u32
constexpr std::size_t value_bytes(TableKind kind) noexcept {
  if (kind == TableKind::kByFeature) return kSimilarValueBytes;
  return kind == TableKind::kById ? kLocationValueBytes : kReferenceValueBytes;
}

/// Layout of a table file (cache/README.md).
namespace index_layout {
inline constexpr std::string_view kMagic = "HFIDXSG1";
inline constexpr std::uint16_t kVersion = 1;
inline constexpr std::size_t kBlockBytes = 4096;
inline constexpr std::size_t kMetaPieceBytes = 65536;  ///< of plaintext
inline constexpr std::size_t kTrailerBytes = 96;
enum class Area : std::uint32_t { kBlock = 0, kMeta = 1, kTrailer = 2 };
using Nonce = std::array<std::uint8_t, 12>;
/// Unique within a file, whose key is its own.
Nonce nonce_of(Area area, std::uint64_t number);
SecretBytes file_key(ByteView index_key, ByteView salt, TableKind kind);
constexpr std::size_t entry_bytes(TableKind kind) noexcept { return sizeof(IndexKey) + value_bytes(kind); }
constexpr std::size_t entries_per_block(TableKind kind) noexcept {
  return (kBlockBytes - kTagBytes) / entry_bytes(kind);
}
}  // namespace index_layout

/// A sealed, immutable, sorted table of an index segment; in memory are its filter and eight bytes a block. Blocks are
/// verified whenever they are read. Safe from any thread.
class IndexTable {
 public:
  /// Reads and verifies all but the blocks. Errors: kCorrupt, kUnsupported (version), kInternal.
  static Result<std::shared_ptr<const IndexTable>> open(const std::string& path, TableKind kind, ByteView index_key);

  /// Errors: kCorrupt, kInternal.
  Result<std::optional<Bytes>> find(const IndexKey& key) const;
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return file_size_; }
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept { return filter_.bytes().size() + first_keys_.size() * 8; }

  /// Entries in order, for merges; must not outlive the table. One thread.
  class Cursor {
   public:
    explicit Cursor(const IndexTable& table) : table_(&table) {}
    /// Steps to the first or next entry. False at the end. Errors: kCorrupt, kInternal.
    Result<bool> next();
    [[nodiscard]] ByteView key() const noexcept { return entry().first(sizeof(IndexKey)); }
    [[nodiscard]] ByteView value() const noexcept { return entry().subspan(sizeof(IndexKey)); }

   private:
    [[nodiscard]] ByteView entry() const noexcept;
    const IndexTable* table_;
    Bytes sealed_;  // some blocks read ahead
    Bytes plain_;
    std::uint64_t blocks_read_ = 0;
    std::size_t sealed_at_ = 0;
    std::size_t entry_ = 0;
  };

 private:
  IndexTable(cache::File file, TableKind kind) : file_(std::move(file)), kind_(kind), filter_(std::uint64_t{0}) {}
  Status read_trailer(ByteView index_key);
  Status read_meta();
  Result<Bytes> open_block(std::uint64_t number, ByteView sealed) const;
  [[nodiscard]] std::size_t entries_in(std::uint64_t block) const noexcept;

  cache::File file_;
  const TableKind kind_;
  std::uint64_t file_size_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t block_count_ = 0;
  std::uint64_t filter_size_ = 0;
  SecretBytes key_;
  std::vector<std::uint64_t> first_keys_;  // prefix of the first key of each block
  IndexFilter filter_;
};

/// Writes a table. One thread.
class IndexTableWriter {
 public:
  /// `count_max` bounds the number of entries (it sizes the filter). Errors: those of File::open, kInternal (no entropy).
  static Result<std::unique_ptr<IndexTableWriter>> create(const std::string& path, TableKind kind, ByteView index_key,
                                                          std::uint64_t count_max, RandomSource& random);
  /// Keys must ascend strictly; `value` has value_bytes(kind). Errors: kNoSpace, kInternal.
  Status add(ByteView key, ByteView value);
  /// Completes the file; it is durable afterwards if `durably` (but for its name: sync the folder).
  Status finish(bool durably);

 private:
  IndexTableWriter(cache::File file, TableKind kind, std::uint64_t count_max)
      : file_(std::move(file)), kind_(kind), filter_(count_max) {}
  Status flush_block();
  Status write_out(bool all);
  Status write_meta();

  cache::File file_;
  const TableKind kind_;
  std::array<std::uint8_t, 32> salt_{};
  SecretBytes key_;
  IndexFilter filter_;
  std::vector<std::uint64_t> first_keys_;
  std::uint64_t count_ = 0;
  Bytes block_;  // plaintext of the block that is being filled
  Bytes out_;    // sealed, not written yet
  std::uint64_t written_ = 0;
};

}  // namespace holdfast
