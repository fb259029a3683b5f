// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "core/base/ids.h"
#include "core/base/random_source.h"
#include "core/base/secret_bytes.h"

namespace holdfast {

/// One commit's records, as they stand in a journal file (FORMAT.md §9).
struct JournalGroup {
  bool voids_earlier = false;
  std::vector<Bytes> records;
};

/// Reads and writes journal files' bytes; does no I/O. Safe from any thread.
class JournalCodec {
 public:
  JournalCodec(RepositoryId repository, WriterId writer, ByteView key)
      : repository_(repository), writer_(writer), key_(SecretBytes::copy_of(key)) {}

  [[nodiscard]] Bytes file_header(std::uint64_t file_number) const;
  /// Checks a file's header. Errors: kCorrupt (also for another key), kUnsupported, kConflict (another repository or writer).
  Status check_header(std::uint64_t file_number, ByteView file) const;
  [[nodiscard]] static std::size_t header_bytes() noexcept;

  struct Place {
    std::uint64_t file_number = 0;
    std::uint32_t group_number = 0;
  };
  /// Errors: kInternal (no entropy); kInvalidArgument when the group is larger than 2^32-1 bytes.
  Result<Bytes> encode(Place place, const JournalGroup& group, RandomSource& random) const;

  struct Decoded {
    JournalGroup group;
    std::size_t size_bytes = 0;  ///< with its header
  };
  /// The group at the front of `bytes`; nullopt when there is no intact one.
  [[nodiscard]] std::optional<Decoded> decode(Place place, ByteView bytes) const;
  /// Whether the header of a group of this file with a number above `place`'s stands anywhere in `bytes`: only then was what
  /// stands before it once synced, since a group is written after the one before it is durable.
  [[nodiscard]] bool has_later_group(Place place, ByteView bytes) const;

 private:
  using Check = std::array<std::uint8_t, 8>;
  [[nodiscard]] Check check_of(ByteView text) const;
  [[nodiscard]] Check group_check(Place place, std::uint32_t size) const;
  [[nodiscard]] Check file_check(std::uint64_t file_number) const;
  RepositoryId repository_;
  WriterId writer_;
  SecretBytes key_;
};

}  // namespace holdfast
