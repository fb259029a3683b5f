// SPDX-License-Identifier: Apache-2.0
// Replies of renterd, without one. Expected values are what renterd 1.1.1 said, unless a test says otherwise.
#include "adapters/sia/renterd_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::sia {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string object_with(const std::string& slabs, int size_bytes = 9437261) {
  return R"({"hasMore":false,"object":{"eTag":"5d41402abc4b2a76b9719d911017c592","health":1,"modTime":"2026-11-26T10:53:25Z","name":"/packs/aa","size":)" +
         std::to_string(size_bytes) + R"(,"key":"key:25c3","slabs":[)" + slabs + "]}}";
}

/// A slab of a whole 8 MiB, or the rest of the object.
std::string slab(const std::string& health, int shards, int length_bytes) {
  std::string list;
  for (int i = 0; i < shards; ++i) list += (i > 0 ? "," : "") + std::string(R"({"contracts":{"ed25519:a0":["1529"]},"latestHost":"ed25519:a0","root":"3506"})");
  const std::string shards_member = shards > 0 ? R"(,"shards":[)" + list + "]" : "";
  return R"({"slab":{"health":)" + health + R"(,"key":"key:b49c","minShards":2)" + shards_member + R"(},"offset":0,"length":)" + std::to_string(length_bytes) + "}";
}

Durability durability(const std::string& slabs) {
  const auto object = parse_object(as_bytes(object_with(slabs)));
  EXPECT_TRUE(object) << object.error().message();
  return object ? durability_of(*object, 9437261) : Durability::kAbsent;
}

TEST(RenterdWire, Object_IsDurableWhenEverySlabCanBeRead) {
  const auto object = parse_object(as_bytes(object_with(slab("1", 3, 8388608) + "," + slab("1", 3, 1048653))));
  ASSERT_TRUE(object) << object.error().message();
  EXPECT_EQ(object->size_bytes, 9437261U);
  EXPECT_EQ(object->etag, "5d41402abc4b2a76b9719d911017c592");
  EXPECT_EQ(durability_of(*object, 9437261), Durability::kDurable);
  EXPECT_EQ(durability_of(*object, 9437262), Durability::kAbsent);
  EXPECT_EQ(durability(slab("0", 3, 8388608) + "," + slab("2", 3, 1048653)), Durability::kDurable) << "0 is enough for reading, 2 is seen after a restart";
}

TEST(RenterdWire, Object_InThePackingBufferIsAcceptedOnly) {
  // The health of what no host has is said to be 1.
  EXPECT_EQ(durability(slab("1", 3, 8388608) + "," + slab("1", 0, 1048653)), Durability::kAccepted);
}

TEST(RenterdWire, Object_WithALostSlabIsAbsent) {
  EXPECT_EQ(durability(slab("-1", 3, 8388608) + "," + slab("1", 3, 1048653)), Durability::kAbsent);
  EXPECT_EQ(durability(slab("-1", 3, 8388608) + "," + slab("1", 0, 1048653)), Durability::kAbsent);
  EXPECT_EQ(durability(slab("1", 1, 8388608) + "," + slab("1", 3, 1048653)), Durability::kAbsent) << "one shard, and two are needed";
  EXPECT_EQ(durability(slab("1", 3, 8388608)), Durability::kAbsent) << "slabs that do not cover the object";
}

TEST(RenterdWire, EmptyObject_HasNoSlabs) {
  const auto object = parse_object(as_bytes(R"({"hasMore":false,"object":{"eTag":"d41d8cd98f00b204e9800998ecf8427e","health":1,"name":"/packs/e","size":0,"key":"key:54"}})"));
  ASSERT_TRUE(object);
  EXPECT_EQ(durability_of(*object, 0), Durability::kDurable);
}

