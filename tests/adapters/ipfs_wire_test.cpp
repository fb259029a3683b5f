// SPDX-License-Identifier: Apache-2.0
// Names and replies of Kubo, without a node. Expected values come from Kubo 0.32.1 itself, or from the named tools.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "adapters/ipfs/ipfs_names.h"
#include "adapters/ipfs/ipfs_store.h"
#include "adapters/ipfs/kubo_wire.h"
#include "adapters/ipfs/unixfs_dag.h"
#include "tests/support/scripted_server.h"
#include "adapters/http/curl_transport.h"

namespace holdfast::ipfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Bytes counted_seed() {
  Bytes seed(32);
  std::iota(seed.begin(), seed.end(), std::uint8_t{0});
  return seed;
}

TEST(IpfsNames, RawCids_AreKubos) {
  // `ipfs add --cid-version=1 --raw-leaves` of nothing, of "x" and of "headone".
  EXPECT_EQ(raw_cid({}), "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
  EXPECT_EQ(raw_cid(as_bytes("x")), "bafkreibnoelefnzgwbcacyt4vh52ymxvzbjq7mmqhtcnwarfq4lzegsiqe");
  EXPECT_EQ(raw_cid(as_bytes("headone")), "bafkreiew35pchglmjkzubk33abs4czwnm77nn2airlwuhb23kzjtikazme");
}

TEST(IpfsNames, IpnsNameOfASeed_IsKubos) {
  // `ipfs key import --format=pem-pkcs8-cleartext` of the seed 00 01 … 1f.
  EXPECT_EQ(ipns_name(counted_seed()), "k51qzi5uqu5dg9ufswxt229ntzdy7p4125xzv5rtyjso89ajdujg6csfxcj260");
  EXPECT_TRUE(is_ipns_name(ipns_name(counted_seed())));
}

TEST(IpfsNames, Pem_IsWhatOpensslReads) {
  // openssl pkey -in … -outform DER | base64 of that seed.
  EXPECT_EQ(as_text(pkcs8_pem(counted_seed()).view()),
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n");
}

TEST(IpfsNames, OtherCids_AreRefused) {
  EXPECT_TRUE(is_cid("bafybeiau3j5x4c6k3epmzkmoxy63yytem5c3gt2dkryvthwkum7hligddy"));
  for (const std::string text :
       {"", "b", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", "bafybeiau3j5x4c6k3epmzkmoxy63yytem5c3gt2dkryvthwkum7hligdd",
        "bafybeiau3j5x4c6k3epmzkmoxy63yytem5c3gt2dkryvthwkum7hligdd1", "BAFYBEIAU3J5X4C6K3EPMZKMOXY63YYTEM5C3GT2DKRYVTHWKUM7HLIGDDY",
        "bafzbeiau3j5x4c6k3epmzkmoxy63yytem5c3gt2dkryvthwkum7hligddy", "bafybeiau3j5x4c6k3epmzkmoxy63yytem5c3gt2dkryvthwkum7hligdd7",
        "../../etc/passwd", "bafybeiau3j5x4c6k3epmzkmoxy63yytem5c3gt2dkryvthwkum7hlig&ar"}) {
    EXPECT_FALSE(is_cid(text)) << text;
  }
}

TEST(UnixfsDag, Roots_AreKubos) {
  // `ipfs add --only-hash --cid-version=1 --raw-leaves --chunker=size-1048576` of so many zero bytes; the last has 176 leaves, so two levels above them.
  const std::pair<std::size_t, const char*> expected[] = {{0, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"},
                                                          {1'048'576, "bafkreibq4fevl27rgurgnxbp7adh42aqiyd6ouflxhj3gzmcxcxzbh6lla"},
                                                          {1'048'577, "bafybeihd4yzq7n5umhjngdum4r6k2to7egxfkf2jz6thvwzf6djus22cmq"},
                                                          {3'145'728, "bafybeigdsjup7aizxrrjn7yqtcmqg6ffksaugwr7is2ind3cf7esaqrz4m"},
                                                          {183'500'801, "bafybeiarb5j65kwkfsc74mfoirm43ql352a4nz4s36pyfkkc4z3zkben54"}};
  UnixfsDag dag;
  for (const auto& [size, root] : expected) {
    const Bytes piece(777'777);  // no divisor of a leaf
    for (std::size_t done = 0; done < size; done += piece.size()) dag.add(ByteView(piece).first(std::min(piece.size(), size - done)));
    const std::vector<std::string> blocks = dag.finish();
    EXPECT_EQ(blocks.back(), root) << size;
    EXPECT_EQ(blocks.size(), size > 174U << 20U ? 176U + 3U : size > 1U << 20U ? (size + (1U << 20U) - 1) / (1U << 20U) + 1 : 1U) << size;
  }
}

TEST(UnixfsDag, WholeLeavesAndPieces_GiveTheSame) {
  Bytes object(3'500'000);
  for (std::size_t i = 0; i < object.size(); ++i) object[i] = static_cast<std::uint8_t>(i * 7 + i / 1000);
  UnixfsDag whole;
  whole.add(object);
  UnixfsDag pieces;
  for (std::size_t done = 0; done < object.size(); done += 300'001) pieces.add(ByteView(object).subspan(done, std::min<std::size_t>(300'001, object.size() - done)));
  const std::vector<std::string> blocks = whole.finish();
  EXPECT_EQ(blocks, pieces.finish());
  EXPECT_EQ(blocks.front(), raw_cid(ByteView(object).first(1U << 20U)));
}

TEST(KuboWire, Providers_AreCountedOnceAndWithoutOurselves) {
  // Lines as Kubo 0.32.1 writes them: events of the search (types 0 to 3, 6), and providers (4).
  const std::string reply =
      "{\"Extra\":\"\",\"ID\":\"12D3b\",\"Responses\":null,\"Type\":0}\n"
      "{\"Extra\":\"\",\"ID\":\"12D3b\",\"Responses\":[{\"ID\":\"12D3x\",\"Addrs\":[]}],\"Type\":1}\n"
      "{\"Extra\":\"\",\"ID\":\"\",\"Responses\":[{\"ID\":\"12D3a\",\"Addrs\":[\"/ip4/127.0.0.1/tcp/1\"]}],\"Type\":4}\n"
      "{\"Extra\":\"\",\"ID\":\"\",\"Responses\":[{\"ID\":\"12D3b\",\"Addrs\":[]}],\"Type\":4}\n"
      "{\"Extra\":\"\",\"ID\":\"\",\"Responses\":[{\"ID\":\"12D3b\",\"Addrs\":[]},5,{\"ID\":6}],\"Type\":4}\n"
      "{\"Type\":\"4\",\"Responses\":[{\"ID\":\"12D3c\"}]}\nnonsense\n{\"Resp";
  EXPECT_EQ(count_other_providers(as_bytes(reply), "12D3a"), 1U);
  EXPECT_EQ(count_other_providers(as_bytes(reply), "12D3other"), 2U);
  EXPECT_EQ(count_other_providers({}, "12D3a"), 0U);
}

TEST(KuboWire, NodesAndPeers) {
  const auto node = parse_node_id(as_bytes(R"({"ID":"12D3a","Addresses":["/ip4/127.0.0.1/tcp/1/p2p/12D3a",7]})"));
  ASSERT_TRUE(node);
  EXPECT_EQ(node->id, "12D3a");
  EXPECT_THAT(node->addresses, ElementsAre("/ip4/127.0.0.1/tcp/1/p2p/12D3a"));
  EXPECT_TRUE(parse_node_id(as_bytes(R"({"ID":"12D3a","Addresses":null})"))->addresses.empty());
  EXPECT_FALSE(parse_node_id(as_bytes(R"({"Addresses":[]})")));
  EXPECT_EQ(*parse_peer_count(as_bytes(R"({"Peers":[{"Addr":"a"},{"Addr":"b"}]})")), 2U);
  EXPECT_EQ(*parse_peer_count(as_bytes(R"({"Peers":null})")), 0U);
  EXPECT_FALSE(parse_peer_count(as_bytes("nonsense")));
}

TEST(KuboWire, Added_TakesTheLastLine) {
  const auto added = parse_added(as_bytes("{\"Name\":\"x\",\"Bytes\":5}\n{\"Name\":\"f\",\"Hash\":\"bafybeiau3j5x4c6k3epmzkmoxy63yytem5c3gt2dkryvthwkum7hligddy\",\"Size\":\"3300209\"}\n"));
  ASSERT_TRUE(added) << added.error().message();
  EXPECT_EQ(added->dag_size_bytes, 3300209U);
  for (const char* bad : {"", "{}", "[]", "{\"Hash\":\"x\",\"Size\":\"1\"}", "{\"Hash\":5,\"Size\":\"1\"}", "\xff\xfe", "{\"Hash\":",
                          "{\"Hash\":\"bafybeiau3j5x4c6k3epmzkmoxy63yytem5c3gt2dkryvthwkum7hligddy\",\"Size\":\"-1\"}"}) {
    EXPECT_EQ(parse_added(as_bytes(bad)).error().code(), ErrorCode::kCorrupt) << bad;
  }
}

TEST(KuboWire, FileStat_WithoutLocalIsNotLocal) {
  EXPECT_TRUE(parse_file_stat(as_bytes(R"({"Size":5,"Local":true})"))->local);
  EXPECT_FALSE(parse_file_stat(as_bytes(R"({"Size":5,"WithLocality":true})"))->local);
  EXPECT_FALSE(parse_file_stat(as_bytes(R"({"Size":"5"})")));
  EXPECT_FALSE(parse_file_stat(as_bytes(R"({"Size":-5})")));
}

TEST(KuboWire, Errors_AreToldApartByTheirText) {
  const std::pair<const char*, ErrorCode> expected[] = {
      {"block was not found locally (offline): ipld: could not find bafy", ErrorCode::kNotFound},
      {"failed to fetch all nodes", ErrorCode::kNotFound},
      {"context deadline exceeded", ErrorCode::kUnavailable},
      {"could not resolve name", ErrorCode::kNotFound},
      {"write /x: no space left on device", ErrorCode::kQuotaExceeded},
      {"failed to decode Protocol Buffers: proto: illegal wireType 7", ErrorCode::kCorrupt},
      {"something else", ErrorCode::kUnavailable}};
  for (const auto& [message, code] : expected) {
    const std::string reply = std::string(R"({"Message":")") + message + R"(","Code":0,"Type":"error"})";
    EXPECT_EQ(reply_error(500, "x", as_bytes(reply)).code(), code) << message;
  }
  EXPECT_EQ(reply_error(403, "x", as_bytes("403 - Forbidden")).code(), ErrorCode::kPermissionDenied);
}

TEST(KuboWire, ErrorTexts_AreShortAndPrintable) {
  const std::string long_text = std::string("\x1b[2J\n") + std::string(5000, 'x');
  const std::string shown = error_message(as_bytes(long_text));
  EXPECT_LE(shown.size(), 300U);
  EXPECT_THAT(shown, Not(HasSubstr("\x1b")));
}

TEST(KuboWire, Refs_SkipErrorsAndGarbage) {
  EXPECT_THAT(parse_refs(as_bytes("{\"Ref\":\"\",\"Err\":\"lost\"}\nnonsense\n{\"Ref\":\"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku\",\"Err\":\"\"}\n")),
              ElementsAre("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"));
}

/// A node that answers every call alike, byte for byte.
struct OddNode {
  explicit OddNode(std::string reply)
      : server([reply = std::move(reply)](holdfast::testing::Peer& peer) {
          for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) peer.write(reply);
        }) {}
  holdfast::testing::ScriptedServer server;
  std::shared_ptr<IpfsStore> store = *IpfsStore::make({.api = server.url()}, *http::make_curl_transport());
  ObjectRef ref{.locator = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", .size_bytes = 8};
  Bytes out = Bytes(8);
  ErrorCode read() { return store->read(ref, 0, out, {}).error().code(); }
};

TEST(IpfsStore, OddReplies_NeverBecomeBytes) {
  const std::string ok = "HTTP/1.1 200 OK\r\nTrailer: X-Stream-Error\r\n";
  EXPECT_EQ(OddNode(ok + "X-Content-Length: 8\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Stream-Error: ipld: could not find x\r\n\r\n").read(),
            ErrorCode::kNotFound);
  EXPECT_EQ(OddNode(ok + "X-Content-Length: 8\r\nContent-Length: 3\r\n\r\nabc").read(), ErrorCode::kUnavailable);
  EXPECT_EQ(OddNode(ok + "X-Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc").read(), ErrorCode::kOutOfRange);
  EXPECT_EQ(OddNode(ok + "X-Content-Length: 8\r\nContent-Length: 9\r\n\r\nabcdefghi").read(), ErrorCode::kCorrupt);
  EXPECT_EQ(OddNode("HTTP/1.1 301 Moved\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n").read(), ErrorCode::kUnsupported);
  EXPECT_EQ(OddNode("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").read(), ErrorCode::kPermissionDenied);
}

TEST(IpfsStore, Sites_FollowTheApisAddress) {
  const auto site = [](const std::string& api, const std::string& configured) {
    return (*IpfsStore::make({.api = api, .site = configured}, nullptr))->traits().site;
  };
  EXPECT_EQ(site("http://127.0.0.1:5001", ""), "this-host");
  EXPECT_EQ(site("http://ipfs.example.org:5001/", ""), "http://ipfs.example.org:5001");
  EXPECT_EQ(site("http://127.0.0.1:5001", "cellar"), "cellar");
  EXPECT_EQ(IpfsStore::make({.api = "127.0.0.1:5001"}, nullptr).error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace holdfast::ipfs
