// SPDX-License-Identifier: Apache-2.0
#include "adapters/s3/s3_wire.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <utility>

#include "adapters/http/range_get.h"
#include "core/store/object_name.h"

namespace holdfast::s3 {
namespace {

constexpr std::size_t kCodeMaxBytes = 80;
constexpr std::size_t kMessageMaxBytes = 300;
constexpr std::size_t kUploadIdMaxBytes = 2048;
constexpr std::size_t kVersionMaxBytes = 256;

/// The text of the first element with that name; an S3 reply has no attributes and no nesting where this is used.
std::string_view element(std::string_view xml, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const std::size_t begin = xml.find(open);
  if (begin == std::string_view::npos) return {};
  const std::size_t from = begin + open.size();
  const std::size_t end = xml.find("</" + std::string(name) + ">", from);
  return end == std::string_view::npos ? std::string_view() : xml.substr(from, end - from);
}

std::string unescaped(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, char>, 5> kEntities{{{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}}};
  std::string out;
  while (!text.empty()) {
    const auto* const entity = std::ranges::find_if(kEntities, [&](const auto& each) { return text.starts_with(each.first); });
    out += entity == kEntities.end() ? text.front() : entity->second;
    text.remove_prefix(entity == kEntities.end() ? 1 : entity->first.size());
  }
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return out;
}

bool is_word(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
}

/// By the server's own word; nullopt where that says nothing more than the status does.
std::optional<ErrorCode> code_of(std::string_view code) {
  struct Meaning {
    std::string_view code;
    ErrorCode is;
  };
  static constexpr std::array kMeanings{
      Meaning{"NoSuchKey", ErrorCode::kNotFound},
      Meaning{"NoSuchVersion", ErrorCode::kNotFound},
      Meaning{"NoSuchBucket", ErrorCode::kUnavailable},
      Meaning{"InvalidRange", ErrorCode::kOutOfRange},
      Meaning{"XAdminUserNotFound", ErrorCode::kPermissionDenied},   // versitygw, with status 404
      Meaning{"InvalidAccessKeyId", ErrorCode::kPermissionDenied},
      Meaning{"SignatureDoesNotMatch", ErrorCode::kPermissionDenied},
      Meaning{"RequestTimeTooSkewed", ErrorCode::kPermissionDenied},
      Meaning{"AuthorizationHeaderMalformed", ErrorCode::kInvalidArgument},  // the bucket is in another region
      Meaning{"PermanentRedirect", ErrorCode::kInvalidArgument},
      Meaning{"EntityTooLarge", ErrorCode::kInvalidArgument},
      Meaning{"QuotaExceeded", ErrorCode::kQuotaExceeded},
      Meaning{"XMinioAdminBucketQuotaExceeded", ErrorCode::kQuotaExceeded},
      Meaning{"XMinioStorageFull", ErrorCode::kNoSpace},
      Meaning{"StorageFull", ErrorCode::kNoSpace},
      // What was sent and what came there differ: sending it again is the cure.
      Meaning{"XAmzContentSHA256Mismatch", ErrorCode::kUnavailable},
      Meaning{"BadDigest", ErrorCode::kUnavailable},
      Meaning{"IncompleteBody", ErrorCode::kUnavailable},
      Meaning{"RequestTimeout", ErrorCode::kUnavailable},
      Meaning{"SlowDown", ErrorCode::kUnavailable},
  };
  const auto* const found = std::ranges::find(kMeanings, code, &Meaning::code);
  return found == kMeanings.end() ? std::nullopt : std::optional(found->is);
}

}  // namespace

Failure parse_failure(ByteView reply) {
  const std::string_view text = as_text(reply);
  Failure failure;
  if (const std::string_view code = element(text, "Code"); code.size() <= kCodeMaxBytes && is_word(code)) failure.code = code;
  const std::string_view said = element(text, "Message");
  for (const char c : unescaped(said.empty() ? text.substr(0, kMessageMaxBytes) : said.substr(0, kMessageMaxBytes))) failure.message += (c >= ' ' && c <= '~') ? c : ' ';
  return failure;
}

Error reply_error(int status, const std::string& doing, ByteView reply) {
  const Failure failure = parse_failure(reply);
  Error error = http::status_error(status, doing, failure.code.empty() ? failure.message : failure.code + ": " + failure.message);
  if (const auto code = code_of(failure.code)) return std::move(error).with_code(*code);
  // A 404 that is not S3's own word, of a proxy for example, proves nothing.
  return error.code() == ErrorCode::kNotFound ? std::move(error).with_code(ErrorCode::kUnavailable) : error;
}

Result<std::string> parse_upload_id(ByteView reply) {
  const std::string id = unescaped(element(as_text(reply), "UploadId"));
  if (id.empty() || id.size() > kUploadIdMaxBytes) return Error(ErrorCode::kCorrupt, "a reply to CreateMultipartUpload without an upload's id");
  return id;
}

Result<Listing> parse_listing(ByteView reply) {
  constexpr std::size_t kTokenMaxBytes = 4096;
  const Error bad(ErrorCode::kCorrupt, "a reply to ListObjectsV2 that is none");
  std::string_view text = as_text(reply);
  if (text.find("<ListBucketResult") == std::string_view::npos) return bad;
  Listing listing;
  const bool is_truncated = element(text, "IsTruncated") == "true";
  listing.next_token = unescaped(element(text, "NextContinuationToken"));
  if (is_truncated == listing.next_token.empty() || listing.next_token.size() > kTokenMaxBytes) return bad;
  constexpr std::string_view kObject = "<Contents>";
  for (std::size_t at = text.find(kObject); at != std::string_view::npos; at = text.find(kObject)) {
    text.remove_prefix(at + kObject.size());
    const auto size = http::number_in(element(text.substr(0, text.find("</Contents>")), "Size"));
    if (!size || *size > std::numeric_limits<std::uint64_t>::max() - listing.size_bytes) return bad;
    listing.size_bytes += *size;
  }
  return listing;
}

std::string complete_body(const std::vector<std::string>& etags) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (std::size_t i = 0; i < etags.size(); ++i) {
    body += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + escaped(etags[i]) + "</ETag></Part>";
  }
  return body + "</CompleteMultipartUpload>";
}

