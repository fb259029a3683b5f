// SPDX-License-Identifier: Apache-2.0
#include "tools/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace holdfast {
namespace {

class ConfigFile : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::temp_directory_path() / ("holdfast-config-" + std::to_string(::getpid()) + ".toml");
  }
  void TearDown() override { std::filesystem::remove(path_); }

  Result<Config> load(const std::string& text, std::map<std::string, std::string> environment = {}) {
    std::ofstream(path_) << text;
    return load_config(path_, [environment](const std::string& name) -> std::optional<std::string> {
      const auto found = environment.find(name);
      if (found == environment.end()) return std::nullopt;
      return found->second;
    });
  }
  std::string refusal(const std::string& text) {
    const Result<Config> config = load(text);
    EXPECT_FALSE(config);
    return config ? "" : config.error().message();
  }

  std::filesystem::path path_;
};

TEST_F(ConfigFile, Everything_IsRead) {
  const auto config = load(R"(
[repository]
state = "/s"
staging_size = "2GiB"
[cache]
path = "/c"
size = "150MB"
[network.ipfs]
api = "http://127.0.0.1:5001"
gateways = ["http://127.0.0.1:8080"]
[network.here]
type = "local"
path = "/n"
[database.orders]
networks = ["ipfs", "here"]
write_quorum = 2
seal_after_idle = "10m"
mode = "0750"
tags = ["sox"]
)");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->state_directory, "/s");
  EXPECT_EQ(config->staging_size_bytes, 2ULL << 30);
  EXPECT_EQ(config->cache_size_bytes, 150'000'000U);
  ASSERT_EQ(config->networks.size(), 2U);
  EXPECT_EQ(config->default_networks, std::vector<std::string>{"ipfs"});
  const DatabasePolicy& orders = config->databases.at("orders");
  EXPECT_EQ(orders.networks, (std::vector<std::string>{"ipfs", "here"}));
  EXPECT_EQ(orders.write_quorum, 2U);
  EXPECT_EQ(orders.seal_after_idle, std::chrono::minutes(10));
  EXPECT_EQ(orders.mode, 0750U);
}

TEST_F(ConfigFile, UnknownKeys_NameTheNearestKnownOne) {
  EXPECT_NE(refusal("[repository]\nstaging_sise = \"1GiB\"\n").find("did you mean 'staging_size'"), std::string::npos);
  EXPECT_NE(refusal("[databas.orders]\n").find("did you mean 'database'"), std::string::npos);
  EXPECT_NE(refusal("[database.orders]\nwrite_qorum = 1\n").find("did you mean 'write_quorum'"), std::string::npos);
}

TEST_F(ConfigFile, BadValues_NameFileAndLineOrSection) {
  EXPECT_NE(refusal("[repository\n").find("line 1"), std::string::npos);
  EXPECT_NE(refusal("[database.orders]\nmode = \"9\"\n").find("[database.orders]"), std::string::npos);
  EXPECT_NE(refusal("[cache]\nsize = \"many\"\n").find("'many'"), std::string::npos);
  EXPECT_NE(refusal("[repository]\nnetworks = [\"nowhere\"]\n").find("nowhere"), std::string::npos);
}

TEST_F(ConfigFile, Environment_GoesOverTheFile) {
  const auto config = load("[repository]\nstate = \"/s\"\n", {{"HOLDFAST_STATE", "/other"},
                                                              {"HOLDFAST_CACHE", "/k"},
                                                              {"IPFS_API_URL", "http://127.0.0.1:5009"}});
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->state_directory, "/other");
  EXPECT_EQ(config->cache_directory, "/k");
  EXPECT_EQ(config->networks.front().values.at("api"), "http://127.0.0.1:5009");
  const auto swarm = load("[network.swarm]\napi = \"http://10.0.0.1:1633\"\n", {{"BEE_API_URL", "http://127.0.0.1:1699"}});
  ASSERT_TRUE(swarm) << swarm.error().message();
  EXPECT_EQ(swarm->networks.front().name, "swarm");
  EXPECT_EQ(swarm->networks.front().values.at("api"), "http://127.0.0.1:1699");
}

