// SPDX-License-Identifier: Apache-2.0
// The Swarm adapter against a Bee that does what no honest one should, or what a private network hardly produces.
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


TEST(SwarmPut, SendsBytesPinnedAndDeferredUnderATag) {
  FakeBee bee;
  const auto put = open(bee)->put("packs/00", as_bytes("foo"), {});
  ASSERT_TRUE(put) << put.error().message();
  EXPECT_EQ(put->locator, kBatch + "/2387e8e7d8a48c2a9339c97c1dc3461a9a7aa07e994c5cb8b38fd7c1b3e6ea48");  // Bee's own test vector of "foo"
  EXPECT_EQ(put->size_bytes, 3U);
  const std::vector<BeeRequest> sent = bee.requests();
  const auto post = std::ranges::find_if(sent, [](const BeeRequest& one) { return one.is("POST /bytes "); });
  ASSERT_NE(post, sent.end());
  EXPECT_EQ(post->body, "foo");
  EXPECT_THAT(post->head, AllOf(HasSubstr("Swarm-Postage-Batch-Id: " + kBatch), HasSubstr("Swarm-Deferred-Upload: true"), HasSubstr("Swarm-Pin: true"), HasSubstr("Swarm-Tag: 7"),
                                HasSubstr("Content-Type: application/octet-stream"), Not(HasSubstr("Redundancy"))));
  EXPECT_EQ(bee.count("DELETE /tags/7"), 1) << "a finished tag would stay in the node for ever";
}

TEST(SwarmPut, WrongAddress_IsCaughtAndUnpinned) {
  FakeBee bee(FakeBee::replying("POST /bytes", 201, R"({"reference":")" + kReference + R"("})"));
  const auto put = open(bee)->put("packs/00", as_bytes("foo"), {});
  EXPECT_EQ(code(put), ErrorCode::kCorrupt);
  EXPECT_EQ(bee.count("DELETE /pins/" + kReference), 1);
}

TEST(SwarmPut, RepliesThatAreNone_AreErrors) {
  const auto put_code = [](int status, const std::string& body) {
    FakeBee bee(FakeBee::replying("POST /bytes", status, body));
    return code(open(bee)->put("packs/00", as_bytes("foo"), {}));
  };
  EXPECT_EQ(put_code(500, "<html><body>oops</body></html>"), ErrorCode::kUnavailable);
  EXPECT_EQ(put_code(201, "<html>thanks</html>"), ErrorCode::kCorrupt);
  EXPECT_EQ(put_code(200, R"({"reference":")" + kReference + R"("})"), ErrorCode::kCorrupt);
  EXPECT_EQ(put_code(307, ""), ErrorCode::kUnsupported);
}

TEST(SwarmPut, UploadThatStalls_IsUnavailableAndGoesOnLater) {
  std::atomic<bool> stalled = true;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (!request.is("GET /tags/7")) return false;
    return peer.reply(200, FakeBee::tag_json(100, 0, stalled ? 41 : 100)), true;
  });
  const auto store = open(bee);
  const auto put = store->put("packs/00", as_bytes("foo"), {});
  EXPECT_EQ(code(put), ErrorCode::kUnavailable);
  EXPECT_THAT(put.error().message(), HasSubstr("the network has 41 of 100 chunks"));
  stalled = false;
  EXPECT_TRUE(store->put("packs/00", as_bytes("foo"), {}));
  EXPECT_EQ(bee.count("POST /bytes"), 1) << "what the node has is not sent to it again";
}

TEST(SwarmPut, DeadlineAndCancellation_AreHeardWhileTheNetworkIsSlow) {
  FakeBee bee(FakeBee::replying("GET /tags/7", 200, FakeBee::tag_json(100, 0, 1)));
  SwarmStore::Options options{.api = bee.url(), .batch = kBatch};  // a minute without progress is fine
  const auto store = *SwarmStore::make(options, *http::make_curl_transport());
  EXPECT_EQ(code(store->put("packs/00", as_bytes("foo"), with_timeout({}, system_clock(), 150ms))), ErrorCode::kDeadlineExceeded);
  std::stop_source stop;
  const std::jthread canceller([&] {
    (void)system_clock().sleep_until(system_clock().mono_now() + 100ms, {}).has_value();
    stop.request_stop();
  });
  EXPECT_EQ(code(store->put("packs/00", as_bytes("foo"), {.stop = stop.get_token()})), ErrorCode::kCancelled);
}

