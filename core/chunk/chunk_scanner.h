// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "core/chunk/similarity.h"

namespace holdfast {

/// Finds the end of one chunk after the other in a stream, as GearChunker does, and what the chunk is like in the same pass. One thread.
class ChunkScanner {
 public:
  /// The chunker's table outlives the scanner.
  explicit ChunkScanner(const GearChunker& chunker);
  ~ChunkScanner();
  ChunkScanner(const ChunkScanner&) = delete;
  ChunkScanner& operator=(const ChunkScanner&) = delete;

  /// The size of the current chunk, all of whose bytes so far are `input`: at least those of the last call, unchanged, of which all but 63 are not looked at again.
  /// Nullopt: its end is not in `input`.
  [[nodiscard]] std::optional<std::size_t> scan(ByteView input);

  /// Ends the current chunk, which has `size_bytes`: what scan() gave, or all that it was given where the stream ends. The next one begins behind it. What it is like, as similarity_of();
  /// nullopt also when not all of it was scanned.
  std::optional<Similarity> end_chunk(std::size_t size_bytes);

  /// The bytes of the current chunk have changed.
  void restart();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
