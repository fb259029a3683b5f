// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "core/tree/codec.h"

namespace holdfast {
namespace {

constexpr std::uint8_t kHasAtime = 1;
constexpr std::uint8_t kHasRdev = 2;
constexpr std::uint8_t kHasXattrs = 4;
constexpr std::uint8_t kHasCompleteness = 8;
constexpr std::uint8_t kKnownFlags = kHasAtime | kHasRdev | kHasXattrs | kHasCompleteness;
constexpr std::uint32_t kModeMax = 0177777;
constexpr std::size_t kXattrMinBytes = 3;

// The types of st_mode, as in <sys/stat.h> of Linux: the numbers are part of the format.
enum FileType : std::uint32_t {
  kFifo = 0010000,
  kCharacter = 0020000,
  kDirectory = 0040000,
  kBlock = 0060000,
  kRegular = 0100000,
  kSymlink = 0120000,
  kSocket = 0140000,
};

bool is_device(const Inode& inode) {
  const std::uint32_t type = inode.mode & 0170000U;
  return type == kCharacter || type == kBlock;
}

std::uint8_t flags_of(const Inode& inode) {
  std::uint8_t flags = 0;
  if (inode.atime != inode.mtime) flags |= kHasAtime;
  if (inode.rdev != 0) flags |= kHasRdev;
  if (!inode.xattrs.empty()) flags |= kHasXattrs;
  if (inode.completeness != Completeness::kNotApplicable) flags |= kHasCompleteness;
  return flags;
}

std::string_view regular_fault(const Inode& inode) {
  if (std::holds_alternative<DirectoryContent>(inode.content)) return "a file with the content of a directory";
  if (content_size_bytes(inode.content) != inode.size_bytes) return "a content that does not add up to the file's size";
  return "";
}

std::string_view directory_fault(const Inode& inode) {
  if (inode.size_bytes != 0) return "a directory with a size";
  const bool good = std::holds_alternative<EmptyContent>(inode.content) ||
                    std::holds_alternative<DirectoryContent>(inode.content);
  return good ? "" : "a directory with the content of a file";
}

std::string_view symlink_fault(const Inode& inode) {
  const auto* target = std::get_if<InlineContent>(&inode.content);
  if (target == nullptr) return "a symbolic link without a target";
  if (target->bytes.size() != inode.size_bytes) return "a target that is not as long as its link says";
  const bool has_nul = std::find(target->bytes.begin(), target->bytes.end(), 0) != target->bytes.end();
  return has_nul ? "a target with a zero byte" : "";
}

std::string_view type_fault(const Inode& inode) {
  if (std::holds_alternative<LinkTableContent>(inode.content)) {
    if (inode.is_directory()) return "a directory that points at the link table";
    return inode.nlink > 1 ? "" : "an inode with one link that points at the link table";
  }
  switch (inode.mode & 0170000U) {
    case kRegular:
      return regular_fault(inode);
    case kDirectory:
      return directory_fault(inode);
    case kSymlink:
      return symlink_fault(inode);
    case kFifo:
    case kSocket:
    case kCharacter:
    case kBlock:
      return inode.size_bytes == 0 && std::holds_alternative<EmptyContent>(inode.content) ? "" : "a special file with content";
    default:
      return "a file of unknown type";
  }
}

std::string_view xattr_fault(std::string_view name, std::string_view value) {
  if (name.empty() || name.size() > kXattrNameMaxBytes || name.find('\0') != std::string_view::npos) {
    return "an extended attribute with a name that can't be";
  }
  return value.size() <= kXattrValueMaxBytes ? "" : "an extended attribute that is too big";
}

Status decode_xattrs(ByteReader& in, std::map<std::string, std::string>& xattrs) {
  HOLDFAST_ASSIGN(const std::size_t count, in.count(kXattrMinBytes - 1));
  if (count == 0) return in.corrupt("extended attributes announced, but none there");
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(const std::string_view name, in.text(kXattrNameMaxBytes));
    HOLDFAST_ASSIGN(const std::string_view value, in.text(kXattrValueMaxBytes));
    if (!xattrs.empty() && xattrs.rbegin()->first >= name) return in.corrupt("extended attributes out of order");
    xattrs.emplace_hint(xattrs.end(), name, value);
  }
  return ok_status();
}

Status decode_optional_fields(ByteReader& in, std::uint8_t flags, Inode& inode) {
  inode.atime = inode.mtime;
  if ((flags & kHasAtime) != 0) {
    HOLDFAST_ASSIGN(inode.atime, in.i64());
  }
  if ((flags & kHasRdev) != 0) {
    HOLDFAST_ASSIGN(inode.rdev, in.varint());
  }
  if ((flags & kHasXattrs) != 0) HOLDFAST_TRY(decode_xattrs(in, inode.xattrs));
  if ((flags & kHasCompleteness) != 0) {
    HOLDFAST_ASSIGN(const std::uint8_t completeness, in.u8());
    if (completeness > static_cast<std::uint8_t>(Completeness::kUnchecked)) return in.corrupt("a completeness that is none");
    inode.completeness = static_cast<Completeness>(completeness);
  }
  // A flag stands exactly where its field differs from what absence means: one inode has one form.
  if (flags_of(inode) != flags) return in.corrupt("an optional field that says what its absence says");
  return ok_status();
}

}  // namespace

