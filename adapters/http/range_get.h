// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "adapters/http/http_transport.h"

namespace holdfast::http {

/// Puts pieces of a body one behind the other into the caller's memory; what is no success is kept as text.
struct RangeSink {
  MutableByteView out;
  int success = 200;
  std::size_t done = 0;
  Bytes error_text = {};

  /// Errors: kCorrupt (more than `out` holds).
  Status take(const Response& head, ByteView piece);
};

/// How a GET of a range ended.
struct RangeReply {
  Response head;
  std::size_t done = 0;   ///< bytes that came
  Bytes error_text = {};  ///< of a reply that is no 206, at most 64 KiB
};

/// Sends `request` with a Range field for `out.size()` bytes from `offset` on (RFC 9110 §14), whose reply goes into `out`. `out` is not empty. Errors: those of send.
Result<RangeReply> get_range(HttpTransport& transport, Request request, std::uint64_t offset, MutableByteView out, const CallContext& context);

/// What a reply with status 206 amounts to: success only where all of the range that was asked for came. Errors: kOutOfRange (the object ends before), kUnavailable (cut off, or
/// another range).
Status check_partial(const RangeReply& reply, const std::string& doing, std::uint64_t offset, std::size_t size_bytes);

/// A whole decimal number; nullopt for anything else.
std::optional<std::uint64_t> number_in(std::string_view text);

}  // namespace holdfast::http
