// SPDX-License-Identifier: Apache-2.0
// Postage batches, and what health says of them, against a Bee whose batch ends, fills up, or is none.
#include "adapters/swarm/swarm_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "core/base/clock.h"
#include "tests/adapters/swarm_fixture.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::BeeRequest;
using testing::code;
using testing::FakeBee;
using testing::kBatch;
using testing::kOtherBatch;
using testing::kRef;
using testing::kReference;
using testing::open;
using testing::Peer;


void expect_refused(FakeBee::Script script, ErrorCode expected, const std::string& says, SwarmStore::Options options = {}) {
  FakeBee bee(std::move(script));
  const auto put = open(bee, options)->put("packs/00", as_bytes("bytes"), {});
  EXPECT_EQ(code(put), expected) << says;
  if (!put) {
    EXPECT_THAT(put.error().message(), HasSubstr(says));
  }
  EXPECT_EQ(bee.count("POST /bytes"), 0) << "nothing is sent that nobody pays for";
}

TEST(SwarmBatch, UnfitBatch_TakesNothing) {
  const std::string stamps = "GET /stamps/" + kBatch + " ";
  expect_refused(FakeBee::replying(stamps, 404, R"({"code":404,"message":"issuer does not exist"})"), ErrorCode::kQuotaExceeded, "has expired, or was never of this node");
  expect_refused(FakeBee::replying(stamps, 400, R"({"code":400,"message":"batch not usable"})"), ErrorCode::kUnavailable, "not usable yet");
  expect_refused(FakeBee::replying(stamps, 200, FakeBee::batch_json(9'000'000, 0, 20, false)), ErrorCode::kUnavailable, "not usable yet");
  expect_refused(FakeBee::replying(stamps, 200, FakeBee::batch_json(9'000'000, 0, 20, true, false)), ErrorCode::kInvalidArgument, "is mutable");
  expect_refused(FakeBee::replying(stamps, 200, FakeBee::batch_json(23 * 3600)), ErrorCode::kQuotaExceeded, "ends in 1380 minutes");
  expect_refused(FakeBee::replying(stamps, 200, "<html>"), ErrorCode::kCorrupt, "no JSON object");
  expect_refused(FakeBee::replying(stamps, 404, "<html>"), ErrorCode::kUnavailable, "status 404");
}

TEST(SwarmBatch, WithoutOne_IsForReadingAlone) {
  FakeBee bee(FakeBee::replying("GET /health ", 200, R"({"version":"2.7.0"})"));
  const auto store = *SwarmStore::make({.api = bee.url()}, *http::make_curl_transport());
  const auto put = store->put("packs/00", as_bytes("bytes"), {});
  EXPECT_EQ(code(put), ErrorCode::kInvalidArgument);
  EXPECT_THAT(put.error().message(), HasSubstr("set batch"));
  EXPECT_EQ(code(store->publish_head({}, 0, Bytes(32, 1), as_bytes("head"), {})), ErrorCode::kInvalidArgument);
  Bytes out(8);
  EXPECT_EQ(code(store->read(kRef, 0, out, {})), ErrorCode::kNotFound);
  EXPECT_THAT(store->health({})->detail, HasSubstr("no postage batch is set"));
}

TEST(SwarmBatch, OverissuedBatch_IsNoSpaceLeft) {
  FakeBee bee(FakeBee::replying("POST /bytes", 402, R"({"code":402,"message":"batch is overissued"})"));
  const auto put = open(bee)->put("packs/00", as_bytes("bytes"), {});
  EXPECT_EQ(code(put), ErrorCode::kQuotaExceeded);
  EXPECT_THAT(put.error().message(), AllOf(HasSubstr("batch is overissued"), HasSubstr("5158290b")));
}

TEST(SwarmBatch, EndDuringAnUpload_IsNoticed) {
  std::atomic<bool> uploaded = false;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (request.is("POST /bytes")) uploaded = true;
    return request.is("GET /stamps/") && uploaded && FakeBee::refuse(peer, 404, "issuer does not exist");
  });
  EXPECT_EQ(code(open(bee)->put("packs/00", as_bytes("bytes"), {})), ErrorCode::kQuotaExceeded);
}

/// A chain on which a chunk costs 24,000 PLUR a block, and a batch of depth 20.
FakeBee::Script paying(std::int64_t ttl_seconds, int utilization = 1) {
  return [=](Peer& peer, const BeeRequest& request) {
    if (request.is("GET /stamps/")) return peer.reply(200, FakeBee::batch_json(ttl_seconds, utilization)), true;
    if (request.is("GET /chainstate ")) return peer.reply(200, R"({"chainTip":9,"block":9,"totalAmount":"4900","currentPrice":"24000"})"), true;
    if (request.is("PATCH ")) return peer.reply(202, R"({"batchID":"","txHash":"0x12"})"), true;
    return false;
  };
}

