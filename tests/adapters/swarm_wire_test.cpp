// SPDX-License-Identifier: Apache-2.0
// Addresses, feeds and Bee's replies, without a network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/swarm/bee_wire.h"
#include "adapters/swarm/feed.h"

namespace holdfast::swarm {
namespace {

using ::testing::HasSubstr;

// Bee 2.7.0, pkg/file/testing/vector.go: bytes 0, 1, … 254, 0, 1, … of these lengths.
struct Vector {
  std::size_t size_bytes;
  const char* address;
};
constexpr Vector kVectors[] = {
    {31, "ece86edb20669cc60d142789d464d57bdf5e33cb789d443f608cbd81cfa5697d"},
    {32, "0be77f0bb7abc9cd0abed640ee29849a3072ccfd1020019fe03658c38f087e02"},
    {33, "3463b46d4f9d5bfcbf9a23224d635e51896c1daef7d225b86679db17c5fd868e"},
    {63, "95510c2ff18276ed94be2160aed4e69c9116573b6f69faaeed1b426fea6a3db8"},
    {64, "490072cc55b8ad381335ff882ac51303cc069cbcb8d8d3f7aa152d9c617829fe"},
    {65, "541552bae05e9a63a6cb561f69edf36ffe073e441667dbf7a0e9a3864bb744ea"},
    {4096, "c10090961e7682a10890c334d759a28426647141213abda93b096b892824d2ef"},
    {4096 + 31, "91699c83ed93a1f87e326a29ccd8cc775323f9e7260035a5f014c975c5f3cd28"},
    {4096 + 32, "73759673a52c1f1707cbb61337645f4fcbd209cdc53d7e2cedaaa9f44df61285"},
    {4096 + 63, "db1313a727ffc184ae52a70012fbbf7235f551b9f2d2da04bf476abe42a3cb42"},
    {4096 + 64, "ade7af36ac0c7297dc1c11fd7b46981b629c6077bce75300f85b02a6153f161b"},
    {4096 * 2, "29a5fb121ce96194ba8b7b823a1f9c6af87e1791f824940a53b5a7efe3f790d9"},
    {4096 * 2 + 32, "61416726988f77b874435bdd89a419edc3861111884fd60e8adf54e2f299efd6"},
    {4096 * 128, "3047d841077898c26bbe6be652a2ec590a5d9bd7cd45d290ea42511b48753c09"},
    {4096 * 128 + 31, "e5c76afa931e33ac94bce2e754b1bb6407d07f738f67856783d93934ca8fc576"},
    {4096 * 128 + 32, "485a526fc74c8a344c43a4545a5987d17af9ab401c0ef1ef63aefcc5c2c086df"},
    {4096 * 128 + 64, "624b2abb7aefc0978f891b2a56b665513480e5dc195b4a66cd8def074a6d2e94"},
    {4096 * 129, "b8e1804e37a064d28d161ab5f256cc482b1423d5cd0a6b30fde7b0f51ece9199"},
    {4096 * 130, "59de730bf6c67a941f3b2ffa2f920acfaa1713695ad5deea12b4a121e5f23fa1"},
};

TEST(SwarmAddress, Objects_HaveTheAddressesOfBeesOwnVectors) {
  for (const Vector& vector : kVectors) {
    Bytes object(vector.size_bytes);
    for (std::size_t i = 0; i < object.size(); ++i) object[i] = static_cast<std::uint8_t>(i % 255);
    EXPECT_EQ(object_address(object).hex(), vector.address) << vector.size_bytes;
  }
}

TEST(SwarmAddress, SmallChunks_AreThoseOfBeesTests) {
  // Bee 2.7.0: pkg/soc/soc_test.go ("foo"), and what a node answers to an empty body.
  EXPECT_EQ(object_address(as_bytes("foo")).hex(), "2387e8e7d8a48c2a9339c97c1dc3461a9a7aa07e994c5cb8b38fd7c1b3e6ea48");
  EXPECT_EQ(object_address({}).hex(), "b34ca8c22b9e982354f9c7f50b470d66db428d880c8a904d5fe4ec9713171526");
}

const std::string kBatch(64, 'b');
const std::string kReference(64, 'a');

TEST(SwarmLocator, IsTheBatchAndTheReference) {
  const auto locator = parse_locator(kBatch + "/" + kReference);
  ASSERT_TRUE(locator);
  EXPECT_EQ(locator->batch, kBatch);
  EXPECT_EQ(locator->reference, kReference);
  EXPECT_EQ(to_text(*locator), kBatch + "/" + kReference);
  for (const std::string& bad : {std::string(), kReference, kBatch + kReference, kBatch + "/" + kReference + "a", kBatch + "/" + std::string(64, 'A'), kBatch + "/" + std::string(63, 'a') + "?",
                                 kBatch + ":" + kReference}) {
    EXPECT_EQ(parse_locator(bad).error().code(), ErrorCode::kInvalidArgument) << bad;
  }
}

// Values of FORMAT.md §8, computed with Python: pycryptodome's Keccak-256, coincurve's keys, and hmac for HKDF-Expand.
constexpr const char* kHeadFeed = "feeds/e6a7d8408ed3ce585997dd73a62dfe30c242485f/da48488270d3b558b3e9aab299581707b0ea6af066a2043e49ffa924eaba15d5";
constexpr const char* kSecondUpdateId = "e3f9b5f43e5b97501c71b410fdf5721c9df6b2e39d8de78c72f29897c0170a7f";
constexpr const char* kSecondSignature = "a62422ca0560bc215d359d24ece128c4790af7abe3269d3947b93b079f491ba612821e19dea994be772becd45567f3756ee6d62c3b12cc1a1690a2d45e5c23001c";

Bytes counting(std::size_t size_bytes) {
  Bytes out(size_bytes);
  for (std::size_t i = 0; i < size_bytes; ++i) out[i] = static_cast<std::uint8_t>(i);
  return out;
}

Feed head_feed() { return {head_key(counting(32)).address(), head_topic(*RepositoryId::from(counting(16)), 258)}; }
Update some_update() { return {1'700'000'000, *Address::from(Bytes(32, 0xab))}; }

TEST(SwarmFeed, NamesAndSignature_AreThoseOfAnotherImplementation) {
  const Feed feed = head_feed();
  EXPECT_EQ(to_text(feed), kHeadFeed);
  EXPECT_EQ(*parse_feed(kHeadFeed), feed);
  EXPECT_EQ(update_id(feed, 1).hex(), kSecondUpdateId);
  const Bytes payload = encode(some_update());
  EXPECT_EQ(to_hex(payload), "2800000000000000" "000000006553f100" "abababababababababababababababababababababababababababababababab");
  EXPECT_EQ(sign_update(head_key(counting(32)), feed, 1, payload).hex(), kSecondSignature);
  EXPECT_EQ(*open_update(feed, 1, payload, kSecondSignature), some_update());
}

TEST(SwarmFeed, UpdateOfAnotherPlaceOrKey_IsNotBelieved) {
  const Feed feed = head_feed();
  const Bytes payload = encode(some_update());
  const auto code = [&](const Feed& of, std::uint64_t index, const Bytes& bytes, const std::string& signature) {
    const auto opened = open_update(of, index, bytes, signature);
    return opened ? ErrorCode::kInternal : opened.error().code();
  };
  EXPECT_EQ(code(feed, 2, payload, kSecondSignature), ErrorCode::kCorrupt);
  Feed other = feed;
  other.topic.bytes[0] ^= 1;
  EXPECT_EQ(code(other, 1, payload, kSecondSignature), ErrorCode::kCorrupt);
  Bytes bent = payload;
  bent.back() ^= 1;
  EXPECT_EQ(code(feed, 1, bent, kSecondSignature), ErrorCode::kCorrupt);
  Bytes wrong_span = payload;
  wrong_span[0] = 41;
  EXPECT_EQ(code(feed, 1, wrong_span, kSecondSignature), ErrorCode::kCorrupt);
  EXPECT_EQ(code(feed, 1, Bytes(payload.begin(), payload.end() - 1), kSecondSignature), ErrorCode::kCorrupt);
  EXPECT_EQ(code(feed, 1, {}, kSecondSignature), ErrorCode::kCorrupt);
  EXPECT_EQ(code(feed, 1, payload, ""), ErrorCode::kCorrupt);
  EXPECT_EQ(code(feed, 1, payload, std::string(130, 'f')), ErrorCode::kCorrupt);
}

TEST(BeeWire, Batch_IsReadWithItsTime) {
  // As Bee 2.7.0 answers, shortened.
  const auto text = [](const std::string& ttl, const std::string& depth = "22") {
    return R"({"utilization":3,"usable":true,"depth":)" + depth + R"(,"amount":"1000000000","bucketDepth":16,"immutableFlag":true,"exists":true,"batchTTL":)" + ttl + "}";
  };
  const auto batch = parse_batch(as_bytes(text("9999978")));
  ASSERT_TRUE(batch);
  EXPECT_TRUE(batch->usable && batch->immutable);
  EXPECT_EQ(batch->bucket_capacity(), 64U);
  EXPECT_EQ(batch->utilization, 3U);
  EXPECT_EQ(batch->ttl_seconds, 9'999'978U);
  EXPECT_EQ(parse_batch(as_bytes(text("-1")))->ttl_seconds, std::nullopt);
  EXPECT_EQ(parse_batch(as_bytes(text("-70")))->ttl_seconds, 0U) << "over, and not yet forgotten";
  for (const std::string& bad : {std::string("{}"), std::string("[]"), std::string("<html>"), text("\"7\""), text("7", "15"), text("7", "64"), text("7", "-1")}) {
    EXPECT_EQ(parse_batch(as_bytes(bad)).error().code(), ErrorCode::kCorrupt) << bad;
  }
}

TEST(BeeWire, Batches_AreListedByTheirIds) {
  const std::string one = R"({"batchID":")" + kBatch + R"(","utilization":3,"usable":true,"depth":22,"bucketDepth":16,"immutableFlag":true,"exists":true,"batchTTL":77})";
  const auto batches = parse_batches(as_bytes(R"({"stamps":[)" + one + "]}"));
  ASSERT_TRUE(batches);
  EXPECT_EQ(batches->at(kBatch).ttl_seconds, 77U);
  EXPECT_TRUE(parse_batches(as_bytes(R"({"stamps":[]})"))->empty());
  EXPECT_FALSE(parse_batches(as_bytes(R"({"stamps":[7]})")));
  EXPECT_FALSE(parse_batches(as_bytes(R"({"stamps":null})")));
  EXPECT_FALSE(parse_batches(as_bytes(R"({"stamps":[{"batchID":"../x"}]})")));
}

TEST(BeeWire, Tag_IsDoneWhenEveryChunkIsAccountedFor) {
  const auto tag = [](int split, int seen, int synced) {
    return *parse_tag(as_bytes(R"({"split":)" + std::to_string(split) + R"(,"seen":)" + std::to_string(seen) + R"(,"stored":0,"sent":9,"synced":)" + std::to_string(synced) + R"(,"uid":5})"));
  };
  EXPECT_TRUE(tag(8, 3, 5).is_done());
  EXPECT_FALSE(tag(8, 3, 4).is_done());
  EXPECT_FALSE(tag(0, 0, 0).is_done()) << "nothing was uploaded under it yet";
  EXPECT_EQ(tag(8, 0, 0).uid, 5U);
  EXPECT_FALSE(parse_tag(as_bytes(R"({"split":8,"seen":-1,"synced":9,"uid":5})")));
}

TEST(BeeWire, Figures_AreReadOrRefused) {
  EXPECT_EQ(*parse_stamp_count(as_bytes(R"({"depth":22,"buckets":[{"bucketID":0,"collisions":2},{"bucketID":1,"collisions":0},{"bucketID":2,"collisions":1}]})")), 3U);
  EXPECT_FALSE(parse_stamp_count(as_bytes(R"({"buckets":[{"bucketID":0}]})")));
  EXPECT_EQ(*parse_wallet(as_bytes(R"({"bzzBalance":"8995805696000000000"})")), "899.58 BZZ");
  EXPECT_EQ(*parse_wallet(as_bytes(R"({"bzzBalance":"5"})")), "0.00 BZZ");
  EXPECT_FALSE(parse_wallet(as_bytes(R"({"bzzBalance":"-5"})")));
  EXPECT_EQ(*parse_price(as_bytes(R"({"currentPrice":"100"})")), 100U);
  EXPECT_FALSE(parse_price(as_bytes(R"({"currentPrice":"99999999999999999999"})")));
  EXPECT_EQ(*parse_peer_count(as_bytes(R"({"peers":[{"address":"2e"},{}]})")), 2U);
  EXPECT_EQ(*parse_peer_count(as_bytes(R"({"peers":null})")), 0U);
  EXPECT_EQ(*parse_version(as_bytes("{\"version\":\"2.7.0\\u001b[31m\"}")), "2.7.0?[31m");
  EXPECT_FALSE(parse_reference(as_bytes(R"({"reference":"../../etc"})")));
}

TEST(BeeWire, Errors_MeanWhatBeeSays) {
  const auto bee = [](int status, const std::string& message) { return R"({"code":)" + std::to_string(status) + R"(,"message":")" + message + R"("})"; };
  const auto code = [](int status, const std::string& body) { return reply_error(status, "doing", as_bytes(body)).code(); };
  EXPECT_EQ(code(404, bee(404, "Not Found")), ErrorCode::kNotFound);
  EXPECT_EQ(code(404, bee(404, "batch with id not found")), ErrorCode::kQuotaExceeded);
  EXPECT_EQ(code(404, bee(404, "issuer does not exist")), ErrorCode::kQuotaExceeded);
  EXPECT_EQ(code(402, bee(402, "batch is overissued")), ErrorCode::kQuotaExceeded);
  EXPECT_EQ(code(402, bee(402, "out of funds")), ErrorCode::kQuotaExceeded);
  EXPECT_EQ(code(422, bee(422, "batch not usable yet or does not exist")), ErrorCode::kUnavailable);
  EXPECT_EQ(code(400, bee(400, "batch not usable")), ErrorCode::kUnavailable);
  EXPECT_EQ(code(400, bee(400, "chunk write error")), ErrorCode::kUnavailable);
  EXPECT_EQ(code(503, bee(503, "syncing in progress")), ErrorCode::kUnavailable);
  EXPECT_EQ(code(429, bee(429, "simultaneous on-chain operations not supported")), ErrorCode::kUnavailable);
  EXPECT_EQ(code(500, bee(500, "joiner failed")), ErrorCode::kUnavailable);
  EXPECT_EQ(code(400, bee(400, "invalid path params")), ErrorCode::kInvalidArgument);
  // Not Bee's words.
  EXPECT_EQ(code(404, "<html>not here</html>"), ErrorCode::kUnavailable);
  EXPECT_EQ(code(404, bee(200, "Not Found")), ErrorCode::kUnavailable);
  EXPECT_EQ(code(402, "pay the proxy"), ErrorCode::kUnavailable);
  EXPECT_EQ(code(500, "<html><body>oops</body></html>"), ErrorCode::kUnavailable);
  EXPECT_EQ(code(301, ""), ErrorCode::kUnsupported);
  EXPECT_THAT(reply_error(404, "reading x", as_bytes(bee(404, "Not Found"))).message(), HasSubstr("reading x: status 404"));
}

TEST(BeeWire, Transaction_IsShownOnlyIfItIsOne) {
  const std::string hash = "0x" + std::string(64, 'c');
  EXPECT_EQ(transaction_in(as_bytes(R"({"batchID":"b","txHash":")" + hash + R"("})")), hash);
  EXPECT_EQ(transaction_in(as_bytes("{\"txHash\":\"0x\\u001b\"}")), "unknown");
  EXPECT_EQ(transaction_in(as_bytes("oops")), "unknown");
}

}  // namespace
}  // namespace holdfast::swarm
