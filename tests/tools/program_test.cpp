// SPDX-License-Identifier: Apache-2.0
#include "tools/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/support/file_bytes.h"
#include "tests/support/temp_folder.h"

namespace holdfast {
namespace {

/// Runs the program in this process, in a folder of its own.
class Program : public ::testing::Test {
 protected:
  ~Program() override { ::close(null_); }

  int run(const std::vector<std::string>& arguments) { return run(arguments, null_); }
  int run(const std::vector<std::string>& arguments, int out) {
    Io io;
    io.out = out;
    io.err = null_;
    io.directory = folder_.path();
    return run_holdfast(
        arguments,
        [this](const std::string& name) -> std::optional<std::string> {
          const auto found = environment.find(name);
          return found == environment.end() ? std::nullopt : std::optional(found->second);
        },
        io);
  }
  /// What a command that succeeds prints.
  std::string output_of(const std::vector<std::string>& arguments) {
    const std::string path = folder_.path("output");
    const int out = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT_EQ(run(arguments, out), 0);
    ::close(out);
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  testing::TempFolder folder_;
  const int null_ = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  std::map<std::string, std::string> environment{{"HOLDFAST_STATE", folder_.path() + "/state"},
                                                 {"HOLDFAST_CACHE", folder_.path() + "/cache"},
                                                 {"XDG_CONFIG_HOME", folder_.path()},
                                                 {"HOLDFAST_PASSPHRASE", "a passphrase"}};
};

TEST_F(Program, FailuresOfWalFetch_AreNeverTheEndOfTheArchive) {
  EXPECT_EQ(run({"wal-fetch", "000000010000000000000001"}), 202);                           // usage
  EXPECT_EQ(run({"--nonsense", "wal-fetch", "000000010000000000000001", "x"}), 202);        // usage, before the command
  EXPECT_EQ(run({"wal-fetch", "--config", "/nowhere", "000000010000000000000001", "x"}), 202);
  EXPECT_EQ(run({"wal-fetch", "000000010000000000000001", "x"}), 210);                      // no repository
  EXPECT_EQ(run({"wal-fetch", "000000010000000000000001", "/nowhere/x"}), 205);
  EXPECT_EQ(wal_fetch_failure(static_cast<int>(ExitCode::kInterrupted)), 255);
}

TEST_F(Program, OtherCommands_KeepTheirCodes) {
  EXPECT_EQ(run({"wal-push"}), 2);
  EXPECT_EQ(run({"list"}), 10);
}

TEST_F(Program, DbSetOfAKeyThatTheFileSets_IsRefused) {
  std::ofstream(folder_.path("holdfast.toml")) << "[network.local]\npath = \"" + folder_.path("network") + "\"\n[database.orders]\ntags = [\"sox\"]\n";
  environment["HOLDFAST_CONFIG"] = folder_.path("holdfast.toml");
  ASSERT_EQ(run({"init", "--iterations", "100000"}), 0);
  EXPECT_EQ(run({"db", "set", "orders", "tags=eu"}), 2);
  EXPECT_EQ(run({"db", "set", "orders", "tags=sox"}), 0);
  EXPECT_EQ(run({"db", "set", "orders", "seal_after_idle=1h"}), 0);
}

TEST_F(Program, RecoverySheetThatCannotBeWritten_IsNoSuccess) {
  const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  EXPECT_EQ(run({"init", "--iterations", "100000"}, full), 1);
  ::close(full);
}

TEST_F(Program, Run_SealsAsIncomplete_WhenItsCommandFails) {
  ASSERT_EQ(run({"init", "--iterations", "100000"}), 0);
  std::ofstream(folder_.path("file")) << "text";
  EXPECT_EQ(run({"db", "set", "orders", "tags=x"}), 5);  // a mistyped name makes no database
  ASSERT_EQ(run({"backup", "orders", folder_.path("file"), "--label", "whole"}), 0);
  EXPECT_EQ(run({"run", "orders", "--", "sh", "-c", "exit 9"}), 9);
}

TEST_F(Program, PushedSegment_IsArchivedOnceItIsStaged_WhateverNetworksSay) {
  ASSERT_EQ(run({"init", "--iterations", "100000"}), 0);
  // From now on there is a second network, which does not answer.
  std::ofstream(folder_.path("holdfast.toml")) << "[repository]\nwal_database = \"pg\"\nnetworks = [\"local\", \"ipfs\"]\n"
                                                  "[network.local]\n[network.ipfs]\napi = \"http://127.0.0.1:1\"\n";
  environment["HOLDFAST_CONFIG"] = folder_.path("holdfast.toml");
  const std::string segment = folder_.path("000000010000000000000001");
  std::ofstream(segment) << "a segment";
  EXPECT_EQ(run({"wal-push", segment}), 0);
  EXPECT_EQ(run({"wal-push", segment}), 0);
  EXPECT_EQ(run({"wal-fetch", "000000010000000000000001", folder_.path("fetched")}), 0);
  EXPECT_EQ(std::filesystem::file_size(folder_.path("fetched")), 9U);
  EXPECT_EQ(run({"wal-fetch", "000000010000000000000002", folder_.path("absent")}), 1);
}

TEST_F(Program, NetworkThatMissed_Is3WhereTheQuorumHolds_AndCheckAsksForASafeOne) {
  std::ofstream config(folder_.path("holdfast.toml"));
  for (const std::string name : {"a", "b", "c"}) config << "[network." + name + "]\ntype = \"local\"\nsite = \"" + name + "\"\npath = \"" + folder_.path(name) + "\"\n";
  config.close();
  environment["HOLDFAST_CONFIG"] = folder_.path("holdfast.toml");
  ASSERT_EQ(run({"init", "--iterations", "100000"}), 0);
  std::ofstream(folder_.path("file")) << "content";
  EXPECT_EQ(run({"backup", "db", folder_.path("file")}), 0);
  EXPECT_EQ(run({"check", "db"}), 0);
  const auto shut = [&](const std::string& name) {
    std::filesystem::remove_all(folder_.path(name));
    std::ofstream(folder_.path(name)) << "no folder";
  };
  shut("c");
  std::ofstream(folder_.path("file")) << "other content";
  EXPECT_EQ(run({"backup", "db", folder_.path("file")}), 3);
  std::ofstream(folder_.path("file")) << "and other content";
  EXPECT_EQ(run({"backup", "db", folder_.path("file"), "--wait", "safe"}), 3);
  EXPECT_EQ(run({"check", "db"}), 0);
  shut("b");
  std::ofstream(folder_.path("file")) << "content that was never stored";
  EXPECT_EQ(run({"backup", "new", folder_.path("file"), "--wait", "safe", "--timeout", "1s"}), 8);
  EXPECT_EQ(run({"check", "new"}), 1);  // none is safe
}

TEST_F(Program, Show_SaysWhichPacksLieWhere) {
  std::ofstream config(folder_.path("holdfast.toml"));
  for (const std::string name : {"a", "b"})
    config << "[network." + name + "]\ntype = \"local\"\nsite = \"" + name + "\"\npath = \"" + folder_.path(name) +
                  "\"\n";
  config.close();
  environment["HOLDFAST_CONFIG"] = folder_.path("holdfast.toml");
  ASSERT_EQ(run({"init", "--iterations", "100000"}), 0);
  std::ofstream(folder_.path("file")) << std::string(100'000, 'x') << "end";
  ASSERT_EQ(run({"backup", "db", folder_.path("file"), "--wait", "safe"}), 0);

  const auto shown = nlohmann::json::parse(output_of({"show", "db@latest", "--json"}));
  EXPECT_EQ(shown.at("database"), "db");
  EXPECT_EQ(shown.at("locations_complete"), true);
  EXPECT_EQ(shown.at("staging").at("packs"), 0);
  ASSERT_EQ(shown.at("locations").size(), 2U);
  std::uint64_t bytes = 0;
  std::set<std::string> stored;
  for (const auto& item : std::filesystem::recursive_directory_iterator(folder_.path("b") + "/packs")) {
    if (!item.is_regular_file()) continue;
    bytes += item.file_size();
    stored.insert(std::filesystem::relative(item.path(), folder_.path("b")).string());
  }
  const auto& on_b = shown.at("locations").at(1);
  EXPECT_EQ(on_b.at("network"), "b");
  EXPECT_EQ(on_b.at("packs"), stored.size());
  EXPECT_EQ(on_b.at("bytes"), bytes);
  std::set<std::string> locators;
  for (const auto& object : on_b.at("objects")) {
    locators.insert(object.at("locator"));
    EXPECT_EQ(object.at("state"), "good");
    EXPECT_GT(object.at("chunks"), 0);
  }
  EXPECT_EQ(locators, stored);
  EXPECT_NE(output_of({"show", "db@latest"}).find("b: 1 of 1 packs, "), std::string::npos);

  // What no network has yet lies in staging.
  for (const std::string name : {"a", "b"}) {
    std::filesystem::remove_all(folder_.path(name));
    std::ofstream(folder_.path(name)) << "no folder";
  }
  std::ofstream(folder_.path("file")) << "other content that was never stored";
  EXPECT_EQ(run({"backup", "new", folder_.path("file"), "--wait", "safe", "--timeout", "1s"}), 8);
  const auto staged = nlohmann::json::parse(output_of({"show", "new@latest", "--json"}));
  EXPECT_EQ(staged.at("locations").size(), 0U);
  EXPECT_EQ(staged.at("staging").at("packs"), staged.at("leans_on").at("packs"));
  EXPECT_GT(staged.at("staging").at("bytes"), 0);
}

/// Its output is unwanted: it gets SIGPIPE, which it ignores, and then EPIPE, which it ignores too.
const std::vector<std::string> kStubborn{
    "sh", "-c", "trap '' PIPE; while :; do head -c 1000000 /dev/urandom 2> /dev/null || sleep 0.1; done"};

TEST_F(Program, BackupThatFails_EndsACommandThatIgnoresSigpipe_AndLeavesNoSnapshot) {
  std::ofstream(folder_.path("holdfast.toml"))
      << "[repository]\nstaging_size = \"64MiB\"\nstaging_wait = \"1s\"\n[network.local]\npath = \"" +
             folder_.path("network") + "\"\n";
  environment["HOLDFAST_CONFIG"] = folder_.path("holdfast.toml");
  ASSERT_EQ(run({"init", "--iterations", "100000"}), 0);
  std::filesystem::remove_all(folder_.path("network"));
  std::ofstream(folder_.path("network")) << "no folder";  // nothing leaves staging
  std::vector<std::string> endless{"backup", "db", "--stdin-from-command", "stream", "--"};
  endless.insert(endless.end(), kStubborn.begin(), kStubborn.end());
  EXPECT_EQ(run(endless), 1);
  EXPECT_EQ(nlohmann::json::parse(output_of({"list", "--json"})).size(), 0U);
}

TEST_F(Program, BackupThatIsRefused_DoesNotWaitForItsCommand) {
  ASSERT_EQ(run({"init", "--iterations", "100000"}), 0);
  EXPECT_EQ(run({"backup", "a@b", "--stdin-from-command", "stream", "--", "sleep", "86400"}), 2);
}

TEST_F(Program, CommandThatIgnoresSigpipe_AndIsReadToItsEnd_IsABackup) {
  ASSERT_EQ(run({"init", "--iterations", "100000"}), 0);
  EXPECT_EQ(run({"backup", "db", "--stdin-from-command", "stream", "--", "sh", "-c", "trap '' PIPE; echo whole"}), 0);
  EXPECT_EQ(output_of({"cat", "db@latest:/stream"}), "whole\n");
  // What it made of its own end is passed on.
  EXPECT_EQ(
      run({"backup", "db", "--stdin-from-command", "stream", "--", "sh", "-c", "trap '' PIPE; echo half; exit 9"}), 9);
  EXPECT_EQ(nlohmann::json::parse(output_of({"list", "--json"})).at(0).at("completeness"), "incomplete");
}

}  // namespace
}  // namespace holdfast
