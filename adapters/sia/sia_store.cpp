// SPDX-License-Identifier: Apache-2.0
#include "adapters/sia/sia_store.h"

#include <algorithm>
#include <limits>

#include "adapters/http/range_get.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/crypto/md5.h"
#include "core/store/object_name.h"
#include "core/store/whole_file.h"

namespace holdfast {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kReplyMaxBytes = 16U << 20;      // of JSON: the shards of a large object, some 400 bytes each
constexpr std::uint64_t kShardsMax = 255;
constexpr auto kAskTimeout = 30'000ms;       // renterd answers from its own database
constexpr auto kTransferTimeout = 60'000ms;  // and a second for each of the next
constexpr std::uint64_t kSlowestBytesPerSecond = 16U << 10;  // under this a renterd is taken for hanging
constexpr std::uint64_t kPackBytes = 32U << 20;              // a pack wants whole slabs, and about so much
constexpr std::uint64_t kPackSlackBytes = 2U << 20;          // a pack ends with the record that fills it, and its directory

bool is_bucket_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  return !name.empty() && name.size() <= 63 && std::ranges::all_of(name, allowed) && name.front() != '.' && name.front() != '-';
}

std::string trimmed_api(std::string url) {
  const auto drop_slashes = [&] { while (url.ends_with('/')) url.pop_back(); };
  drop_slashes();
  if (url.ends_with("/api")) url.resize(url.size() - 4);
  drop_slashes();
  return url;
}

bool has_user_information(std::string_view url) {
  const std::size_t start = url.find("://");
  const std::string_view authority = url.substr(std::min(start == std::string_view::npos ? 0 : start + 3, url.size()));
  return authority.substr(0, authority.find('/')).find('@') != std::string_view::npos;
}

}  // namespace

Result<std::shared_ptr<SiaStore>> SiaStore::make(const Options& options, std::shared_ptr<http::HttpTransport> transport) {
  const auto refuse = [&](const std::string& why) { return Error(ErrorCode::kInvalidArgument, "network '" + options.name + "': " + why); };
  if (http::origin_of(options.api).empty()) return refuse("'" + http::redacted(options.api) + "' is no http or https address");
  if (!is_bucket_name(options.bucket)) return refuse("a bucket's name has 1 to 63 lower-case letters, digits, '-' and '.'");
  const bool any = options.min_shards != 0 || options.total_shards != 0;
  const bool fits = options.min_shards >= 1 && options.min_shards < options.total_shards && options.total_shards <= kShardsMax;
  if (any && !fits) {
    return refuse("min_shards and total_shards go together, and 1 <= min_shards < total_shards <= 255: " + std::to_string(options.min_shards) + " of " +
                  std::to_string(options.total_shards) + " would survive the loss of no host");
  }
  const bool has_password = options.password && !options.password->empty();
  if (!has_password && !has_user_information(options.api)) return refuse("renterd's API wants its password: set password_file");
  return std::shared_ptr<SiaStore>(new SiaStore(options, has_password ? sia::basic_authorization(as_text(options.password->view())) : "", std::move(transport)));
}

SiaStore::SiaStore(const Options& options, std::string authorization, std::shared_ptr<http::HttpTransport> transport)
    : api_(trimmed_api(options.api)),
      authorization_(std::move(authorization)),
      bucket_(options.bucket),
      redundancy_{options.min_shards, options.total_shards},
      transport_(std::move(transport)) {
  traits_.name = options.name;
  traits_.type = "sia";
  traits_.site = http::site_of(options.site, api_);
  traits_.jurisdiction = options.jurisdiction;
  traits_.calls_in_flight_max = 4;  // four puts at once were no faster than one, four reads twice as fast (shared notes on renterd 1.1.1, 2026-11)
  traits_.can_remove = true;
  traits_.erases = false;  // hosts keep sectors until their contracts are pruned
  traits_.has_mutable_names = true;
  if (redundancy_.min_shards > 0) {
    // Every object is padded to whole slabs. One byte too many costs a slab, so that the liked size stays a little below a multiple.
    const std::uint64_t slab_bytes = redundancy_.min_shards * sia::kSectorBytes;
    traits_.object_size_liked_bytes = (kPackBytes + slab_bytes - 1) / slab_bytes * slab_bytes - kPackSlackBytes;
  }
}

