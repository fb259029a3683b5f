// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/base/random_source.h"
#include "core/base/result.h"
#include "core/tree/inode.h"

namespace holdfast {

/// An open directory below a restore's target; files in it hold it open.
class RestoreDirectory {
 public:
  explicit RestoreDirectory(int descriptor) noexcept : descriptor_(descriptor) {}
  ~RestoreDirectory();
  RestoreDirectory(const RestoreDirectory&) = delete;
  RestoreDirectory& operator=(const RestoreDirectory&) = delete;
  [[nodiscard]] int get() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

/// Sets owner (where `as_root`), mode, extended attributes and times through an open descriptor. Errors: kPermissionDenied, kNoSpace, kInternal.
Status apply_metadata(int descriptor, const Inode& inode, bool as_root);

/// An Error from errno: "<doing> <path>: <reason>".
Error restore_error(const std::string& doing, const std::string& path);

/// A file that several threads write under a temporary name, and that the last of them finishes.
class RestoredFile {
 public:
  /// Makes the temporary file beside the final name. Errors: kPermissionDenied, kNoSpace, kInternal.
  static Result<std::shared_ptr<RestoredFile>> create(std::shared_ptr<RestoreDirectory> directory, std::string name,
                                                      std::string path, const Inode& inode, bool keep_digests, RandomSource& random);
  ~RestoredFile();

  /// Safe from any thread, for ranges that don't overlap.
  Status write(std::uint64_t offset, ByteView bytes);
  /// A part that will be written; the count starts at 1 for the walker that adds parts.
  void add_part() noexcept { ++parts_; }
  /// One part is done, with its outcome; true for the caller that did the last one and must finish().
  [[nodiscard]] bool part_done(Status outcome);
  /// Makes its bytes durable, or those of every file on its filesystem: either goes before finish(), since the size was set before the bytes, and after a power loss an
  /// unsynced file could look finished to a resumed run. Errors: kNoSpace, kInternal.
  Status sync();
  Status sync_filesystem();
  /// Gives it its metadata and final name. With `verify`, reads back from the disk first. Errors: the first failed part's; kCorrupt (what was read back differs).
  Status finish(bool as_root, bool verify);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return inode_.size_bytes; }
  /// The filesystem it lies on, as st_dev tells it.
  [[nodiscard]] std::uint64_t device() const noexcept { return device_; }

 private:
  RestoredFile() = default;
  Status read_back();

  std::shared_ptr<RestoreDirectory> directory_;
  std::string name_;
  std::string path_;
  std::string temporary_;
  Inode inode_;
  int descriptor_ = -1;
  std::uint64_t device_ = 0;
  std::atomic<std::uint64_t> parts_{1};
  std::mutex mutex_;
  Status outcome_;
  struct Written {
    std::uint64_t offset;
    std::size_t size;
    Digest digest;
  };
  std::vector<Written> written_;
  bool keep_digests_ = false;  ///< only a file that is read back needs them
};

}  // namespace holdfast
