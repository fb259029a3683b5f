// SPDX-License-Identifier: Apache-2.0
// The IPFS adapter with ipfs-cluster's Pinning Service API: two peers over two real Kubo nodes. The contract, and what happens when pins, blocks, peers and nodes go away.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "adapters/http/curl_transport.h"
#include "adapters/ipfs/ipfs_names.h"
#include "adapters/ipfs/ipfs_store.h"
#include "core/crypto/base64.h"
#include "core/crypto/hash.h"
#include "core/store/verifying_reader.h"
#include "tests/support/conformance_run.h"
#include "tests/support/kubo_nodes.h"
#include "tests/support/network_script.h"
#include "tests/support/not_tested.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::NetworkScript;
using testing::SeededRandom;

constexpr std::size_t kMiB = 1U << 20;

CallContext within(std::chrono::milliseconds time) { return with_timeout({}, system_clock(), time); }
std::shared_ptr<const SecretBytes> secret(const std::string& text) { return std::make_shared<const SecretBytes>(SecretBytes::copy_of(as_bytes(text))); }

class IpfsCluster : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("CLUSTER_PIN_TIMEOUT", "3s", 1);
    cluster_ = NetworkScript::start("ipfs-cluster.sh");
    if (!cluster_) HOLDFAST_NOT_TESTED << "ipfs-cluster can't be installed here, so nothing is tested against a real pinning service";
    std::ifstream file(cluster_->get("PINNING_TOKEN_FILE"));
    std::getline(file, token_);
    ASSERT_NE(token_, "");
  }
  ipfs::PinningService::Options service(const std::string& token, int peer = 0) const {
    return {.name = "cluster", .endpoint = cluster_->get("PINNING_ENDPOINT_" + std::to_string(peer)), .token = secret(token)};
  }
  std::shared_ptr<IpfsStore> store(const std::string& token, const std::vector<std::string>& gateways = {}) const {
    return *IpfsStore::make({.api = cluster_->get("IPFS_API_0"), .gateways = gateways, .pinning = {service(token)}, .find_timeout = 3s}, *http::make_curl_transport());
  }
  std::shared_ptr<IpfsStore> store() const { return store(token_); }
  /// A call behind the adapter's back; its body, empty where the status is no success.
  std::string call(http::Method method, const std::string& url, const std::string& authorization = {}) const {
    http::Request request{.method = method, .url = url, .response_size_max_bytes = 16U << 20U};
    if (!authorization.empty()) request.headers = {{"Authorization", authorization}};
    const auto reply = http::send_and_collect(**http::make_curl_transport(), request, within(60s));
    return reply && reply->head.status < 300 ? std::string(as_text(reply->body)) : std::string();
  }
  std::string kubo(int node, const std::string& command) const { return call(http::Method::kPost, cluster_->get("IPFS_API_" + std::to_string(node)) + "/api/v0/" + command); }
  bool is_pinned(int node, const std::string& cid) const { return kubo(node, "pin/ls?arg=" + cid).find(cid) != std::string::npos; }
  /// Until `found` says so, at most 30 seconds.
  static bool becomes(const std::function<bool()>& found) {
    const CallContext until = within(30s);
    while (!found()) {
      if (!check_context(until, system_clock(), "")) return false;
      (void)system_clock().sleep_until(system_clock().mono_now() + 100ms, {}).has_value();
    }
    return true;
  }
  /// The file of one of object_'s leaves in a node's store; empty when it is not there.
  [[nodiscard]] std::string leaf_file(int node, std::size_t index) const {
    return testing::block_file(cluster_->folder() + "/ipfs/node" + std::to_string(node) + "/blocks", ByteView(object_).subspan(index * kMiB, kMiB));
  }
  ObjectRef put(IpfsStore& network, ByteView object) {
    const auto ref = network.put("packs/00", object, within(60s));
    EXPECT_TRUE(ref) << ref.error().message();
    return ref ? *ref : ObjectRef{};
  }

  std::unique_ptr<NetworkScript> cluster_;
  std::string token_;
  SeededRandom random_{static_cast<std::uint64_t>(system_clock().wall_now())};
  Bytes object_ = random_.bytes(3 * kMiB + 77);
};

