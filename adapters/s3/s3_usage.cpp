// SPDX-License-Identifier: Apache-2.0
// What a bucket holds: S3 tells nobody, so it is counted.
#include "adapters/http/range_get.h"
#include "adapters/s3/s3_store.h"
#include "core/base/log.h"

namespace holdfast {
namespace {

constexpr int kPagesMax = 200;  // of 1,000 keys: more than that many packs are no free tier

}  // namespace

/// Once a run, then kept up to date by what is put and removed here.
Result<std::uint64_t> S3Store::used_bytes(const CallContext& context) {
  const std::lock_guard lock(usage_mutex_);
  if (used_bytes_) return *used_bytes_;
  const std::string doing = "counting what bucket " + options_.bucket + " holds";
  const std::string rest = "list-type=2&max-keys=1000&prefix=" + http::query_escaped(options_.prefix);
  std::uint64_t sum = 0;
  std::string token;
  for (int page = 0; page < kPagesMax; ++page) {
    http::Request made = request(http::Method::kGet, "", (token.empty() ? "" : "continuation-token=" + http::query_escaped(token) + "&") + rest);
    made.response_size_max_bytes = 16U << 20U;
    HOLDFAST_ASSIGN(const http::CollectedResponse reply, send(std::move(made), doing, context));
    if (reply.head.status != 200) return failed(reply.head.status, doing, reply.body);
    Result<s3::Listing> listing = s3::parse_listing(reply.body);
    if (!listing) return std::move(listing).error().with_context(doing).on_network(traits_.name);
    sum += listing->size_bytes;
    token = listing->next_token;
    if (!token.empty()) continue;
    used_bytes_ = sum;
    return sum;
  }
  return Error(ErrorCode::kUnsupported, doing + ": over " + std::to_string(kPagesMax * 1000) + " objects").on_network(traits_.name);
}

void S3Store::count_used(std::int64_t change_bytes) {
  const std::lock_guard lock(usage_mutex_);
  if (!used_bytes_) return;
  const auto now = static_cast<std::int64_t>(*used_bytes_) + change_bytes;
  used_bytes_ = now < 0 ? 0 : static_cast<std::uint64_t>(now);
}

}  // namespace holdfast
