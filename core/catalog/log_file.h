// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "core/catalog/framed_file.h"
#include "core/catalog/log_entry.h"
#include "core/crypto/hash.h"

namespace holdfast {

/// How long a log is, and what its tree's root is at that length.
struct LogState {
  std::uint64_t size = 0;
  Digest merkle_root;
  friend bool operator==(const LogState&, const LogState&) = default;
};

/// This machine's copy of one log, `<state>/log/<incarnation>.hfl`. The file is trusted as the state folder is (it is written after verification);
/// its checksums catch a failing disk. Safe from any thread.
class LogFile {
 public:
  /// Opens or makes it. Errors: those of FramedFile::open; kCorrupt for a frame that is no entry.
  static Result<std::unique_ptr<LogFile>> open(const std::string& directory, const LogIdentity& log);
  /// The entries of a damaged file that can still be read, in order; how many are missing between them is not known. Errors: those of FramedFile::salvage.
  static Result<std::vector<SignedEntry>> salvage(const std::string& directory, const LogIdentity& log);
  static std::string path_in(const std::string& directory, const IncarnationId& incarnation);

  /// Durable at return; returns the number of the first one. Errors: kNoSpace, kInternal.
  Result<std::uint64_t> append(std::span<const SignedEntry> entries);
  /// Appends entries of another writer, which must bring this copy to exactly `expected`. Errors: kConflict when they give another tree (a fork, or damage):
  /// nothing is appended then; kNoSpace, kInternal.
  Status append_checked(std::span<const SignedEntry> entries, const LogState& expected);
  Result<std::vector<SignedEntry>> read(std::uint64_t first, std::uint64_t count) const;
  [[nodiscard]] LogState state() const;
  /// The root when the log had `size` entries: what another's word about this log is compared with. Cost: reads the file.
  /// Errors: kOutOfRange when it was never so long.
  Result<Digest> root_at(std::uint64_t size) const;
  [[nodiscard]] const LogIdentity& log() const noexcept { return log_; }

 private:
  friend class OwnLog;
  explicit LogFile(const LogIdentity& log) : log_(log) {}
  Result<std::uint64_t> append_locked(std::span<const SignedEntry> entries);

  LogIdentity log_;
  mutable std::mutex mutex_;
  std::unique_ptr<FramedFile> file_;
  MerkleAccumulator tree_;
};

/// The log that this writer writes: seals and signs. Safe from any thread.
class OwnLog {
 public:
  /// `writer_seed` is copied. Errors: those of LogFile::open.
  static Result<std::unique_ptr<OwnLog>> open(const std::string& directory, const LogIdentity& log, ByteView k_cat,
                                              ByteView writer_seed, RandomSource& random);
  /// The commit point of everything that an entry stands for: durable at return. All or nothing. Returns the number of the first one.
  Result<std::uint64_t> append(std::span<const LogEntry> entries);
  [[nodiscard]] LogFile& file() noexcept { return *file_; }
  [[nodiscard]] const LogFile& file() const noexcept { return *file_; }
  [[nodiscard]] const LogCipher& cipher() const noexcept { return cipher_; }

 private:
  OwnLog(const LogIdentity& log, ByteView k_cat, ByteView writer_seed, RandomSource& random)
      : cipher_(log, k_cat), seed_(SecretBytes::copy_of(writer_seed)), random_(random) {}
  LogCipher cipher_;
  SecretBytes seed_;
  RandomSource& random_;
  std::unique_ptr<LogFile> file_;
};

}  // namespace holdfast
