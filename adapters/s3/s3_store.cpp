// SPDX-License-Identifier: Apache-2.0
#include "adapters/s3/s3_store.h"

#include <algorithm>
#include <limits>

#include "adapters/http/range_get.h"
#include "core/crypto/hash.h"
#include "core/store/object_name.h"
#include "core/store/whole_file.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kReplyMaxBytes = 1U << 20;
/// S3's own bounds: docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
constexpr std::uint64_t kObjectMaxBytes = 5ULL << 40;
constexpr std::uint64_t kPartsMax = 10'000;

Error bad(const S3Store::Options& options, const std::string& what) { return {ErrorCode::kInvalidArgument, "network '" + options.name + "': " + what}; }

bool is_bucket_name(std::string_view name) {
  const auto is_good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  return name.size() >= 3 && name.size() <= 63 && std::ranges::all_of(name, is_good) && name.front() != '.' && name.front() != '-';
}

bool is_prefix(std::string_view prefix) {
  const auto is_good = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '/'; };
  return prefix.empty() || (prefix.ends_with('/') && prefix.front() != '/' && prefix.size() <= 200 && prefix.find("..") == std::string_view::npos && std::ranges::all_of(prefix, is_good));
}

bool is_region(std::string_view region) {
  return !region.empty() && region.size() <= 40 && std::ranges::all_of(region, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

}  // namespace

Result<std::shared_ptr<S3Store>> S3Store::make(Options options, std::shared_ptr<http::HttpTransport> transport) {
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  const std::string origin = http::origin_of(options.endpoint);
  if (origin.empty() || origin != options.endpoint) return bad(options, "endpoint is the http or https address of the server alone, not '" + http::redacted(options.endpoint) + "'");
  if (!is_bucket_name(options.bucket)) return bad(options, "'" + options.bucket + "' is no bucket's name: 3 to 63 of a-z, 0-9, - and .");
  if (!is_prefix(options.prefix)) return bad(options, "prefix is empty or a folder that ends with /, not '" + options.prefix + "'");
  if (!is_region(options.region)) return bad(options, "'" + options.region + "' is no region's name");
  if (options.access_key.empty() || !options.secret_key || options.secret_key->empty()) return bad(options, "access_key and secret_key_file are needed");
  if (options.virtual_host && http::is_loopback(options.endpoint)) return bad(options, "addressing = \"virtual\" needs a host name that has one for each bucket");
  return std::shared_ptr<S3Store>(new S3Store(std::move(options), std::move(transport)));
}

S3Store::S3Store(Options options, std::shared_ptr<http::HttpTransport> transport) : options_(std::move(options)), transport_(std::move(transport)) {
  const std::size_t host = options_.endpoint.find("://") + 3;
  base_ = options_.virtual_host ? options_.endpoint.substr(0, host) + options_.bucket + "." + options_.endpoint.substr(host) : options_.endpoint + "/" + options_.bucket;
  traits_.name = options_.name;
  traits_.type = options_.type;
  traits_.site = http::site_of(options_.site, options_.endpoint);
  traits_.jurisdiction = options_.jurisdiction;
  traits_.object_size_max_bytes = std::min(kObjectMaxBytes, options_.part_size_bytes * kPartsMax);
  if (options_.type == "storj") traits_.object_size_liked_bytes = 64ULL << 20;  // one segment (shared notes on storj 1.104)
  traits_.calls_in_flight_max = 8;
  traits_.can_remove = true;
  traits_.erases = options_.object_lock_days == 0;
  traits_.has_mutable_names = true;
}

http::Request S3Store::request_with(http::Method method, const std::string& key, const std::string& query, ByteView body, const Digest& hash) const {
  http::Request made{.method = method, .url = base_ + (key.empty() ? "" : "/" + s3::path_escaped(options_.prefix + key)) + (query.empty() ? "" : "?" + query), .response_size_max_bytes = kReplyMaxBytes};
  made.headers = {{"x-amz-content-sha256", hash.hex()}};
  made.signature = http::AwsSignature{"aws:amz:" + options_.region + ":s3", options_.access_key, options_.secret_key};
  if (method == http::Method::kPut || method == http::Method::kPost) {
    made.body = body;
    made.headers.emplace_back("Content-Type", "application/octet-stream");
  }
  return made;
}

http::Request S3Store::request(http::Method method, const std::string& key, const std::string& query) const {
  static const Digest kOfNothing = sha256(ByteView());
  return request_with(method, key, query, {}, kOfNothing);
}

Error S3Store::failed(int status, const std::string& doing, ByteView text) const { return s3::reply_error(status, doing, text).on_network(traits_.name); }

Result<http::CollectedResponse> S3Store::send(http::Request request, const std::string& doing, const CallContext& context) {
  Result<http::CollectedResponse> reply = http::send_and_collect(*transport_, request, context);
  if (!reply) return std::move(reply).error().with_context(doing).on_network(traits_.name);
  return reply;
}

Status S3Store::read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) {
  HOLDFAST_ASSIGN(const s3::Locator at, s3::parse_locator(ref.locator));
  const std::string doing = "reading " + at.key + " of bucket " + options_.bucket;
  HOLDFAST_TRY(check_context(context, system_clock(), doing));
  if (out.empty()) return ok_status();
  // Servers differ in what they say of a range past the end, down to ones that fall over: they are not asked.
  if (offset > ref.size_bytes || out.size() > ref.size_bytes - offset) {
    return Error(ErrorCode::kOutOfRange, doing + ": it has " + std::to_string(ref.size_bytes) + " bytes").on_network(traits_.name);
  }
  const std::string query = at.version.empty() ? "" : "versionId=" + http::query_escaped(at.version);
  Result<http::RangeReply> reply = http::get_range(*transport_, request(http::Method::kGet, at.key, query), offset, out, context);
  if (!reply) return std::move(reply).error().with_context(doing).on_network(traits_.name);
  const int status = reply->head.status;
  if (status == 200) return Error(ErrorCode::kUnsupported, doing + ": the server ignores ranges").on_network(traits_.name);
  if (status != 206) return failed(status, doing, reply->error_text);
  if (Status whole = http::check_partial(*reply, doing, offset, out.size()); !whole) return std::move(whole).error().on_network(traits_.name);
  return ok_status();
}

