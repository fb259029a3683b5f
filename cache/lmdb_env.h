// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/base/bytes.h"

namespace holdfast {

/// Where an LMDB environment lies and how large it may become.
struct LmdbOptions {
  std::string folder;  ///< on a local disk (LMDB maps it); made when absent
  /// Bound of the data file, mapped from the start (addresses, not memory). A multiple of 64 KiB, at least 1 MiB.
  std::uint64_t size_max_bytes = 0;
};

/// One key and its value, or none to remove the key. Keys have 1 to 511 bytes.
struct LmdbPut {
  Bytes key;
  std::optional<Bytes> value;
};

/// An LMDB environment with one table, owned by one process, that holds only what can be made again.
///
/// LMDB has no page checksums, and a flipped bit in its file can end the process or make a key invisible. So the file is
/// only ever opened by LMDB after its every byte was compared with a digest that the last clean close() left beside it;
/// a file without that (new, damaged, the process was killed, the power failed) is thrown away, and was_empty_at_open() says so.
/// See cache/README.md. Commits don't sync: durable is only what close() leaves.
///
/// Safe from any thread of the process that opened it; a forked child must not use it (kInternal).
class LmdbEnv {
 public:
  /// Errors: kConflict (open in another process or twice in this one), kNoSpace, kPermissionDenied, kInternal.
  static Result<std::unique_ptr<LmdbEnv>> open(const LmdbOptions& options);
  /// Abandons: without close() the next open() starts empty.
  ~LmdbEnv();
  LmdbEnv(const LmdbEnv&) = delete;
  LmdbEnv& operator=(const LmdbEnv&) = delete;

  [[nodiscard]] bool was_empty_at_open() const noexcept;

  /// A copy of the value. Errors: kInvalidArgument (key), kCorrupt, kUnavailable (too many readers at once), kInternal.
  Result<std::optional<Bytes>> get(ByteView key) const;
  /// All or nothing. Errors: kInvalidArgument, kNoSpace (the bound or the disk: nothing was changed), kCorrupt, kInternal.
  Status write(std::span<const LmdbPut> batch);
  /// Up to `count_max` pairs whose key starts with `prefix` and is greater than `after` (empty: from the start), in order.
  struct Pair {
    Bytes key;
    Bytes value;
  };
  Result<std::vector<Pair>> list(ByteView prefix, ByteView after, std::size_t count_max) const;
  /// Throws the files away and starts empty, without walking what may be damaged.
  Status reset();
  /// Syncs, closes and leaves the digest; every later call is kInternal. May be called twice.
  Status close();
  /// How many keys there are; 0 when closed.
  [[nodiscard]] std::uint64_t count() const;
  /// What the data file takes on the disk now.
  [[nodiscard]] std::uint64_t size_bytes() const;

 private:
  struct State;
  explicit LmdbEnv(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
