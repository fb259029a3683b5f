// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "core/tree/inode.h"
#include "core/tree/node_store.h"

namespace holdfast {

inline constexpr std::size_t kInlineContentMaxBytes = 512;   ///< what a writer puts inline (readers take 4,096)
inline constexpr std::size_t kExtentContentMaxCount = 8;     ///< longer lists become chunks

/// Reads what a file's Content says. Safe from any thread.
class ContentReader {
 public:
  explicit ContentReader(ChunkSource& source) : source_(source) {}
  struct Located {
    std::uint64_t offset = 0;  ///< of the extent in the file
    Extent extent;
  };
  /// The extents that overlap [offset, offset + size), in order; for inline and empty content none. Errors: kCorrupt; the source's.
  Result<std::vector<Located>> extents(const Content& content, std::uint64_t offset, std::uint64_t size,
                                       const CallContext& context) const;
  /// The file's bytes in [offset, offset + size) as they lie in memory, one piece after the other; what lies beyond the file's size is left out.
  struct Piece {
    SharedBytes bytes;        ///< of a chunk; empty for a hole
    std::size_t zeros = 0;    ///< of a hole; 0 for bytes
  };
  Result<std::vector<Piece>> pieces(const Inode& inode, std::uint64_t offset, std::uint64_t size, const CallContext& context) const;
  /// Fills `out` with the file's bytes from `offset`; what lies beyond the file's size is not read: the count of bytes read is returned.
  Result<std::size_t> read(const Inode& inode, std::uint64_t offset, MutableByteView out, const CallContext& context) const;

 private:
  ChunkSource& source_;
};

/// Makes the Content of a finished extent list: extents themselves while they are few, else list nodes (cut by content, so that an equal stretch of a long list
/// is stored once). Errors: the sink's.
Result<Content> build_content(const std::vector<Extent>& extents, ChunkSink& sink, std::uint32_t domain);
/// Totals of any file content as they count in the directory's node (files excluded, chunks and hashes included).
Totals content_totals(const Content& content);

}  // namespace holdfast
