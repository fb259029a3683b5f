// SPDX-License-Identifier: Apache-2.0
#include "core/tree/tree.h"

namespace holdfast {
namespace {

constexpr std::size_t kBatch = 256;
/// A long way down each directory keeps fewer entries in memory.
constexpr std::size_t kDeepBatch = 16;
constexpr std::size_t kDeep = 32;

/// One directory on the way down.
struct Frame {
  TreeRoot root;
  std::size_t path_size = 0;  ///< of its own path
  std::vector<Entry> batch;
  std::size_t next = 0;
  bool ended = false;
};

Status refill(const TreeReader& reader, Frame& frame, std::size_t depth, const CallContext& context) {
  const std::string after = frame.batch.empty() ? "" : frame.batch.back().name;
  const std::size_t wanted = depth < kDeep ? kBatch : kDeepBatch;
  HOLDFAST_ASSIGN(frame.batch, reader.list(frame.root, after, wanted, context));
  frame.next = 0;
  frame.ended = frame.batch.size() < wanted;
  return ok_status();
}

}  // namespace

Status walk_tree(ChunkSource& source, const TreeRoot& root, const TreeRoot& links,
                 const std::function<Status(const std::string& path, const Inode& inode)>& visit,
                 const CallContext& context) {
  const TreeReader reader(source);
  std::vector<Frame> frames;
  frames.push_back({root, 0, {}, 0, false});
  std::string path;
  while (!frames.empty()) {
    Frame& frame = frames.back();
    if (frame.next == frame.batch.size()) {
      if (!frame.ended) HOLDFAST_TRY(refill(reader, frame, frames.size(), context));
      if (frame.next == frame.batch.size()) {
        frames.pop_back();
        continue;
      }
    }
    const Entry& entry = frame.batch[frame.next++];
    path.resize(frame.path_size);
    if (!path.empty()) path += '/';
    path += entry.name;
    if (std::holds_alternative<LinkTableContent>(entry.inode.content)) {
      HOLDFAST_ASSIGN(const std::optional<Inode> inode, reader.find_link(links, entry.inode.ino, context));
      if (!inode) return Error(ErrorCode::kCorrupt, "a hard link to an inode that the link table lacks");
      HOLDFAST_TRY(visit(path, *inode));
    } else {
      HOLDFAST_TRY(visit(path, entry.inode));
    }
    const auto* directory = std::get_if<DirectoryContent>(&entry.inode.content);
    // `entry` lies in the frame that push_back may move: take what is needed first.
    if (directory != nullptr) {
      Frame below{directory->root, path.size(), {}, 0, false};
      frames.push_back(std::move(below));
    }
  }
  return ok_status();
}

}  // namespace holdfast
