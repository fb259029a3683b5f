// SPDX-License-Identifier: Apache-2.0
// The client of the Pinning Service API against servers that do what no honest one should, and what ipfs-cluster 1.1.0 was seen to do.
#include "adapters/ipfs/pinning_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "adapters/http/curl_transport.h"
#include "core/base/clock.h"
#include "tests/support/fake_server.h"

namespace holdfast::ipfs {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using holdfast::testing::FakeServer;
using holdfast::testing::Peer;
using holdfast::testing::SeenRequest;

constexpr const char* kCid = "bafybeiau3j5x4c6k3epmzkmoxy63yytem5c3gt2dkryvthwkum7hligddy";
constexpr const char* kOtherCid = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
constexpr const char* kToken = "hunter2.hunter2-hunter2";

std::shared_ptr<const SecretBytes> secret(const std::string& text) { return std::make_shared<const SecretBytes>(SecretBytes::copy_of(as_bytes(text))); }

std::shared_ptr<PinningService> service_at(const std::string& endpoint) {
  return *PinningService::make({.name = "cluster", .endpoint = endpoint, .token = secret(kToken)}, *http::make_curl_transport());
}

std::string pin_json(const std::string& status, const std::string& id = "r1", const std::string& cid = kCid, const std::string& name = "packs/00") {
  return R"({"requestid":")" + id + R"(","status":")" + status + R"(","created":"2026-11-30T03:10:59Z","pin":{"cid":")" + cid + R"(","name":")" + name +
         R"("},"delegates":["/ip4/127.0.0.1/tcp/1/p2p/12D3a"],"info":{"status_details":"3rd in the queue"}})";
}

/// Answers everything alike, byte for byte.
FakeServer::Script always(const std::string& reply) {
  return [reply](Peer& peer, const SeenRequest&) { return peer.write(reply), true; };
}

