// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/chunk/chunk_scanner.h"
#include "core/chunk/chunker.h"
#include "core/ingest/chunk_pipeline.h"
#include "core/live/dirty_ranges.h"
#include "core/live/live_inode.h"
#include "core/tree/content.h"

namespace holdfast {

/// What all files of one live tree share.
struct ContentParts {
  ChunkSource& source;
  ChunkPipeline& pipeline;
  GearChunker chunker;
  std::uint32_t domain = 0;
  std::uint64_t dirty_bytes_max_per_file = 0;
  std::uint64_t dirty_bytes_max = 0;
  std::atomic<std::uint64_t>& chunks_cut;
  std::atomic<std::uint64_t>& dirty_bytes;  ///< of all files
};

/// The bytes of one open file, edited: pieces (chunks and holes) from 0 to where the tail begins, the uncut tail, and dirty ranges over the
/// pieces or beyond the end. Functions that change it are called by one thread at a time (the file's writer lock); reading functions may run beside them:
/// the inner mutex is held for memory work only, never while a chunk is read or handed over.
/// An operation that fails leaves what was readable before readable; what it wrote may be there in part.
class FileContent {
 public:
  explicit FileContent(const ContentParts& parts) : parts_(parts), scanner_(parts.chunker) {}
  ~FileContent() { parts_.dirty_bytes -= counted_dirty_; }
  FileContent(const FileContent&) = delete;
  FileContent& operator=(const FileContent&) = delete;

  [[nodiscard]] bool is_loaded() const noexcept { return loaded_; }
  /// Takes over an inode's content; list nodes are read. Errors: kCorrupt; those of the source.
  Status load(const LiveInode& inode, const CallContext& context);
  /// As load of an empty file, whatever was there.
  void make_empty();

  // Changing. All need is_loaded().
  /// After bytes could not be stored it takes no more before those are: what waits in memory stays bounded.
  Status write(std::uint64_t offset, const LentBytes& lent, const CallContext& context);
  Status truncate(std::uint64_t size_bytes, const CallContext& context);
  /// Makes a hole; the size stays.
  Status punch(std::uint64_t offset, std::uint64_t size, const CallContext& context);
  /// Cuts everything, waits until it is in packs, and gives the content. With `keep_tail` the end that has no cut yet travels as bytes.
  /// Errors: kNoSpace and others of the pipeline (nothing is lost: the next call tries again); those of the source.
  Result<ContentUpdate> finish(bool keep_tail, const CallContext& context);
  /// The content with this serial is what the last finish() gave: later ones may go on from it.
  void note_published(std::uint64_t serial, const ContentUpdate& update);

  // Reading.
  [[nodiscard]] std::uint64_t size_bytes() const;
  [[nodiscard]] std::uint64_t allocated_bytes() const;
  Result<std::size_t> read(std::uint64_t offset, MutableByteView out, const CallContext& context) const;
  /// The first byte at or after `offset` that is data (or in a hole, the end counting as one); nullopt when there is none before the end.
  [[nodiscard]] std::optional<std::uint64_t> next_data(std::uint64_t offset) const;
  [[nodiscard]] std::uint64_t next_hole(std::uint64_t offset) const;

 private:
  struct Piece {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::optional<ChunkRef> ref;
    std::shared_ptr<ChunkTicket> ticket;  ///< while the chunk is on its way
    [[nodiscard]] bool is_hole() const noexcept { return !ref && !ticket; }
    [[nodiscard]] std::uint64_t end() const noexcept { return offset + size; }
  };
  /// New pieces for a stretch of old ones; outside of it nothing changes.
  struct Replacement {
    ByteRange range;
    std::vector<Piece> pieces;
  };
  struct Rechunk;

  // All with mutex_ held.
  [[nodiscard]] std::uint64_t end_locked() const { return tail_start_ + tail_.size(); }
  [[nodiscard]] std::size_t piece_at(std::uint64_t offset) const;
  void push_piece(Piece piece);
  void absorb_locked();
  void rebuild_locked(const std::vector<Replacement>& replacements);

  Result<SharedBytes> plain_of(const Piece& piece, const CallContext& context) const;
  Piece submit(std::uint64_t offset, const PlainChunk& chunk, const std::shared_ptr<ChunkTicket>& before);
  Status pull_last_chunk(const CallContext& context);
  void cut_tail();
  void append_stream(const LentBytes& lent);
  void count_dirty();
  [[nodiscard]] bool is_too_dirty();
  void finish_tail();
  Status resolve(bool wait);
  Status settle(const CallContext& context);
  Status store_what_waits(const CallContext& context);
  void fill_gaps(bool to_size);
  Status rechunk_from(std::uint64_t dirty_offset, std::vector<Replacement>& done, std::optional<Bytes>& to_tail, const CallContext& context);
  Status drop_from(std::uint64_t size_bytes, const CallContext& context);
  Result<bool> make_inline(const CallContext& context);
  ContentUpdate snapshot() const;

  const ContentParts& parts_;
  mutable std::mutex mutex_;
  std::atomic<bool> loaded_{false};
  std::vector<Piece> pieces_;      ///< from 0 to tail_start_ without a gap
  std::uint64_t tail_start_ = 0;
  Bytes tail_;
  ChunkScanner scanner_;           ///< of the tail
  bool last_is_cut_ = false;       ///< the last piece ends where the chunker would end it
  DirtyRanges dirty_;              ///< before tail_start_, or after the tail's end
  std::uint64_t counted_dirty_ = 0;  ///< what of dirty_ parts_.dirty_bytes has
  std::uint64_t size_ = 0;
  std::size_t first_pending_ = 0;  ///< no piece before it has a ticket
  std::shared_ptr<ChunkTicket> last_;  ///< of the last chunk that was cut off the stream, while it goes on
  bool is_stuck_ = false;          ///< the last attempt to store what was written failed

  // What the last published content was (for extensions).
  std::uint64_t published_serial_ = 0;
  std::size_t published_pieces_ = 0;
  std::uint64_t published_tail_start_ = 0;
  std::size_t published_tail_size_ = 0;
  std::size_t same_pieces_ = 0;    ///< so many leading pieces are as published
  std::size_t same_tail_ = 0;      ///< so many bytes of the published tail are as published
};

}  // namespace holdfast
