// SPDX-License-Identifier: Apache-2.0
// The IPFS adapter against real Kubo nodes: the contract, and what happens when blocks are lost or rot and nodes go away.
#include "adapters/ipfs/ipfs_store.h"

#include <gmock/gmock.h>

#include <fstream>

#include "adapters/http/curl_transport.h"
#include "core/crypto/hash.h"
#include "core/store/replicated_reader.h"
#include "tests/support/conformance_run.h"
#include "tests/support/kubo_nodes.h"
#include "tests/support/not_tested.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::KuboNodes;
using testing::SeededRandom;

constexpr std::size_t kMiB = 1U << 20;

CallContext within(std::chrono::milliseconds time) { return with_timeout({}, system_clock(), time); }

class Ipfs : public ::testing::Test {
 protected:
  void SetUp() override {
    nodes_ = KuboNodes::start();
    if (!nodes_) HOLDFAST_NOT_TESTED << "Kubo can't be installed here, so nothing is tested against real IPFS";
  }
  std::shared_ptr<IpfsStore> store(const std::string& api, const std::vector<std::string>& gateways) {
    return *IpfsStore::make({.api = api, .gateways = gateways, .find_timeout = 2s}, *http::make_curl_transport());
  }
  /// Node 0, and nobody else.
  std::shared_ptr<IpfsStore> alone() { return store(nodes_->api(0), {}); }
  std::shared_ptr<IpfsStore> with_gateway() { return store(nodes_->api(0), {nodes_->gateway(1)}); }
  ByteView leaf(std::size_t index) const { return ByteView(object_).subspan(index * kMiB, kMiB); }
  void pin_on_node_1(const ObjectRef& ref) {
    ASSERT_NE(nodes_->call(1, "pin/add?arg=" + ref.locator + "&timeout=30s"), "");
  }

  std::unique_ptr<KuboNodes> nodes_;
  SeededRandom random_{static_cast<std::uint64_t>(system_clock().wall_now())};
  Bytes object_ = random_.bytes(4 * kMiB + 77);
};

TEST_F(Ipfs, Kubo_HoldsTheContract) {
  const auto network = with_gateway();
  testing::expect_conformance(*network, 2);
}

TEST_F(Ipfs, LostLeaf_IsNotFoundHereAndComesFromAnotherNode) {
  const auto network = alone();
  const auto ref = network->put("packs/00", object_, within(60s));
  ASSERT_TRUE(ref) << ref.error().message();
  const std::string lost = nodes_->block_file(0, leaf(2));
  ASSERT_NE(lost, "");
  std::filesystem::remove(lost);
  Bytes out(1000);
  EXPECT_EQ(*network->probe(*ref, within(20s)), Durability::kAbsent);
  EXPECT_TRUE(network->read(*ref, kMiB + 5, out, within(20s)));
  const Status missing = network->read(*ref, 2 * kMiB - 500, out, within(20s));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound) << missing.error().message();
  // Healing is putting it again; the lost block is the only one that is written.
  ASSERT_TRUE(network->put("packs/00", object_, within(60s)));
  EXPECT_EQ(*network->probe(*ref, within(20s)), Durability::kDurable);
  pin_on_node_1(*ref);
  std::filesystem::remove(lost);
  const Status found = network->read(*ref, 2 * kMiB - 500, out, within(20s));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_TRUE(std::ranges::equal(out, ByteView(object_).subspan(2 * kMiB - 500, 1000)));
}

