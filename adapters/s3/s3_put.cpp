// SPDX-License-Identifier: Apache-2.0
// How objects and heads come into a bucket.
#include <algorithm>

#include "adapters/s3/s3_store.h"
#include "core/base/log.h"
#include "core/crypto/base64.h"
#include "core/crypto/hash.h"
#include "core/store/object_name.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds kGiveUpTimeout{20};
constexpr std::int64_t kSecondsPerDay = 86'400;

}  // namespace

class S3Store::Turn {
 public:
  Turn(S3Store& store, const ObjectName& name, const CallContext& context) : store_(store) {
    std::unique_lock lock(store_.turns_mutex_);
    const auto is_free = [&] { return !store_.turns_.contains(name); };
    if (context.deadline == MonoTime::max() ? store_.turns_changed_.wait(lock, context.stop, is_free) : store_.turns_changed_.wait_until(lock, context.stop, context.deadline, is_free)) {
      mine_ = store_.turns_.insert(name).first;
    }
  }
  ~Turn() {
    if (!mine_) return;
    {
      const std::lock_guard lock(store_.turns_mutex_);
      store_.turns_.erase(*mine_);
    }
    store_.turns_changed_.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  [[nodiscard]] bool has_come() const noexcept { return mine_.has_value(); }

 private:
  S3Store& store_;
  std::optional<std::set<ObjectName>::iterator> mine_;
};

S3Store::Fields S3Store::lock_fields() const {
  if (options_.object_lock_days == 0) return {};
  const std::int64_t until = system_clock().wall_now() / 1'000'000'000 + std::int64_t{options_.object_lock_days} * kSecondsPerDay;
  return {{"x-amz-object-lock-mode", "COMPLIANCE"}, {"x-amz-object-lock-retain-until-date", s3::timestamp(until)}};
}

Result<ObjectRef> S3Store::settle(const ObjectName& name, const Known& known, const Digest& hash, std::uint64_t size_bytes) const {
  if (known.size_bytes == size_bytes && known.sha256 == hash.hex()) return ObjectRef{s3::Locator{name, known.version}.text(), size_bytes};
  return Error(ErrorCode::kAlreadyExists, "putting " + name + " into bucket " + options_.bucket + ": another object of " + std::to_string(known.size_bytes) + " bytes is there").on_network(traits_.name);
}

Result<ObjectRef> S3Store::put(const ObjectName& name, ByteView object, const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(name));
  HOLDFAST_TRY(check_context(context, system_clock(), "putting " + name));
  if (object.size() > traits_.object_size_max_bytes) return Error(ErrorCode::kInvalidArgument, "putting " + name + ": S3 takes at most " + std::to_string(traits_.object_size_max_bytes) + " bytes");
  const Digest hash = sha256(object);
  const Turn turn(*this, name, context);
  if (!turn.has_come()) {
    HOLDFAST_TRY(check_context(context, system_clock(), "putting " + name));
    return Error(ErrorCode::kDeadlineExceeded, "putting " + name + ": another call is putting it still");
  }
  HOLDFAST_ASSIGN(const std::optional<Known> known, look({name, {}}, context));
  if (known) return settle(name, *known, hash, object.size());
  HOLDFAST_ASSIGN(ObjectRef ref, object.size() > options_.part_size_bytes ? put_in_parts(name, object, hash, context) : put_whole(name, object, hash, context));
  count_used(static_cast<std::int64_t>(object.size()));
  return ref;
}

Result<ObjectRef> S3Store::put_whole(const ObjectName& name, ByteView object, const Digest& hash, const CallContext& context) {
  const std::string doing = "putting " + name + " into bucket " + options_.bucket;
  for (int attempt = 0;; ++attempt) {
    const bool is_conditional = knows_conditions_.load(std::memory_order_relaxed);
    http::Request made = request_with(http::Method::kPut, name, "", object, hash);
    made.headers.emplace_back(s3::kShaField, hash.hex());
    if (is_conditional) made.headers.emplace_back("If-None-Match", "*");
    for (auto& field : lock_fields()) made.headers.push_back(std::move(field));
    // Object locks want a checksum of their own kind.
    if (options_.object_lock_days > 0) made.headers.emplace_back("x-amz-checksum-sha256", base64(hash.view()));
    HOLDFAST_ASSIGN(const http::CollectedResponse reply, send(std::move(made), doing, context));
    const int status = reply.head.status;
    if (status == 200) return ObjectRef{s3::Locator{name, s3::version_in(reply.head)}.text(), object.size()};
    if (status == 412) {  // somebody was faster
      HOLDFAST_ASSIGN(const std::optional<Known> known, look({name, {}}, context));
      if (known) return settle(name, *known, hash, object.size());
      return Error(ErrorCode::kUnavailable, doing + ": it was there a moment ago, and is gone").on_network(traits_.name);
    }
    if (status == 501 && is_conditional && attempt == 0) {
      knows_conditions_.store(false, std::memory_order_relaxed);
      log_debug("network " + traits_.name + " does not know If-None-Match");
      continue;
    }
    // Storj answers 500 to a process that comes second with one key.
    if (status == 500) {
      const Result<std::optional<Known>> known = look({name, {}}, context);
      if (known && *known) return settle(name, **known, hash, object.size());
    }
    return failed(status, doing, reply.body);
  }
}

