// SPDX-License-Identifier: Apache-2.0
#include "adapters/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Registry, TypeDefaultsToTheName) {
  const testing::TemporaryFolder folder;
  const auto store = make_store({.name = "local", .type = "", .values = {{"path", folder / "store"}}, .lists = {}});
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_EQ((*store)->traits().type, "local");
  EXPECT_EQ((*store)->traits().site, "this-host");
}

TEST(Registry, TwoOfOneType_KeepTheirNamesAndSites) {
  const testing::TemporaryFolder folder;
  const auto store = make_store({.name = "nas",
                                 .type = "local",
                                 .values = {{"path", folder / "nas"}, {"site", "cellar"}, {"jurisdiction", "EU"}},
                                 .lists = {}});
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->traits().name, "nas");
  EXPECT_EQ((*store)->traits().site, "cellar");
  EXPECT_EQ((*store)->traits().jurisdiction, "EU");
}

TEST(Registry, UnknownKey_NamesTheNearestKnownOne) {
  const auto store = make_store({.name = "local", .type = "", .values = {{"pth", "/x"}}, .lists = {}});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(store.error().message(), HasSubstr("'pth': did you mean 'path'"));
}

TEST(Registry, UnknownType_NamesTheKnownOnes) {
  const auto store = make_store({.name = "floppy", .type = "", .values = {}, .lists = {}});
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message(), HasSubstr("ipfs, local, memory, s3, sia, storj, swarm"));
}

TEST(Registry, ListWhereAValueBelongs_IsRefused) {
  const auto store = make_store({.name = "local", .type = "", .values = {}, .lists = {{"path", {"/x"}}}});
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message(), HasSubstr("not a list"));
}

TEST(Registry, MissingPath_IsSaid) {
  const auto store = make_store({.name = "local", .type = "", .values = {}, .lists = {}});
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message(), HasSubstr("needs a path"));
}

NetworkConfig bucket(const std::string& secret_file) {
  return {.name = "storj", .type = "", .values = {{"endpoint", "https://gateway.example.net"}, {"bucket", "backups"}, {"access_key", "abc"}, {"secret_key_file", secret_file}}, .lists = {}};
}

TEST(Registry, BucketOfStorj_IsAnS3StoreElsewhere) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "secret") << "s3cret\n";
  const auto store = make_store(bucket(folder / "secret"));
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_EQ((*store)->traits().type, "storj");
  EXPECT_EQ((*store)->traits().site, "https://gateway.example.net");
  EXPECT_TRUE((*store)->traits().erases);
}

TEST(Registry, BadValuesOfABucket_AreNamedWithoutTheSecret) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "secret") << "s3cret\n";
  std::ofstream(folder / "empty") << "\n";
  const auto refused = [&](const std::string& key, const std::string& value, const std::string& says) {
    NetworkConfig config = bucket(folder / "secret");
    config.values[key] = value;
    const auto store = make_store(config);
    ASSERT_FALSE(store) << key;
    EXPECT_EQ(store.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(store.error().message(), HasSubstr(says));
    EXPECT_THAT(store.error().message(), Not(HasSubstr("s3cret")));
  };
  refused("secret_key_file", folder / "missing", "secret_key_file");
  refused("secret_key_file", folder / "empty", "is empty");
  refused("secret_key_file", "", "needs secret_key_file");
  refused("endpoint", "gateway.example.net", "endpoint is");
  refused("endpoint", "https://me:s3cret@gateway.example.net", "endpoint is");
  refused("endpoint", "https://gateway.example.net/backups", "endpoint is");
  refused("bucket", "Backups", "no bucket's name");
  refused("prefix", "no-slash", "prefix");
  refused("prefix", "../up/", "prefix");
  refused("region", "eu west", "region");
  refused("access_key", "", "access_key");
  refused("addressing", "host", "path or virtual");
  refused("object_lock_days", "-1", "object_lock_days is 0 to 36500");
}

TEST(Registry, Sia_TakesItsPasswordFromAFile) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "password") << "hunter2\n";
  const auto store = make_store({.name = "sia",
                                 .type = "",
                                 .values = {{"api", "http://10.0.0.1:9980"}, {"password_file", folder / "password"}, {"bucket", "backups"}, {"min_shards", "10"}, {"total_shards", "30"}},
                                 .lists = {}});
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_EQ((*store)->traits().type, "sia");
  EXPECT_EQ((*store)->traits().site, "http://10.0.0.1:9980");
  EXPECT_GT((*store)->traits().object_size_liked_bytes, 0U);
}

TEST(Registry, Sia_RefusesNumbersThatAreNone) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "password") << "hunter2\n";
  for (const char* text : {"ten", "-1", "0", "256", "2.5", "", "10 "}) {
    const auto store = make_store({.name = "sia", .type = "", .values = {{"password_file", folder / "password"}, {"min_shards", text}, {"total_shards", "30"}}, .lists = {}});
    ASSERT_FALSE(store) << text;
    EXPECT_EQ(store.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(store.error().message(), HasSubstr("min_shards is 1 to 255"));
    EXPECT_THAT(store.error().message(), Not(HasSubstr("hunter2")));
  }
}

NetworkConfig postage(std::map<std::string, std::string> values) {
  values.try_emplace("batch", std::string(64, 'b'));
  return {.name = "swarm", .type = "", .values = std::move(values), .lists = {}};
}

