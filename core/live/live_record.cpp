// SPDX-License-Identifier: Apache-2.0
#include "core/live/live_record.h"

#include "core/format/byte_reader.h"
#include "core/journal/journal.h"
#include "core/tree/codec.h"

namespace holdfast {
namespace {

constexpr std::uint8_t kLinked = 1;
constexpr std::size_t kRecordHeadBytes = 1 + DatabaseId::size;

std::uint64_t plain_content_size(const LiveInode& value) {
  return value.inode.size_bytes - (value.tail ? value.tail->size() : 0);
}

Result<LiveInode> read_inode(ByteReader& in) {
  LiveInode value;
  HOLDFAST_ASSIGN(const std::uint8_t flags, in.u8());
  if ((flags & ~kLinked) != 0) return in.corrupt("unknown flags of a journalled inode");
  value.linked = flags != 0;
  HOLDFAST_ASSIGN(value.inode, decode_inode(in));
  return value;
}

Status read_extend(ByteReader& in, LiveBatchVisitor& visitor) {
  HOLDFAST_ASSIGN(const std::uint64_t ino, in.varint());
  HOLDFAST_ASSIGN(const std::uint64_t keep, in.varint());
  HOLDFAST_ASSIGN(const std::size_t count, in.count(2));
  std::vector<Extent> extents;
  extents.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    HOLDFAST_ASSIGN(Extent extent, decode_extent(in));
    extents.push_back(std::move(extent));
  }
  HOLDFAST_ASSIGN(const ByteView tail, in.bytes());
  return visitor.extend(ino, keep, std::move(extents), tail);
}

Status read_name(ByteReader& in, bool is_set, LiveBatchVisitor& visitor) {
  HOLDFAST_ASSIGN(const std::uint64_t directory, in.varint());
  HOLDFAST_ASSIGN(const std::string_view name, in.text(kNameMaxBytes));
  if (!is_valid_entry_name(name)) return in.corrupt("a name that can't be");
  if (!is_set) return visitor.delete_name(directory, name);
  HOLDFAST_ASSIGN(const std::uint64_t ino, in.varint());
  if (ino == 0) return in.corrupt("a name for no inode");
  return visitor.set_name(directory, name, ino);
}

Status read_number(ByteReader& in, LiveBatchVisitor& visitor, Status (LiveBatchVisitor::*take)(std::uint64_t)) {
  HOLDFAST_ASSIGN(const std::uint64_t number, in.varint());
  return (visitor.*take)(number);
}

Status read_primitive(ByteReader& in, LiveBatchVisitor& visitor) {
  HOLDFAST_ASSIGN(const std::uint8_t number, in.u8());
  switch (static_cast<LivePrimitive>(number)) {
    case LivePrimitive::kPutInode: {
      HOLDFAST_ASSIGN(LiveInode value, read_inode(in));
      return visitor.put_inode(std::move(value));
    }
    case LivePrimitive::kPutAttributes: {
      HOLDFAST_ASSIGN(LiveInode value, read_inode(in));
      return visitor.put_attributes(std::move(value));
    }
    case LivePrimitive::kExtend: return read_extend(in, visitor);
    case LivePrimitive::kSetName: return read_name(in, true, visitor);
    case LivePrimitive::kDeleteName: return read_name(in, false, visitor);
    case LivePrimitive::kGone: return read_number(in, visitor, &LiveBatchVisitor::gone);
    case LivePrimitive::kFreeze: return read_number(in, visitor, &LiveBatchVisitor::freeze);
    case LivePrimitive::kNextIno: return read_number(in, visitor, &LiveBatchVisitor::next_ino);
    case LivePrimitive::kReset: return visitor.reset();
  }
  return in.corrupt("an unknown primitive");
}

Result<ByteReader> open_record(ByteView payload, JournalKind kind) {
  ByteReader in(payload, "live tree record");
  HOLDFAST_ASSIGN(const std::uint8_t number, in.u8());
  if (number != static_cast<std::uint8_t>(kind)) return in.corrupt("another kind of record");
  HOLDFAST_ASSIGN(const auto database, in.id<DatabaseId>());
  (void)database;
  return in;
}

Status read_base_lists(ByteReader& in, LiveBase& base) {
  HOLDFAST_ASSIGN(const std::size_t directories, in.count(2));
  for (std::size_t i = 0; i < directories; ++i) {
    LiveBase::Directory directory;
    HOLDFAST_ASSIGN(directory.ino, in.varint());
    HOLDFAST_ASSIGN(directory.content, decode_content(in));
    base.directories.push_back(std::move(directory));
  }
  HOLDFAST_ASSIGN(const std::size_t judgements, in.count(3));
  for (std::size_t i = 0; i < judgements; ++i) {
    LiveBase::Judgement judgement;
    HOLDFAST_ASSIGN(judgement.ino, in.varint());
    HOLDFAST_ASSIGN(const std::uint8_t completeness, in.u8());
    if (completeness > static_cast<std::uint8_t>(Completeness::kUnchecked)) return in.corrupt("a completeness that is none");
    judgement.completeness = static_cast<Completeness>(completeness);
    HOLDFAST_ASSIGN(judgement.path, in.text());
    base.judgements.push_back(std::move(judgement));
  }
  return ok_status();
}

}  // namespace

