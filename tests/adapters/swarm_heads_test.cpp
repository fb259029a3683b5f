// SPDX-License-Identifier: Apache-2.0
// Heads on Swarm: what a feed must never do, against a Bee that forgets, lies and loses answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "adapters/http/curl_transport.h"
#include "adapters/swarm/swarm_store.h"
#include "tests/adapters/fake_bee.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;
using testing::BeeRequest;
using testing::FakeBee;
using testing::Peer;

const std::string kBatch(64, 'b');
const Bytes kSeed(32, 0x5a);
const RepositoryId kRepository{};

std::shared_ptr<SwarmStore> open(FakeBee& bee) { return *SwarmStore::make({.api = bee.url(), .batch = kBatch}, *http::make_curl_transport()); }
swarm::Feed feed() { return {swarm::head_key(kSeed).address(), swarm::head_topic(kRepository, 0)}; }
std::string soc_path(std::uint64_t index) { return "/soc/" + feed().owner.hex() + "/" + swarm::update_id(feed(), index).hex(); }

std::string publish(SwarmStore& store, std::string_view head) {
  const auto published = store.publish_head(kRepository, 0, kSeed, as_bytes(head), {});
  EXPECT_TRUE(published) << published.error().message();
  return published ? *published : std::string();
}
std::string resolve(SwarmStore& store) {
  const auto head = store.resolve_head(kRepository, 0, kSeed, {});
  EXPECT_TRUE(head) << head.error().message();
  return !head ? "error" : *head ? std::string(as_text(**head)) : "none";
}
template <typename T>
ErrorCode code(const T& result) {
  return result ? ErrorCode::kInternal : result.error().code();
}
/// How often the update `index` was written, and that it was always the same.
std::size_t times_written(FakeBee& bee, std::uint64_t index) {
  for (const auto& [path, bodies] : bee.socs()) {
    if (path != soc_path(index)) continue;
    for (const std::string& body : bodies) EXPECT_EQ(body, bodies.front()) << "an index was written twice, differently";
    return bodies.size();
  }
  return 0;
}

TEST(SwarmHeads, EachHead_IsTheNextUpdateOfOneFeed) {
  FakeBee bee;
  const auto store = open(bee);
  EXPECT_EQ(resolve(*store), "none");
  const std::string locator = publish(*store, "first");
  EXPECT_EQ(locator, swarm::to_text(feed()));
  EXPECT_EQ(resolve(*store), "first");
  EXPECT_EQ(publish(*store, "second"), locator);
  EXPECT_EQ(resolve(*store), "second");
  EXPECT_EQ(*store->fetch_head(locator, {}), Bytes({'s', 'e', 'c', 'o', 'n', 'd'}));
  EXPECT_EQ(times_written(bee, 0), 1U);
  EXPECT_EQ(times_written(bee, 1), 1U);
  EXPECT_EQ(bee.count("DELETE /pins/" + swarm::object_address(as_bytes("first")).hex()), 1) << "the superseded head is not kept";
}

TEST(SwarmHeads, SameHeadAgain_IsTheSameUpdateStampedAnew) {
  FakeBee bee;
  const auto store = open(bee);
  publish(*store, "first");
  publish(*store, "first");
  EXPECT_EQ(times_written(bee, 0), 2U);
  EXPECT_EQ(bee.socs().size(), 1U);
}

TEST(SwarmHeads, NewRun_FindsTheEndAndGoesOnBehindIt) {
  FakeBee bee;
  for (int i = 0; i < 11; ++i) publish(*open(bee), "head " + std::to_string(i));  // Bee's look-up finds nothing: only update 0 is known at first
  EXPECT_EQ(resolve(*open(bee)), "head 10");
  EXPECT_EQ(bee.socs().size(), 11U);
  for (std::uint64_t i = 0; i < 11; ++i) EXPECT_EQ(times_written(bee, i), 1U) << i;
}

/// Answers Bee's own look-up with update `index`, whatever there is.
FakeBee::Script looking_up(std::string index) {
  return [=](Peer& peer, const BeeRequest& request) {
    if (!request.is("GET /feeds/")) return false;
    return peer.reply(200, "", "Swarm-Feed-Index: " + index + "\r\nSwarm-Feed-Index-Next: 0000000000000000\r\n"), true;
  };
}

TEST(SwarmHeads, LateLookUp_IsFollowedToTheEnd) {
  FakeBee bee(looking_up("0000000000000001"));
  const auto writer = open(bee);
  for (const char* head : {"zero", "one", "two", "three"}) publish(*writer, head);
  EXPECT_EQ(resolve(*open(bee)), "three");
}