TEST(Registry, Swarm_TakesABatchAndBounds) {
  const auto store = make_store(postage({{"api", "http://10.0.0.1:1633"}, {"redundancy", "2"}, {"ttl_min_hours", "48"}, {"ttl_warn_days", "30"}, {"batch_top_up", "true"}, {"batch_top_up_days", "90"},
                                         {"batch_top_up_max_bzz", "20"}, {"batch_depth_max", "24"}, {"batch_block_seconds", "5"}, {"quota", "10GB"}}));
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_EQ((*store)->traits().type, "swarm");
  EXPECT_EQ((*store)->traits().site, "http://10.0.0.1:1633");
  EXPECT_FALSE((*store)->traits().erases);
}

TEST(Registry, Swarm_SaysWhatIsWrong) {
  const auto refused = [](std::map<std::string, std::string> values, const std::string& says) {
    const auto store = make_store(postage(std::move(values)));
    ASSERT_FALSE(store) << says;
    EXPECT_EQ(store.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(store.error().message(), HasSubstr(says));
  };
  refused({{"batch", std::string(63, 'b')}}, "64 lower-case hexadecimal digits");
  refused({{"batch", "0x" + std::string(64, 'b')}}, "64 lower-case hexadecimal digits");
  refused({{"api", "localhost:1633"}}, "no http or https address");
  refused({{"redundancy", "5"}}, "redundancy is 0 to 4");
  refused({{"ttl_min_hours", "-1"}}, "ttl_min_hours is 0 to 10000");
  refused({{"ttl_min_hours", "48"}, {"ttl_warn_days", "1"}}, "ttl_warn_days is at least ttl_min_hours");
  refused({{"batch_top_up", "true"}}, "go together");
  refused({{"batch_top_up_days", "30"}, {"batch_top_up_max_bzz", "5"}}, "go together");
  refused({{"batch_top_up", "yes"}}, "batch_top_up is true or false");
  refused({{"batch_top_up", "true"}, {"batch_top_up_days", "14"}, {"batch_top_up_max_bzz", "5"}}, "more than ttl_warn_days");
  refused({{"batch_depth_max", "16"}}, "batch_depth_max is 17 to 41");
  refused({{"batch_topup", "true"}}, "did you mean 'batch_top_up'");
}

NetworkConfig pinned(std::map<std::string, std::string> service) {
  return {.name = "ipfs", .type = "", .values = {}, .lists = {}, .tables = {{"pinning", {std::move(service)}}}};
}

TEST(Registry, Ipfs_TakesPinningServicesWithTheirTokensFromFiles) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "token") << "hunter2\n";
  const auto store = make_store(pinned({{"name", "cluster"}, {"endpoint", "https://pin.example.net/psa"}, {"token_file", folder / "token"}}));
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_TRUE(make_store(pinned({{"name", "cluster"}, {"endpoint", "http://127.0.0.1:9097"}}))) << "a service without a token";
}

TEST(Registry, BadPinningServices_AreNamedWithoutTheToken) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder / "token") << "hunter2\n";
  std::ofstream(folder / "spaced") << "hunter2 hunter2\n";
  std::ofstream(folder / "empty") << "";
  const auto refused = [&](const NetworkConfig& config, const std::string& says) {
    const auto store = make_store(config);
    ASSERT_FALSE(store) << says;
    EXPECT_EQ(store.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(store.error().message(), HasSubstr(says));
    EXPECT_THAT(store.error().message(), Not(HasSubstr("hunter2")));
  };
  refused(pinned({{"name", "c"}}), "wants name and endpoint");
  refused(pinned({{"endpoint", "http://127.0.0.1:1"}}), "wants name and endpoint");
  refused(pinned({{"name", "c"}, {"endpoint", "127.0.0.1:9097"}}), "endpoint is no http");
  refused(pinned({{"name", "c"}, {"endpoint", "http://me:hunter2@127.0.0.1:1"}}), "address alone");
  refused(pinned({{"name", "c"}, {"endpoint", "http://127.0.0.1:1"}, {"token_file", folder / "missing"}}), "token_file of c");
  refused(pinned({{"name", "c"}, {"endpoint", "http://127.0.0.1:1"}, {"token_file", folder / "empty"}}), "token_file of c is empty");
  refused(pinned({{"name", "c"}, {"endpoint", "http://127.0.0.1:1"}, {"token_file", folder / "spaced"}}), "the token has");
  refused(pinned({{"name", "c"}, {"endpoint", "http://127.0.0.1:1"}, {"token", "hunter2"}}), "unknown key 'token'");
  refused({.name = "ipfs", .type = "", .values = {{"pinning", "http://127.0.0.1:1"}}, .lists = {}}, "pinning is a list of tables");
  refused({.name = "ipfs", .type = "", .values = {}, .lists = {{"pinning", {"http://127.0.0.1:1"}}}}, "pinning is a list of tables");
  refused({.name = "ipfs", .type = "", .values = {}, .lists = {}, .tables = {{"gateways", {{}}}}}, "gateways is a list of strings");
  refused({.name = "local", .type = "", .values = {}, .lists = {}, .tables = {{"pinning", {{}}}}}, "unknown key 'pinning'");
  EXPECT_TRUE(make_store({.name = "ipfs", .type = "", .values = {}, .lists = {{"pinning", {}}}})) << "pinning = []";
}

}  // namespace
}  // namespace holdfast
