// SPDX-License-Identifier: Apache-2.0
#include "fs/snapshot_file.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "fs/errno_map.h"
#include "fs/mount.h"

namespace holdfast::fs {

namespace {
constexpr std::uint64_t kWindowFirstBytes = 2ULL << 20;
/// A sequential reader's window is touched twice, when it is fetched and when it is read, and has to stay in memory meanwhile (kPlainCacheBytes).
constexpr std::uint64_t kWindowMaxBytes = 16ULL << 20;
/// The kernel's own read-ahead sends requests side by side; they may come a little out of order.
constexpr std::uint64_t kDisorderBytes = 4ULL << 20;

constexpr std::size_t kPiecesMax = 1000;  ///< less than IOV_MAX (limits.h), since the answer's head is one too
constexpr std::array<std::uint8_t, 64 * 1024> kZeros{};

void append(std::vector<iovec>& all, ByteView bytes) {
  all.push_back({const_cast<std::uint8_t*>(bytes.data()), bytes.size()});  // writev(2) only reads it
}

/// Nothing is copied on the way to the kernel.
std::vector<iovec> vector_of(const std::vector<ContentReader::Piece>& pieces) {
  std::vector<iovec> all;
  for (const auto& piece : pieces) {
    if (piece.zeros == 0) append(all, piece.bytes.view());
    for (std::size_t left = piece.zeros; left > 0; left -= std::min(left, kZeros.size())) append(all, ByteView(kZeros).first(std::min(left, kZeros.size())));
  }
  return all;
}

}  // namespace

void SnapshotFile::read_ahead(std::size_t size, std::uint64_t offset, const CallContext& context) {
  ChunkSource& source = mount_.repository.source();
  Stretch soon;
  Stretch later;
  {
    const std::lock_guard lock(mutex_);
    const bool sequential = offset <= expected_ + kDisorderBytes && offset + kDisorderBytes >= expected_;
    if (!sequential || expected_ == 0) {
      const bool from_start = offset == 0 && expected_ == 0;
      expected_ = offset + size;
      window_bytes_ = from_start ? kWindowFirstBytes / 2 : 0;
      fetched_to_ = brought_to_ = expected_;
      return;
    }
    expected_ = std::max(expected_, offset + size);
    // Asked for again when half of the window is used up, in pieces that are worth a request.
    if (fetched_to_ <= expected_ + window_bytes_ / 2) {
      window_bytes_ = std::clamp(window_bytes_ * 2, kWindowFirstBytes, kWindowMaxBytes);
      soon = next_stretch(fetched_to_, window_bytes_);
    }
    // Not for a reader of a few megabytes.
    const std::uint64_t ahead = window_bytes_ == kWindowMaxBytes ? source.worth_ahead_bytes() : 0;
    if (ahead > 0 && brought_to_ <= expected_ + ahead / 2) later = next_stretch(brought_to_, ahead);
  }
  source.bring_near(chunks_of(later, context));
  source.prefetch(chunks_of(soon, context));
}

/// From what was asked for before up to `ahead` bytes from the reader on.
SnapshotFile::Stretch SnapshotFile::next_stretch(std::uint64_t& asked_to, std::uint64_t ahead) const {
  const Stretch stretch{std::max(asked_to, expected_), std::min(expected_ + ahead, inode_->size_bytes)};
  if (stretch.from >= stretch.to) return {};
  asked_to = stretch.to;
  return stretch;
}

/// None where they can't be found: the read itself will say what is wrong.
std::vector<ChunkRef> SnapshotFile::chunks_of(const Stretch& stretch, const CallContext& context) const {
  std::vector<ChunkRef> refs;
  if (stretch.from >= stretch.to) return refs;
  const auto located = ContentReader(mount_.repository.source()).extents(inode_->content, stretch.from, stretch.to - stretch.from, context);
  if (!located) return refs;
  for (const auto& at : *located) {
    if (at.extent.chunk) refs.push_back(*at.extent.chunk);
  }
  return refs;
}

void SnapshotFile::read(Request request, std::size_t size, std::uint64_t offset) {
  if (offset >= inode_->size_bytes) {
    request.text({});
    return;
  }
  size = static_cast<std::size_t>(std::min<std::uint64_t>(size, inode_->size_bytes - offset));
  const CallContext context = request.context();
  read_ahead(size, offset, context);
  const ContentReader reader(mount_.repository.source());
  const auto found = data_result(reader.pieces(*inode_, offset, size, context));
  if (!found) {
    request.fail(found.error(), "reading " + node_->describe() + " at " + std::to_string(offset));
    return;
  }
  const std::vector<iovec> all = vector_of(*found);
  if (all.size() <= kPiecesMax) {
    request.pieces(all);
    return;
  }
  Bytes joined;
  joined.reserve(size);
  for (const iovec& each : all) joined.insert(joined.end(), static_cast<const std::uint8_t*>(each.iov_base), static_cast<const std::uint8_t*>(each.iov_base) + each.iov_len);
  (void)request.bytes(joined);
}

// The first byte at or after `offset` that is (or is not) data; the end of the file counts as a hole (lseek(2)).
Result<std::uint64_t> SnapshotFile::next(std::uint64_t offset, bool data, const CallContext& context) const {
  constexpr std::uint64_t kStepBytes = 256ULL << 20;  // bounds what is in memory of a long list of extents
  const std::uint64_t end = inode_->size_bytes;
  if (std::holds_alternative<InlineContent>(inode_->content)) return data ? offset : end;
  const ContentReader reader(mount_.repository.source());
  for (std::uint64_t from = offset; from < end; from += kStepBytes) {
    HOLDFAST_ASSIGN(const auto extents, reader.extents(inode_->content, from, std::min(kStepBytes, end - from), context));
    for (const auto& located : extents) {
      if (located.extent.chunk.has_value() == data) return std::max(located.offset, offset);
    }
    if (extents.empty() && !data) return from;
  }
  if (!data) return end;
  return Error(ErrorCode::kOutOfRange, "no data follows");
}

void SnapshotFile::seek(Request request, std::uint64_t offset, int whence) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    request.fail(EINVAL);
  } else if (offset >= inode_->size_bytes) {
    request.fail(ENXIO);
  } else {
    const auto found = data_result(next(offset, whence == SEEK_DATA, request.context()));
    if (found) {
      request.position(static_cast<std::int64_t>(*found));
    } else {
      request.fail(found.error(), "seeking in " + node_->describe());
    }
  }
}

}  // namespace holdfast::fs