TEST_F(ConfigFile, EveryKey_MayComeFromTheEnvironment) {
  const auto config = load("[repository]\nstate = \"/s\"\n[network.far-away]\ntype = \"local\"\n[database.big-orders]\nmode = \"0750\"\n",
                           {{"HOLDFAST_REPOSITORY_STAGING_SIZE", "3GiB"},
                            {"HOLDFAST_REPOSITORY_NETWORKS", "far-away,ipfs"},
                            {"HOLDFAST_REPOSITORY_WAL_DATABASE", "pg"},
                            {"HOLDFAST_CACHE_PATH", "/c"},
                            {"HOLDFAST_NETWORK_FAR_AWAY_PATH", "/n"},
                            {"HOLDFAST_NETWORK_IPFS_GATEWAYS", "http://a,http://b"},
                            {"HOLDFAST_DATABASE_BIG_ORDERS_SEAL_AFTER_IDLE", "5m"},
                            {"BACKUP_SCHEDULE", "0 6 * * *"}});
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->staging_size_bytes, 3ULL << 30);
  EXPECT_EQ(config->default_networks, (std::vector<std::string>{"far-away", "ipfs"}));
  EXPECT_EQ(config->wal_database, "pg");
  EXPECT_EQ(config->cache_directory, "/c");
  EXPECT_EQ(config->networks.front().values.at("path"), "/n");
  EXPECT_EQ(config->networks.back().lists.at("gateways"), (std::vector<std::string>{"http://a", "http://b"}));
  EXPECT_EQ(config->databases.at("big-orders").seal_after_idle, std::chrono::minutes(5));
  EXPECT_EQ(config->databases.at("big-orders").mode, 0750U);
  EXPECT_EQ(config->default_schedule, "0 6 * * *");
}

TEST_F(ConfigFile, ListsOfTables_AreTakenFromFileAndEnvironment) {
  using Tables = std::vector<std::map<std::string, std::string>>;
  const std::string file =
      "[repository]\nstate = \"/s\"\n[network.ipfs]\npinning = [{ name = \"a\", endpoint = \"http://a\", token_file = \"/t\" },\n{ name = \"b\", endpoint = \"http://b\" }]\n";
  const auto config = load(file);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->networks.front().tables.at("pinning"), (Tables{{{"name", "a"}, {"endpoint", "http://a"}, {"token_file", "/t"}}, {{"name", "b"}, {"endpoint", "http://b"}}}));
  const auto other = load(file, {{"HOLDFAST_NETWORK_IPFS_PINNING", "[{ name = \"c\", endpoint = \"http://c\" }]"}});
  ASSERT_TRUE(other) << other.error().message();
  EXPECT_EQ(other->networks.front().tables.at("pinning"), (Tables{{{"name", "c"}, {"endpoint", "http://c"}}}));
  for (const char* bad : {"http://c", "[1]", "[{ name = ", "[]\ntype = \"local\""}) {
    const auto refused = load(file, {{"HOLDFAST_NETWORK_IPFS_PINNING", bad}});
    ASSERT_FALSE(refused) << bad;
    EXPECT_NE(refused.error().message().find("HOLDFAST_NETWORK_IPFS_PINNING"), std::string::npos) << refused.error().message();
  }
  EXPECT_FALSE(load("[network.ipfs]\npinning = [\"x\", { name = \"a\" }]\n"));
  EXPECT_FALSE(load("[network.ipfs]\npinning = [{ name = [\"a\", 1] }]\n"));
}

TEST_F(ConfigFile, BadVariables_AreNamed) {
  const auto config = load("[repository]\nstate = \"/s\"\n", {{"HOLDFAST_CACHE_SIZE", "many"}});
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message().find("HOLDFAST_CACHE_SIZE"), std::string::npos);
}

TEST_F(ConfigFile, NoNetwork_MeansTheEmbeddedOne) {
  const auto config = load("[repository]\nstate = \"/s\"\n");
  ASSERT_TRUE(config);
  ASSERT_EQ(config->networks.size(), 1U);
  EXPECT_EQ(config->networks.front().values.at("path"), "/s/local");
  EXPECT_EQ(config->default_networks, std::vector<std::string>{"local"});
}

TEST(Policy, Fields_RoundTrip) {
  DatabasePolicy policy;
  policy.networks = {"a", "b"};
  policy.mode = 0755;
  policy.chunk_sizes = {4096, 16384, 65536};
  policy.zstd_level = -3;
  DatabasePolicy copy;
  for (const auto& [key, value] : policy_fields(policy)) ASSERT_TRUE(set_policy_key(copy, key, value)) << key << "=" << value;
  EXPECT_EQ(copy, policy);
}

}  // namespace
}  // namespace holdfast