TEST_F(IpfsCluster, TwoPeers_HoldTheContract) {
  const auto network = store();
  testing::expect_conformance(*network, 2);
  // Stored is stored on both nodes, and removed is removed from both.
  const ObjectRef ref = put(*network, object_);
  EXPECT_TRUE(is_pinned(0, ref.locator));
  EXPECT_TRUE(is_pinned(1, ref.locator));
  const auto health = network->health(within(20s));
  ASSERT_TRUE(health);
  EXPECT_THAT(health->detail, HasSubstr("pinning service cluster answers"));
  EXPECT_THAT(health->detail, HasSubstr("1 peer; others provide the last object too"));
  ASSERT_TRUE(network->remove(ref, within(20s)));
  EXPECT_TRUE(becomes([&] { return !is_pinned(0, ref.locator) && !is_pinned(1, ref.locator); }));
  // Of heads, the service has the newest alone.
  RepositoryId repository;
  ASSERT_TRUE(random_.fill(repository.mutable_view()));
  const Bytes seed = random_.bytes(32);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(network->publish_head(repository, 1, seed, random_.bytes(500), within(60s)));
  // The list tells what every peer knows, and the other one hears of a removal a moment later.
  const auto direct = *ipfs::PinningService::make(service(token_), *http::make_curl_transport());
  std::vector<ipfs::Pin> pins;
  EXPECT_TRUE(becomes([&] {
    pins = direct->find_named("holdfast-head-" + repository.hex() + "-1", within(20s)).value();
    return pins.size() == 1;
  })) << pins.size();
  ASSERT_FALSE(pins.empty());
  EXPECT_TRUE(becomes([&] { return is_pinned(1, pins.front().cid); }));
}

/// One network for all of these, the deadly ones last: it takes longer to start than most of them to run.
class IpfsClusterFaults : public IpfsCluster {
 protected:
  void lost_pins_and_blocks_are_noticed_and_put_repairs();
  void wrong_tokens_and_impossible_pins_are_said();
  void dead_peer_and_dead_node_are_survived();
};

void IpfsClusterFaults::lost_pins_and_blocks_are_noticed_and_put_repairs() {
  const auto network = store();
  const ObjectRef ref = put(*network, object_);
  ASSERT_EQ(*network->probe(ref, within(20s)), Durability::kDurable);
  // The pin is removed behind our back. That unpins on both nodes, of which ours is pinned again by hand: so it is the service alone that lacks it.
  const std::string bearer = "Bearer " + token_;
  call(http::Method::kDelete, cluster_->get("PINNING_ENDPOINT_0") + "/pins/" + ref.locator, bearer);
  ASSERT_TRUE(becomes([&] { return !is_pinned(0, ref.locator) && !is_pinned(1, ref.locator); }));
  EXPECT_EQ(*network->probe(ref, within(20s)), Durability::kAbsent);
  ASSERT_NE(kubo(0, "pin/add?arg=" + ref.locator), "");
  EXPECT_EQ(*network->probe(ref, within(20s)), Durability::kAbsent);
  put(*network, object_);
  EXPECT_EQ(*network->probe(ref, within(20s)), Durability::kDurable);
  EXPECT_TRUE(is_pinned(1, ref.locator));
  // Removed and put again at once: what the service still has to do for the removal must not win.
  ASSERT_TRUE(network->remove(ref, within(20s)));
  put(*network, object_);
  EXPECT_EQ(*network->probe(ref, within(20s)), Durability::kDurable);
  EXPECT_TRUE(is_pinned(0, ref.locator));
  EXPECT_TRUE(is_pinned(1, ref.locator));
  // Our node loses a leaf: the other node's copy is read through its gateway, and a put brings the leaf back.
  const auto with_gateway = store(token_, {cluster_->get("IPFS_GATEWAY_1")});
  const std::string lost = leaf_file(0, 1);
  ASSERT_NE(lost, "");
  std::filesystem::remove(lost);
  EXPECT_EQ(*network->probe(ref, within(20s)), Durability::kAbsent);
  VerifyingReader elsewhere(*with_gateway, VerifyingReader::Place::kElsewhere);
  const auto whole = elsewhere.read_object(ref, sha256(object_), within(60s));
  ASSERT_TRUE(whole) << whole.error().message();
  put(*network, object_);
  EXPECT_EQ(*network->probe(ref, within(20s)), Durability::kDurable);
  EXPECT_NE(leaf_file(0, 1), "");
}

