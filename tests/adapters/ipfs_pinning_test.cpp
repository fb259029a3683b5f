// SPDX-License-Identifier: Apache-2.0
// The IPFS adapter with pinning services and gateways that queue, fail, forget and die, over a scripted node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "adapters/http/curl_transport.h"
#include "adapters/ipfs/ipfs_names.h"
#include "adapters/ipfs/ipfs_store.h"
#include "core/base/clock.h"
#include "tests/support/fake_server.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using testing::FakeServer;
using testing::Peer;
using testing::SeenRequest;

const std::string kObject = "some object";
const std::string kCid = ipfs::raw_cid(as_bytes(kObject));
const std::string kOtherCid = ipfs::raw_cid(as_bytes("another object"));

CallContext within(std::chrono::milliseconds time) { return with_timeout({}, system_clock(), time); }

/// A node that has what it is given, whole and pinned.
FakeServer::Script healthy_node() {
  return [](Peer& peer, const SeenRequest& request) {
    const std::pair<const char*, std::string> replies[] = {
        {"add", R"({"Name":"object","Hash":")" + kCid + R"(","Size":"11"})"},
        {"pin/ls", "{}"},
        {"files/stat", R"({"Size":11,"Local":true})"},
        {"id", R"({"ID":"12D3a","Addresses":["/ip4/127.0.0.1/tcp/1/p2p/12D3a","/ip4/10.0.0.1/tcp/1/p2p/12D3a"]})"},
        {"version", R"({"Version":"0.32.1"})"},
        {"repo/stat", R"({"RepoSize":1,"StorageMax":100})"},
        {"swarm/peers", R"({"Peers":null})"}};
    for (const auto& [command, reply] : replies) {
      const std::string line = std::string("POST /api/v0/") + command;
      if (request.is(line + "?") || request.is(line + " ")) return peer.reply(200, reply), true;
    }
    if (request.is("POST /api/v0/block/stat?")) return peer.reply(500, R"({"Message":"block was not found locally (offline): ipld: could not find it"})"), true;
    return peer.reply(200, ""), true;
  };
}

/// A service with the pins that a test gives it; what is asked for comes as `next_status` and is then what `then` says.
class FakeService {
 public:
  std::string next_status = "queued";
  std::vector<std::string> then = {"pinned"};  ///< one a look; the last stays
  std::string details;
  std::string broken;  ///< answers everything with status 500 and this
  nlohmann::json pins = nlohmann::json::array();

  void has(const std::string& id, const std::string& status, const std::string& cid, const std::string& name = "packs/00") {
    pins.push_back({{"requestid", id}, {"status", status}, {"pin", {{"cid", cid}, {"name", name}}}, {"delegates", {"/ip4/10.0.0.9/tcp/4001/p2p/12D3s"}}, {"info", {{"status_details", details}}}});
  }
  std::vector<std::string> ids() {
    std::vector<std::string> found;
    for (const auto& pin : pins) found.push_back(pin.at("requestid"));
    return found;
  }
  FakeServer server{[this](Peer& peer, const SeenRequest& request) { return answer(peer, request); }};

 private:
  bool answer(Peer& peer, const SeenRequest& request) {
    if (!broken.empty()) return peer.reply(500, broken), true;
    if (request.is("POST /pins")) {
      const auto asked = nlohmann::json::parse(request.body);
      has("asked" + std::to_string(++asked_), next_status, asked.at("cid"), asked.at("name"));
      return peer.reply(202, pins.back().dump()), true;
    }
    if (request.is("GET /pins?")) return peer.reply(200, nlohmann::json{{"count", pins.size()}, {"results", pins}}.dump()), true;
    const std::string id = request.line.substr(request.line.find("/pins/") + 6, request.line.rfind(' ') - request.line.find("/pins/") - 6);
    for (std::size_t i = 0; i < pins.size(); ++i) {
      if (pins[i].at("requestid") != id) continue;
      if (request.is("DELETE ")) return pins.erase(i), peer.reply(202, ""), true;
      pins[i]["status"] = then.at(std::min(looks_++, then.size() - 1));
      return peer.reply(200, pins[i].dump()), true;
    }
    return peer.reply(404, R"({"error":{"reason":"NOT_FOUND"}})"), true;
  }
  int asked_ = 0;
  std::size_t looks_ = 0;
};

class IpfsPinning : public ::testing::Test {
 protected:
  std::shared_ptr<IpfsStore> store(std::chrono::milliseconds pin_timeout = 20s) {
    return *IpfsStore::make({.api = node_.url(), .pinning = {{.name = "cluster", .endpoint = service_.server.url()}}, .find_timeout = 5s, .pin_timeout = pin_timeout},
                            *http::make_curl_transport());
  }
  Result<ObjectRef> put(std::chrono::milliseconds pin_timeout = 20s) { return store(pin_timeout)->put("packs/00", as_bytes(kObject), within(30s)); }

