// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/tree/inode.h"

namespace holdfast {

/// A file's bytes at any place. One thread at a time.
class RandomBytes {
 public:
  virtual ~RandomBytes() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Fills all of `out` from `offset` on; the caller stays within size(). Errors: whatever keeps the bytes from being read.
  virtual Status read(std::uint64_t offset, MutableByteView out) = 0;
};

/// The other files of the folder in which a file lies: formats of several files need them.
class SiblingFiles {
 public:
  virtual ~SiblingFiles() = default;
  /// The regular file of that name, or nullptr when there is none. Errors: as RandomBytes::read.
  virtual Result<std::unique_ptr<RandomBytes>> open(std::string_view name) = 0;
};

/// What is to be judged. Nothing is kept after the call.
struct DumpInput {
  std::string_view name;             ///< of the file, without folders
  RandomBytes& bytes;
  SiblingFiles* siblings = nullptr;  ///< without it formats of several files stay unchecked
};

struct CompletenessVerdict {
  Completeness completeness = Completeness::kUnchecked;  ///< never kNotApplicable
  std::string type;                 ///< "pg_dump custom", "gzip"; empty where no type was recognised
  std::string reason;               ///< why it is not complete; empty for complete
  bool depends_on_siblings = false; ///< judge again when a file beside it has changed
};

/// Recognises the type of a dump by its content and checks it as far as the format allows (design §6): an end that only looks right is
/// not enough. Plain dumps cost their first and last KiB; archives, zstd and LZ4 the headers on the way to their end; gzip and RDB all
/// bytes. Unknown types and empty files are unchecked; an empty file that is named as a dump (".sql", ".gz") is incomplete. Bytes that contradict their own format are incomplete.
/// Errors: those of reading; never for what the bytes say.
Result<CompletenessVerdict> check_completeness(const DumpInput& input);

}  // namespace holdfast
