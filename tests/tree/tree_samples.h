// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include "core/tree/tree.h"
#include "tests/support/memory_chunks.h"
#include "tests/support/seeded_random.h"

namespace holdfast::testing {

inline CallContext no_limit() { return CallContext::unbounded(); }

inline ChunkRef data_ref(SeededRandom& random) {
  ChunkRef ref = MemoryChunks::reference(ChunkKind::kData, random.bytes(32));
  ref.plain_size_bytes = static_cast<std::uint32_t>(1 + random.next_below(262'144));
  return ref;
}

/// A file with a few extents.
inline Inode file_inode(SeededRandom& random, std::size_t extents = 1) {
  Inode inode;
  inode.ino = 1 + random.next_below(1U << 30U);
  inode.mode = 0100644;
  inode.uid = static_cast<std::uint32_t>(random.next_below(70'000));
  inode.gid = 7;
  inode.mtime = static_cast<WallNanos>(random.next());
  inode.atime = inode.mtime;
  inode.ctime = 5;
  if (extents == 0) return inode;
  ExtentContent content;
  for (std::size_t i = 0; i < extents; ++i) {
    Extent extent;
    if (random.next_below(4) != 0) {
      extent.chunk = data_ref(random);
      extent.size_bytes = extent.chunk->plain_size_bytes;
    } else {
      extent.size_bytes = 1 + random.next_below(1U << 20U);
    }
    inode.size_bytes += extent.size_bytes;
    content.extents.push_back(extent);
  }
  inode.content = content;
  return inode;
}

inline Inode inline_inode(std::string_view text) {
  Inode inode;
  inode.ino = 2;
  inode.mode = 0100600;
  inode.size_bytes = text.size();
  if (!text.empty()) inode.content = InlineContent{Bytes(text.begin(), text.end())};
  return inode;
}

inline Inode directory_inode(const TreeRoot& root) {
  Inode inode;
  inode.ino = 3;
  inode.mode = 0040755;
  inode.nlink = 2;
  if (root) inode.content = DirectoryContent{*root};
  return inode;
}

using Model = std::map<std::string, Inode>;

inline std::vector<TreeEdit> edits_of(const Model& model) {
  std::vector<TreeEdit> edits;
  for (const auto& [name, inode] : model) edits.push_back({name, inode});
  return edits;
}

inline TreeRoot built(MemoryChunks& chunks, const Model& model, TreeForm form = TreeForm::kDirectory) {
  const TreeEditor editor(chunks, chunks, 1);
  auto root = editor.apply(std::nullopt, edits_of(model), no_limit(), form);
  EXPECT_TRUE(root) << (root ? "" : root.error().message());
  return root ? *root : TreeRoot();
}

inline Model listed(ChunkSource& source, const TreeRoot& root, std::size_t page = 1000, TreeForm form = TreeForm::kDirectory) {
  const TreeReader reader(source);
  Model model;
  std::string after;
  while (true) {
    const auto entries = reader.list(root, after, page, no_limit(), form);
    if (!entries) {
      ADD_FAILURE() << entries.error().message();
      return model;
    }
    for (const Entry& entry : *entries) model.emplace(entry.name, entry.inode);
    if (entries->size() < page) return model;
    after = entries->back().name;
  }
}

inline std::string number_name(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  return "file-" + std::string(8 - std::min<std::size_t>(8, digits.size()), '0') + digits;
}

}  // namespace holdfast::testing
