// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/catalog/log_segment.h"

namespace holdfast {

/// Entries [first, first + count) of a log.
struct LogRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  [[nodiscard]] std::uint64_t end() const noexcept { return first + count; }
  friend bool operator==(const LogRange&, const LogRange&) = default;
};

/// Verified segments of logs of other writers that are not whole on this machine: what a recovery has read so far, and what is left of a log of which no network
/// gives some part. Their entries are shown, since each is signed and a signed head names the segment; that the log as a whole has the tree that its head
/// says can be proved only when all parts are here. Files `<state>/log/parts/<sha-256>`, the objects as networks hold them. One thread at a time.
class LogParts {
 public:
  /// Opens the folder; a file that is not what its name says is removed: the networks have it. Errors: kInternal.
  static Result<LogParts> open(std::string folder);

  struct Part {
    LogIdentity log;
    LogRange range;
  };
  /// Keeps a segment that was verified; durable when it returns. Errors: kNoSpace, kInternal.
  Status add(const Digest& digest, ByteView object, const LogSegment& segment);
  [[nodiscard]] const std::map<Digest, Part>& all() const noexcept { return parts_; }
  /// Errors: kCorrupt, kInternal.
  [[nodiscard]] Result<LogSegment> read(const Digest& digest) const;

  /// What the parts lack of [first, end) of a log, ascending.
  [[nodiscard]] std::vector<LogRange> missing(const LogIdentity& log, std::uint64_t first, std::uint64_t end) const;
  /// The entries [first, end), all of which must be in parts. Errors: kNotFound when some are not; kConflict where two parts have different entries of one number; those of read.
  [[nodiscard]] Result<std::vector<SignedEntry>> entries(const LogIdentity& log, std::uint64_t first, std::uint64_t end) const;
  Status drop(const Digest& digest);
  /// Removes the parts of a log that say nothing from entry `first` on.
  Status drop_before(const LogIdentity& log, std::uint64_t first);

 private:
  explicit LogParts(std::string folder) : folder_(std::move(folder)) {}
  [[nodiscard]] std::string path_of(const Digest& digest) const { return folder_ + "/" + digest.hex(); }
  [[nodiscard]] std::vector<std::pair<LogRange, Digest>> sorted(const LogIdentity& log) const;

  std::string folder_;
  std::map<Digest, Part> parts_;
};

}  // namespace holdfast
