// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/clock.h"
#include "core/base/ids.h"

namespace holdfast {

/// Sums over a subtree (FORMAT.md §4 "Totals").
struct Totals {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t bytes = 0;
  std::uint64_t chunks = 0;
  Digest merkle;
  Digest content_hash;
  friend bool operator==(const Totals&, const Totals&) = default;
};

/// A stretch of a file: a whole chunk, or a hole.
struct Extent {
  std::uint64_t size_bytes = 0;
  std::optional<ChunkRef> chunk;  ///< nullopt: a hole
  friend bool operator==(const Extent&, const Extent&) = default;
};

/// A node with what stands beside its reference.
struct NodeRef {
  ChunkRef ref;
  Totals totals;
  friend bool operator==(const NodeRef&, const NodeRef&) = default;
};

struct EmptyContent { friend bool operator==(const EmptyContent&, const EmptyContent&) = default; };
struct InlineContent { Bytes bytes; friend bool operator==(const InlineContent&, const InlineContent&) = default; };
struct ExtentContent { std::vector<Extent> extents; friend bool operator==(const ExtentContent&, const ExtentContent&) = default; };
struct ListContent { NodeRef root; friend bool operator==(const ListContent&, const ListContent&) = default; };       ///< file: list of kind 3
struct DirectoryContent { NodeRef root; friend bool operator==(const DirectoryContent&, const DirectoryContent&) = default; };  ///< directory: tree of kind 2
struct LinkTableContent { friend bool operator==(const LinkTableContent&, const LinkTableContent&) = default; };  ///< regular file with nlink > 1

/// FORMAT.md §4 "Content"; the alternatives stand in the order of their tags 0..5.
using Content = std::variant<EmptyContent, InlineContent, ExtentContent, ListContent, DirectoryContent, LinkTableContent>;

enum class Completeness : std::uint8_t { kNotApplicable = 0, kComplete = 1, kIncomplete = 2, kUnchecked = 3 };

/// FORMAT.md §4 "Inode".
struct Inode {
  std::uint64_t ino = 0;
  std::uint32_t mode = 0;  ///< as st_mode
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  WallNanos mtime = 0;
  WallNanos ctime = 0;
  WallNanos atime = 0;
  std::uint64_t nlink = 1;
  std::uint64_t rdev = 0;
  std::map<std::string, std::string> xattrs;
  Completeness completeness = Completeness::kNotApplicable;
  std::uint64_t size_bytes = 0;
  Content content;

  [[nodiscard]] bool is_directory() const noexcept { return (mode & 0170000U) == 0040000U; }
  [[nodiscard]] bool is_regular() const noexcept { return (mode & 0170000U) == 0100000U; }
  [[nodiscard]] bool is_symlink() const noexcept { return (mode & 0170000U) == 0120000U; }
  friend bool operator==(const Inode&, const Inode&) = default;
};

struct Entry {
  std::string name;
  Inode inode;
  friend bool operator==(const Entry&, const Entry&) = default;
};

/// One inode as bytes (FORMAT.md §4; codec.h has the parts), also used by the journal and by snapshot records.
void encode_inode(const Inode& inode, Bytes& out);
/// Reads one inode from the front of `in` and advances it. Errors: kCorrupt.
Result<Inode> decode_inode(ByteView& in);

/// Whether `name` may stand in a directory: 1..255 bytes, no NUL, no "/", not "." or "..".
[[nodiscard]] bool is_valid_entry_name(std::string_view name) noexcept;

}  // namespace holdfast