  FakeServer node_{healthy_node()};
  FakeService service_;
  ObjectRef ref_{.locator = kCid, .size_bytes = kObject.size()};
};

TEST_F(IpfsPinning, Put_IsDoneWhenTheServiceHasItPinned) {
  service_.then = {"queued", "pinning", "pinned"};
  const auto ref = put();
  ASSERT_TRUE(ref) << ref.error().message();
  EXPECT_EQ(ref->locator, kCid);
  EXPECT_EQ(service_.pins.back().at("status"), "pinned");
  EXPECT_EQ(service_.server.count("POST /pins"), 1);
  EXPECT_EQ(node_.count("POST /api/v0/swarm/connect?arg=%2Fip4%2F10.0.0.9%2Ftcp%2F4001%2Fp2p%2F12D3s"), 1) << "the node was not connected to the service's delegate";
  const auto requests = service_.server.requests();
  EXPECT_TRUE(std::ranges::any_of(requests, [](const SeenRequest& request) {
    return request.is("POST /pins") && nlohmann::json::parse(request.body).at("origins").size() == 2;
  })) << "the service was not told where the object is";
}

TEST_F(IpfsPinning, PinnedOfTheFirstMoment_IsNotYetBelieved) {
  // What ipfs-cluster says while the peer that is asked has it, and the others have not heard of it.
  service_.next_status = "pinned";
  service_.then = {"pinning", "pinning", "pinned"};
  ASSERT_TRUE(put());
  EXPECT_EQ(service_.server.count("GET /pins/asked1"), 3);
  // What it had before needs no second word.
  ASSERT_TRUE(put());
  EXPECT_EQ(service_.server.count("GET /pins/asked1"), 3);
}

TEST_F(IpfsPinning, PutAgain_AsksForNothingThatIsPinnedOrUnderWay) {
  service_.next_status = "pinning";
  service_.then = {"pinning"};
  const auto late = put(1s);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), ErrorCode::kUnavailable) << "another attempt is worth it";
  EXPECT_THAT(late.error().message(), AllOf(HasSubstr("pinning"), HasSubstr("the time is up")));
  service_.then = {"pinned"};
  const auto resumed = put();
  ASSERT_TRUE(resumed) << resumed.error().message();
  ASSERT_TRUE(put());
  EXPECT_EQ(service_.server.count("POST /pins"), 1) << "it was asked for, and paid, more than once";
}

TEST_F(IpfsPinning, FailedPin_IsSaidAndAskedForAnewTheNextTime) {
  service_.details = "no provider was found";
  service_.then = {"pinning", "failed"};
  const auto failed = put();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(failed.error().message(), AllOf(HasSubstr("pinning service cluster says failed"), HasSubstr("no provider was found")));
  service_.then = {"pinned"};
  ASSERT_TRUE(put());
  EXPECT_THAT(service_.ids(), UnorderedElementsAre("asked2")) << "the failed request is still there";
}

TEST_F(IpfsPinning, DeadlineOfTheCaller_IsKept) {
  service_.then = {"queued"};
  const MonoTime start = system_clock().mono_now();
  const auto put = store()->put("packs/00", as_bytes(kObject), within(700ms));
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code(), ErrorCode::kDeadlineExceeded);
  EXPECT_LT(system_clock().mono_now() - start, 3s);
}