TEST(SwarmHeads, LookUpWithoutAnIndex_IsCorrupt) {
  for (const char* index : {"", "12", "zzzzzzzzzzzzzzzz"}) {
    FakeBee bee(looking_up(index));
    EXPECT_EQ(code(open(bee)->resolve_head(kRepository, 0, kSeed, {})), ErrorCode::kCorrupt) << index;
  }
}

TEST(SwarmHeads, OlderHeadThanOneSeen_IsNotBelieved) {
  std::atomic<bool> rolled_back = false;
  std::string newest;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (!rolled_back) return false;
    if (request.is("GET /feeds/")) return peer.reply(200, "", "Swarm-Feed-Index: 0000000000000000\r\n"), true;
    const bool hidden = request.path() == soc_path(1) || request.path() == soc_path(2);
    return request.is("GET /soc/") && hidden && FakeBee::refuse(peer, 404, "requested chunk cannot be retrieved");
  });
  const auto store = open(bee);
  for (const char* head : {"zero", "one", "two"}) publish(*store, head);
  rolled_back = true;
  EXPECT_EQ(resolve(*store), "two") << "its content is still there";
  EXPECT_EQ(resolve(*open(bee)), "zero") << "who has seen nothing newer can't know";
  EXPECT_EQ(code(store->publish_head(kRepository, 0, kSeed, as_bytes("three"), {})), ErrorCode::kInternal) << "and goes on behind what it knows";
  EXPECT_EQ(times_written(bee, 1), 1U);
  EXPECT_EQ(times_written(bee, 2), 1U);
  EXPECT_EQ(times_written(bee, 3), 1U);
}

TEST(SwarmHeads, ContentOfTheNewestThatIsGone_IsAnErrorAndNotTheOneBefore) {
  const std::string two = "/bytes/" + swarm::object_address(as_bytes("two")).hex();
  std::atomic<int> mode = 0;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (!request.is("GET " + two) || mode == 0) return false;
    if (mode == 1) return FakeBee::refuse(peer, 404, "Not Found");
    return peer.reply(200, mode == 2 ? "one" : "tw"), true;
  });
  const auto store = open(bee);
  for (const char* head : {"one", "two"}) publish(*store, head);
  mode = 1;
  EXPECT_EQ(code(store->resolve_head(kRepository, 0, kSeed, {})), ErrorCode::kCorrupt) << "the feed names it, and its bytes are lost";
  mode = 2;
  EXPECT_EQ(code(store->resolve_head(kRepository, 0, kSeed, {})), ErrorCode::kCorrupt) << "another head under its name";
  mode = 3;
  EXPECT_EQ(code(store->fetch_head(swarm::to_text(feed()), {})), ErrorCode::kCorrupt) << "cut short, with status 200";
}

TEST(SwarmHeads, LostAnswer_IsMadeGoodBeforeTheNextIndex) {
  std::atomic<bool> loses = false;
  std::atomic<bool> reaches = true;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (!loses || !request.is("POST /soc/")) return false;
    if (!reaches) return peer.hang_up(), true;
    return FakeBee::refuse(peer, 500, "done split failed");  // as after a push that went well or did not
  });
  const auto store = open(bee);
  publish(*store, "zero");
  loses = true;
  EXPECT_EQ(code(store->publish_head(kRepository, 0, kSeed, as_bytes("one"), {})), ErrorCode::kUnavailable);
  reaches = false;
  EXPECT_EQ(code(store->publish_head(kRepository, 0, kSeed, as_bytes("other"), {})), ErrorCode::kUnavailable);
  // Each time it was update 1 with the head "one", signature and all: if any arrived, it is that.
  std::set<std::string> lines;
  std::set<std::string> bodies;
  for (const BeeRequest& request : bee.requests()) {
    if (!request.is("POST " + soc_path(1))) continue;
    lines.insert(request.line);
    bodies.insert(request.body);
  }
  EXPECT_EQ(lines.size(), 1U);
  EXPECT_EQ(bodies.size(), 1U);
  loses = false;
  publish(*store, "two");
  EXPECT_EQ(times_written(bee, 1), 1U);
  EXPECT_EQ(times_written(bee, 2), 1U);
  EXPECT_EQ(resolve(*store), "two");
}

