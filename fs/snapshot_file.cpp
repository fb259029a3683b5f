// SPDX-License-Identifier: Apache-2.0
#include "fs/snapshot_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "fs/errno_map.h"
#include "fs/mount.h"

namespace holdfast::fs {

namespace {
constexpr std::uint64_t kWindowFirstBytes = 2ULL << 20;
constexpr std::uint64_t kWindowMaxBytes = 32ULL << 20;  ///< half a Storj segment: enough to hide a network's latency at 1 GB/s and 30 ms
/// The kernel's own read-ahead sends requests side by side; they may come a little out of order.
constexpr std::uint64_t kDisorderBytes = 4ULL << 20;
}  // namespace

void SnapshotFile::read_ahead(std::size_t size, std::uint64_t offset, const CallContext& context) {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  {
    const std::lock_guard lock(mutex_);
    const bool sequential = offset <= expected_ + kDisorderBytes && offset + kDisorderBytes >= expected_;
    if (!sequential || expected_ == 0) {
      const bool from_start = offset == 0 && expected_ == 0;
      expected_ = offset + size;
      window_bytes_ = from_start ? kWindowFirstBytes / 2 : 0;
      fetched_to_ = expected_;
      return;
    }
    expected_ = std::max(expected_, offset + size);
    // Asked for again when half of the window is used up, in pieces that are worth a request.
    if (fetched_to_ > expected_ + window_bytes_ / 2) return;
    window_bytes_ = std::clamp(window_bytes_ * 2, kWindowFirstBytes, kWindowMaxBytes);
    from = std::max(fetched_to_, expected_);
    to = std::min(expected_ + window_bytes_, inode_->size_bytes);
    if (from >= to) return;
    fetched_to_ = to;
  }
  const auto located = ContentReader(mount_.repository.source()).extents(inode_->content, from, to - from, context);
  if (!located) return;  // a hint; the read itself will say what is wrong
  std::vector<ChunkRef> refs;
  for (const auto& at : *located) {
    if (at.extent.chunk) refs.push_back(*at.extent.chunk);
  }
  mount_.repository.source().prefetch(refs);
}

void SnapshotFile::read(Request request, std::size_t size, std::uint64_t offset) {
  if (offset >= inode_->size_bytes) {
    request.text({});
    return;
  }
  size = static_cast<std::size_t>(std::min<std::uint64_t>(size, inode_->size_bytes - offset));
  const CallContext context = request.context();
  read_ahead(size, offset, context);
  Bytes buffer(size);
  const auto got = data_result(ContentReader(mount_.repository.source()).read(*inode_, offset, buffer, context));
  if (!got) {
    request.fail(got.error(), "reading " + node_->describe() + " at " + std::to_string(offset));
    return;
  }
  (void)request.bytes(ByteView(buffer).first(*got));
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
