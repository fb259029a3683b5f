// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/base/bytes.h"

namespace holdfast {

/// Bounds of chunks of plaintext, in bytes, each inclusive. min <= target <= max, target a power of two,
/// min >= 256, max <= 4 MiB (FORMAT.md §3).
///
/// Of 30 daily dumps stored as differences, chunks of 128 KiB took 7 % less than such of 64 KiB in a simulation: a cut that an edit moved is what costs most, and each chunk
/// costs some 270 bytes of references beside its content.
struct ChunkSizes {
  std::uint32_t min_bytes = 32 * 1024;
  std::uint32_t target_bytes = 128 * 1024;
  std::uint32_t max_bytes = 512 * 1024;
  friend bool operator==(const ChunkSizes&, const ChunkSizes&) = default;
};

/// Random 64-bit values, one a byte value, drawn from K_gear (FORMAT.md §2), so that sizes of chunks don't betray known files.
using GearTable = std::array<std::uint64_t, 256>;
/// The table that K_gear gives.
GearTable make_gear_table(ByteView k_gear);

/// Where a stream is cut, by its content: a gear hash with normalised chunking, as in Xia et al., "FastCDC", USENIX ATC 2016.
/// Pure and deterministic: cuts depend on the bytes since the last cut and on the parameters, not on how the stream was sliced.
/// Of chunks of random data the mean size is target_bytes. Safe from any thread.
class GearChunker {
 public:
  /// Errors: kInvalidArgument for sizes out of bounds. `table` must outlive the chunker.
  static Result<GearChunker> create(const GearTable& table, ChunkSizes sizes);

  /// The size of the first chunk of `input`, which starts at a cut: 1..max_bytes; nullopt when `input` holds no cut and
  /// is shorter than max_bytes (more input may decide). At the end of a stream the rest is the last chunk.
  [[nodiscard]] std::optional<std::size_t> first_cut(ByteView input) const noexcept;

  /// The same when `scanned` bytes of `input` are known to hold no cut (the previous call's whole input): all but the last
  /// 63 of them are not looked at again.
  [[nodiscard]] std::optional<std::size_t> first_cut_after(ByteView input, std::size_t scanned) const noexcept;

  [[nodiscard]] ChunkSizes sizes() const noexcept { return sizes_; }
  [[nodiscard]] const GearTable& table() const noexcept { return *table_; }

  /// Where a position may be a cut: for who walks along for another reason (ChunkScanner).
  struct Rule {
    std::size_t min_bytes = 0;
    std::size_t normal_bytes = 0;  ///< chunks below it end where the hash has no bit of mask_hard, others of mask_easy
    std::size_t max_bytes = 0;
    std::uint64_t mask_hard = 0;
    std::uint64_t mask_easy = 0;
  };
  [[nodiscard]] Rule rule() const noexcept { return {sizes_.min_bytes, normal_bytes_, sizes_.max_bytes, mask_hard_, mask_easy_}; }

 private:
  GearChunker(const GearTable& table, ChunkSizes sizes) noexcept;
  const GearTable* table_;
  ChunkSizes sizes_;
  /// Below this size a cut must match mask_hard_, from it on mask_easy_ (a part of mask_hard_).
  std::size_t normal_bytes_ = 0;
  std::uint64_t mask_hard_ = 0;
  std::uint64_t mask_easy_ = 0;
};

}  // namespace holdfast
