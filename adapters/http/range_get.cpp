// SPDX-License-Identifier: Apache-2.0
#include "adapters/http/range_get.h"

#include <algorithm>
#include <charconv>

namespace holdfast::http {
namespace {

constexpr std::uint64_t kErrorTextMaxBytes = 64U << 10;

std::string range_of(std::uint64_t offset, std::size_t size_bytes) { return std::to_string(offset) + "-" + std::to_string(offset + size_bytes - 1); }

}  // namespace

Status RangeSink::take(const Response& head, ByteView piece) {
  if (head.status != success) {
    if (error_text.size() + piece.size() <= kErrorTextMaxBytes) append(error_text, piece);
    return ok_status();
  }
  if (piece.size() > out.size() - done) return Error(ErrorCode::kCorrupt, "the reply is longer than the range asked for");
  std::ranges::copy(piece, out.begin() + static_cast<std::ptrdiff_t>(done));
  done += piece.size();
  return ok_status();
}

Result<RangeReply> get_range(HttpTransport& transport, Request request, std::uint64_t offset, MutableByteView out, const CallContext& context) {
  request.method = Method::kGet;
  request.headers.emplace_back("Range", "bytes=" + range_of(offset, out.size()));
  request.response_size_max_bytes = std::max<std::uint64_t>(out.size() + 1, kErrorTextMaxBytes);
  RangeSink sink{.out = out, .success = 206};
  HOLDFAST_ASSIGN(Response head, transport.send(request, [&](const Response& so_far, ByteView piece) { return sink.take(so_far, piece); }, context));
  return RangeReply{std::move(head), sink.done, std::move(sink.error_text)};
}

Status check_partial(const RangeReply& reply, const std::string& doing, std::uint64_t offset, std::size_t size_bytes) {
  const std::string_view given = reply.head.header("content-range");
  if (given.starts_with("bytes " + range_of(offset, size_bytes) + "/") && reply.done == size_bytes) return ok_status();
  // A range that begins within the object and ends past it is answered as far as it goes, with the object's size.
  const std::optional<std::uint64_t> total = number_in(given.substr(std::min(given.find('/') + 1, given.size())));
  const bool ends_before = total && *total < offset + size_bytes;
  return Error(ends_before ? ErrorCode::kOutOfRange : ErrorCode::kUnavailable, doing + " gave " + std::to_string(reply.done) + " of " + std::to_string(size_bytes) + " bytes");
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace holdfast::http
