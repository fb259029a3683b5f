// SPDX-License-Identifier: Apache-2.0
// Mutable heads: objects that are overwritten.
#include "adapters/sia/sia_store.h"
#include "core/base/clock.h"
#include "core/crypto/md5.h"
#include "core/store/object_name.h"

namespace holdfast {

Result<std::string> SiaStore::publish_head(const RepositoryId& repository, std::uint32_t slot, ByteView /*key_seed*/, ByteView head,
                                           const CallContext& context) {
  std::string key = head_name(repository, slot);
  if (head.size() > kHeadMaxBytes) return Error(ErrorCode::kInvalidArgument, "publishing " + key + ": over 1 MiB");
  HOLDFAST_TRY(check_context(context, system_clock(), "publishing " + key));
  HOLDFAST_ASSIGN(const std::string md5, md5_hex(head));
  HOLDFAST_TRY(upload(key, head, md5, context));
  return key;
}

Result<Bytes> SiaStore::read_head(const std::string& key, const CallContext& context) {
  http::Request getting = request(http::Method::kGet, object_path("worker", key));
  getting.response_size_max_bytes = kHeadMaxBytes;
  const std::string doing = "reading " + key;
  Result<http::CollectedResponse> reply = exchange(getting, time_for(kHeadMaxBytes), context);
  if (!reply) return std::move(reply).error().with_context(doing);
  if (reply->head.status != 200) return sia::reply_error(reply->head.status, doing, reply->body).on_network(traits_.name);
  return std::move(reply->body);
}

Result<std::optional<Bytes>> SiaStore::resolve_head(const RepositoryId& repository, std::uint32_t slot, ByteView /*key_seed*/,
                                                    const CallContext& context) {
  Result<Bytes> head = read_head(head_name(repository, slot), context);
  if (head) return std::optional<Bytes>(std::move(*head));
  if (head.error().code() == ErrorCode::kNotFound) return std::optional<Bytes>();
  return std::move(head).error();
}

Result<Bytes> SiaStore::fetch_head(const std::string& locator, const CallContext& context) {
  if (!is_head_name(locator)) return Error(ErrorCode::kInvalidArgument, "a head on Sia is named heads/<repository id>/<slot>");
  return read_head(locator, context);
}

}  // namespace holdfast
