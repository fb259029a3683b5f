// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/format/chunk_ref.h"
#include "core/tree/inode.h"

namespace holdfast {

inline constexpr std::size_t kNameMaxBytes = 255;            ///< of an entry (FORMAT.md §4)
inline constexpr std::size_t kInlineReadMaxBytes = 4096;     ///< what readers take inline
inline constexpr std::size_t kXattrNameMaxBytes = 255;       ///< Linux XATTR_NAME_MAX
inline constexpr std::size_t kXattrValueMaxBytes = 65'536;   ///< Linux XATTR_SIZE_MAX
inline constexpr std::uint8_t kNodeLevelMax = 7;             ///< eight levels: 0..7
inline constexpr std::uint8_t kNodeVersion = 1;

/// The parts of FORMAT.md §4, as nodes, the journal and snapshot records hold them. Encoders append and do not fail; decoders give
/// kCorrupt for anything that the matching encoder would not write (but for order and bounds that only the reader of a whole
/// structure can know), so what is accepted encodes to the same bytes again.
void encode_totals(const Totals& totals, ByteWriter& out);
Result<Totals> decode_totals(ByteReader& in);

/// A reference and the totals beside it; the reference must be of `kind`.
void encode_node_ref(const NodeRef& node, ByteWriter& out);
Result<NodeRef> decode_node_ref(ByteReader& in, ChunkKind kind);

void encode_extent(const Extent& extent, ByteWriter& out);
Result<Extent> decode_extent(ByteReader& in);

void encode_content(const Content& content, ByteWriter& out);
Result<Content> decode_content(ByteReader& in);

void encode_inode(const Inode& inode, ByteWriter& out);
Result<Inode> decode_inode(ByteReader& in);

/// A name, then the inode.
void encode_entry(const Entry& entry, ByteWriter& out);

/// Logical bytes of a file's content; nullopt where they are more than 64 bits hold, or where the content tells nothing
/// of them (directories, the link table).
std::optional<std::uint64_t> content_size_bytes(const Content& content);

/// What keeps `inode` from being one of the format, in words; empty when nothing does.
std::string_view inode_fault(const Inode& inode);

}  // namespace holdfast
