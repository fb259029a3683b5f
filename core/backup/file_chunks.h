// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "core/chunk/chunker.h"
#include "core/ingest/chunk_pipeline.h"
#include "core/tree/content.h"

namespace holdfast {

/// Cuts one stream into chunks, hands them to the pipeline, and collects the extents. Memory: one buffer and a window of chunks. One thread.
class FileChunks {
 public:
  FileChunks(ChunkPipeline& pipeline, const GearTable& gear, ChunkSizes sizes, std::uint32_t domain);
  /// Takes more bytes of the stream. Errors: those of the pipeline, and after one the same again.
  Status add(ByteView bytes);
  /// A hole of `size_bytes` at this point of the stream: ends the chunk before it.
  Status add_hole(std::uint64_t size_bytes);
  /// Ends the stream: its content, inline when it is small.
  Result<Content> finish();
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }

 private:
  Status cut(bool at_end);
  Status submit(std::size_t size);
  Status take_oldest();

  ChunkPipeline& pipeline_;
  Result<GearChunker> chunker_;
  std::uint32_t domain_;
  Bytes buffer_;
  std::size_t start_ = 0;    ///< of the bytes not yet cut, in buffer_
  std::size_t scanned_ = 0;  ///< of those, known to hold no cut
  std::uint64_t size_bytes_ = 0;
  struct Pending {
    std::size_t extent;
    std::shared_ptr<ChunkTicket> ticket;
  };
  std::deque<Pending> pending_;
  std::vector<Extent> extents_;
};

}  // namespace holdfast