TEST_F(IpfsPinning, BrokenService_FailsThePutAndTheProbeButNoRead) {
  service_.broken = "<html>oops</html>";
  EXPECT_EQ(put().error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(store()->probe(ref_, within(20s)).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(store()->remove(ref_, within(20s)).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(node_.count("POST /api/v0/pin/rm"), 0) << "half removed";
}

TEST_F(IpfsPinning, Probe_IsAsGoodAsTheServicesWord) {
  const auto probe = [&](const char* status) {
    service_.pins.clear();
    if (status != nullptr) service_.has("r1", status, kCid);
    service_.has("r2", "pinned", kOtherCid);
    return *store()->probe(ref_, within(20s));
  };
  EXPECT_EQ(probe("pinned"), Durability::kDurable);
  EXPECT_EQ(probe("queued"), Durability::kAccepted);
  EXPECT_EQ(probe("pinning"), Durability::kAccepted);
  EXPECT_EQ(probe("failed"), Durability::kAbsent);
  EXPECT_EQ(probe(nullptr), Durability::kAbsent) << "a pin that was removed behind our back";
}

TEST_F(IpfsPinning, Remove_TakesEveryPinOfTheObjectAndNoOther) {
  service_.has("r1", "pinned", kCid);
  service_.has("r2", "failed", kCid, "packs/other");
  service_.has("r3", "pinned", kOtherCid);
  ASSERT_TRUE(store()->remove(ref_, within(20s)));
  EXPECT_THAT(service_.ids(), UnorderedElementsAre("r3"));
  EXPECT_EQ(node_.count("POST /api/v0/pin/rm?arg=" + kCid), 1);
}

TEST_F(IpfsPinning, TwoServices_BothHaveToHaveIt) {
  FakeService other;
  other.broken = "no";
  const auto both = *IpfsStore::make({.api = node_.url(), .pinning = {{.name = "a", .endpoint = other.server.url()}, {.name = "b", .endpoint = service_.server.url()}}}, *http::make_curl_transport());
  const auto put = both->put("packs/00", as_bytes(kObject), within(20s));
  ASSERT_FALSE(put);
  EXPECT_THAT(put.error().message(), HasSubstr("pinning service a"));
  EXPECT_EQ(service_.server.count("POST /pins"), 1) << "the other one is asked all the same";
  other.broken.clear();
  const auto again = both->put("packs/00", as_bytes(kObject), within(20s));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(*both->probe(ref_, within(20s)), Durability::kDurable);
  other.pins.clear();
  EXPECT_EQ(*both->probe(ref_, within(20s)), Durability::kAbsent);
}

TEST_F(IpfsPinning, ServicesOfOneName_AreRefused) {
  const auto refused = IpfsStore::make({.pinning = {{.name = "a", .endpoint = "http://127.0.0.1:1"}, {.name = "a", .endpoint = "http://127.0.0.1:2"}}}, nullptr);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(IpfsPinning, Health_SaysWhichServiceAnswers) {
  service_.has("r1", "pinned", kCid);
  const auto good = store()->health(within(20s));
  ASSERT_TRUE(good);
  EXPECT_THAT(good->detail, AllOf(HasSubstr("Kubo 0.32.1"), HasSubstr("pinning service cluster answers, 1 pinned"), HasSubstr("0 peers")));
  EXPECT_THAT(good->warnings, IsEmpty());
  service_.broken = "oops";
  const auto bad = store()->health(within(20s));
  ASSERT_TRUE(bad);
  EXPECT_TRUE(bad->reachable);
  EXPECT_THAT(bad->warnings, ElementsAre(AllOf(HasSubstr("pinning service cluster"), HasSubstr("500"))));
}

TEST(IpfsPut, NodeThatStoresSomethingElse_IsCorrupt) {
  FakeServer node(healthy_node());
  const auto store = *IpfsStore::make({.api = node.url()}, *http::make_curl_transport());
  EXPECT_EQ(store->put("packs/00", as_bytes("not that object"), {}).error().code(), ErrorCode::kCorrupt);
}

TEST(IpfsPut, NodeThatIsWrongForGood_IsSaidToBe) {
  // It has the block already, gives other bytes for it, and goes on doing so after it was told to drop them.
  FakeServer node([](Peer& peer, const SeenRequest& request) {
    if (request.is("POST /api/v0/block/stat?")) return peer.reply(200, "{}"), true;
    if (request.is("POST /api/v0/cat?")) return peer.reply(200, "same length"), true;
    return healthy_node()(peer, request);
  });
  const auto store = *IpfsStore::make({.api = node.url()}, *http::make_curl_transport());
  EXPECT_EQ(store->put("packs/00", as_bytes(kObject), within(20s)).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(node.count("POST /api/v0/add?"), 2);
  EXPECT_EQ(node.count("POST /api/v0/block/rm?"), 1);
}

TEST(IpfsGateways, DeadOne_IsAskedOnceAndTheGoodOneRemembered) {
  FakeServer node([](Peer& peer, const SeenRequest&) { return peer.reply(500, R"({"Message":"block was not found locally (offline): ipld: could not find it"})"), true; });
  FakeServer dead([](Peer& peer, const SeenRequest&) { return peer.reply(504, "<html>gateway timeout</html>"), true; });
  std::atomic<bool> is_up = true;
  FakeServer good([&](Peer& peer, const SeenRequest&) {
    if (!is_up) return false;
    return peer.write("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/11\r\nContent-Length: 4\r\n\r\nsome"), true;
  });
  const auto store = *IpfsStore::make({.api = node.url(), .gateways = {dead.url(), good.url()}}, *http::make_curl_transport());
  Bytes out(4);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(store->read({.locator = kCid, .size_bytes = 11}, 0, out, within(20s)));
    EXPECT_EQ(as_text(out), "some");
  }
  EXPECT_EQ(dead.requests().size(), 1U);
  EXPECT_EQ(good.requests().size(), 5U);
  // When the good one dies too, the other is tried again.
  is_up = false;
  EXPECT_EQ(store->read({.locator = kCid, .size_bytes = 11}, 0, out, within(20s)).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(dead.requests().size(), 2U);
}

}  // namespace
}  // namespace holdfast