void IpfsClusterFaults::wrong_tokens_and_impossible_pins_are_said() {
  const std::string basic = cluster_->get("PINNING_BASIC");
  const std::string password = basic.substr(basic.find(':') + 1);
  // The password itself is no token, but gives one.
  for (const std::string& wrong : {password, std::string("nonsense"), token_ + "x"}) {
    const auto refused = store(wrong)->put("packs/00", object_, within(30s));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied) << refused.error().message();
    EXPECT_THAT(refused.error().message(), Not(HasSubstr(wrong)));
    EXPECT_THAT(store(wrong)->health(within(20s))->warnings, ElementsAre(HasSubstr("401")));
  }
  const auto given = nlohmann::json::parse(call(http::Method::kPost, cluster_->get("PINNING_ENDPOINT_0") + "/token", "Basic " + base64(as_bytes(basic))));
  const auto other = store(given.at("token").get<std::string>());
  const ObjectRef ref = put(*other, object_);
  EXPECT_EQ(*other->probe(ref, within(20s)), Durability::kDurable);
  // What nobody has can't be pinned, and the service says so in its time.
  const auto direct = *ipfs::PinningService::make(service(token_), *http::make_curl_transport());
  const std::string nowhere = ipfs::raw_cid(random_.bytes(1000));
  auto pin = direct->ask(nowhere, "packs/none", {}, within(20s));
  ASSERT_TRUE(pin) << pin.error().message();
  EXPECT_NE(pin->status, ipfs::PinStatus::kPinned);
  EXPECT_TRUE(becomes([&] {
    const auto now = direct->look(*pin, within(20s));
    return now && *now && (*now)->status == ipfs::PinStatus::kFailed;
  }));
  EXPECT_TRUE(direct->remove(pin->request_id, within(20s)));
  EXPECT_TRUE(direct->remove(pin->request_id, within(20s))) << "removed twice";
}

void IpfsClusterFaults::dead_peer_and_dead_node_are_survived() {
  const auto network = store(token_, {cluster_->get("IPFS_GATEWAY_1")});
  // One that was never removed: a peer that forgot all and is told its log again may carry out an old removal last, on its node, though the log has the pin behind it.
  object_ = random_.bytes(3 * kMiB + 55);
  const ObjectRef ref = put(*network, object_);
  ASSERT_TRUE(is_pinned(1, ref.locator));
  // The peer that we ask dies: reads go on, puts and probes say so, and all is well when it is back.
  cluster_->run("kill", "peer0");
  Bytes out(2 * kMiB);
  EXPECT_TRUE(network->read(ref, kMiB / 2, out, within(30s)));
  EXPECT_EQ(network->probe(ref, within(20s)).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(network->put("packs/01", random_.bytes(1000), within(20s)).error().code(), ErrorCode::kUnavailable);
  const auto health = network->health(within(20s));
  ASSERT_TRUE(health);
  EXPECT_TRUE(health->reachable);
  EXPECT_THAT(health->warnings, ElementsAre(HasSubstr("pinning service cluster")));
  cluster_->run("start");
  EXPECT_TRUE(becomes([&] {
    const auto found = network->probe(ref, within(20s));
    return found && *found == Durability::kDurable;
  })) << "its peers say: " << call(http::Method::kGet, cluster_->get("CLUSTER_REST_0") + "/pins/" + ref.locator)
      << call(http::Method::kGet, cluster_->get("CLUSTER_REST_1") + "/pins/" + ref.locator) << "; the node: " << kubo(0, "pin/ls?arg=" + ref.locator);
  // Our node dies for good: the other node's gateway has it all.
  cluster_->run("kill", "node0");
  const Status got = network->read(ref, kMiB / 2, out, within(30s));
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_TRUE(std::ranges::equal(out, ByteView(object_).subspan(kMiB / 2, out.size())));
  EXPECT_EQ(network->probe(ref, within(20s)).error().code(), ErrorCode::kUnavailable);
}

TEST_F(IpfsClusterFaults, LossesRefusalsAndDeaths) {
  lost_pins_and_blocks_are_noticed_and_put_repairs();
  wrong_tokens_and_impossible_pins_are_said();
  dead_peer_and_dead_node_are_survived();
}

}  // namespace
}  // namespace holdfast
