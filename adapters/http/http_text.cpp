// SPDX-License-Identifier: Apache-2.0
// What needs no network: texts of URLs, headers and errors.
#include <algorithm>

#include "adapters/http/http_transport.h"
#include "core/base/clock.h"

namespace holdfast::http {

namespace {

std::string_view find_field(const std::vector<std::pair<std::string, std::string>>& fields, std::string_view name) {
  for (auto field = fields.rbegin(); field != fields.rend(); ++field) {
    if (field->first == name) return field->second;
  }
  return {};
}

struct UrlParts {
  std::string_view scheme;
  std::string_view authority;  // without user information
  std::string_view path;       // without query and fragment
};

UrlParts split(std::string_view url) {
  UrlParts parts;
  const std::size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return parts;
  parts.scheme = url.substr(0, scheme_end);
  url.remove_prefix(scheme_end + 3);
  url = url.substr(0, url.find_first_of("?#"));
  const std::size_t path_start = std::min(url.find('/'), url.size());
  parts.path = url.substr(path_start);
  parts.authority = url.substr(0, path_start);
  if (const std::size_t at = parts.authority.rfind('@'); at != std::string_view::npos) parts.authority.remove_prefix(at + 1);
  return parts;
}

bool is_http(std::string_view scheme) { return scheme == "http" || scheme == "https"; }

ErrorCode code_of(int status) noexcept {
  switch (status) {
    case 401:
    case 403:
    case 407:
    case 451: return ErrorCode::kPermissionDenied;
    case 402:
    case 507: return ErrorCode::kQuotaExceeded;
    case 404:
    case 410: return ErrorCode::kNotFound;
    case 408:
    case 423:
    case 425:
    case 429: return ErrorCode::kUnavailable;
    case 409:
    case 412: return ErrorCode::kConflict;
    case 416: return ErrorCode::kOutOfRange;
    case 501: return ErrorCode::kUnsupported;
    default: break;
  }
  if (status >= 500) return ErrorCode::kUnavailable;
  if (status >= 400) return ErrorCode::kInvalidArgument;
  if (status >= 300) return ErrorCode::kUnsupported;  // a redirect: the address in the configuration is not the right one
  return ErrorCode::kCorrupt;                         // a success that the caller did not expect
}

}  // namespace

std::string_view Response::header(std::string_view name) const noexcept { return find_field(headers, name); }
std::string_view Response::trailer(std::string_view name) const noexcept { return find_field(trailers, name); }

std::string redacted(std::string_view url) {
  const UrlParts parts = split(url);
  if (parts.scheme.empty()) return "(no URL)";
  return std::string(parts.scheme) + "://" + std::string(parts.authority) + std::string(parts.path);
}

std::string origin_of(std::string_view url) {
  const UrlParts parts = split(url);
  if (!is_http(parts.scheme) || parts.authority.empty()) return {};
  return std::string(parts.scheme) + "://" + std::string(parts.authority);
}

bool is_loopback(std::string_view url) {
  std::string_view host = split(url).authority;
  if (host.starts_with('[')) return host.starts_with("[::1]");
  host = host.substr(0, host.find(':'));
  if (host == "localhost") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::string site_of(const std::string& configured, std::string_view url) {
  if (!configured.empty()) return configured;
  return is_loopback(url) ? "this-host" : origin_of(url);
}

Error within_bound(Error error, const CallContext& caller) {
  const bool has_time = check_context(caller, system_clock(), "").has_value();
  return error.code() == ErrorCode::kDeadlineExceeded && has_time ? std::move(error).with_code(ErrorCode::kUnavailable) : error;
}

std::string query_escaped(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
  }
  return out;
}

Error status_error(int status, const std::string& doing, std::string_view detail) {
  constexpr std::size_t kShownMaxBytes = 300;
  std::string message = doing + ": status " + std::to_string(status);
  std::string shown;
  for (const char c : detail.substr(0, kShownMaxBytes)) shown += (c >= ' ' && c <= '~') ? c : ' ';
  if (!shown.empty()) message += " (" + shown + ")";
  return {code_of(status), std::move(message)};
}

Result<CollectedResponse> send_and_collect(HttpTransport& transport, const Request& request,
                                           const CallContext& context) {
  CollectedResponse collected;
  HOLDFAST_ASSIGN(collected.head, transport.send(
                                      request,
                                      [&](const Response&, ByteView piece) {
                                        append(collected.body, piece);
                                        return ok_status();
                                      },
                                      context));
  return collected;
}

}  // namespace holdfast::http