TEST(SwarmHeads, UpdateOfAnotherKey_IsCorrupt) {
  const EthereumKey stranger = swarm::head_key(Bytes(32, 0x77));
  const Bytes payload = swarm::encode({1, swarm::object_address(as_bytes("evil"))});
  const std::string signature = swarm::sign_update(stranger, {stranger.address(), feed().topic}, 0, payload).hex();
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (!request.is("GET /soc/")) return false;
    return peer.reply(200, as_text(payload), "Swarm-Soc-Signature: " + signature + "\r\n"), true;
  });
  EXPECT_EQ(code(open(bee)->resolve_head(kRepository, 0, kSeed, {})), ErrorCode::kCorrupt);
  EXPECT_EQ(code(open(bee)->publish_head(kRepository, 0, kSeed, as_bytes("mine"), {})), ErrorCode::kCorrupt);
}

TEST(SwarmHeads, IndexThatSomebodyElseTook_IsAConflict) {
  const EthereumKey key = swarm::head_key(kSeed);
  const Bytes payload = swarm::encode({1, swarm::object_address(as_bytes("the other host's"))});
  const std::string signature = swarm::sign_update(key, feed(), 0, payload).hex();
  std::atomic<bool> raced = false;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (request.is("POST /soc/")) return raced = true, peer.reply(201, R"({"reference":""})"), true;
    if (!raced || !request.is("GET " + soc_path(0))) return false;
    return peer.reply(200, as_text(payload), "Swarm-Soc-Signature: " + signature + "\r\n"), true;
  });
  const auto store = open(bee);
  EXPECT_EQ(code(store->publish_head(kRepository, 0, kSeed, as_bytes("mine"), {})), ErrorCode::kConflict);
}

TEST(SwarmHeads, UpdateThatIsNotSeenYet_IsBelievedOfAReceiptAndWithPeersOnly) {
  std::atomic<bool> alone = false;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (request.is("GET /peers") && alone) return peer.reply(200, R"({"peers":[]})"), true;
    return request.is("GET /soc/") && FakeBee::refuse(peer, 404, "requested chunk cannot be retrieved");
  });
  const auto store = open(bee);
  publish(*store, "zero");
  publish(*store, "one");
  EXPECT_EQ(resolve(*store), "one") << "what this run wrote it knows";
  EXPECT_EQ(times_written(bee, 0), 1U);
  EXPECT_EQ(times_written(bee, 1), 1U);
  alone = true;
  EXPECT_EQ(code(store->publish_head(kRepository, 0, kSeed, as_bytes("two"), {})), ErrorCode::kUnavailable);
}

TEST(SwarmHeads, UpdateWithoutAStamp_IsALackOfRoomWhereTheBatchIsFilling) {
  std::atomic<int> utilization = 1;  // of 16
  std::atomic<bool> writes = false;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (request.is("GET /stamps/")) return peer.reply(200, FakeBee::batch_json(10'000'000, utilization)), true;
    return !writes && request.is("POST /soc/") && FakeBee::refuse(peer, 400, "chunk write error");
  });
  const auto store = open(bee);
  EXPECT_EQ(code(store->publish_head(kRepository, 0, kSeed, as_bytes("head"), {})), ErrorCode::kUnavailable);
  utilization = 16;
  EXPECT_EQ(code(store->publish_head(kRepository, 0, kSeed, as_bytes("head"), {})), ErrorCode::kQuotaExceeded);
  writes = true;
  publish(*store, "head");
  EXPECT_EQ(resolve(*store), "head");
}

TEST(SwarmHeads, MissingFeed_IsProvedByABeeWithPeersOnly) {
  FakeBee lone([](Peer& peer, const BeeRequest& request) { return request.is("GET /peers") && (peer.reply(200, R"({"peers":[]})"), true); });
  EXPECT_EQ(code(open(lone)->resolve_head(kRepository, 0, kSeed, {})), ErrorCode::kUnavailable);
  FakeBee stranger([](Peer& peer, const BeeRequest&) { return peer.reply(404, "page not found"), true; });
  EXPECT_EQ(code(open(stranger)->resolve_head(kRepository, 0, kSeed, {})), ErrorCode::kUnavailable);
  FakeBee empty;
  EXPECT_EQ(code(open(empty)->fetch_head(swarm::to_text(feed()), {})), ErrorCode::kNotFound);
}

TEST(SwarmHeads, EndedBatch_PublishesNothing) {
  FakeBee bee([](Peer& peer, const BeeRequest& request) { return request.is("GET /stamps/") && FakeBee::refuse(peer, 404, "issuer does not exist"); });
  EXPECT_EQ(code(open(bee)->publish_head(kRepository, 0, kSeed, as_bytes("head"), {})), ErrorCode::kQuotaExceeded);
  EXPECT_EQ(bee.count("POST "), 0);
}

}  // namespace
}  // namespace holdfast