std::chrono::milliseconds SiaStore::time_for(std::uint64_t size_bytes) {
  return kTransferTimeout + std::chrono::milliseconds(1000 * size_bytes / kSlowestBytesPerSecond);
}

http::Request SiaStore::request(http::Method method, const std::string& path) const {
  http::Request made{.method = method, .url = api_ + "/api/" + path, .response_size_max_bytes = kReplyMaxBytes};
  if (!authorization_.empty()) made.headers.emplace_back("Authorization", authorization_);
  return made;
}

std::string SiaStore::object_path(const std::string& part, const std::string& key) const {
  return part + "/objects/" + key + "?bucket=" + http::query_escaped(bucket_);  // a key has no character that a path would not take
}

Error SiaStore::within_bound(Error error, const CallContext& context) const { return http::within_bound(std::move(error), context).on_network(traits_.name); }

Result<http::CollectedResponse> SiaStore::exchange(const http::Request& request, std::chrono::milliseconds bound,
                                                   const CallContext& context) {
  Result<http::CollectedResponse> reply = http::send_and_collect(*transport_, request, with_timeout(context, system_clock(), bound));
  if (!reply) return within_bound(std::move(reply).error(), context);
  return reply;
}

Result<Bytes> SiaStore::ask(const std::string& path, const CallContext& context) {
  HOLDFAST_ASSIGN(http::CollectedResponse reply, exchange(request(http::Method::kGet, path), kAskTimeout, context));
  if (reply.head.status != 200) {
    return sia::reply_error(reply.head.status, "renterd " + path.substr(0, path.find('?')), reply.body).on_network(traits_.name);
  }
  return std::move(reply.body);
}

Status SiaStore::ensure_bucket(const CallContext& context) {
  {
    const std::lock_guard lock(mutex_);
    if (bucket_is_there_) return ok_status();
  }
  const std::string body = R"({"name":")" + bucket_ + R"("})";
  http::Request making = request(http::Method::kPost, "bus/buckets");
  making.headers.emplace_back("Content-Type", "application/json");
  making.body = as_bytes(body);
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, exchange(making, kAskTimeout, context));
  const bool existed = sia::classify(sia::error_message(reply.body)) == sia::RenterdError::kBucketExists;  // status 500
  if (reply.head.status != 200 && !existed) {
    return sia::reply_error(reply.head.status, "making the bucket " + bucket_, reply.body).on_network(traits_.name);
  }
  if (!existed) log_info("network " + traits_.name + ": made the bucket " + bucket_);
  const std::lock_guard lock(mutex_);
  bucket_is_there_ = true;
  return ok_status();
}

Result<std::optional<sia::StoredObject>> SiaStore::look_at(const std::string& key, const CallContext& context) {
  const Result<Bytes> reply = ask(object_path("bus", key), context);
  if (!reply) {
    if (reply.error().code() == ErrorCode::kNotFound) return std::optional<sia::StoredObject>();
    return reply.error();
  }
  Result<sia::StoredObject> object = sia::parse_object(*reply);
  if (!object) return std::move(object).error().with_context("looking at " + key).on_network(traits_.name);
  return std::optional<sia::StoredObject>(std::move(*object));
}

Status SiaStore::read(const ObjectRef& ref, std::uint64_t offset, MutableByteView out, const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(ref.locator));
  const std::string doing = "reading " + ref.locator;
  HOLDFAST_TRY(check_context(context, system_clock(), doing));
  if (out.empty()) return ok_status();
  // renterd refuses a range that goes past the end; what the reference says is known to do so is not asked for.
  if (offset > ref.size_bytes || out.size() > ref.size_bytes - offset) {
    return Error(ErrorCode::kOutOfRange, doing + ": it has " + std::to_string(ref.size_bytes) + " bytes").on_network(traits_.name);
  }
  Result<http::RangeReply> reply =
      http::get_range(*transport_, request(http::Method::kGet, object_path("worker", ref.locator)), offset, out, with_timeout(context, system_clock(), time_for(out.size())));
  // A download that fails for want of hosts is status 206 and a body that is cut short: kUnavailable, by the transport.
  if (!reply) return within_bound(std::move(reply).error(), context).with_context(doing);
  const int status = reply->head.status;
  if (status == 200) return Error(ErrorCode::kUnsupported, doing + ": the range was ignored").on_network(traits_.name);
  if (status != 206) return sia::reply_error(status, doing, reply->error_text).on_network(traits_.name);
  if (Status whole = http::check_partial(*reply, doing, offset, out.size()); !whole) return std::move(whole).error().on_network(traits_.name);
  return ok_status();
}

