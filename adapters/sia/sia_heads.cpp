// SPDX-License-Identifier: Apache-2.0
// Mutable heads: objects that are overwritten.
#include <algorithm>

#include "adapters/sia/sia_store.h"
#include "core/base/clock.h"
#include "core/crypto/md5.h"
#include "core/store/object_name.h"

namespace holdfast {

namespace {

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::string head_key(const RepositoryId& repository, std::uint32_t slot) { return "heads/" + repository.hex() + "/" + std::to_string(slot); }

/// heads/<32 hex digits>/<1..10 digits>: nothing else may be read as a head.
bool is_head_key(std::string_view key) {
  constexpr std::string_view kFolder = "heads/";
  constexpr std::size_t kIdDigits = 2 * RepositoryId::size;
  if (!key.starts_with(kFolder) || key.size() < kFolder.size() + kIdDigits + 2) return false;
  const std::string_view id = key.substr(kFolder.size(), kIdDigits);
  const std::string_view slot = key.substr(kFolder.size() + kIdDigits + 1);
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return std::ranges::all_of(id, is_hex) && key[kFolder.size() + kIdDigits] == '/' && slot.size() <= 10 && is_digits(slot);
}

}  // namespace

Result<std::string> SiaStore::publish_head(const RepositoryId& repository, std::uint32_t slot, ByteView /*key_seed*/, ByteView head,
                                           const CallContext& context) {
  std::string key = head_key(repository, slot);
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
  Result<Bytes> head = read_head(head_key(repository, slot), context);
  if (head) return std::optional<Bytes>(std::move(*head));
  if (head.error().code() == ErrorCode::kNotFound) return std::optional<Bytes>();
  return std::move(head).error();
}

Result<Bytes> SiaStore::fetch_head(const std::string& locator, const CallContext& context) {
  if (!is_head_key(locator)) return Error(ErrorCode::kInvalidArgument, "a head on Sia is named heads/<repository id>/<slot>");
  return read_head(locator, context);
}

}  // namespace holdfast
