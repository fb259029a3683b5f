// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/secret_bytes.h"

namespace holdfast {

/// SHA-256 (FIPS 180-4) of the parts one after the other. Does not fail.
Digest sha256(std::initializer_list<ByteView> parts);
inline Digest sha256(ByteView bytes) { return sha256({bytes}); }

/// SHA-256 in pieces. One thread.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(ByteView bytes);
  /// The digest of all updates; the object starts anew afterwards.
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// HMAC-SHA256 (RFC 2104).
Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts);

/// HKDF-SHA256 (RFC 5869), `size_bytes` 1..8,160; `ikm` is not empty.
SecretBytes hkdf_sha256(ByteView ikm, ByteView salt, ByteView info, std::size_t size_bytes);
/// Its second half alone (RFC 5869 §2.3), for a `prk` that is a uniform key already.
SecretBytes hkdf_expand_sha256(ByteView prk, ByteView info, std::size_t size_bytes);

/// Derive(secret, label, context) of FORMAT.md §1: 32 bytes.
SecretBytes derive_key(ByteView secret, const RepositoryId& repository, std::string_view label, ByteView context);

/// A Merkle tree (RFC 6962 §2.1) that grows at its end: keeps one hash for each bit of the count, whatever its size. One thread.
class MerkleAccumulator {
 public:
  void add(const Digest& leaf_hash);
  /// Of all leaves so far; of none: SHA-256 of nothing.
  [[nodiscard]] Digest root() const;
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

 private:
  std::vector<Digest> subtrees_;
  std::uint64_t count_ = 0;
};

/// SHA-256(0x00 ‖ leaf).
Digest merkle_leaf_hash(ByteView leaf);
/// Merkle tree hash over `leaves` (RFC 6962 §2.1), each a byte string.
Digest merkle_root(std::span<const ByteView> leaves);
/// Over leaf hashes SHA-256(0x00 ‖ leaf) that are already at hand.
Digest merkle_root_of_hashes(std::span<const Digest> leaf_hashes);

/// H32 of FORMAT.md §1, ids of records and fingerprints of plaintext, many at once: an implementation may compute
/// them in lanes (libipsec-mb) or one by one (OpenSSL); the values are equal. Safe from any thread.
class ChunkHasher {
 public:
  virtual ~ChunkHasher() = default;
  virtual std::string_view name() const noexcept = 0;
  /// ids[i] = id of records[i]; the spans have equal length.
  virtual void chunk_ids(std::span<const ByteView> records, std::span<ChunkId> ids) const = 0;
  struct FingerprintInput {
    std::uint32_t domain;
    ChunkKind kind;
    ByteView plain;
  };
  virtual void fingerprints(ByteView k_fp, std::span<const FingerprintInput> inputs,
                            std::span<Fingerprint> fps) const = 0;

  [[nodiscard]] ChunkId chunk_id(ByteView record) const {
    ChunkId id;
    chunk_ids({&record, 1}, {&id, 1});
    return id;
  }
};

inline constexpr std::size_t kH32SegmentBytes = 32'768;
/// The bytes of H32(x) (FORMAT.md §1), by OpenSSL.
Bytes h32(ByteView bytes);

/// The fastest implementation that this build and machine have; lives as long as the process.
const ChunkHasher& best_chunk_hasher();
/// The reference implementation.
const ChunkHasher& openssl_chunk_hasher();

}  // namespace holdfast
