// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "adapters/http/http_transport.h"
#include "core/base/bytes.h"
#include "core/base/result.h"

/// Pure codecs of S3's texts (docs.aws.amazon.com/AmazonS3/latest/API): no I/O.
namespace holdfast::s3 {

/// Metadata that an object is put with: the SHA-256 of its bytes, in hex. ETags are no hashes everywhere.
inline constexpr const char* kShaField = "x-amz-meta-holdfast-sha256";

/// What the texts of a reply that is no success say; empty where they don't.
struct Failure {
  std::string code;     ///< "NoSuchKey"; only letters and digits
  std::string message;  ///< printable, at most 300 bytes
};
Failure parse_failure(ByteView reply);

/// The Error of a reply that is no success. A bucket that isn't there is kUnavailable, not kNotFound: what it holds is not proved absent.
Error reply_error(int status, const std::string& doing, ByteView reply);

/// The UploadId of CreateMultipartUpload's reply. Errors: kCorrupt.
Result<std::string> parse_upload_id(ByteView reply);
/// The body of CompleteMultipartUpload; parts are numbered from 1 on.
std::string complete_body(const std::vector<std::string>& etags);

/// One page of ListObjectsV2.
struct Listing {
  std::uint64_t size_bytes = 0;  ///< of all objects on it
  std::string next_token;        ///< empty: it is the last
};
/// Errors: kCorrupt.
Result<Listing> parse_listing(ByteView reply);

/// Which version a reply is about; empty where the bucket keeps none.
std::string version_in(const http::Response& head);

/// `key`, percent-encoded as a path: "/" stays.
std::string path_escaped(std::string_view key);
/// ISO 8601 in UTC with seconds, as x-amz-object-lock-retain-until-date wants it.
std::string timestamp(std::int64_t unix_seconds);

/// Where one version of an object is: its key below the prefix, and, where the bucket keeps versions, which one.
struct Locator {
  std::string key;
  std::string version;  ///< empty: the bucket keeps none
  [[nodiscard]] std::string text() const { return version.empty() ? key : key + "?versionId=" + version; }
};
/// Of an object (core/store/object_name.h) or a head. Errors: kInvalidArgument.
Result<Locator> parse_locator(std::string_view text);

}  // namespace holdfast::s3
