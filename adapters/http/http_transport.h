// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/call_context.h"
#include "core/base/secret_bytes.h"

namespace holdfast::http {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete };

/// One part of a multipart/form-data body: bytes in memory (not copied; they must outlive the call) or a whole file.
struct Part {
  std::string name;
  std::string file_name;  ///< as the server sees it
  std::string content_type = "application/octet-stream";
  std::variant<ByteView, std::string> content;  ///< bytes, or the path of a file
};

/// AWS Signature Version 4 (docs.aws.amazon.com, "Create a signed AWS API request"). What is signed must be written as it is sent: paths and queries percent-encoded, parameters sorted, each with a "=".
struct AwsSignature {
  std::string scope;  ///< as libcurl's CURLOPT_AWS_SIGV4 takes it: "aws:amz:REGION:SERVICE"
  std::string access_key;
  std::shared_ptr<const SecretBytes> secret_key;
};

struct Request {
  Method method = Method::kGet;
  std::string url;  ///< http or https; user information in it becomes basic authentication and never shows in messages
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::variant<std::monostate, ByteView, std::vector<Part>> body = {};  ///< raw bytes are not copied
  std::uint64_t response_size_max_bytes = 0;  ///< of the body; must be set: a longer one ends the exchange
  std::optional<AwsSignature> signature = {};
};

/// What came back besides the body. Names in lower case; of repeated fields the last counts.
struct Response {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::pair<std::string, std::string>> trailers;  ///< complete only when the exchange has ended
  std::uint64_t body_size_bytes = 0;
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept;   ///< empty when absent
  [[nodiscard]] std::string_view trailer(std::string_view name) const noexcept;  ///< empty when absent
};

/// Receives the body piece by piece, with status and headers known. An error ends the exchange and is what send returns.
using BodySink = std::function<Status(const Response& so_far, ByteView piece)>;

/// One HTTP exchange: no repetition, no redirects, no content decoding, a bounded reply. Safe from any thread.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;

  /// Sends and receives. Any status is a success here: see status_error.
  /// Errors: kUnavailable (no connection, reset, cut off), kDeadlineExceeded, kCancelled (both heard at once, not only when
  /// bytes arrive), kPermissionDenied (TLS certificate), kInvalidArgument (URL, unreadable file), kCorrupt (a reply that is no HTTP, or
  /// is over its bound), and those of `sink`. Messages name method, host and path, never credentials or queries.
  virtual Result<Response> send(const Request& request, const BodySink& sink, const CallContext& context) = 0;
};

/// send, with the body in memory.
struct CollectedResponse {
  Response head;
  Bytes body;
};
Result<CollectedResponse> send_and_collect(HttpTransport& transport, const Request& request,
                                           const CallContext& context);

/// `url` without user information, query and fragment: what may stand in a message.
std::string redacted(std::string_view url);

/// The error that a status other than 2xx means; `detail` is what the server said (shown as far as it is printable, at most 300 bytes).
Error status_error(int status, const std::string& doing, std::string_view detail);

/// What a call within a bound of the adapter's own failed with: `error`, but kUnavailable where only that bound has passed and the `caller` has time left.
Error within_bound(Error error, const CallContext& caller);

/// `text` as a value in a query: RFC 3986 unreserved characters stay, the others become %XX.
std::string query_escaped(std::string_view text);

/// scheme://host[:port], without path and user information; empty when `url` is not http or https.
std::string origin_of(std::string_view url);
/// Whether the host of `url` is this machine: localhost, 127.x.x.x or ::1.
bool is_loopback(std::string_view url);
/// Where a network is that is spoken to at `url`: as configured, else "this-host" on loopback, else its origin.
std::string site_of(const std::string& configured, std::string_view url);

}  // namespace holdfast::http