TEST(SwarmPut, SameBytesAtOnce_AreSentOnce) {
  std::atomic<int> polls = 0;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    return request.is("GET /tags/7") && (peer.reply(200, FakeBee::tag_json(2, 0, ++polls < 3 ? 1 : 2)), true);
  });
  const auto store = open(bee);
  std::vector<Result<ObjectRef>> refs(6, Result<ObjectRef>(ObjectRef{}));
  {
    std::vector<std::jthread> threads;
    for (Result<ObjectRef>& ref : refs) threads.emplace_back([&] { ref = store->put("packs/00", as_bytes("foo"), {}); });
  }
  for (const Result<ObjectRef>& ref : refs) {
    ASSERT_TRUE(ref) << ref.error().message();
    EXPECT_EQ(ref->locator, kBatch + "/2387e8e7d8a48c2a9339c97c1dc3461a9a7aa07e994c5cb8b38fd7c1b3e6ea48");
  }
  EXPECT_LE(bee.count("POST /bytes"), 2) << "only one that came after all others were done sends them anew";
}

TEST(SwarmPut, WaiterWhoseUploaderFails_UploadsItself) {
  std::atomic<int> posts = 0;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (!request.is("POST /bytes") || ++posts > 1) return false;
    (void)system_clock().sleep_until(system_clock().mono_now() + 200ms, {}).has_value();
    return FakeBee::refuse(peer, 500, "split write all failed");
  });
  const auto store = open(bee);
  Result<ObjectRef> first = ObjectRef{};
  const std::jthread uploader([&] { first = store->put("packs/00", as_bytes("foo"), {}); });
  while (posts == 0) (void)system_clock().sleep_until(system_clock().mono_now() + 5ms, {}).has_value();
  EXPECT_TRUE(store->put("packs/00", as_bytes("foo"), {}));
}

TEST(SwarmPut, ChunksThatAnotherUploadQueued_AreLookedForOnTheNetwork) {
  std::atomic<bool> is_there = false;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (request.is("GET /tags/7")) return peer.reply(200, FakeBee::tag_json(2, 1, 1)), true;
    if (request.is("GET /stewardship/")) return peer.reply(200, is_there ? R"({"isRetrievable":true})" : R"({"isRetrievable":false})"), true;
    if (!request.is("PUT /stewardship/")) return false;
    is_there = true;
    return peer.reply(200, R"({"code":200,"message":"OK"})"), true;
  });
  EXPECT_TRUE(open(bee)->put("packs/00", as_bytes("foo"), {}));
  EXPECT_EQ(bee.count("PUT /stewardship/2387e8e7"), 1);
  const std::vector<BeeRequest> sent = bee.requests();
  const auto again = std::ranges::find_if(sent, [](const BeeRequest& one) { return one.is("PUT "); });
  EXPECT_THAT(again->head, HasSubstr("Swarm-Postage-Batch-Id: " + kBatch));
  EXPECT_TRUE(open(bee)->put("packs/00", as_bytes("foo"), {}));
  EXPECT_EQ(bee.count("PUT /stewardship/"), 1);
}