std::string version_in(const http::Response& head) {
  const std::string_view version = head.header("x-amz-version-id");
  return version == "null" ? std::string() : std::string(version);
}

std::string path_escaped(std::string_view key) {
  std::string out;
  while (true) {
    const std::size_t slash = key.find('/');
    out += http::query_escaped(key.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    out += '/';
    key.remove_prefix(slash + 1);
  }
}

std::string timestamp(std::int64_t unix_seconds) {
  const std::time_t moment = unix_seconds;
  std::tm parts{};
  (void)::gmtime_r(&moment, &parts);
  std::array<char, 32> text{};
  (void)std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

Result<Locator> parse_locator(std::string_view text) {
  constexpr std::string_view kVersion = "?versionId=";
  Locator locator;
  const std::size_t mark = text.find(kVersion);
  locator.key = text.substr(0, mark);
  if (mark != std::string_view::npos) locator.version = text.substr(mark + kVersion.size());
  const auto is_visible = [](char c) { return c > ' ' && c <= '~'; };
  const bool is_key = is_head_name(locator.key) || validate_object_name(locator.key);
  const bool is_version = mark == std::string_view::npos || (!locator.version.empty() && locator.version.size() <= kVersionMaxBytes && std::ranges::all_of(locator.version, is_visible));
  if (!is_key || !is_version) return Error(ErrorCode::kInvalidArgument, "a locator on S3 is a key, and perhaps ?versionId= and a version");
  return locator;
}

}  // namespace holdfast::s3
