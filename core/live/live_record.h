// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "core/base/ids.h"
#include "core/format/byte_writer.h"
#include "core/live/live_inode.h"
#include "core/tree/tree.h"

namespace holdfast {

/// Primitives of a kLiveBatch record (core/journal/README.md); the numbers are stored.
enum class LivePrimitive : std::uint8_t {
  kPutInode = 1,
  kPutAttributes = 2,
  kExtend = 3,
  kSetName = 4,
  kDeleteName = 5,
  kGone = 6,
  kFreeze = 7,
  kNextIno = 8,
  kReset = 9,
};

/// Collects the primitives of one operation. One thread.
class LiveBatch {
 public:
  /// The whole inode with content and tail. `inode.nlink` must be at least 1.
  void put_inode(const LiveInode& value);
  /// Attributes alone. Symbolic links have no form without content: they are put whole.
  void put_attributes(const LiveInode& value);
  void extend(std::uint64_t ino, std::uint64_t keep, const std::vector<Extent>& extents, ByteView tail);
  void set_name(std::uint64_t directory, std::string_view name, std::uint64_t ino);
  void delete_name(std::uint64_t directory, std::string_view name);
  void gone(std::uint64_t ino);
  void freeze(std::uint64_t fold);
  void next_ino(std::uint64_t ino);
  void reset();

  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return body_.size(); }
  /// The record's payload.
  [[nodiscard]] Bytes payload(const DatabaseId& database) const;

 private:
  ByteWriter begin(LivePrimitive primitive);
  Bytes body_;
  std::uint64_t count_ = 0;
};

/// Where primitives go when they are read back. An error ends the reading.
class LiveBatchVisitor {
 public:
  virtual ~LiveBatchVisitor() = default;
  virtual Status put_inode(LiveInode value) = 0;
  virtual Status put_attributes(LiveInode value) = 0;
  virtual Status extend(std::uint64_t ino, std::uint64_t keep, std::vector<Extent> extents, ByteView tail) = 0;
  virtual Status set_name(std::uint64_t directory, std::string_view name, std::uint64_t ino) = 0;
  virtual Status delete_name(std::uint64_t directory, std::string_view name) = 0;
  virtual Status gone(std::uint64_t ino) = 0;
  virtual Status freeze(std::uint64_t fold) = 0;
  virtual Status next_ino(std::uint64_t ino) = 0;
  virtual Status reset() = 0;
};

/// A kLiveBase record.
struct LiveBase {
  std::uint64_t fold = 0;
  Inode root;
  TreeRoot links;
  std::uint64_t next_ino = 0;
  struct Directory {
    std::uint64_t ino = 0;
    Content content;
  };
  std::vector<Directory> directories;  ///< changed again since the fold's freeze
  struct Judgement {
    std::uint64_t ino = 0;
    Completeness completeness = Completeness::kNotApplicable;  ///< kIncomplete or kUnchecked; else: nothing to note
    std::string path;
  };
  std::vector<Judgement> judgements;
};
Bytes encode_live_base(const LiveBase& base, const DatabaseId& database);

/// The database that a record of kind kLiveBatch or kLiveBase is about. Errors: kCorrupt.
Result<DatabaseId> live_record_database(ByteView payload);
/// Errors: kCorrupt, and the visitor's.
Status read_live_batch(ByteView payload, LiveBatchVisitor& visitor);
Result<LiveBase> decode_live_base(ByteView payload);

}  // namespace holdfast