Inode attributes_of(const Inode& inode) {
  Inode bare;
  bare.ino = inode.ino;
  bare.mode = inode.mode;
  bare.uid = inode.uid;
  bare.gid = inode.gid;
  bare.mtime = inode.mtime;
  bare.ctime = inode.ctime;
  bare.atime = inode.atime;
  bare.nlink = inode.nlink;
  bare.rdev = inode.rdev;
  bare.xattrs = inode.xattrs;
  bare.completeness = inode.completeness;
  return bare;
}

ByteWriter LiveBatch::begin(LivePrimitive primitive) {
  ++count_;
  ByteWriter writer(body_);
  writer.u8(static_cast<std::uint8_t>(primitive));
  return writer;
}

void LiveBatch::put_inode(const LiveInode& value) {
  ByteWriter writer = begin(LivePrimitive::kPutInode);
  writer.u8(value.linked ? kLinked : 0);
  if (!value.tail) {
    encode_inode(value.inode, writer);
    return;
  }
  Inode without_tail = value.inode;
  without_tail.size_bytes = plain_content_size(value);
  encode_inode(without_tail, writer);
  extend(value.inode.ino, without_tail.size_bytes, {}, *value.tail);
}

void LiveBatch::put_attributes(const LiveInode& value) {
  if (value.inode.is_symlink()) return put_inode(value);
  ByteWriter writer = begin(LivePrimitive::kPutAttributes);
  writer.u8(value.linked ? kLinked : 0);
  encode_inode(attributes_of(value.inode), writer);
}

void LiveBatch::extend(std::uint64_t ino, std::uint64_t keep, const std::vector<Extent>& extents, ByteView tail) {
  ByteWriter writer = begin(LivePrimitive::kExtend);
  writer.varint(ino).varint(keep).varint(extents.size());
  for (const Extent& extent : extents) encode_extent(extent, writer);
  writer.bytes(tail);
}

void LiveBatch::set_name(std::uint64_t directory, std::string_view name, std::uint64_t ino) {
  begin(LivePrimitive::kSetName).varint(directory).text(name).varint(ino);
}

void LiveBatch::delete_name(std::uint64_t directory, std::string_view name) {
  begin(LivePrimitive::kDeleteName).varint(directory).text(name);
}

void LiveBatch::gone(std::uint64_t ino) { begin(LivePrimitive::kGone).varint(ino); }
void LiveBatch::freeze(std::uint64_t fold) { begin(LivePrimitive::kFreeze).varint(fold); }
void LiveBatch::next_ino(std::uint64_t ino) { begin(LivePrimitive::kNextIno).varint(ino); }
void LiveBatch::reset() { begin(LivePrimitive::kReset); }

Bytes LiveBatch::payload(const DatabaseId& database) const {
  Bytes out;
  out.reserve(kRecordHeadBytes + body_.size() + 5);
  ByteWriter(out).u8(static_cast<std::uint8_t>(JournalKind::kLiveBatch)).id(database).varint(count_).raw(body_);
  return out;
}

Bytes encode_live_base(const LiveBase& base, const DatabaseId& database) {
  Bytes out;
  ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(JournalKind::kLiveBase)).id(database).varint(base.fold);
  encode_inode(base.root, writer);
  writer.u8(base.links ? 1 : 0);
  if (base.links) encode_node_ref(*base.links, writer);
  writer.varint(base.next_ino).varint(base.directories.size());
  for (const auto& directory : base.directories) {
    writer.varint(directory.ino);
    encode_content(directory.content, writer);
  }
  writer.varint(base.judgements.size());
  for (const auto& judgement : base.judgements) {
    writer.varint(judgement.ino).u8(static_cast<std::uint8_t>(judgement.completeness)).text(judgement.path);
  }
  return out;
}

Result<DatabaseId> live_record_database(ByteView payload) {
  ByteReader in(payload, "live tree record");
  HOLDFAST_TRY(in.u8());
  return in.id<DatabaseId>();
}

Status read_live_batch(ByteView payload, LiveBatchVisitor& visitor) {
  HOLDFAST_ASSIGN(ByteReader in, open_record(payload, JournalKind::kLiveBatch));
  HOLDFAST_ASSIGN(const std::size_t count, in.count(1));
  for (std::size_t i = 0; i < count; ++i) HOLDFAST_TRY(read_primitive(in, visitor));
  return in.expect_end();
}

Result<LiveBase> decode_live_base(ByteView payload) {
  HOLDFAST_ASSIGN(ByteReader in, open_record(payload, JournalKind::kLiveBase));
  LiveBase base;
  HOLDFAST_ASSIGN(base.fold, in.varint());
  HOLDFAST_ASSIGN(base.root, decode_inode(in));
  if (!base.root.is_directory()) return in.corrupt("a root that is no directory");
  HOLDFAST_ASSIGN(const std::uint8_t has_links, in.u8());
  if (has_links > 1) return in.corrupt("a link table that is neither there nor absent");
  if (has_links == 1) {
    HOLDFAST_ASSIGN(base.links, decode_node_ref(in, ChunkKind::kTree));
  }
  HOLDFAST_ASSIGN(base.next_ino, in.varint());
  HOLDFAST_TRY(read_base_lists(in, base));
  HOLDFAST_TRY(in.expect_end());
  return base;
}

}  // namespace holdfast