Result<std::optional<S3Store::Known>> S3Store::look(const s3::Locator& at, const CallContext& context) {
  const std::string doing = "looking for " + at.key + " in bucket " + options_.bucket;
  const std::string query = at.version.empty() ? "" : "versionId=" + http::query_escaped(at.version);
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, send(request(http::Method::kHead, at.key, query), doing, context));
  const int status = reply.head.status;
  const bool is_deleted = reply.head.header("x-amz-delete-marker") == "true";  // with 404, or with 405 where the marker itself was asked for
  if (status == 404 || (status == 405 && is_deleted)) return std::optional<Known>();
  if (status != 200) return failed(status, doing, reply.body);
  const auto size = http::number_in(reply.head.header("content-length"));
  if (!size) return Error(ErrorCode::kCorrupt, doing + ": a reply without Content-Length").on_network(traits_.name);
  return std::optional<Known>({*size, std::string(reply.head.header(s3::kShaField)), s3::version_in(reply.head)});
}

/// HEAD has no body: what a 404 means is asked of the bucket, since one that is gone proves nothing of what it held.
Result<std::optional<S3Store::Known>> S3Store::look_for_sure(const s3::Locator& at, const CallContext& context) {
  HOLDFAST_ASSIGN(std::optional<Known> known, look(at, context));
  if (known) return known;
  const std::string doing = "looking for " + at.key + " in bucket " + options_.bucket;
  HOLDFAST_ASSIGN(const http::CollectedResponse bucket, send(request(http::Method::kHead, ""), doing, context));
  const int status = bucket.head.status;
  if (status == 200 || status == 403) return known;  // 403: keys that may not list
  if (status != 404) return failed(status, doing, bucket.body);
  return Error(ErrorCode::kUnavailable, doing + ": there is no such bucket at " + options_.endpoint + ", or the access key is unknown there").on_network(traits_.name);
}

Result<Durability> S3Store::probe(const ObjectRef& ref, const CallContext& context) {
  HOLDFAST_ASSIGN(const s3::Locator at, s3::parse_locator(ref.locator));
  HOLDFAST_ASSIGN(const std::optional<Known> known, look_for_sure(at, context));
  return known && known->size_bytes == ref.size_bytes ? Durability::kDurable : Durability::kAbsent;
}

Result<StoreHealth> S3Store::health(const CallContext& context) {
  StoreHealth health;
  const Result<http::CollectedResponse> reply = send(request(http::Method::kHead, ""), "asking for bucket " + options_.bucket, context);
  if (!reply) {
    const ErrorCode code = reply.error().code();
    if (code == ErrorCode::kCancelled || code == ErrorCode::kDeadlineExceeded) return reply.error();
    health.detail = reply.error().message();
    return health;
  }
  const int status = reply->head.status;
  health.reachable = status == 200;
  std::string server;
  for (const char c : reply->head.header("server").substr(0, 40)) server += (c >= ' ' && c <= '~') ? c : ' ';
  if (status == 200) {
    health.detail = "S3" + (server.empty() ? "" : ", " + server);
    if (options_.counts_used) {
      const Result<std::uint64_t> used = used_bytes(context);
      if (used) health.used_bytes = *used;
      if (!used) health.detail += "; " + used.error().message();
    }
  } else if (status == 404) {
    health.detail = "there is no bucket " + options_.bucket + " at " + options_.endpoint + ", or the access key is unknown there";
  } else if (status == 403) {
    health.detail = "bucket " + options_.bucket + " is refused (403): see access_key, secret_key_file, the key's rights, and this machine's clock";
  } else {
    health.detail = failed(status, "asking for bucket " + options_.bucket, reply->body).message();
  }
  return health;
}

Result<ObjectRef> S3Store::put_file(const ObjectName& name, const std::string& path, const CallContext& context) {
  HOLDFAST_ASSIGN(const Bytes object, read_whole_file(path, traits_.object_size_max_bytes, context));
  return put(name, object, context);
}

Status S3Store::remove(const ObjectRef& ref, const CallContext& context) {
  HOLDFAST_ASSIGN(const s3::Locator at, s3::parse_locator(ref.locator));
  const std::string doing = "removing " + at.key + " from bucket " + options_.bucket;
  const std::string query = at.version.empty() ? "" : "versionId=" + http::query_escaped(at.version);
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, send(request(http::Method::kDelete, at.key, query), doing, context));
  const int status = reply.head.status;
  if (status == 200 || status == 204) {
    count_used(-static_cast<std::int64_t>(ref.size_bytes));
    return ok_status();
  }
  Error error = failed(status, doing, reply.body);
  if (error.code() == ErrorCode::kNotFound) return ok_status();
  // MinIO refuses what a lock holds with 400, others with 403.
  if (options_.object_lock_days > 0 && status == 400) error = std::move(error).with_code(ErrorCode::kPermissionDenied);
  return error;
}

}  // namespace holdfast