Result<Durability> SiaStore::probe(const ObjectRef& ref, const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(ref.locator));
  HOLDFAST_ASSIGN(const auto object, look_at(ref.locator, context));
  return object ? sia::durability_of(*object, ref.size_bytes) : Durability::kAbsent;
}

Status SiaStore::upload(const std::string& key, ByteView object, const std::string& md5, const CallContext& context) {
  HOLDFAST_TRY(ensure_bucket(context));
  http::Request putting = request(http::Method::kPut, object_path("worker", key));
  if (redundancy_.min_shards > 0) {
    putting.url += "&minshards=" + std::to_string(redundancy_.min_shards) + "&totalshards=" + std::to_string(redundancy_.total_shards);
  }
  // With a form's content type renterd stores nothing, and answers 200.
  putting.headers.emplace_back("Content-Type", "application/octet-stream");
  putting.body = object;
  const std::string doing = "putting " + key;
  Result<http::CollectedResponse> sent = exchange(putting, time_for(object.size()), context);
  if (!sent) return std::move(sent).error().with_context(doing);
  if (sent->head.status != 200) {
    if (sia::classify(sia::error_message(sent->body)) == sia::RenterdError::kNoBucket) {
      const std::lock_guard lock(mutex_);
      bucket_is_there_ = false;
    }
    return sia::reply_error(sent->head.status, doing, sent->body).on_network(traits_.name);
  }
  if (sia::unquoted(sent->head.header("etag")) == md5) return ok_status();
  HOLDFAST_ASSIGN(const auto stored, look_at(key, context));
  if (stored && stored->size_bytes == object.size() && stored->etag == md5) return ok_status();
  return Error(ErrorCode::kCorrupt, doing + ": renterd stored " + std::to_string(stored ? stored->size_bytes : 0) + " bytes that are not the " +
                                        std::to_string(object.size()) + " it was given")
      .on_network(traits_.name);
}

Result<ObjectRef> SiaStore::put(const ObjectName& name, ByteView object, const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(name));
  HOLDFAST_TRY(check_context(context, system_clock(), "putting " + name));
  HOLDFAST_ASSIGN(const std::string md5, md5_hex(object));
  const ObjectRef ref{.locator = name, .size_bytes = object.size()};
  HOLDFAST_ASSIGN(const auto known, look_at(name, context));
  if (known) {
    if (known->size_bytes != object.size() || known->etag != md5) {
      return Error(ErrorCode::kAlreadyExists, "putting " + name + ": other bytes are stored under that name").on_network(traits_.name);
    }
    if (!known->lost) return ref;  // of what is lost there is nothing to keep: it is uploaded anew
  }
  Status stored = upload(name, object, md5, context);
  if (stored) return ref;
  if (stored.error().code() == ErrorCode::kCorrupt) drop_unless(name, md5, context);
  return std::move(stored).error();
}

Result<ObjectRef> SiaStore::put_file(const ObjectName& name, const std::string& path, const CallContext& context) {
  HOLDFAST_ASSIGN(const Bytes object, read_whole_file(path, 0, context));
  return put(name, object, context);
}

Status SiaStore::remove_key(const std::string& key, const CallContext& context) {
  HOLDFAST_ASSIGN(const http::CollectedResponse reply, exchange(request(http::Method::kDelete, object_path("worker", key)), kAskTimeout, context));
  if (reply.head.status == 200) return ok_status();
  const sia::RenterdError meaning = sia::classify(sia::error_message(reply.body));
  if (meaning == sia::RenterdError::kNoObject || meaning == sia::RenterdError::kNoBucket) return ok_status();
  return sia::reply_error(reply.head.status, "removing " + key, reply.body).on_network(traits_.name);
}

void SiaStore::drop_unless(const std::string& key, const std::string& md5, const CallContext& context) {
  const auto stored = look_at(key, context);
  if (!stored || !*stored || (*stored)->etag == md5) return;
  const Status removed = remove_key(key, context);
  if (!removed) log_warning("network " + traits_.name + ": what it stored wrongly as " + key + " stays: " + removed.error().message());
}

Status SiaStore::remove(const ObjectRef& ref, const CallContext& context) {
  HOLDFAST_TRY(validate_object_name(ref.locator));
  return remove_key(ref.locator, context);
}

}  // namespace holdfast