bool is_valid_entry_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > kNameMaxBytes || name == "." || name == "..") return false;
  return name.find('\0') == std::string_view::npos && name.find('/') == std::string_view::npos;
}

std::string_view inode_fault(const Inode& inode) {
  if (inode.ino == 0) return "an inode without a number";
  if (inode.nlink == 0) return "an inode without a link";
  if (inode.mode > kModeMax) return "a mode that can't be";
  if (inode.rdev != 0 && !is_device(inode)) return "a device number on what is no device";
  if (inode.completeness > Completeness::kUnchecked) return "a completeness that is none";
  for (const auto& [name, value] : inode.xattrs) {
    if (const auto fault = xattr_fault(name, value); !fault.empty()) return fault;
  }
  return type_fault(inode);
}

void encode_inode(const Inode& inode, ByteWriter& out) {
  const std::uint8_t flags = flags_of(inode);
  out.varint(inode.ino).varint(inode.mode).varint(inode.uid).varint(inode.gid);
  out.i64(inode.mtime).i64(inode.ctime).varint(inode.nlink).u8(flags);
  if ((flags & kHasAtime) != 0) out.i64(inode.atime);
  if ((flags & kHasRdev) != 0) out.varint(inode.rdev);
  if ((flags & kHasXattrs) != 0) {
    out.varint(inode.xattrs.size());
    for (const auto& [name, value] : inode.xattrs) out.text(name).text(value);
  }
  if ((flags & kHasCompleteness) != 0) out.u8(static_cast<std::uint8_t>(inode.completeness));
  out.varint(inode.size_bytes);
  encode_content(inode.content, out);
}

void encode_inode(const Inode& inode, Bytes& out) {
  ByteWriter writer(out);
  encode_inode(inode, writer);
}

Result<Inode> decode_inode(ByteReader& in) {
  constexpr std::uint64_t kU32Max = std::numeric_limits<std::uint32_t>::max();
  Inode inode;
  HOLDFAST_ASSIGN(inode.ino, in.varint());
  HOLDFAST_ASSIGN(const std::uint64_t mode, in.varint_at_most(kModeMax));
  HOLDFAST_ASSIGN(const std::uint64_t uid, in.varint_at_most(kU32Max));
  HOLDFAST_ASSIGN(const std::uint64_t gid, in.varint_at_most(kU32Max));
  inode.mode = static_cast<std::uint32_t>(mode);
  inode.uid = static_cast<std::uint32_t>(uid);
  inode.gid = static_cast<std::uint32_t>(gid);
  HOLDFAST_ASSIGN(inode.mtime, in.i64());
  HOLDFAST_ASSIGN(inode.ctime, in.i64());
  HOLDFAST_ASSIGN(inode.nlink, in.varint());
  HOLDFAST_ASSIGN(const std::uint8_t flags, in.u8());
  if ((flags & ~kKnownFlags) != 0) return in.corrupt("unknown flags of an inode");
  HOLDFAST_TRY(decode_optional_fields(in, flags, inode));
  HOLDFAST_ASSIGN(inode.size_bytes, in.varint());
  HOLDFAST_ASSIGN(inode.content, decode_content(in));
  if (const auto fault = inode_fault(inode); !fault.empty()) return in.corrupt(fault);
  return inode;
}

Result<Inode> decode_inode(ByteView& in) {
  ByteReader reader(in, "inode");
  HOLDFAST_ASSIGN(Inode inode, decode_inode(reader));
  in = reader.rest();
  return inode;
}

void encode_entry(const Entry& entry, ByteWriter& out) {
  out.text(entry.name);
  encode_inode(entry.inode, out);
}

}  // namespace holdfast