TEST(RenterdWire, WhatIsNoObject_IsCorrupt) {
  for (const std::string& bad : {std::string(), std::string("null"), std::string("[]"), std::string("{}"), std::string(R"({"object":null})"), std::string(R"({"object":{"size":-1}})"),
                                 std::string(R"({"object":{"size":"5"}})"), std::string("<html>"), std::string("\xff\xfe"), object_with("5"), object_with(R"({"length":5})"),
                                 object_with(R"({"length":5,"slab":{"minShards":2,"shards":[{}]}})"), object_with(R"({"length":5,"slab":{"health":1,"shards":[{}]}})")}) {
    const auto object = parse_object(as_bytes(bad));
    ASSERT_FALSE(object) << bad;
    EXPECT_EQ(object.error().code(), ErrorCode::kCorrupt) << bad;
  }
}

TEST(RenterdWire, Settings) {
  EXPECT_EQ(parse_state(as_bytes(R"({"startTime":"2026-11-26T10:52:14Z","network":"zen","version":"v1.1.1","commit":"?"})"))->version, "v1.1.1");
  EXPECT_TRUE(*parse_synced(as_bytes(R"({"blockHeight":180,"lastBlockTime":"2026-11-26T10:53:14Z","synced":true})")));
  EXPECT_EQ(parse_redundancy(as_bytes(R"({"minShards":2,"totalShards":3})"))->total_shards, 3U);
  EXPECT_EQ(*parse_default_set(as_bytes(R"({"default":"autopilot"})")), "autopilot");
  EXPECT_TRUE(*parse_packing(as_bytes(R"({"enabled":true,"slabBufferMaxSizeSoft":4294967296})")));
  EXPECT_EQ(*parse_contract_count(as_bytes("[{},{}]")), 2U);
  EXPECT_EQ(*parse_contract_count(as_bytes("null\n")), 0U);
  EXPECT_EQ(parse_stats(as_bytes(R"({"totalObjectsSize":5,"totalSectorsSize":12582912,"totalUploadedSize":163577856})"))->sectors_bytes, 12582912U);
  EXPECT_FALSE(parse_synced(as_bytes(R"({"synced":1})")));
  EXPECT_FALSE(parse_contract_count(as_bytes("{}")));
}

TEST(RenterdWire, Wallet_IsShownInSiacoins) {
  EXPECT_EQ(*parse_wallet(as_bytes(R"({"spendable":"3299338216436556456682139280000","confirmed":"0"})")), "3299338.21 SC");
  EXPECT_EQ(*parse_wallet(as_bytes(R"({"spendable":"0"})")), "0.00 SC");
  EXPECT_EQ(*parse_wallet(as_bytes(R"({"spendable":"40000000000000000000000"})")), "0.04 SC");
  for (const char* bad : {R"({"spendable":5})", R"({"spendable":""})", R"({"spendable":"-1"})", R"({"spendable":"1e9"})"}) EXPECT_FALSE(parse_wallet(as_bytes(bad))) << bad;
}

