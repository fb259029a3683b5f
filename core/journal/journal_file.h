// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"

namespace holdfast {

/// The few calls to the operating system that the journal needs; each error names the file and what was asked. One thread.
class JournalFile {
 public:
  /// Makes `path`, which must not exist. Errors: kNoSpace, kInternal.
  static Result<std::unique_ptr<JournalFile>> create(const std::string& path);
  ~JournalFile();
  JournalFile(const JournalFile&) = delete;
  JournalFile& operator=(const JournalFile&) = delete;

  /// Writes all of `bytes` at the end; the space is reserved some MiB ahead, so that a sync need not allocate. Errors: kNoSpace, kInternal.
  Status append(ByteView bytes);
  /// fdatasync. Errors: kNoSpace, kInternal; what was written since the last success is then unknown.
  Status sync();
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_; }

 private:
  JournalFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_;
  std::string path_;
  std::uint64_t size_ = 0;
  std::uint64_t reserved_ = 0;
};

/// Makes the directory (mode 0700) when absent. Errors: kInternal, kNoSpace.
Status make_journal_directory(const std::string& directory);
/// Makes names made, renamed or removed in `directory` durable. Errors: kInternal.
Status sync_journal_directory(const std::string& directory);
/// Names in the directory. Errors: kInternal.
Result<std::vector<std::string>> journal_names(const std::string& directory);
/// All bytes of a file. Errors: kInternal.
Result<Bytes> read_journal_file(const std::string& path);
/// Cuts a file to `size_bytes`, durably. Errors: kInternal.
Status truncate_journal_file(const std::string& path, std::uint64_t size_bytes);
/// Errors: kInternal.
Status rename_journal_file(const std::string& from, const std::string& to);
/// Absent is success. Errors: kInternal.
Status remove_journal_file(const std::string& path);

}  // namespace holdfast