TEST(SwarmPut, ChunksThatNobodyElseTook_ArePushedOnceThereAreOthers) {
  // As Bee 2.7.0 does without peers: it keeps all chunks for itself and counts them as synced.
  std::atomic<bool> alone = true;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (request.is("GET /tags/7")) return peer.reply(200, FakeBee::tag_json(2, 0, 2, 2)), true;
    if (request.is("GET /peers")) return peer.reply(200, alone ? R"({"peers":[]})" : R"({"peers":[{}]})"), true;
    return request.is("PUT /stewardship/2387e8e7") && (peer.reply(200, R"({"code":200,"message":"OK"})"), true);
  });
  const auto store = open(bee);
  const auto put = store->put("packs/00", as_bytes("foo"), {});
  EXPECT_EQ(code(put), ErrorCode::kUnavailable);
  EXPECT_THAT(put.error().message(), HasSubstr("no peers"));
  EXPECT_EQ(bee.count("PUT "), 0);
  alone = false;
  EXPECT_TRUE(store->put("packs/00", as_bytes("foo"), {}));
  EXPECT_EQ(bee.count("PUT /stewardship/"), 1);
  EXPECT_EQ(bee.count("POST /bytes"), 1);
}

TEST(SwarmPut, ChunksThatCannotBePushed_FailThePut) {
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (request.is("GET /tags/7")) return peer.reply(200, FakeBee::tag_json(2, 0, 2, 1)), true;
    return request.is("PUT /stewardship/") && FakeBee::refuse(peer, 500, "re-upload failed");
  });
  EXPECT_EQ(code(open(bee)->put("packs/00", as_bytes("foo"), {})), ErrorCode::kUnavailable);
}

TEST(SwarmPut, Redundancy_IsAskedForAndReadBack) {
  std::string stored;
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (request.is("POST /bytes")) return peer.reply(201, R"({"reference":")" + kReference + R"("})"), true;
    if (!request.is("GET /bytes/")) return false;
    peer.write("HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 0-2/3\r\n\r\n" + stored);
    return true;
  });
  stored = "foo";
  const auto put = open(bee, {.redundancy = 2})->put("packs/00", as_bytes("foo"), {});
  ASSERT_TRUE(put) << put.error().message();
  EXPECT_EQ(put->locator, kBatch + "/" + kReference);
  const std::vector<BeeRequest> sent = bee.requests();
  const auto post = std::ranges::find_if(sent, [](const BeeRequest& one) { return one.is("POST /bytes "); });
  EXPECT_THAT(post->head, HasSubstr("Swarm-Redundancy-Level: 2"));
  stored = "fop";
  EXPECT_EQ(code(open(bee, {.redundancy = 2})->put("packs/00", as_bytes("foo"), {})), ErrorCode::kCorrupt);
}

// ---- reading, probing, removing -------------------------------------------------------------------------------------

ErrorCode read_code(const std::string& reply, const std::string& peers = R"({"peers":[{}]})") {
  FakeBee bee([&](Peer& peer, const BeeRequest& request) {
    if (request.is("GET /peers")) return peer.reply(200, peers), true;
    if (!request.is("GET /bytes/" + kReference + " ")) return false;
    peer.write(reply);
    peer.hang_up();
    return true;
  });
  Bytes out(8);
  return code(open(bee)->read(kRef, 0, out, {}));
}
std::string with_body(const std::string& status, const std::string& body) { return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body; }

TEST(SwarmRead, RepliesThatAreNotTheRange_AreErrors) {
  const std::string partial = "HTTP/1.1 206 Partial Content\r\nContent-Length: 8\r\nContent-Range: bytes ";
  EXPECT_EQ(read_code(partial + "0-7/8\r\n\r\nabcdefgh"), ErrorCode::kInternal) << "the right one is taken";
  EXPECT_EQ(read_code(partial + "0-7/8\r\n\r\nabc"), ErrorCode::kUnavailable);
  EXPECT_EQ(read_code(partial + "1-8/9\r\n\r\nabcdefgh"), ErrorCode::kUnavailable);
  EXPECT_EQ(read_code("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabc"), ErrorCode::kUnavailable);
  EXPECT_EQ(read_code(with_body("200 OK", "abc")), ErrorCode::kUnsupported);
  EXPECT_EQ(read_code(with_body("200 OK", "abcdefgh")), ErrorCode::kUnsupported);
  EXPECT_EQ(read_code("HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 0-2/3\r\n\r\nabc"), ErrorCode::kOutOfRange);
  EXPECT_EQ(read_code("HTTP/1.1 206 Partial Content\r\nContent-Length: 9\r\nContent-Range: bytes 0-8/9\r\n\r\nabcdefghi"), ErrorCode::kCorrupt);
  EXPECT_EQ(read_code(with_body("500 Internal Server Error", "<html><body>oops</body></html>")), ErrorCode::kUnavailable);
  EXPECT_EQ(read_code("HTTP/1.1 301 Moved\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n"), ErrorCode::kUnsupported);
}