TEST_F(Ipfs, RottenBlock_IsCaughtReadElsewhereAndHealed) {
  const auto network = with_gateway();
  const auto ref = network->put("packs/00", object_, within(60s));
  ASSERT_TRUE(ref);
  pin_on_node_1(*ref);
  const std::string rotten = nodes_->block_file(0, leaf(1));
  ASSERT_NE(rotten, "");
  std::fstream file(rotten, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(1000);
  file.put(static_cast<char>(leaf(1)[1000] ^ 1));
  file.close();
  // Kubo answers 200 with the wrong byte, and calls the object whole.
  VerifyingReader reader(*network);
  EXPECT_EQ(reader.read_object(*ref, sha256(object_), within(60s)).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(*network->probe(*ref, within(20s)), Durability::kDurable);
  // With nothing but this network, the other node's copy is the one that counts.
  const NetworkSet set({network});
  ReplicatedReader replicated(set, system_clock());
  const auto whole = replicated.read_object({{"ipfs", *ref}}, sha256(object_), within(60s));
  ASSERT_TRUE(whole) << whole.error().message();
  EXPECT_EQ(*whole, object_);
  EXPECT_EQ(replicated.faults().at("ipfs").corrupt, 1U);
  // `add` alone leaves the rotten block; a put of what is there already notices and drops it first.
  ASSERT_TRUE(network->put("packs/00", object_, within(60s)));
  EXPECT_TRUE(reader.read_object(*ref, sha256(object_), within(60s)));
  EXPECT_EQ(*network->probe(*ref, within(20s)), Durability::kDurable);
}

TEST_F(Ipfs, RottenRoot_IsMendedByAPut) {
  const auto network = alone();
  const auto ref = network->put("packs/00", object_, within(60s));
  ASSERT_TRUE(ref);
  const Bytes root = nodes_->block(0, ref->locator);
  const std::string rotten = nodes_->block_file(0, root);
  ASSERT_NE(rotten, "");
  for (const std::size_t at : {std::size_t{0}, root.size() / 2, root.size() - 1}) {
    std::fstream file(rotten, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(root[at] ^ 1));
    file.close();
    const auto again = network->put("packs/00", object_, within(60s));
    ASSERT_TRUE(again) << at << ": " << again.error().message();
    VerifyingReader reader(*network);
    EXPECT_TRUE(reader.read_object(*ref, sha256(object_), within(60s))) << at;
    EXPECT_EQ(nodes_->block(0, ref->locator), root) << at;
  }
}

TEST_F(Ipfs, DeadNode_IsReadThroughAnothersGateway) {
  const auto network = with_gateway();
  const auto ref = network->put("packs/00", object_, within(60s));
  ASSERT_TRUE(ref);
  pin_on_node_1(*ref);
  nodes_->kill(0);
  Bytes out(2 * kMiB);
  const Status got = network->read(*ref, kMiB / 2, out, within(30s));
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_TRUE(std::ranges::equal(out, ByteView(object_).subspan(kMiB / 2, out.size())));
  Bytes past(100);
  EXPECT_EQ(network->read(*ref, object_.size() - 50, past, within(30s)).error().code(), ErrorCode::kOutOfRange);
  EXPECT_EQ(network->read(*ref, object_.size(), past, within(30s)).error().code(), ErrorCode::kOutOfRange);
  EXPECT_EQ(network->probe(*ref, within(20s)).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(network->put("packs/01", past, within(20s)).error().code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(network->health(within(20s))->reachable);
}

TEST_F(Ipfs, MissingObject_MeetsTheCallersDeadline) {
  const auto network = store(nodes_->api(0), {nodes_->gateway(0), nodes_->gateway(1)});
  const ObjectRef absent{.locator = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyka", .size_bytes = 10};
  Bytes out(10);
  EXPECT_EQ(network->read(absent, 0, out, within(700ms)).error().code(), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(network->read(absent, 0, out, within(60s)).error().code(), ErrorCode::kNotFound);
}

TEST_F(Ipfs, HeadOfADestroyedNode_IsFoundFromAnother) {
  const auto publisher = alone();
  const auto other = store(nodes_->api(1), {});
  RepositoryId repository;
  ASSERT_TRUE(random_.fill(repository.mutable_view()));
  const Bytes seed = random_.bytes(32);
  const Bytes old_head = random_.bytes(700);
  const Bytes head = random_.bytes(800);
  ASSERT_TRUE(publisher->publish_head(repository, 3, seed, old_head, within(60s)));
  const auto name = publisher->publish_head(repository, 3, seed, head, within(60s));
  ASSERT_TRUE(name) << name.error().message();
  EXPECT_EQ(nodes_->call(0, "pin/ls?type=recursive").find("bafkrei"), nodes_->call(0, "pin/ls?type=recursive").rfind("bafkrei"))
      << "the superseded head is still pinned";
  ASSERT_EQ(*other->resolve_head(repository, 3, seed, within(30s)), head);  // node 1 has it from here on
  nodes_->kill(0);
  const auto found = other->resolve_head(repository, 3, seed, within(30s));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(*found, head);
  EXPECT_EQ(*other->fetch_head(*name, within(30s)), head);
  EXPECT_EQ(*other->fetch_head("/ipns/" + *name, within(30s)), head);
  const auto through_gateway = with_gateway()->resolve_head(repository, 3, seed, within(30s));
  ASSERT_TRUE(through_gateway) << through_gateway.error().message();
  EXPECT_EQ(*through_gateway, head);
  // A recovered writer goes on publishing from the node that is left, though it has no peers now.
  const auto again = other->publish_head(repository, 3, seed, old_head, within(60s));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(*other->resolve_head(repository, 3, seed, within(30s)), old_head);
}

}  // namespace
}  // namespace holdfast
