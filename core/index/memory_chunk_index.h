// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "core/index/chunk_index.h"

namespace holdfast {

/// A chunk index in memory only, for tests and dry runs: about 300 bytes a chunk, gone with the process.
/// sync() only remembers the position.
std::unique_ptr<ChunkIndex> make_memory_chunk_index();

/// A chunk cache in memory only, of at most `limit_bytes` of records; the least recently used go first. A record that
/// is larger than the limit is not kept.
std::unique_ptr<ChunkCache> make_memory_chunk_cache(std::uint64_t limit_bytes);

/// A view in memory only, not sealed (nothing reaches a disk).
std::unique_ptr<ViewStore> make_memory_view_store();

}  // namespace holdfast