TEST(SwarmRead, Absence_IsProvedByABeeWithPeersOnly) {
  const std::string missing = with_body("404 Not Found", R"({"code":404,"message":"Not Found"})");
  EXPECT_EQ(read_code(missing), ErrorCode::kNotFound);
  EXPECT_EQ(read_code(missing, R"({"peers":[]})"), ErrorCode::kUnavailable);
  EXPECT_EQ(read_code(missing, "<html>"), ErrorCode::kUnavailable);
  EXPECT_EQ(read_code(with_body("404 Not Found", "<html>nothing here</html>")), ErrorCode::kUnavailable);
}

TEST(SwarmRead, RangePastTheKnownEnd_IsNotAskedFor) {
  FakeBee bee;
  Bytes out(9);
  EXPECT_EQ(code(open(bee)->read(kRef, 0, out, {})), ErrorCode::kOutOfRange);
  EXPECT_EQ(code(open(bee)->read(kRef, ~std::uint64_t{0}, out, {})), ErrorCode::kOutOfRange);
  EXPECT_TRUE(bee.requests().empty());
}

TEST(SwarmProbe, Durable_NeedsPinBatchSizeAndNetwork) {
  struct Node {
    bool pinned = true;
    std::string size_bytes = "8";
    bool pays = true;
    std::string retrievable = R"({"isRetrievable":true})";
  };
  const auto probe = [](const Node& node) {
    FakeBee bee([&](Peer& peer, const BeeRequest& request) {
      if (request.is("GET /pins/" + kReference)) return node.pinned ? (peer.reply(200, R"({"reference":""})"), true) : FakeBee::refuse(peer, 404, "Not Found");
      if (request.is("GET /bytes/" + kReference)) {
        if (node.size_bytes.empty()) return FakeBee::refuse(peer, 404, "Not Found");
        return peer.reply(206, "a", "Content-Range: bytes 0-0/" + node.size_bytes + "\r\n"), true;
      }
      if (request.is("GET /stamps/" + kOtherBatch) && !node.pays) return FakeBee::refuse(peer, 404, "issuer does not exist");
      if (request.is("GET /stewardship/" + kReference)) return peer.reply(200, node.retrievable), true;
      return false;
    });
    return open(bee)->probe({.locator = kOtherBatch + "/" + kReference, .size_bytes = 8}, {});
  };
  EXPECT_EQ(*probe({}), Durability::kDurable);
  EXPECT_EQ(*probe({.pinned = false}), Durability::kAbsent);
  EXPECT_EQ(*probe({.size_bytes = ""}), Durability::kAbsent);
  EXPECT_EQ(*probe({.size_bytes = "9"}), Durability::kAbsent);
  EXPECT_EQ(*probe({.pays = false}), Durability::kAbsent) << "its own batch counts, not the one that is configured now";
  EXPECT_EQ(*probe({.retrievable = R"({"isRetrievable":false})"}), Durability::kAccepted);
  EXPECT_EQ(code(probe({.retrievable = "<html>"})), ErrorCode::kCorrupt);
  EXPECT_EQ(code(probe({.size_bytes = "-9151314442816697536"})), ErrorCode::kCorrupt);
}

TEST(SwarmRemove, AbsentPin_IsSuccessAndAStrangersWordIsNot) {
  FakeBee none(FakeBee::replying("DELETE /pins/", 404, R"({"code":404,"message":"Not Found"})"));
  EXPECT_TRUE(open(none)->remove(kRef, {}));
  FakeBee stranger(FakeBee::replying("DELETE /pins/", 404, "page not found"));
  EXPECT_EQ(code(open(stranger)->remove(kRef, {})), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace holdfast