TEST(RenterdWire, Alerts_NameEachTroubleOnce) {
  const std::string upload = R"({"severity":"error","message":"Upload failed","data":{}})";
  const std::string info = R"({"severity":"info","message":"Contract set changed"})";
  EXPECT_EQ(*parse_alerts(as_bytes(R"({"alerts":[)" + upload + "," + info + "," + upload + R"(,{"severity":"critical","message":"Slab migration failed\u001b[2J"}]})")),
            "3 alerts (error: Upload failed, critical: Slab migration failed [2J)");
  EXPECT_EQ(*parse_alerts(as_bytes(R"({"alerts":[)" + info + "]}")), "");
  EXPECT_EQ(*parse_alerts(as_bytes(R"({"alerts":null,"hasMore":false})")), "");
  EXPECT_FALSE(parse_alerts(as_bytes(R"({"alerts":[5]})")));
}

TEST(RenterdWire, Errors_AreToldApartByTheirText) {
  struct Expected {
    int status;
    const char* text;
    ErrorCode code;
  };
  const Expected all[] = {
      {404, "transaction failed (attempt 1): object not found\n", ErrorCode::kNotFound},
      {404, "bucket 'nope' not found; transaction failed (attempt 1): failed to fetch bucket: bucket not found\n", ErrorCode::kUnavailable},
      {400, "couldn't fetch object: invalid range\n", ErrorCode::kOutOfRange},
      {400, "invalid redundancy settings: TotalShards must be at least MinShards", ErrorCode::kInvalidArgument},
      {401, "Unauthorized\n", ErrorCode::kPermissionDenied},
      {500, "couldn't upload object: couldn't upload object: 4 < 5: not enough contracts to support requested redundancy\n", ErrorCode::kUnavailable},
      {500, "couldn't upload object: failed to upload slab: launched=3 uploaded=2 remaining=1 inflight=0 errors=1\n", ErrorCode::kUnavailable},
      {503, "consensus is not synced\n", ErrorCode::kUnavailable},
      // From renterd's source (internal/rhp, coreutils/wallet), not seen.
      {500, "failed to fund account; not enough funds", ErrorCode::kQuotaExceeded},
      {500, "couldn't form contract: insufficient funds", ErrorCode::kQuotaExceeded},
      {500, "ephemeral account balance was insufficient; account requires resync", ErrorCode::kUnavailable},
      {500, "write /var/lib/renterd/buffer: no space left on device", ErrorCode::kQuotaExceeded},
      {500, "<html><h1>Internal Server Error</h1></html>", ErrorCode::kUnavailable},
      // Somebody else's 404 proves no absence.
      {404, "<html>nginx: not found</html>", ErrorCode::kUnavailable},
      {404, "", ErrorCode::kUnavailable}};
  for (const Expected& one : all) EXPECT_EQ(reply_error(one.status, "x", as_bytes(one.text)).code(), one.code) << one.text;
  EXPECT_EQ(classify("failed to create bucket: transaction failed (attempt 1): bucket already exists"), RenterdError::kBucketExists);
}

TEST(RenterdWire, ErrorTexts_AreShortPrintableAndOnOneLine) {
  EXPECT_EQ(error_message(as_bytes("failed to upload slab:\n\tlaunched=3   errors=1\n\r\n")), "failed to upload slab: launched=3 errors=1");
  const std::string shown = error_message(as_bytes("\x1b[2J\n" + std::string(5000, 'x')));
  EXPECT_LE(shown.size(), 300U);
  EXPECT_THAT(shown, Not(HasSubstr("\x1b")));
}

TEST(RenterdWire, LongErrors_KeepTheirCause) {
  // Of hosts that are full.
  std::string reply = "couldn't upload object: couldn't upload object: failed to upload slab: launched=4 uploaded=2 remaining=1 inflight=0 pending=1 uploaders=4 errors=2 ";
  for (const char* host : {"dc540540", "01379747"}) {
    reply += std::string("\n") + host + ": failed to upload sector to contract 2a794c26b90514997e51ddc2d58eadff0fc5ac1629132ed0450e1c8c654263ad; failed to upload sector: AppendSector: " +
             "failed to execute instruction \"AppendSector\": transaction failed (attempt 1): failed to get empty location: not enough storage";
  }
  const Error error = reply_error(500, "putting packs/00", as_bytes(reply));
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(error.message(), HasSubstr("status 500 (couldn't upload object"));
  EXPECT_THAT(error.message(), HasSubstr("failed to get empty location: not enough storage)"));
  EXPECT_LE(error_message(as_bytes(reply)).size(), 300U);
}

TEST(RenterdWire, Authorization_IsBase64WithoutAUser) {
  // printf ':NAME' | base64
  EXPECT_EQ(basic_authorization("testpw"), "Basic OnRlc3Rwdw==");
  EXPECT_EQ(basic_authorization("testpwd"), "Basic OnRlc3Rwd2Q=");
  EXPECT_EQ(basic_authorization("test\xc3\xa4"), "Basic OnRlc3TDpA==");
  EXPECT_EQ(basic_authorization("12345678"), "Basic OjEyMzQ1Njc4");
}

TEST(RenterdWire, Etags) {
  EXPECT_EQ(unquoted("\"5d41402abc4b2a76b9719d911017c592\""), "5d41402abc4b2a76b9719d911017c592");
  EXPECT_EQ(unquoted(""), "");
  EXPECT_EQ(unquoted("\""), "\"");
}

}  // namespace
}  // namespace holdfast::sia