std::string http_reply(const std::string& status, const std::string& body, const std::string& type = "application/json") {
  return "HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

Result<Pin> ask(const std::string& reply) {
  FakeServer server(always(reply));
  return service_at(server.url())->ask(kCid, "packs/00", {}, with_timeout({}, system_clock(), 20s));
}

TEST(PinningService, Request_IsWhatTheSpecificationSays) {
  FakeServer server([](Peer& peer, const SeenRequest&) { return peer.reply(202, pin_json("queued")), true; });
  const auto pin = service_at(server.url() + "/psa/")->ask(kCid, "packs/00", {"/ip4/10.0.0.1/tcp/4001/p2p/12D3b"}, {});
  ASSERT_TRUE(pin) << pin.error().message();
  EXPECT_EQ(pin->request_id, "r1");
  EXPECT_EQ(pin->status, PinStatus::kQueued);
  EXPECT_EQ(pin->details, "3rd in the queue");
  EXPECT_THAT(pin->delegates, ElementsAre("/ip4/127.0.0.1/tcp/1/p2p/12D3a"));
  ASSERT_EQ(server.requests().size(), 1U);
  const SeenRequest sent = server.requests().front();
  EXPECT_TRUE(sent.is("POST /psa/pins HTTP/1.1")) << sent.line;
  EXPECT_THAT(sent.head, HasSubstr(std::string("Authorization: Bearer ") + kToken + "\r\n"));
  EXPECT_THAT(sent.head, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_EQ(nlohmann::json::parse(sent.body), nlohmann::json::parse(std::string(R"({"cid":")") + kCid + R"(","name":"packs/00","origins":["/ip4/10.0.0.1/tcp/4001/p2p/12D3b"]})"));
}

TEST(PinningService, Ok_IsAsGoodAsAccepted) { EXPECT_EQ(ask(http_reply("200 OK", pin_json("pinned")))->status, PinStatus::kPinned); }

TEST(PinningService, Errors_AreClassedByWhatTheyMean) {
  const std::pair<std::string, ErrorCode> expected[] = {
      {http_reply("401 Unauthorized", R"({"error":{"reason":"unauthorized: invalid token"}})"), ErrorCode::kPermissionDenied},
      {http_reply("403 Forbidden", "<html>no</html>", "text/html"), ErrorCode::kPermissionDenied},
      {http_reply("402 Payment Required", ""), ErrorCode::kQuotaExceeded},
      {http_reply("409 Conflict", R"({"error":{"reason":"INSUFFICIENT_FUNDS","details":"top up"}})"), ErrorCode::kQuotaExceeded},
      {http_reply("400 Bad Request", R"({"error":{"reason":"OVER_STORAGE_QUOTA","details":"1 GB"}})"), ErrorCode::kQuotaExceeded},
      {http_reply("400 Bad Request", R"({"error":{"reason":"BAD_REQUEST","details":"cid"}})"), ErrorCode::kInvalidArgument},
      {http_reply("429 Too Many Requests", ""), ErrorCode::kUnavailable},
      {http_reply("404 Not Found", "<html>nginx</html>", "text/html"), ErrorCode::kUnavailable},
      {http_reply("500 Internal Server Error", "<html><body>oops</body></html>", "text/html"), ErrorCode::kUnavailable},
      {http_reply("503 Service Unavailable", R"({"error":{"reason":"INTERNAL_SERVER_ERROR"}})"), ErrorCode::kUnavailable},
      {http_reply("200 OK", "<html>Please log in</html>", "text/html"), ErrorCode::kUnavailable},
      {http_reply("204 No Content", ""), ErrorCode::kUnavailable},
      {http_reply("202 Accepted", pin_json("queued").substr(0, 60)), ErrorCode::kUnavailable},
      {http_reply("202 Accepted", R"({"status":"queued"})"), ErrorCode::kUnavailable},
      {http_reply("202 Accepted", pin_json("sleeping")), ErrorCode::kUnavailable},
      {http_reply("202 Accepted", pin_json("queued", "..")), ErrorCode::kUnavailable},
      {http_reply("202 Accepted", pin_json("queued", "r1", kOtherCid)), ErrorCode::kCorrupt},
  };
  for (const auto& [reply, code] : expected) {
    const auto pin = ask(reply);
    ASSERT_FALSE(pin) << reply;
    EXPECT_EQ(pin.error().code(), code) << reply << "\n" << pin.error().message();
    EXPECT_THAT(pin.error().message(), HasSubstr("pinning service cluster"));
  }
  EXPECT_THAT(ask(http_reply("409 Conflict", R"({"error":{"reason":"INSUFFICIENT_FUNDS","details":"top up"}})")).error().message(), HasSubstr("INSUFFICIENT_FUNDS: top up"));
}

TEST(PinningService, BodyCutOrWithoutEnd_IsUnavailable) {
  FakeServer cut([](Peer& peer, const SeenRequest&) { return peer.write("HTTP/1.1 202 Accepted\r\nContent-Length: 500\r\n\r\n{\"requ"), peer.hang_up(), true; });
  EXPECT_EQ(service_at(cut.url())->ask(kCid, "x", {}, {}).error().code(), ErrorCode::kUnavailable);
  FakeServer endless([](Peer& peer, const SeenRequest&) {
    peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string piece = "10000\r\n" + std::string(65536, ' ') + "\r\n";
    for (int i = 0; i < 4096; ++i) peer.write(piece);  // 256 MiB, unless the client goes, as it should after 1
    return true;
  });
  const MonoTime start = system_clock().mono_now();
  EXPECT_EQ(service_at(endless.url())->ask(kCid, "x", {}, {}).error().code(), ErrorCode::kUnavailable);
  EXPECT_LT(system_clock().mono_now() - start, 10s);
}

TEST(PinningService, Redirect_IsNotFollowed) {
  FakeServer elsewhere([](Peer& peer, const SeenRequest&) { return peer.reply(202, pin_json("pinned")), true; });
  FakeServer server([&](Peer& peer, const SeenRequest&) { return peer.reply(307, "", "Location: " + elsewhere.url() + "/pins\r\n"), true; });
  EXPECT_EQ(service_at(server.url())->ask(kCid, "x", {}, {}).error().code(), ErrorCode::kUnsupported);
  EXPECT_TRUE(elsewhere.requests().empty()) << "the token went elsewhere";
}

TEST(PinningService, Token_IsInNoMessage) {
  const auto pin = ask(http_reply("401 Unauthorized", std::string(R"({"error":{"reason":"unauthorized","details":"bad token )") + kToken + R"("}})"));
  ASSERT_FALSE(pin);
  EXPECT_THAT(pin.error().message(), AllOf(HasSubstr("bad token ***"), Not(HasSubstr(kToken))));
  for (const char* endpoint : {"http://me:hunter2@127.0.0.1:1", "http://127.0.0.1:1/?token=hunter2", "ftp://127.0.0.1"}) {
    const auto refused = PinningService::make({.name = "cluster", .endpoint = endpoint}, nullptr);
    ASSERT_FALSE(refused) << endpoint;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(refused.error().message(), Not(HasSubstr("hunter2")));
  }
  const auto refused = PinningService::make({.name = "cluster", .endpoint = "http://127.0.0.1:1", .token = secret("hunter2\r\nX-Evil: 1")}, nullptr);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), Not(HasSubstr("hunter2")));
}

TEST(PinningService, Find_AsksForEveryStatusAndTakesOnlyWhatItAskedFor) {
  FakeServer server([](Peer& peer, const SeenRequest&) {
    return peer.reply(200, R"({"count":3,"results":[)" + pin_json("pinned", "r1") + "," + pin_json("failed", "r2") + "," + pin_json("pinned", "r3", kOtherCid, "heads/1") + "]}"), true;
  });
  const auto service = service_at(server.url());
  const auto found = service->find(kCid, {});
  ASSERT_TRUE(found) << found.error().message();
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[0].request_id, "r1");
  EXPECT_EQ((*found)[1].status, PinStatus::kFailed);
  const auto named = service->find_named("heads/1", {});
  ASSERT_TRUE(named);
  ASSERT_EQ(named->size(), 1U);
  EXPECT_EQ(named->front().request_id, "r3");
  EXPECT_THAT(server.requests()[0].line, AllOf(HasSubstr(std::string("cid=") + kCid), HasSubstr("status=queued,pinning,pinned,failed")));
  EXPECT_THAT(server.requests()[1].line, AllOf(HasSubstr("name=heads%2F1&match=exact"), HasSubstr("status=queued,pinning,pinned,failed")));
}

TEST(PinningService, Find_OfGarbage_IsNoEmptyList) {
  for (const char* body : {"", "null", "[]", "{}", R"({"count":0})", R"({"count":-1,"results":[]})", R"({"count":1,"results":[{}]})", R"({"count":1,"results":{}})", "<html></html>"}) {
    FakeServer server(always(http_reply("200 OK", body)));
    const auto found = service_at(server.url())->find(kCid, {});
    ASSERT_FALSE(found) << body;
    EXPECT_EQ(found.error().code(), ErrorCode::kUnavailable) << body;
  }
}

TEST(PinningService, Removal_OfWhatIsNotThereIsSuccessButAPageIsNone) {
  const auto removed = [](const std::string& reply) {
    FakeServer server(always(reply));
    return service_at(server.url())->remove("a/b c", {});
  };
  EXPECT_TRUE(removed(http_reply("202 Accepted", "")));
  EXPECT_TRUE(removed(http_reply("404 Not Found", R"({"error":{"reason":"NOT_FOUND"}})")));
  EXPECT_EQ(removed(http_reply("404 Not Found", "<html>nginx</html>")).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(removed(http_reply("200 OK", "<html>Please log in</html>")).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(removed(http_reply("500 Internal Server Error", "")).error().code(), ErrorCode::kUnavailable);
  FakeServer server(always(http_reply("202 Accepted", "")));
  ASSERT_TRUE(service_at(server.url())->remove("a/b c", {}));
  EXPECT_TRUE(server.requests().front().is("DELETE /pins/a%2Fb%20c HTTP/1.1")) << server.requests().front().line;
}

TEST(PinningService, ForgottenRequest_IsNoError) {
  FakeServer server(always(http_reply("404 Not Found", R"({"error":{"reason":"pin not found"}})")));
  const auto seen = service_at(server.url())->look({.request_id = "r1", .cid = kCid}, {});
  ASSERT_TRUE(seen) << seen.error().message();
  EXPECT_FALSE(*seen);
}

TEST(PinningService, DeadEndpoint_IsUnavailable) {
  std::string url;
  {
    const holdfast::testing::ScriptedServer gone([](Peer&) {});
    url = gone.url();
  }
  EXPECT_EQ(service_at(url)->find(kCid, {}).error().code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace holdfast::ipfs