TEST(SwarmBatch, TopUp_BuysTheMissingTimeOnce) {
  FakeBee bee(paying(10 * 86'400));
  const auto store = open(bee, {.top_up_to = std::chrono::days(30), .top_up_max_bzz = 1});
  EXPECT_TRUE(store->put("packs/00", as_bytes("bytes"), {}));
  EXPECT_TRUE(store->put("packs/01", as_bytes("more"), {}));
  // 20 days are 345,600 blocks of 5 s, and one: × 24,000 PLUR; over 2^20 chunks that is 0.87 BZZ.
  EXPECT_EQ(bee.count("PATCH /stamps/topup/" + kBatch + "/8294424000 "), 1);
  EXPECT_EQ(bee.count("PATCH "), 1) << "what was paid is not paid again before it can show";
}

TEST(SwarmBatch, TopUp_NeverCostsMoreThanItMay) {
  FakeBee bee(paying(1 * 86'400));  // 29 days would be 1.26 BZZ
  EXPECT_TRUE(open(bee, {.top_up_to = std::chrono::days(30), .top_up_max_bzz = 1})->put("packs/00", as_bytes("bytes"), {}));
  EXPECT_EQ(bee.count("PATCH "), 0);
}

TEST(SwarmBatch, TopUpAndDilution_AreNotDoneUnasked) {
  FakeBee bee(paying(2 * 86'400, 16));
  EXPECT_TRUE(open(bee)->put("packs/00", as_bytes("bytes"), {}));
  EXPECT_EQ(bee.count("PATCH "), 0);
}

TEST(SwarmBatch, FullBucket_IsDilutedUpToTheBound) {
  FakeBee bee(paying(10'000'000, 12));  // of 16
  EXPECT_TRUE(open(bee, {.depth_max = 21})->put("packs/00", as_bytes("bytes"), {}));
  EXPECT_EQ(bee.count("PATCH /stamps/dilute/" + kBatch + "/21 "), 1);
  EXPECT_TRUE(open(bee, {.depth_max = 20})->put("packs/00", as_bytes("bytes"), {}));
  EXPECT_EQ(bee.count("PATCH "), 1);
  FakeBee roomy(paying(10'000'000, 11));
  EXPECT_TRUE(open(roomy, {.depth_max = 21})->put("packs/00", as_bytes("bytes"), {}));
  EXPECT_EQ(roomy.count("PATCH "), 0);
}

TEST(SwarmBatch, Dilution_LeavesTheTimeThatABatchMustHave) {
  FakeBee bee(paying(40 * 3'600, 12));
  EXPECT_TRUE(open(bee, {.depth_max = 21})->put("packs/00", as_bytes("bytes"), {}));
  EXPECT_EQ(bee.count("PATCH "), 0) << "20 hours would be left, of 24 that it takes to be used";
  EXPECT_TRUE(open(bee, {.top_up_to = std::chrono::days(20), .top_up_max_bzz = 1, .depth_max = 21})->put("packs/00", as_bytes("bytes"), {}));
  EXPECT_EQ(bee.count("PATCH /stamps/topup/"), 1) << "time comes first then";
}

TEST(SwarmBatch, FailedTopUp_DoesNotFailThePut) {
  const auto script = paying(2 * 86'400);
  FakeBee bee([script](Peer& peer, const BeeRequest& request) {
    if (request.is("PATCH ")) return FakeBee::refuse(peer, 402, "out of funds");
    return script(peer, request);
  });
  EXPECT_TRUE(open(bee, {.top_up_to = std::chrono::days(20), .top_up_max_bzz = 1})->put("packs/00", as_bytes("bytes"), {}));
  EXPECT_EQ(bee.count("PATCH "), 1);
}

TEST(SwarmHealth, SaysWhatEndsAndWhatIsUsed) {
  const auto health_of = [](std::int64_t ttl_seconds, int utilization, const std::string& peers) {
    FakeBee bee([=](Peer& peer, const BeeRequest& request) {
      if (request.is("GET /health ")) return peer.reply(200, R"({"status":"ok","version":"2.7.0-abc","apiVersion":"7.3.0"})"), true;
      if (request.is("GET /stamps/" + kBatch + "/buckets ")) return peer.reply(200, R"({"buckets":[{"collisions":2},{"collisions":3}]})"), true;
      if (request.is("GET /stamps/")) return peer.reply(200, FakeBee::batch_json(ttl_seconds, utilization)), true;
      if (request.is("GET /stamps ")) return peer.reply(200, R"({"stamps":[)" + FakeBee::batch_json(3 * 86'400, 1, 20, true, true, kOtherBatch) + "," + FakeBee::batch_json(9, 1, 20, true, true, kBatch) + "]}"), true;
      if (request.is("GET /wallet ")) return peer.reply(200, R"({"bzzBalance":"12340000000000000"})"), true;
      if (request.is("GET /peers ")) return peer.reply(200, peers), true;
      return false;
    });
    return *open(bee, {.counts_used = true})->health({});
  };
  const StoreHealth good = health_of(100 * 86'400, 1, R"({"peers":[{},{}]})");
  EXPECT_TRUE(good.reachable);
  EXPECT_EQ(good.used_bytes, 5U * 4096);
  EXPECT_EQ(good.detail, "bee 2.7.0-abc, 2 peers, batch 5158290b… of depth 20, 100 days left, fullest bucket 1 of 16; wallet 1.23 BZZ; batch " + kOtherBatch + " of this node ENDS in 3 days");
  EXPECT_THAT(health_of(13 * 86'400, 1, R"({"peers":[{}]})").detail, HasSubstr("postage ENDS in 13 days, and with it all objects of batch " + kBatch + ": top it up"));
  EXPECT_THAT(health_of(100 * 86'400, 12, R"({"peers":[{}]})").detail, HasSubstr("filling up"));
  EXPECT_THAT(health_of(3'600, 1, R"({"peers":[]})").detail, AllOf(HasSubstr("NO peers"), HasSubstr("nothing can be uploaded: postage batch 5158290b… ends in 60 minutes")));
}

TEST(SwarmHealth, StrangerAndSilence_AreNotReachable) {
  FakeBee bee(FakeBee::replying("GET /health ", 200, "<html>welcome</html>"));
  EXPECT_FALSE(open(bee)->health({})->reachable);
  const auto nobody = *SwarmStore::make({.api = "http://127.0.0.1:1", .batch = kBatch}, *http::make_curl_transport());
  EXPECT_FALSE(nobody->health({})->reachable);
}

}  // namespace
}  // namespace holdfast