Result<std::string> S3Store::begin_parts(const ObjectName& name, const Digest& hash, const CallContext& context) {
  const std::string doing = "beginning to put " + name + " into bucket " + options_.bucket + " in parts";
  http::Request made = request(http::Method::kPost, name, "uploads=");
  made.headers.emplace_back(s3::kShaField, hash.hex());
  for (auto& field : lock_fields()) made.headers.push_back(std::move(field));
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, send(std::move(made), doing, context));
  if (reply.head.status != 200) return failed(reply.head.status, doing, reply.body);
  Result<std::string> upload = s3::parse_upload_id(reply.body);
  if (!upload) return std::move(upload).error().with_context(doing).on_network(traits_.name);
  return upload;
}

/// Its ETag.
Result<std::string> S3Store::put_part(const ObjectName& name, const std::string& upload, std::size_t number, ByteView part, const CallContext& context) {
  const std::string doing = "putting part " + std::to_string(number) + " of " + name + " into bucket " + options_.bucket;
  const std::string query = "partNumber=" + std::to_string(number) + "&uploadId=" + http::query_escaped(upload);
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, send(request_with(http::Method::kPut, name, query, part, sha256(part)), doing, context));
  if (reply.head.status != 200) return failed(reply.head.status, doing, reply.body);
  std::string etag(reply.head.header("etag"));
  if (etag.empty()) return Error(ErrorCode::kCorrupt, doing + ": a reply without an ETag").on_network(traits_.name);
  return etag;
}

/// What was sent of it costs money until it is given up. Not within the caller's deadline, which may be what ended the upload.
void S3Store::give_up_parts(const ObjectName& name, const std::string& upload) {
  const auto reply = send(request(http::Method::kDelete, name, "uploadId=" + http::query_escaped(upload)), "giving up " + name, with_timeout({}, system_clock(), kGiveUpTimeout));
  if (!reply || reply->head.status / 100 != 2) log_warning("network " + traits_.name + ": parts of an upload of " + name + " may be left in bucket " + options_.bucket);
}

Result<ObjectRef> S3Store::put_in_parts(const ObjectName& name, ByteView object, const Digest& hash, const CallContext& context) {
  HOLDFAST_ASSIGN(const std::string upload, begin_parts(name, hash, context));
  const std::string doing = "completing " + name + " in bucket " + options_.bucket;
  std::vector<std::string> etags;
  while (etags.size() * options_.part_size_bytes < object.size()) {
    const std::uint64_t from = etags.size() * options_.part_size_bytes;
    Result<std::string> etag = put_part(name, upload, etags.size() + 1, object.subspan(from, std::min<std::uint64_t>(options_.part_size_bytes, object.size() - from)), context);
    if (!etag) {
      give_up_parts(name, upload);
      return std::move(etag).error();
    }
    etags.push_back(*std::move(etag));
  }
  const std::string body = s3::complete_body(etags);
  Result<http::CollectedResponse> reply = send(request_with(http::Method::kPost, name, "uploadId=" + http::query_escaped(upload), as_bytes(body), sha256(as_bytes(body))), doing, context);
  // A 200 may hold an error: it was sent before the parts were joined.
  if (reply && reply->head.status == 200 && s3::parse_failure(reply->body).code.empty()) return ObjectRef{s3::Locator{name, s3::version_in(reply->head)}.text(), object.size()};
  give_up_parts(name, upload);
  if (!reply) return std::move(reply).error();
  if (reply->head.status == 200) return s3::reply_error(500, doing, reply->body).on_network(traits_.name);
  return failed(reply->head.status, doing, reply->body);
}

Result<std::string> S3Store::publish_head(const RepositoryId& repository, std::uint32_t slot, ByteView /*key_seed*/, ByteView head, const CallContext& context) {
  if (head.size() > kHeadMaxBytes) return Error(ErrorCode::kInvalidArgument, "a head of over 1 MiB");
  const std::string key = head_name(repository, slot);
  HOLDFAST_TRY(check_context(context, system_clock(), "publishing a head"));
  const std::string doing = "putting the head " + key + " into bucket " + options_.bucket;
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, send(request_with(http::Method::kPut, key, "", head, sha256(head)), doing, context));
  if (reply.head.status != 200) return failed(reply.head.status, doing, reply.body);
  return key;
}

Result<std::optional<Bytes>> S3Store::resolve_head(const RepositoryId& repository, std::uint32_t slot, ByteView /*key_seed*/, const CallContext& context) {
  Result<Bytes> head = fetch_head(head_name(repository, slot), context);
  if (head) return std::optional<Bytes>(*std::move(head));
  if (head.error().code() == ErrorCode::kNotFound) return std::optional<Bytes>();
  return std::move(head).error();
}

Result<Bytes> S3Store::fetch_head(const std::string& locator, const CallContext& context) {
  HOLDFAST_ASSIGN(const s3::Locator at, s3::parse_locator(locator));
  const std::string doing = "reading the head " + at.key + " of bucket " + options_.bucket;
  HOLDFAST_TRY(check_context(context, system_clock(), doing));
  http::Request made = request(http::Method::kGet, at.key, at.version.empty() ? "" : "versionId=" + http::query_escaped(at.version));
  made.response_size_max_bytes = kHeadMaxBytes;
  HOLDFAST_ASSIGN(http::CollectedResponse reply, send(std::move(made), doing, context));
  if (reply.head.status == 200) return std::move(reply.body);
  return failed(reply.head.status, doing, reply.body);
}

}  // namespace holdfast
