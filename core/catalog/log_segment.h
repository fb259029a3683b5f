// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "core/catalog/log_entry.h"

namespace holdfast {

/// A stretch of a log as one object (FORMAT.md §8 "Log segment").
struct LogSegment {
  LogIdentity log;
  std::uint64_t first = 0;
  std::vector<SignedEntry> entries;
};

Bytes encode_log_segment(const LogIdentity& log, std::uint64_t first, std::span<const SignedEntry> entries);
/// Parses; signatures and the tree are checked by verify_log_segment. Errors: kCorrupt, kUnsupported.
Result<LogSegment> decode_log_segment(ByteView object);
/// Errors: kUntrusted naming the entry whose signature is not by `writer_key`.
Status verify_log_segment(const LogSegment& segment, const PublicKey& writer_key);

}  // namespace holdfast
